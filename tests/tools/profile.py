# SPDX-License-Identifier: BSD-2-Clause
"""tcm-stat profile: which code holds the memory of a process, from outside."""
import contextlib
import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import toolbox
from terminal import Terminal
from toolbox import Skip, Target, has, need_names, stat

FUNCTIONS, LEAK = 200, 137


def source():
    """A program of many functions, one of which keeps what it allocates."""
    yield "#include <cstdio>\n#include <vector>\n#include <unistd.h>"
    yield "std::vector<char *> kept;\nnamespace shop {"
    for i in range(FUNCTIONS):
        yield "__attribute__((noinline)) void step%d()\n{" % i
        if i == LEAK:
            yield "  kept.push_back(new char[3072]);\n}"
        else:
            yield ("  char *p = new char[%d];\n"
                   "  __asm__ volatile(\"\" : : \"r\"(p) : \"memory\");\n"
                   "  delete[] p;\n}" % (i * 37 % 5000 + 1))
    yield "}\nint main()\n{\n  puts(\"ready\");\n  fflush(stdout);\n  for (;;) {"
    for i in range(FUNCTIONS):
        yield "    shop::step%d();" % i
    yield "    usleep(1000);\n  }\n}"


@contextlib.contextmanager
def compiled(program, text, level="-O1"):
    """The path of a C program."""
    if shutil.which("cc") is None:
        raise Skip("there is no C compiler")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, program)
        subprocess.run(["cc", level, "-xc", "-o", path, "-"], check=True,
                       input=text, text=True)
        yield path


class Leak:
    """The program, compiled once, without frame pointers and debug data."""
    folder = None

    @classmethod
    def path(cls):
        compiler = shutil.which("c++") or shutil.which("g++")
        if compiler is None:
            raise Skip("there is no C++ compiler")
        if cls.folder is None:
            cls.folder = tempfile.TemporaryDirectory()
            text = os.path.join(cls.folder.name, "leak.cc")
            with open(text, "w", encoding="ascii") as file:
                file.write("\n".join(source()) + "\n")
            subprocess.run([compiler, "-O2", "-fomit-frame-pointer", "-o",
                            os.path.join(cls.folder.name, "leak"), text],
                           check=True)
        return os.path.join(cls.folder.name, "leak")


def profile(pid, *arguments, status=toolbox.OK, **keywords):
    done = stat("profile", *arguments, pid, **keywords)
    assert done.returncode == status, (done.returncode, done.stderr)
    return done.stdout


def document(pid, *arguments):
    if not toolbox.has_json():
        raise Skip("built without jansson")
    return json.loads(profile(pid, "--json", *arguments))


def a_leak_is_named():
    """The first line names the function, although samples were off before and
    are off again afterward."""
    need_names()
    with Target([Leak.path()]) as target:
        text = profile(target.pid, "--growth", "--seconds=2")
        first = text.splitlines()[0]
        assert "shop::step%d(" % LEAK in first and "grows" in first, first
        again = stat("profile", "--timeout=1", "--seconds=0.2", target.pid)
        assert again.returncode == toolbox.OK, again.stderr
        # The samples of the first run are still there.
        assert re.match(r"tcm-stat switched on sampling for 0\.\d s; blocks that "
                        "were allocated while sampling was off are not shown"
                        r"\.\n", again.stdout), again.stdout
        if toolbox.has_json():
            shown = stat("--json", "show", target.pid)
            options = json.loads(shown.stdout)["options"]
            value = options["profile_bytes"]
            value = value["value"] if isinstance(value, dict) else value
            assert value == 0, value


WRAPPED = """
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
__attribute__((noinline)) void *zmalloc_usable(size_t size)
{ char *p = malloc(size); *p = 1; return p; }
__attribute__((noinline)) void allocate_session(void)
{ static void *volatile kept; kept = zmalloc_usable(3000); }
int main(void)
{ puts("ready"); fflush(stdout);
  for (int i = 0; i < 100000; i++) { allocate_session(); usleep(20); } }
"""


