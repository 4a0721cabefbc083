#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""tcm serves its own build: configure and make in a separate folder, and some
of its tests.  What configure found, every object and the tests' results must be
the same as under libc's malloc.

With --size demo, it builds the whole tree and runs every unit test."""

import glob
import hashlib
import os
import re
import sys

sys.dont_write_bytecode = True
import harness  # noqa: E402

SOURCE = os.environ.get("TEST_SRCDIR",
                        os.path.join(os.path.dirname(__file__), "../.."))
FEW_TESTS = ["tests/unit/test_" + name for name in (
    "bits", "format", "list", "page_range", "size_class", "span")]


def all_tests():
    """All unit tests; each needs only the debug core from the build."""
    return [os.path.splitext(os.path.relpath(path, SOURCE))[0] for path in
            sorted(glob.glob(os.path.join(SOURCE, "tests/unit/test_*.c")))]


class SelfHosting:
    name = "self-hosting"
    tests = ()  # names of the unit tests that run

    def missing(self):
        for program in ("gcc", "make", "awk"):
            if harness.find_program(program) is None:
                return program + " is not installed"
        if not os.path.exists(os.path.join(SOURCE, "configure")):
            return "there is no configure"
        return None

    def prepare(self, bench):
        pass

    def run(self, run):
        tree = run.make_dir("tree")
        env = {"CC": "gcc", "CFLAGS": "-O1 -g0", "MAKEFLAGS": ""}
        whole = run.scale(small=False, quick=False, demo=True)
        run.call([os.path.join(os.path.abspath(SOURCE), "configure"),
                  "--quiet", "--disable-source-lint", "--disable-static"],
                 cwd=tree, env=env)
        run.call(["make", "-j2", "all" if whole else "libtcm.la"],
                 cwd=tree, env=env, timeout=300)
        self.keep_build(run, tree)
        tests = all_tests() if whole else FEW_TESTS
        self.tests = [os.path.basename(path) for path in tests]
        self.keep_tests(run, tree, env, tests)

    def keep_build(self, run, tree):
        run.out("config.h", harness.read_file(os.path.join(tree, "config.h")))
        made = sorted(glob.glob(os.path.join(tree, "lib/**/*.o"),
                                recursive=True))
        made.append(os.path.join(tree, ".libs/libtcm.so.0"))
        for path in made:
            run.out(os.path.relpath(path, tree), hashlib.sha256(
                harness.read_file(path)).hexdigest())

    def keep_tests(self, run, tree, env, tests):
        """Only what these tests need is built."""
        names = " ".join(tests)
        done = run.call(["make", "-j2", "check", "TESTS=" + names,
                         "check_PROGRAMS=" + names, "check_LTLIBRARIES=",
                         "check_DATA="], cwd=tree, env=env, timeout=900)
        lines = re.findall("^(?:PASS|FAIL|SKIP|ERROR): .*$",
                           done.out.decode(errors="replace"), re.M)
        run.out("tests", "\n".join(sorted(lines)))
        if len(lines) != len(tests):
            raise harness.Failure("%d of %d tests ran" % (len(lines),
                                                          len(tests)))

    def allow(self, process):
        """true(1) ends before it allocates anything.  Unit tests fork children
        that must die by a signal.  test_report executes itself again to write
        lines, without allocating."""
        if process.name == "true":
            return True
        if process.name not in self.tests:
            return False
        if process.killed_with_tcm():
            return all(line[0] == "fork" for line in process.lines)
        return process.name == "test_report" and process.mapped()

    def judge(self, report):
        names = {process.name for process in report.rose}
        return ["%s was not seen to use tcm" % name
                for name in sorted({"cc1", "make", *self.tests} - names)]


if __name__ == "__main__":
    # The release library alone: two builds are enough for one test.
    if "--so" not in sys.argv and "TEST_RELEASE_SO" in os.environ:
        sys.argv += ["--so", os.environ["TEST_RELEASE_SO"]]
    sys.exit(harness.main([SelfHosting()], limit=1500))
