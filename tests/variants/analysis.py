#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""analysis.py TOP BUILD - three static analyzers over the library and tools.

A finding is a check, a file and the line of source that it points at, so that
lines may move.  The findings in analysis.allow pass; an entry there that no
finding needs is an error.
"""

import concurrent.futures
import glob
import os
import re
import subprocess
import sys

TOP, BUILD = sys.argv[1:]
ALLOW = os.path.join(TOP, "tests/variants/analysis.allow")
INCLUDES = ["-I" + BUILD, "-I" + os.path.join(TOP, "lib"),
            "-I" + os.path.join(TOP, "include"), "-I" + os.path.join(TOP, "tools")]
FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-DHAVE_CONFIG_H",
         '-DLIBDIR="/usr/lib"', '-DMULTIARCH_LIBDIR="/usr/lib/x"',
         '-DPAGES="%s/tools"' % TOP] + INCLUDES

# Left out: C has no alternative to libc's functions with a length; adjacent
# parameters of one type are common; sizeof of a pointer in an array of pointers
# is intended; names that glibc reserves are glibc's.
TIDY_CHECKS = ",".join((
    "-*", "clang-analyzer-*", "bugprone-*",
    "-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling",
    "-bugprone-easily-swappable-parameters", "-bugprone-sizeof-expression",
    "-bugprone-reserved-identifier", "-bugprone-assignment-in-if-condition"))
CPPCHECK = ["cppcheck", "--enable=warning,performance,portability", "-q",
            "--std=c11", "--inline-suppr", "-D__GNUC__", "-D__x86_64__",
            "-D__LP64__", "--template={file}:{line}:1: warning: x [{id}]"]
FINDING = re.compile(r"^(\S+?):(\d+):\d+: (?:warning|error): .*\[([^\]]+)\]$",
                     re.M)


def sources():
    found = glob.glob(os.path.join(TOP, "lib/*/*.c")) + \
        glob.glob(os.path.join(TOP, "tools/*.c"))
    return sorted(name for name in found if not name.endswith("_gen.c"))


def commands():
    for source in sources():
        yield "gcc", ["gcc", "-fanalyzer", "-O1", "-c", "-o", os.devnull,
                      source] + FLAGS
        yield "clang-tidy", ["clang-tidy", "--quiet",
                             "--checks=" + TIDY_CHECKS, source, "--"] + FLAGS
    yield "cppcheck", CPPCHECK + INCLUDES + [os.path.join(TOP, "lib"),
                                             os.path.join(TOP, "tools")]


def source_line(name, number):
    with open(name, encoding="utf-8") as source:
        return source.read().split("\n")[number - 1].strip()


def run(command):
    """The findings of one command, and its output if it failed."""
    tool, arguments = command
    done = subprocess.run(arguments, cwd=TOP, capture_output=True, text=True,
                          check=False)
    text = done.stdout + done.stderr
    found = set()
    for name, number, check in FINDING.findall(text):
        path = os.path.relpath(os.path.join(TOP, name), TOP)
        check = check.split(",")[0]
        found.add((check.removeprefix("-W"), path,
                   source_line(os.path.join(TOP, name), int(number)),
                   int(number)))
    failed = done.returncode != 0 and not found
    return tool, found, text if failed else None


def read_allowed():
    allowed = set()
    with open(ALLOW, encoding="utf-8") as lines:
        for line in lines:
            if line.strip() and not line.startswith("#"):
                allowed.add(tuple(line.rstrip("\n").split("\t")))
    return allowed


def main():
    allowed, used, faults = read_allowed(), set(), 0
    reported, count = set(), 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for tool, found, failure in pool.map(run, commands()):
            count += 1
            if failure is not None:
                print(f"{tool} failed: {failure}")
                faults += 1
            for check, path, text, number in sorted(found - reported):
                if (check, path, text) in allowed:
                    used.add((check, path, text))
                    continue
                print(f"{path}:{number}: {check}: {text}")
                faults += 1
            reported |= found
    for entry in sorted(allowed - used):
        print("not needed in analysis.allow:", *entry)
        faults += 1
    print(f"{count} runs, {len(used)} findings allowed, {faults} faults")
    return 1 if faults or not count else 0


if __name__ == "__main__":
    sys.exit(main())
