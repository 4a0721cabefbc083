# SPDX-License-Identifier: BSD-2-Clause
"""Each lint in Python finds its fault, and passes a tree without it.

Each case writes a small tree, first without the fault, then with it.
"""
import os
import runpy
import subprocess
import sys
import tempfile
import traceback

import man_cases

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, os.pardir, "bench"))
import kept  # noqa: E402
SPDX = "/* SPDX-License-Identifier: BSD-2-Clause */\n"
CC = (os.environ.get("CC") or "cc").split()

PROSE = dict.fromkeys(["README", "NEWS", "SECURITY", "HACKING"], "tcm\n")
EMPTY_ALLOW = {"tests/lint/lengths.allow": "# nothing\n"}
STRUCT = SPDX + "struct s {\n%s};\n"
FUNCTION = SPDX + "int\nf(void)\n{\n%s  return 0;\n}\n"
LOCKED = SPDX + "void\nf_locked(void)\n{\n  %s\n}\n"
THREAD_CACHE = "static __thread void *cache[8] " \
    "__attribute__((tls_model(\"initial-exec\")));\n"
EXPORT = "__attribute__((visibility(\"default\"))) "
FREE = EXPORT + "void free(void *p) { *(void **)p = cache[0]; cache[0] = p; }\n"
MALLOC = EXPORT + "void *malloc(unsigned long n)\n{ void *p = cache[n & 7]; " \
    "%s cache[n & 7] = *(void **)p; return p; }\n"
OUTSIDE = "void tcmi_free_slow(void *p);\n__attribute__((noinline, " \
    "visibility(\"hidden\"))) void tcmi_free_slow(void *p)\n{ %s " \
    "*(void **)p = cache[1]; cache[1] = p; }\n"
FREE_ON = EXPORT + "void free(void *p) { if ((unsigned long)p & 8) " \
    "{ tcmi_free_slow(p); return; } *(void **)p = cache[0]; cache[0] = p; }\n"
SLOW = "".join("  __asm__ volatile(\"nop\");\n" for _ in range(20))
VERSION = {
    "include/tcm.h": "#define TCM_VERSION_MAJOR 1\n"
                     "#define TCM_VERSION_MINOR 2\n"
                     "#define TCM_VERSION_PATCH 3\n",
    "NEWS": "tcm 1.2.3, today\n"}
OPTION = "OPTION(%s, 1, 0, 2, 0, \"Some \"\n \"help.\")\n"
README = "  TCM_COLOUR\n      Some help.\n      Default 1, from 0 to 2; " \
    "can be set at run time.\n"
FIGURES = {
    "commit": "0123456789ab", "date": "2026-01-02", "rounds": 5,
    "machine": {"cpu": "one", "cpus": 2, "memory_mib": 2048, "kernel": "6",
                "libc": "glibc", "thp": {}},
    "allocators": {"glibc": {"package": "libc"}, "tcm": {"package": None},
                   "other": {"package": "other 1"}},
    "rows": [{"name": "pairs", "group": "pairs", "samples": {
        name: [{"seconds": seconds, "rss_kib": 1000}] * 5
        for name, seconds in (("glibc", 2.0), ("tcm", 1.0), ("other", 1.5))}}]}
TABLE = {"doc/bench.json": kept.text_of(FIGURES),
         "README": "\n".join(["tcm", kept.HEADING, "---", "",
                              *kept.readme(FIGURES), "", "Next"])}
MISUSE = {
    "tests/misuse/expect.tsv":
        "double_free_last\tfree\tall\tSIGABRT\tnow\t-\n"
        "overflow_1\tfree\tbounds,quarantine\tSIGABRT\tnow\t-\n",
    "SECURITY": "\n".join([
        "",
        "  %26s%8s%9s%9s%9s%9s%9s" % ("", "programs", 0, 1, 2, 3, "guarded"),
        "  %-26s%8s%9s%9s%9s%9s%9s" % ("second free", 1, 1, 1, 1, 1, 1),
        "  %-26s%8s%9s%9s%9s%9s%9s" % ("overflow, underflow", 1, 0, 0, 1, 1, 0),
        "  %-26s%8s%9s%9s%9s%9s%9s" % ("all", 2, 1, 1, 2, 2, 1),
        "", "Next"])}

