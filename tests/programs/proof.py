#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Tests the proof itself: it accepts processes that tcm served, and no others.

Each case is a job of one shell line, with the complaint that it must cause, or
none."""

import os
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
import harness  # noqa: E402

STATIC_SOURCE = """
#include <unistd.h>
int main(void) { sleep(1); return 0; }
"""

# A name, a line for sh, and the text that a complaint must have; or None, and
# what the summary must say.
CASES = [
    ("a shell and its children", "ls / | sort | wc -l >&2; (exit 0)", None,
     "counters rose inside"),
    ("a forked worker", "(i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); "
     "v=$v,$i; done; exit 0)", None, "forked workers"),
    ("a child that lives without the preload",
     "env -i sleep 0.6; exit 0", "started without LD_PRELOAD", ""),
    ("a child that ends at once without the preload",
     "env -i /bin/true; exit 0", "not proven", ""),
    ("a program that is replaced by one without the preload",
     "exec env -i sleep 0.6", "started without LD_PRELOAD", ""),
    ("a child that is killed", "sh -c 'kill -9 $$'; exit 0",
     "killed before its counters were read", ""),
    ("a static program", "%(static)s; exit 0", None,
     "1 static or set-user-ID left out"),
    ("an orphan", "(env -i sleep 0.8 &) ; sleep 0.4", "started without", ""),
    ("another output", "echo $LD_PRELOAD | cksum", "under tcm", ""),
]


class Line:
    """A job of one shell line."""

    name = "proof"

    def __init__(self, line):
        self.line = line

    def run(self, run):
        run.out("said", run.call(["/bin/sh", "-c", self.line],
                                 expect=None).out)


def complaints(bench, allocator, line):
    """All complaints that the tests would have about this job, and the
    summary."""
    program = Line(line)
    plain = bench.execute(program, harness.Allocator("libc"), "small")
    tried = bench.execute(program, allocator, "small")
    faults = harness.check_proof(program, plain, False)
    faults += harness.check_proof(program, tried, False)
    faults += harness.differences(plain.outputs, tried.outputs)
    return faults, tried.report.summary()


def static_program(bench):
    """A static program, which needs no loader; None without a static libc."""
    source = bench.path("static.c")
    with open(source, "w") as file:
        file.write(STATIC_SOURCE)
    made = bench.path("static")
    compiler = os.environ.get("CC", "cc").split()
    done = subprocess.run(compiler + ["-static", "-o", made, source],
                          stderr=subprocess.DEVNULL, check=False)
    return made if done.returncode == 0 else None


def judge(case, found):
    """Whether a case had the required result; prints a line about it."""
    name, _, wanted, words = case
    faults, summary = found
    if wanted is None:
        good = not faults and words in summary
    else:
        good = any(wanted in fault for fault in faults)
    print("%s: %s" % ("ok" if good else "WRONG", name))
    if not good:
        print("  %s\n  %s" % (summary, "\n  ".join(faults)))
    return good


def check_foreign(bench, library):
    """Another library under the name of tcm has no stats page."""
    folder = bench.path("foreign")
    os.mkdir(folder)
    impostor = os.path.join(folder, "libtcm.so.0")
    shutil.copyfile(harness.libc_path(), impostor)
    return judge(("an impostor", None, "its counter stayed 0", ""),
                 complaints(bench, harness.Allocator("impostor", impostor),
                            "sleep 0.2; exit 0"))


def main():
    options = harness.parse("The proof itself").parse_args()
    try:
        size, allocator = harness.candidates(options)[0]
        with harness.Bench(options) as bench:
            allocator.library = bench.adopt(allocator.library)
            static = static_program(bench)
            good = []
            for case in CASES:
                name, line = case[:2]
                if "%(static)s" in line and static is None:
                    print("left out, no static libc: " + name)
                    continue
                if "%(static)s" in line:
                    line = line % {"static": static}
                good.append(judge(case, complaints(bench, allocator, line)))
            good.append(check_foreign(bench, allocator.library))
    except harness.Failure as failure:
        print("proof: %s" % failure)
        return harness.BROKEN
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