def who_calls_a_wrapper_is_named():
    """The caller of the program's own malloc, and that malloc."""
    need_names()
    with compiled("wrapped", WRAPPED) as program:
        with Target([program], env={"TCM_PROFILE_BYTES": "4096"}) as target:
            text = profile(target.pid, "--growth", "--seconds=1")
    assert text.splitlines()[0].endswith(
        "is from allocate_session, through zmalloc_usable."), text


def no_leak_is_none():
    with Target(env={"TCM_PROFILE_BYTES": "4096"}) as target:
        target.do("fill 20000 1000")
        text = profile(target.pid, "--growth", "--seconds=0.3")
        assert re.match(r"No leak: memory in use did not change in 0\.\d s; it "
                        r"is \d+\.\d MiB\.\n", text), text


# The program holds the bytes of its argument, and leaks 100 KB a second.
SLOW = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
__attribute__((noinline)) void drip(void)
{ static void *volatile kept; kept = memset(malloc(5000), 1, 5000); }
int main(int argc, char **argv)
{ volatile char *heap = malloc(atoi(argv[argc - 1])); heap[0] = 1;
  puts("ready"); fflush(stdout); for (;;) { drip(); usleep(50000); } }
"""


def a_slow_leak_is_one():
    """The overview calls it growth from 64 KiB on, and so does the profile,
    however large the heap is."""
    need_names()
    with compiled("slow", SLOW) as program:
        for heap, small in (40000, False), (300000000, True):
            with Target([program, str(heap)],
                        env={"TCM_PROFILE_BYTES": "1024"}) as target:
                first = profile(target.pid, "--growth",
                                "--seconds=1.5").splitlines()[0]
                little = profile(target.pid, "--growth", "--seconds=0.1")
            print(first)
            assert re.match(r"Memory in use grows by \d+\.\d KiB .*; by the "
                            r"samples, \d+ % of the growth, about .*, is from "
                            r"drip\.$", first), first
            assert ("a longer --seconds shows whether" in first) == small, first
            assert re.match("No leak: .*; a longer --seconds shows slower leaks"
                            r"\.\n|No leak: .* did not change", little), little


# A function whose symbol has a version, as those of libc have.
VERSIONED = """
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
__attribute__((noinline)) void kept(void)
{ static void *volatile p; p = malloc(1 << 20); }
__asm__(".symver kept,kept_since@@@SHOP_2.34");
int main(void)
{ kept(); puts("ready"); fflush(stdout); pause(); }
"""


def versions_of_symbols_are_not_shown():
    need_names()
    if shutil.which("cc") is None:
        raise Skip("there is no C compiler")
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "versioned")
        script = os.path.join(folder, "script")
        with open(script, "w", encoding="ascii") as file:
            file.write("SHOP_2.34 { };\n")
        done = subprocess.run(["cc", "-O1", "-xc", "-o", program, "-rdynamic",
                               "-Wl,--version-script=" + script, "-"],
                              check=False, input=VERSIONED, text=True)
        if done.returncode != 0:
            raise Skip("the linker makes no such symbols")
        with Target([program], env={"TCM_PROFILE_BYTES": "512"}) as target:
            text = profile(target.pid)
    assert re.search(r" kept_since < main\b", text), text
    assert "@" not in text, text


# The program replaces its oldest block without end.
RING = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(void)
{ static char *ring[4000];
  for (unsigned i = 0;; i++) {
    free(ring[i % 4000]);
    ring[i % 4000] = memset(malloc(5000), 1, 5000);
    if (i == 4000) { puts("ready"); fflush(stdout); }
    if (i > 4000) usleep(100); } }
"""