# (name of the lint, files of a sound tree, files that add the fault,
#  words that the complaint must contain)
SOURCE_CASES = [
    ("include_floors",
     {"lib/base/a.h": "", "lib/heap/b.c": '#include "base/a.h"\n'},
     {"lib/heap/c.h": "", "lib/base/d.c": '#include "heap/c.h"\n'},
     "floor base includes lib/heap/c.h"),
    ("include_floors",
     {"lib/base/a.h": "", "lib/heap/b.c": '#include "base/a.h"\n'},
     {"lib/api/c.c": "", "lib/api/d.c": '#include "api/c.c"\n'},
     "includes a source file"),
    ("include_floors",
     {"lib/base/a.h": '#include "base/private.h"\n', "lib/base/a.c": "",
      "lib/base/private.h": "", "lib/base/b.h": "",
      "lib/base/b.c": '#include "base/a.h"\n'},
     {"lib/base/private.h": '#include "base/b.h"\n'},
     "a circle: lib/base/a -> lib/base/b -> lib/base/a"),
    ("field_labels",
     {"lib/base/a.h": STRUCT % "  int a; /* [const] */\n"
      "  /* [lock: page heap]\n   * a count */\n  int b;\n"},
     {"lib/base/b.h": STRUCT % "  int a; /* [const] */\n  int good_name;\n"},
     "no label on: int good_name"),
    ("field_labels",
     {"lib/base/a.h": SPDX + "/* All fields: [lock: page heap] */\n"
      "struct s {\n  int a;\n  int b[3];\n};\n"},
     {"lib/base/b.h": STRUCT % "  int a; /* [magic] */\n"},
     "no label on: int a"),
    ("field_labels",
     {"lib/base/a.h": STRUCT % "  union {\n    int a;\n    long b;\n"
      "  } u; /* [const] */\n"},
     {"lib/base/b.h": STRUCT % "  union {\n    int a; /* [const] */\n"
      "    long b;\n  } u;\n"},
     "no label on: long b"),
    ("lengths", dict(EMPTY_ALLOW, **{"lib/base/a.c": FUNCTION % ""}),
     {"lib/base/b.c": FUNCTION % ("  g();\n" * 60)}, "f: 63 lines"),
    ("lengths", dict(EMPTY_ALLOW, **{"lib/base/a.c": FUNCTION % ""}),
     {"lib/base/b.h": "\n" * 251}, "251 lines, at most 250"),
    ("lengths", dict(EMPTY_ALLOW, **{"lib/base/a.c": FUNCTION % ""}),
     {"tests/lint/lengths.allow": "lib/base/a.c:f it was long once\n"},
     "needs no exception"),
    ("lengths", dict(EMPTY_ALLOW, **{"lib/base/a.c": FUNCTION % ""}),
     {"doc/a.html": "<p>" * 171}, "a.html:1: 513 characters, at most 512"),
    ("lengths", dict(EMPTY_ALLOW, **{"lib/base/a.c": FUNCTION % ""}),
     {"tests/unit/a.c": "/* %s */" % ("-" * 75)}, "81 characters, at most 80"),
    ("locked_names", {"lib/base/a.c": LOCKED % "lock_assert_held(&l);"},
     {"lib/base/b.c": LOCKED % "f();"}, "f_locked: no lock_assert_held()"),
    ("locked_names",
     {"lib/base/a.c": LOCKED % "lock_assert_held(&l);" +
      FUNCTION % "  lock_acquire(&l);\n  f_locked();\n"},
     {"lib/base/b.c": FUNCTION % "  f_locked();\n"},
     "f: calls f_locked() without a lock"),
    ("headers_alone",
     {"include/tcm.h": "", "build/config.h": "", "lib/base/a.h": "int a;\n"},
     {"lib/base/b.h": "size_t b;\n"}, "base/b.h does not compile alone"),
    ("comment_paths",
     {"lib/base/a.c": "/* See base/a.c and <sys/mman.h>. */\n"},
     {"lib/base/b.c": "/* See\n * page_heap.h. */\n"},
     "b.c:2: no such file: page_heap.h"),
    ("version", dict(VERSION, **{"configure.ac": "AC_INIT([tcm], [1.2.3])\n"}),
     {"configure.ac": "AC_INIT([tcm], [1.2.4])\n"}, "tcm.h says 1.2.3"),
    ("version", dict(VERSION, **{"configure.ac": "AC_INIT([tcm], [1.2.3])\n"}),
     {"lib/api/tcm.c": 'const char *v = "1.2.3";\n'}, "repeats the version"),
    ("options_table",
     {"lib/base/options.def": OPTION % "colour", "README": README},
     {"lib/base/options.def": OPTION % "flavour"}, "TCM_COLOUR"),
    ("options_table",
     {"lib/base/options.def": OPTION % "colour", "README": README},
     {"lib/base/options.def": OPTION % "colour" +
      'TEXT_OPTION(taste, "Some help.")\n'}, "differ from"),
    ("misuse_table", MISUSE,
     {"tests/misuse/expect.tsv": MISUSE["tests/misuse/expect.tsv"]
      + "wild_pointer\tfree\tall\tSIGABRT\tnow\t-\n"}, "differs from"),
    ("misuse_table", MISUSE,
     {"tests/misuse/expect.tsv": MISUSE["tests/misuse/expect.tsv"]
      + "strange\tfree\tall\tSIGABRT\tnow\t-\n"}, "the kind of strange"),
    ("bench_table", TABLE,
     {"README": TABLE["README"].replace("0.50", "0.49")}, "differs from"),
    ("bench_table", TABLE,
     {"README": TABLE["README"].replace("\n\nNext", "\n  more\n\nNext")},
     "continues after"),
    ("bench_table", TABLE, {"README": "tcm\n"}, "README has no section"),
    ("bench_table", {"README": "tcm\n"}, {"README": TABLE["README"]},
     "but there is no"),
    ("phrases", PROSE, {"lib/base/a.c": "/* It is told\n * of here. */\n"},
     "lib/base/a.c:1: is told of"),
    ("license", {"lib/base/a.c": SPDX}, {"lib/base/b.c": "int a;\n"},
     "b.c: no line SPDX"),
    ("license", {"lib/base/a.c": SPDX},
     {"lib/base/b.c": SPDX + "/* /home/" "somebody/x */\n"},
     "a path of one machine"),
] + man_cases.SOURCE_CASES


