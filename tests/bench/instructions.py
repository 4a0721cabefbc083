# SPDX-License-Identifier: BSD-2-Clause
"""malloc and free of a small block take few instructions, and no lock, even
with TCM_CHECK=1.

The instructions are counted as in bench-instructions.py, from the first one of
malloc to the last one of free; the locks by the debug library.  Both are the
difference between two runs, one of which does twice as much.
"""
import importlib
import os
import re
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, HERE)
import machine  # noqa: E402
import measure  # noqa: E402

instructions = importlib.import_module("bench-instructions")

BUILD = os.path.join(os.environ.get("TEST_BUILDDIR", "."), "tests", "bench")
OPERATIONS = 4000
# TCM_CHECK, size in bytes, the most instructions
PAIRS = ((0, 16, 44), (1, 16, 99), (1, 1000, 99), (1, 8000, 99))
# How much the starts of two processes may differ.
LOCKS_OF_START = 3
LOCK = re.compile(r"^LOCK: (\w+) +(\d+) +\d+$", re.M)

failures = []


def expect(condition, text):
    print("pass" if condition else "FAIL", text)
    if not condition:
        failures.append(text)


def check_instructions(tools, library):
    for level, size, most in PAIRS:
        allocator = machine.Allocator(f"level {level}", library,
                                      {"TCM_CHECK": str(level)})
        allocator.path = os.path.realpath(library)
        loop = (None, "pair", size, OPERATIONS)
        once, twice = (instructions.count(tools, allocator, loop, times)
                       for times in (1, 2))
        found = (twice - once) / OPERATIONS
        expect(0 < found <= most, f"TCM_CHECK={level}, {size} bytes: "
               f"{found} instructions, at most {most}")


def locks_taken(tools, level, library, operations):
    """All locks together."""
    allocator = machine.Allocator("debug", library, {
        "TCM_CHECK": str(level), "TCM_STATS_AT_EXIT": "1"})
    launcher = tools.start(
        allocator, library,
        [tools.workload, "pair", str(operations), "1", "1000"])
    _out, said = launcher.communicate(timeout=60)
    return sum(int(taken) for name, taken in LOCK.findall(said)
               if name != "additions")


def check_locks(tools, level, library):
    once, twice = (locks_taken(tools, level, library, OPERATIONS * times)
                   for times in (1, 2))
    expect(0 < once and twice <= once + LOCKS_OF_START,
           f"TCM_CHECK={level}: {once} locks, {twice} with twice the work")


def main():
    release, debug = os.environ["TEST_RELEASE_SO"], os.environ["TEST_DEBUG_SO"]
    with tempfile.TemporaryDirectory(prefix="tcm-bench-") as directory:
        tools = measure.Bench(os.path.abspath(BUILD), directory)
        for level in (0, 1):
            check_locks(tools, level, debug)
        # The limits are those of gcc's code for x86-64.
        if (os.uname().machine != "x86_64" or shutil.which("valgrind") is None
                or not re.search("-O[23]", os.environ.get("CFLAGS", "-O2"))):
            print("skip: instructions are not counted here")
        else:
            check_instructions(tools, release)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