def frees_of_older_blocks_are_left_out():
    """The samples alone would show growth, where there is none."""
    with compiled("ring", RING) as program:
        with Target([program]) as target:
            first = profile(target.pid, "--growth",
                            "--seconds=1").splitlines()[0]
        with Target([program], env={"TCM_PROFILE_BYTES": "65536"}) as target:
            sampled = profile(target.pid, "--growth",
                              "--seconds=1").splitlines()[0]
    assert re.match("No leak: .*Sampling just began: GROWTH leaves out frees of "
                    r"older blocks\.$", first), first
    assert sampled.startswith("No leak: ") and "began" not in sampled, sampled


def an_idle_process():
    """Without samples, the line says how to get them."""
    with Target() as target:
        target.do("fill 1000 1000")
        done = stat("profile", "--seconds=0.1", target.pid)
    if "no sample was taken" in done.stderr:
        raise Skip("the process was not woken")
    first = done.stdout.splitlines()[0]
    assert first.endswith("Start the program with TCM_PROFILE_BYTES=524288 to "
                          "see all its blocks."), done


def lines_fit():
    with Target([Leak.path()], env={"TCM_PROFILE_BYTES": "65536"}) as target:
        time.sleep(0.3)
        for form in ([], ["--tree"]):
            text = profile(target.pid, *form, env={"COLUMNS": "80"})
            assert all(len(line) <= 80 for line in text.splitlines()), text
            assert len(text.splitlines()) > 3, text


def a_terminal_gets_whole_words():
    with Target([Leak.path()]) as target:
        screen = Terminal([toolbox.STAT, "profile", "--growth", "--seconds=1",
                           str(target.pid)], 24, 60, toolbox.environment(False))
        text = screen.wait_for("ALLOCATED")
        screen.end()
        sentence = text.replace("\n  ", " ")
        assert re.match(r"Memory in use grows by [^\n]* is from shop::step%d\(" %
                        LEAK, sentence), text


def estimates_are_near():
    """4,000 blocks of 20 KB: all stacks together within four errors."""
    with Target(env={"TCM_PROFILE_BYTES": "65536"}) as target:
        target.do("fill 4000 20000")
        live = sum(s["live_bytes"] for s in document(target.pid)["stacks"])
        # 4,000 blocks of 20,480 bytes, each sampled with p = 0.268.
        truth, error = 4000 * 20480, 20480 * (4000 * 0.732 / 0.268) ** 0.5
        assert abs(live - truth) < 4 * error, (live, truth, error)


def the_peak():
    """It includes blocks that were freed since, and no later ones."""
    with Target(env={"TCM_PROFILE_BYTES": "4096"}) as target:
        target.do("fill 8000 1000")
        before = document(target.pid)
        target.do("empty")
        target.do("fill 4 100000")
        after = document(target.pid)
        text = profile(target.pid, "--peak")
        shown = document(target.pid, "--peak")

    def sum_of(shown, name):
        return sum(stack[name] for stack in shown["stacks"])
    live, peak = sum_of(before, "live_bytes"), after["peak_bytes"]
    assert live > 7e6 and abs(peak - live) < 1e6, (live, peak)
    assert sum_of(after, "peak_bytes") == peak
    assert sum_of(after, "live_bytes") < 1e6
    assert sum_of(shown, "live_bytes") == peak
    assert re.match(r"The peak of the samples: \d\.\d MiB were in use, \d+\.\d "
                    r"s ago\.\n", text), text
    done = stat("profile", "--peak", "--growth", target.pid)
    assert done.returncode != toolbox.OK