def shared(source, *flags):
    """A recipe for .libs/libtcm.so.0 in the build of a case."""
    return (".libs/libtcm.so.0",
            ["-shared", "-fPIC", "-O2", "-fno-builtin", "-nostartfiles",
             "-fvisibility=hidden", "-fcf-protection=none",
             "-fno-stack-protector"] + list(flags), source)


def objects(*rows):
    return [(path, ["-c", "-fPIC"], source) for path, source in rows]


SOUND_FLAGS = ("-Wl,-z,now", "-Wl,-z,nodelete", "-Wl,-soname,libtcm.so.0")
USES_LIBC = EXPORT + "void *f(void);\nvoid *getenv(const char *);\n" + \
    THREAD_CACHE + EXPORT + "void *f(void)\n{ void *p = cache[1]; " \
    "cache[1] = getenv(\"a\"); return p; }\n"
EXPORT_LIST = {"tests/lint/exports.txt": "free\nmalloc\ntcm_f@@TCM_1.0\n",
               "include/tcm.h": "void tcm_f(void);\n",
               "build/config.h": "#define TCM_MALLOC_OVERRIDE 1\n",
               "tcm.map": "TCM_1.0 { global: tcm_*; };\n"}
HAS_MALLOC = {"build/config.h": "#define TCM_MALLOC_OVERRIDE 1\n"}
TWO_NAMES = EXPORT + "void malloc(void) {}\n" + EXPORT + "void free(void) {}\n"
TCM_F = EXPORT + "void tcm_f(void) {}\n"

