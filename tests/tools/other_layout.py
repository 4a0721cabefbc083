#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""tcm-stat reads libraries of other versions.

The library is built again from changed sources: structures with more members in
another order, other options, other size classes, additional rows and places
that this tool does not have ("later"), or fewer rows ("earlier").  What
tcm-stat reads must be what the process itself prints.  Core files of earlier
versions, which are kept in the tree, must read as they did.
"""
import json
import lzma
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

import toolbox
from toolbox import Skip, Target, stat

SOURCE = os.environ["TEST_SRCDIR"]
CORES = os.path.join(SOURCE, "tests/tools/cores")
COMPILER = shlex.split(os.environ.get("CC") or "cc")
# The members that must be equal.  Others differ from call to call, or only one
# of the two documents has them.
SAME = ["mapped_bytes", "in_use_bytes", "thread_cache_bytes",
        "transfer_cache_bytes", "central_list_bytes", "page_heap_bytes",
        "returned_bytes", "metadata_bytes", "large_bytes", "large_count",
        "thread_cache_count", "span_count", "reserved_bytes",
        "most_mapped_bytes", "released_total_bytes"]

# (file, old text, new text)
COMMON = [
    ("lib/cache/central_list.h", "struct central_list {\n",
     "struct central_list {\n  uint64_t spare[5];\n"),
    ("lib/cache/transfer_cache.h", "  uint32_t count; ",
     "  uint64_t spare;\n  uint32_t count; "),
    ("lib/cache/cache_owner.h", "  uint32_t thread; ",
     "  char spare[200];\n  uint32_t thread; "),
    ("lib/cache/cache_owner.h", "  void **base; ",
     "  uint64_t spare;\n  void **base; "),
    ("lib/cache/thread_cache.h", "  struct span *large; ",
     "  char spare[100];\n  struct span *large; "),
    ("lib/heap/page_range.h", "struct page_counts {\n",
     "struct page_counts {\n  uint64_t spare;\n"),
    ("lib/heap/arena.h", "struct arena {\n", "struct arena {\n  void *spare;\n"),
    ("lib/heap/arena_counts.h", "struct arena_counts {\n",
     "struct arena_counts {\n  uint64_t spare;\n"),
    ("lib/base/metadata.h", "struct metadata_counts {\n",
     "struct metadata_counts {\n  uint64_t spare;\n"),
    ("lib/heap/page_heap.h", "struct page_heap_view {\n",
     "struct page_heap_view {\n  void *spare;\n"),
    ("lib/heap/page_heap.c", "tcmi_page_heap_view = {&",
     "tcmi_page_heap_view = {0, &"),
    ("lib/heap/span.h", "  uintptr_t start; ",
     "  uint64_t spare;\n  uintptr_t start; "),
    ("lib/heap/span.h", "sizeof(struct span) <= 64",
     "sizeof(struct span) <= 128"),
    ("lib/cache/size_class_gen.c", "step <= 8; step++)",
     "step <= 4; step++)"),
    ("lib/cache/size_class_gen.c", "base + base / 8 * step",
     "base + base / 4 * step"),
]
LATER = COMMON + [
    ("lib/base/options.def", "OPTION(check,",
     "OPTION(before_check, 7, 0, 9, false, \"New.\")\nOPTION(check,"),
    ("lib/observe/shapes.def", "FIELD(option_values, source, source)\n",
     "FIELD(option_values, source, source)\n"
     "FIELD(page_counts, least_idle, least_idle)\n"),
    ("lib/observe/stats_page.h", "  uintptr_t wake; ",
     "  uintptr_t wake;\n  uintptr_t another, third; "),
]
EARLIER = COMMON + [
    ("lib/observe/shapes.def", "STRUCT(option_values)\n", ""),
    ("lib/observe/shapes.def", "FIELD(option_values, value, value)\n", ""),
    ("lib/observe/shapes.def", "FIELD(option_values, source, source)\n", ""),
]


def refused(sentence, *arguments):
    done = stat(*arguments)
    assert done.returncode == toolbox.OTHER_VERSION, done
    assert re.search(sentence, done.stderr), done


def change(folder, changes):
    for path, what, becomes in changes:
        path = os.path.join(folder, path)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        assert what in text, "%s lacks %r" % (path, what)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace(what, becomes, 1))


def call(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, "%s: %s" % (command, done.stderr[-2000:])
    return done.stdout


def build(folder, changes):
    """The library from changed sources; its path."""
    for name in ("lib", "include"):
        shutil.copytree(os.path.join(SOURCE, name), os.path.join(folder, name))
    change(folder, changes)
    flags = ["-DHAVE_CONFIG_H", "-DPIC", "-fPIC", "-fvisibility=hidden", "-O1",
             "-w", "-std=gnu11", "-I" + toolbox.BUILD, "-I" + folder + "/include",
             "-I" + folder + "/lib"]
    classes = os.path.join(folder, "gen")
    call(COMPILER + ["-w", "-o", classes,
                     os.path.join(folder, "lib/cache/size_class_gen.c")])
    with open(os.path.join(folder, "lib/cache/size_class_table.h"), "w",
              encoding="ascii") as table:
        table.write(call([classes]))
    sources = [os.path.join(path, name)
               for path, _, names in os.walk(os.path.join(folder, "lib"))
               for name in names
               if name.endswith(".c") and name != "size_class_gen.c"]
    library = os.path.join(folder, "libtcm.so.0")
    call(COMPILER + flags + ["-shared", "-o", library] + sorted(sources)
         + ["-lpthread", "-ldl"])
    return library


def inside(target):
    """The statistics as the process prints them."""
    target.child.stdin.write("print\n")
    target.child.stdin.flush()
    text = ""
    while not text.endswith("done\n"):
        line = target.child.stdout.readline()
        assert line, "the process ended"
        text += line
    return json.loads(text[:-len("done\n")])


def outside(*arguments):
    done = stat("json", *arguments)
    assert done.returncode == toolbox.OK, done
    return json.loads(done.stdout)


def compare(own, read):
    for name in SAME:
        if name in own:
            assert own[name] == read[name], (name, own[name], read[name])
    by_size = {row["size_bytes"]: row for row in read["classes"]}
    assert len(own["classes"]) == len(by_size)
    for row in own["classes"]:
        for name, value in row.items():
            assert by_size[row["size_bytes"]].get(name, value) == value, row


def check_library(library, env, known_options):
    with Target(env={"LD_PRELOAD": library, **env}, preload=False) as target:
        for line in ("fill 20000 300", "sparse", "fill 300 5000",
                     "fill 3 3000000"):
            target.do(line)
        own = inside(target)
        read = outside(target.pid)
        assert read["exact"], read
        compare(own, read)
        assert read["resident_bytes"] > 4 << 20, read
        options = read["options"]
        if known_options:
            assert options["soft_limit_bytes"] == {
                "value": 1 << 30, "source": "environment"}, options
            assert options["check"]["value"] == 0, options
            assert stat("set", target.pid, "hard_limit_bytes=2G",
                        "--timeout=0.1").returncode == toolbox.WAITS
            target.do("malloc")
            options = outside(target.pid)["options"]
            assert options["hard_limit_bytes"]["value"] == 2 << 30, options
        else:
            assert not options, options
        text = stat(target.pid).stdout
        assert "Unknown for this build of tcm" in text, text
        assert re.search(r"in use +[0-9.]+ MiB", text), text
        for command in ("classes", "threads"):
            assert stat(command, target.pid).returncode == toolbox.OK, command
        for command in ("spans", "profile", "fault"):
            refused("only its statistics", command, target.pid)
        rows = stat("ps").stdout
        assert re.search(r"\b%d\b" % target.pid, rows), rows


def later_library():
    with tempfile.TemporaryDirectory() as folder:
        library = build(folder, LATER)
        check_library(library, {"TCM_SOFT_LIMIT_BYTES": "1G"}, True)


def earlier_library():
    with tempfile.TemporaryDirectory() as folder:
        library = build(folder, EARLIER)
        check_library(library, {}, False)


def damaged_description():
    """Impossible numbers cause a message, not a crash."""
    with Target([toolbox.OTHER, "sound"], preload=False) as target:
        assert stat(target.pid).returncode == toolbox.FAILED
    for what in ("nowhere", "classes", "options", "names", "struct", "member",
                 "constant"):
        with Target([toolbox.OTHER, what], preload=False) as target:
            refused("9.8.7; this tcm-stat", target.pid)


def stored_cores():
    """Each core file was made by the version in its name."""
    names = sorted(name for name in os.listdir(CORES) if name.endswith(".xz"))
    assert names, "no core file"
    if os.uname().machine != "x86_64":
        raise Skip("the core files are of x86-64")
    for name in names:
        core = os.path.join(CORES, name)
        with open(core.replace(".core.xz", ".json"), encoding="utf-8") as file:
            own = json.load(file)
        with tempfile.TemporaryDirectory() as folder:
            plain = os.path.join(folder, "core")
            with lzma.open(core) as packed, open(plain, "wb") as file:
                shutil.copyfileobj(packed, file)
            compare(own, outside(plain))
            assert stat(plain).returncode == toolbox.OK


def store_core():
    """Writes the core file of this version.  The file contains the program, its
    environment and their paths, so none of these may reveal this machine."""
    version = stat("--version").stdout.split()[-1]
    with tempfile.TemporaryDirectory() as folder:
        program, library = folder + "/program", folder + "/libtcm.so.0"
        shutil.copy(toolbox.PROGRAM, program)
        shutil.copy(toolbox.LIBRARY, library)
        toolbox.environment = lambda *unused, **more: {"LD_PRELOAD": library}
        with Target([program], cwd=folder) as target:
            for line in ("fill 3000 300", "sparse", "fill 40 5000",
                         "fill 2 300000"):
                target.do(line)
            own = inside(target)
            core = toolbox.core_of(target, folder)
        compare(own, outside(core))
        own = {name: own[name] for name in SAME + ["classes"] if name in own}
        path = os.path.join(CORES, version)
        with open(path + ".json", "w", encoding="ascii") as file:
            json.dump(own, file, indent=1)
        with open(core, "rb") as plain, \
                lzma.open(path + ".core.xz", "wb", preset=9) as packed:
            shutil.copyfileobj(plain, packed)


if sys.argv[1:] == ["--store"]:
    store_core()
    sys.exit(0)
toolbox.main([later_library, earlier_library, damaged_description,
              stored_cores])