def lifetimes():
    """Blocks that were in use for half a second, counted when they are freed."""
    def ages(shown):
        counts = [s["lifetimes"] for s in shown["stacks"]]
        return [sum(column) for column in zip(*counts)]
    with Target(env={"TCM_PROFILE_BYTES": "4096"}) as target:
        target.do("fill 3000 1000")
        before = ages(document(target.pid))
        time.sleep(0.6)
        target.do("empty")
        shown = document(target.pid)
        text = profile(target.pid, "--lifetimes", env={"COLUMNS": "80"})
        later = ages(document(target.pid, "--seconds=0.1"))
    freed = [b - a for a, b in zip(before, ages(shown))]
    samples = sum(s["samples"] for s in shown["stacks"])
    assert sum(freed[:10]) < 0.1 * samples < sum(freed[10:]), (freed, samples)
    assert sum(s["freed_bytes"] for s in shown["stacks"]) > 2.5e6
    assert sum(later) == 0, later
    row = text.splitlines()[1].split()
    # The columns of a row: FREED and its unit, SAMPLES, two times and their
    # units, four shares.
    assert row[4] == row[6] == "s" and int(row[3]) <= int(row[5]), text
    assert float(row[7]) < 10 and abs(sum(map(float, row[7:11])) - 100) < 0.3
    assert all(len(line) <= 80 for line in text.splitlines()), text
    for other in "--tree", "--peak", "--collapsed", "--html", "--growth":
        done = stat("profile", "--lifetimes", other, target.pid)
        assert done.returncode != toolbox.OK and done.stdout == "", other


# One of 64 blocks stays, on pages that were once full; the dense blocks fill
# their pages.  Each function uses its own name, so the compiler does not merge
# the functions.
PINNED = """
#include <stdio.h>
#include <stdlib.h>
#define N 400000
#define MAKE(name) __attribute__((noinline)) static char *name(void) \\
  { char *p = malloc(64); *(const char *volatile *)p = #name; return p; }
MAKE(keeper) MAKE(passenger) MAKE(dense)
static char *gone[N], *kept[N], *packed[N / 16];
int main(void)
{
  for (int i = 0; i < N; i++)
    if (i % 64 == 0)
      kept[i] = keeper();
    else
      gone[i] = passenger();
  for (int i = 0; i < N / 16; i++)
    packed[i] = dense();
  for (int i = 0; i < N; i++)
    free(gone[i]);
  puts("ready");
  fflush(stdout);
  return getchar() == packed[0][0] && kept[0] == packed[1];
}
"""


def pinned():
    """The function that keeps pages is named, not the one with the most
    blocks."""
    need_names()
    with compiled("pinned", PINNED, "-O2") as program:
        with Target([program], env={"TCM_PROFILE_BYTES": "1024"}) as target:
            text = profile(target.pid, "--pinned", env={"COLUMNS": "80"})
            shown = document(target.pid, "--pinned")
            for other in "--tree", "--peak", "--html":
                done = stat("profile", "--pinned", other, target.pid)
                assert done.returncode == toolbox.USAGE, other

    def of(name, what):
        return sum(s[what] for s in shown["stacks"] if name in s["frames"])
    keeper, all_of_it = of("keeper", "pinned_bytes"), shown["pinned_bytes"]
    print("pinned: %d of %d" % (keeper, all_of_it))
    # 6,250 pages of 4 KiB; about 380 samples, each with its own error.
    assert all_of_it > 20e6 and abs(keeper / all_of_it - 1) < 0.3
    assert of("passenger", "pinned_bytes") + of("dense", "pinned_bytes") < \
        0.02 * all_of_it
    assert of("dense", "live_bytes") > 2 * of("keeper", "live_bytes")
    assert "keeper" in text.splitlines()[1], text
    assert re.search(r"\nFree bytes on pages that blocks keep, counted exactly: "
                     r"[\d.]+ MiB\.\nBy the samples: [\d.]+ MiB\.  .*\n$",
                     text), text
    assert all(len(line) <= 80 for line in text.splitlines()), text


def a_stopped_process_is_read():
    with Target(env={"TCM_PROFILE_BYTES": "4096"}) as target:
        target.do("fill 3000 1000")
        os.kill(target.pid, signal.SIGSTOP)
        assert document(target.pid)["samples"] > 100
        os.kill(target.pid, signal.SIGCONT)