# The same for lints of a build: files, sound recipes, faulty recipes, words.  A
# recipe without flags writes a file of the tree.
BUILD_CASES = [
    ("symbol_floors",
     {"lib/base/a.c": "", "lib/heap/b.c": ""},
     objects(("lib/base/a.o", "void tcmi_a(void) {}"),
             ("lib/heap/b.o", "void tcmi_a(void);\n"
              "void tcmi_b(void) { tcmi_a(); }")),
     objects(("lib/base/a.o", "void tcmi_b(void);\n"
              "void tcmi_a(void) { tcmi_b(); }"),
             ("lib/heap/b.o", "void tcmi_b(void) {}")),
     "floor base uses tcmi_b of floor heap"),
    ("exports", EXPORT_LIST,
     [shared(TWO_NAMES + TCM_F, "-Wl,--version-script=tcm.map")],
     [shared(TWO_NAMES + TCM_F + EXPORT + "void helper(void) {}\n",
             "-Wl,--version-script=tcm.map")],
     "exported, but not in tests/lint/exports.txt: helper"),
    ("exports", EXPORT_LIST,
     [shared(TWO_NAMES + TCM_F, "-Wl,--version-script=tcm.map")],
     [shared(TWO_NAMES + TCM_F)], "not exported: tcm_f@@TCM_1.0"),
    ("needed", {}, [shared(USES_LIBC, *SOUND_FLAGS)],
     [shared(USES_LIBC, "-Wl,--no-as-needed", "-lm", *SOUND_FLAGS)],
     "needs libm.so"),
    ("needed", {}, [shared(USES_LIBC, *SOUND_FLAGS)],
     [shared(USES_LIBC, "-Wl,-z,lazy", *SOUND_FLAGS[1:])], "not marked NOW"),
    ("tls_size", {}, [shared(USES_LIBC)],
     [shared(USES_LIBC.replace("[8]", "[129]"))],
     "1032 bytes of thread-local storage"),
    ("tls_size", {}, [shared(USES_LIBC)],
     [shared(USES_LIBC.replace("initial-exec", "global-dynamic"))],
     "not all of the model initial-exec"),
    ("fast_path", HAS_MALLOC, [shared(THREAD_CACHE + FREE + MALLOC % "")],
     [shared(THREAD_CACHE + FREE + MALLOC % SLOW)], "malloc: 2"),
    ("fast_path", HAS_MALLOC, [shared(THREAD_CACHE + FREE + MALLOC % "")],
     [shared(THREAD_CACHE + FREE + MALLOC %
             "__atomic_fetch_add(&cache[1], 1, 5);")],
     "malloc: no fast path"),
    ("fast_path", HAS_MALLOC,
     [shared(THREAD_CACHE + OUTSIDE % "" + FREE_ON + MALLOC % "")],
     [shared(THREAD_CACHE + OUTSIDE % (3 * SLOW) + FREE_ON + MALLOC % "")],
     "free outside the window: "),
] + man_cases.build_cases(shared)


def write(root, files):
    for path, text in files.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as stream:
            stream.write(text)


def build(root, recipes):
    for path, flags, source in recipes:
        if flags is None:
            write(root, {path: source})
            continue
        full = os.path.join(root, "build", path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        subprocess.run(CC + flags + ["-x", "c", "-", "-o", full], cwd=root,
                       input=source, universal_newlines=True, check=True)


def become_lint(name, root, output):
    """Runs the lint in this process, a child, and ends it."""
    path = os.path.join(HERE, name + ".py")
    os.dup2(output.fileno(), 1)
    os.dup2(output.fileno(), 2)
    os.environ.update(
        TEST_SRCDIR=root, CFLAGS="-O2",
        TEST_BUILDDIR=os.path.join(root, "build"),
        TEST_RELEASE_SO=os.path.join(root, "build/.libs/libtcm.so.0"))
    sys.argv = [path]
    status = 0
    try:
        runpy.run_path(path, run_name="__main__")
    except SystemExit as end:
        status = end.code or 0
        if not isinstance(status, int):
            print(status)
            status = 1
    except BaseException:  # pylint: disable=broad-except
        traceback.print_exc()
        status = 2
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def run_lint(name, root):
    """Runs in a fork of this process: starting Python takes longer than a
    lint."""
    with tempfile.TemporaryFile(mode="w+", encoding="utf-8") as output:
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            become_lint(name, root, output)
        status = os.waitpid(child, 0)[1]
        output.seek(0)
        return (os.WEXITSTATUS(status) if os.WIFEXITED(status) else
                -os.WTERMSIG(status)), output.read()


def check(name, prepare_sound, prepare_faulty, words):
    """Whether the lint passes the sound tree and rejects the faulty one."""
    with tempfile.TemporaryDirectory() as root:
        prepare_sound(root)
        sound, said = run_lint(name, root)
        if sound == 77:
            print("skip %s: %s" % (name, said.strip()))
            return True
        prepare_faulty(root)
        faulty, complaint = run_lint(name, root)
    if faulty == 77:
        print("skip %s: %s" % (name, complaint.strip()))
        return True
    good = sound == 0 and faulty == 1 and words in complaint
    print("%s %s: %s" % ("pass" if good else "FAIL", name, words))
    if not good:
        print("sound (%d):\n%s\nfaulty (%d):\n%s"
              % (sound, said, faulty, complaint))
    return good


def main():
    failed = 0
    for name, sound, fault, words in SOURCE_CASES:
        failed += not check(name, lambda root, s=sound: write(root, s),
                            lambda root, f=fault: write(root, f), words)
    for name, tree, sound, fault, words in BUILD_CASES:
        def prepare(root, t=tree, s=sound):
            write(root, t)
            build(root, s)
        failed += not check(name, prepare,
                            lambda root, f=fault: build(root, f), words)
    return 1 if failed else 0


sys.exit(main())