def one_that_does_not_answer():
    """Nothing was sampled, and no request is left behind."""
    with Target() as target:
        target.do("fill 100 1000")
        os.kill(target.pid, signal.SIGSTOP)
        done = stat("profile", "--timeout=0.2", target.pid)
        assert done.returncode == toolbox.FAILED, done
        assert "no sample was taken" in done.stderr, done.stderr
        os.kill(target.pid, signal.SIGCONT)
        target.do("fill 100 100000")
        done = stat("profile", "--timeout=0.2", "--seconds=0.1", target.pid)
        assert "earlier request" not in done.stderr, done.stderr


def collapsed_stacks():
    need_names()
    with Target([Leak.path()], env={"TCM_PROFILE_BYTES": "16384"}) as target:
        time.sleep(0.5)
        lines = profile(target.pid, "--collapsed").splitlines()
    assert lines and all(re.fullmatch(r".+ \d+", line) for line in lines)
    assert any(";main;shop::step%d(" % LEAK in line for line in lines), lines


def fields(data):
    """(number, value) of each field of a protobuf message."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        else:
            assert key & 7 == 2, key
            length = varint()
            yield key >> 3, data[at:at + length]
            at += length
    assert at == len(data)


class Pprof:
    """The output of --pprof: numbers of the messages -> their fields."""

    def __init__(self, target):
        if not has("HAVE_ZLIB"):
            raise Skip("built without zlib")
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "heap.pb.gz")
            profile(target, "--pprof", path)
            with gzip.open(path) as file:
                message = list(fields(file.read()))
            self.top = self.shown_by_pprof(path)
        self.strings = [value for number, value in message if number == 6]
        self.samples = [list(fields(value)) for number, value in message
                        if number == 2]
        self.mappings, self.locations, self.functions = (
            {dict(fields(value))[1]: list(fields(value))
             for number, value in message if number == kind}
            for kind in (3, 4, 5))

    @staticmethod
    def shown_by_pprof(path):
        """The output of pprof itself, or None if it is not installed."""
        command = ["go", "tool", "pprof"] if shutil.which("go") else ["pprof"]
        if shutil.which(command[0]) is None:
            return None
        return subprocess.run(command + ["-top", path], check=True,
                              capture_output=True, text=True,
                              timeout=60).stdout

    def check(self):
        """Each sample names existing locations; each location names existing
        functions and a mapping that contains its address."""
        assert self.strings[0] == b"" and b"inuse_space" in self.strings
        for sample in self.samples:
            assert sum(number == 2 for number, _ in sample) == 4
            for number, value in sample:
                assert number != 1 or value in self.locations, value
        for location in self.locations.values():
            lines = [dict(fields(value)) for number, value in location
                     if number == 4]
            assert lines and all(line[1] in self.functions for line in lines)
            place = dict(location)
            mapping = dict(self.mappings[place[2]])
            assert mapping[2] <= place[3] < mapping[3], (place, mapping)

    def check_build_ids(self, program):
        """They are those that readelf finds in the files."""
        files = {self.strings[dict(m)[5]].decode():
                 self.strings[dict(m)[6]].decode()
                 for m in self.mappings.values()}
        assert program in files, files
        if shutil.which("readelf") is None:
            raise Skip("there is no readelf")
        for path, build_id in files.items():
            notes = subprocess.run(["readelf", "-n", path], check=True,
                                   capture_output=True, text=True).stdout
            found = re.findall(r"Build ID: ([0-9a-f]+)", notes)
            assert [build_id] == (found or [""]), (path, build_id, found)

    def names(self):
        return {self.strings[dict(f)[2]] for f in self.functions.values()}


def a_profile_for_pprof():
    need_names()
    with Target([Leak.path()], env={"TCM_PROFILE_BYTES": "16384"}) as target:
        time.sleep(0.5)
        written = Pprof(target.pid)
    written.check()
    names = written.names()
    if written.top is None:
        print("there is no pprof; its own reading was not tried")
    else:
        assert "File: leak\n" in written.top, written.top
        assert "shop::step%d(" % LEAK in written.top, written.top
    assert any(b"step%d" % LEAK in name for name in names), names
    written.check_build_ids(Leak.path())


def a_core_file():
    """The output has names and mappings as long as the program exists; after
    that, offsets in files, and one line on standard error."""
    need_names()
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "program")
        shutil.copy(Leak.path(), program)
        with toolbox.target_for_core(folder, command=[program], env={
                "TCM_PROFILE_BYTES": "16384"}) as target:
            time.sleep(0.5)
            core = toolbox.core_of(target, folder)
        culprit = "shop::step%d(" % LEAK
        done = stat("profile", core)
        assert culprit in done.stdout.splitlines()[1], done.stdout
        assert done.stderr == "", done.stderr
        written = Pprof(core)
        written.check()
        written.check_build_ids(program)
        os.rename(program, program + ".moved")
        missing(core)
        # If another file is in its place, its names are not used.
        shutil.copy(toolbox.PROGRAM, program)
        missing(core)
        os.rename(program + ".moved", program)
        assert culprit in profile(core)


def missing(core):
    done = stat("profile", core)
    row = done.stdout.splitlines()[1]
    assert done.returncode == toolbox.OK and "program+0x" in row, row
    assert "main" not in row.split(), row
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and "no names for code of program" in lines[0], lines


def stacks_of_python_are_whole():
    """A program that was built without frame pointers."""
    work = ("import json; print('ready', flush=True)\n"
            "a = [json.loads(json.dumps({'a': [i] * 9})) for i in range(9999)]"
            "\nprint('done', flush=True); input()")
    with Target([sys.executable, "-c", work],
                env={"TCM_PROFILE_BYTES": "4096"}) as target:
        target.expect("done")
        stacks = document(target.pid)["stacks"]
    taken = sum(s["samples"] for s in stacks)
    whole = sum(s["samples"] for s in stacks if s["whole"])
    print("%d samples, %.2f %% whole" % (taken, 100 * whole / taken))
    assert taken > 200
    if os.uname().machine in ("x86_64", "aarch64") and has(
            "HAVE__DL_FIND_OBJECT"):
        assert whole >= 0.95 * taken, (whole, taken)


def checks_leave_no_samples():
    """One line says so, and tcm-stat does not wait for samples."""
    def started(**env):
        return subprocess.run(["ls", "/dev/null"], text=True, check=True,
                              env=toolbox.environment(**env),
                              capture_output=True).stderr
    line = ("tcm: profile_bytes: no samples are taken, because check is above "
            "0\n")
    with tempfile.TemporaryDirectory() as folder:
        assert started(TCM_CHECK="1", TCM_PROFILE_BYTES="4096") == line
        assert started(TCM_CHECK="1", TCM_PROFILE_DIR=folder) == line
        assert started(TCM_CHECK="1") == started(TCM_PROFILE_BYTES="1") == ""
        assert os.listdir(folder) == []
    with Target(env={"TCM_CHECK": "2"}) as target:
        done = stat("profile", "--seconds=60", target.pid)
        assert done.returncode == toolbox.FAILED, done
        assert "TCM_CHECK=2" in done.stderr, done.stderr


def what_is_wrong():
    with Target() as target:
        assert stat("profile").returncode == toolbox.USAGE
        assert stat("profile", "--seconds=x",
                    target.pid).returncode == toolbox.USAGE
        assert stat("profile", 999999999).returncode == toolbox.NO_PROCESS


toolbox.main([
    a_leak_is_named,
    who_calls_a_wrapper_is_named,
    no_leak_is_none,
    a_slow_leak_is_one,
    frees_of_older_blocks_are_left_out,
    versions_of_symbols_are_not_shown,
    an_idle_process,
    lines_fit,
    a_terminal_gets_whole_words,
    estimates_are_near,
    the_peak,
    lifetimes,
    pinned,
    a_stopped_process_is_read,
    one_that_does_not_answer,
    collapsed_stacks,
    a_profile_for_pprof,
    a_core_file,
    stacks_of_python_are_whole,
    checks_leave_no_samples,
    what_is_wrong,
])
