#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Counts the instructions that an allocator spends on one operation.

Callgrind counts the instructions executed in the object that malloc comes
from.  Each loop is run with N and with 2N operations, and the difference is
divided by N: start-up and warming drop out, and the count is exact.  In
glibc's case the object is the whole C library, so that a memset which calloc
calls counts too; for the others it does not.  An allocator without heaps
serves the loops of heaps with malloc and free.  Callgrind reports no object for
code in sections other than .text, where gperftools has its fast paths; such
code counts as the allocator's, since nothing else of the kind runs in a loop.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
import bench  # noqa: E402
import machine  # noqa: E402
import measure  # noqa: E402

# label, shape, parameter, N
LOOPS = (
    ("malloc(16) and free", "pair", 16, 20000),
    ("malloc(1000) and free", "pair", 1000, 20000),
    ("malloc(8000) and free", "pair", 8000, 20000),
    ("calloc(64) and free", "zero-pair", 64, 20000),
    ("realloc in place", "resize", 104, 20000),
    ("1000 x 64 B, one of them", "burst", 0, 40000),
    ("heap: 64 B and free", "heap-pair", 0, 20000),
    ("heap: 1000 x 64 B, one of them", "heap-build", 0, 40000),
)
UNKNOWN = "???"
NAME = re.compile(r"(c?ob)=\((\d+)\)(?: (.*))?$")


def self_cost(path, wanted):
    """The instructions executed in the object `wanted` itself or in no known
    object, from the callgrind file `path`."""
    names = {}
    inside = False
    skip = False   # the line after "calls=" is the cost of what was called
    total = 0
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            match = NAME.match(line.rstrip("\n"))
            if match:
                kind, number, name = match.groups()
                if name is not None:
                    names[number] = (name if name == UNKNOWN
                                     else os.path.realpath(name))
                if kind == "ob":
                    inside = names[number] in (wanted, UNKNOWN)
            elif line.startswith("calls="):
                skip = True
            elif line[:1] in "0123456789+-*" and line.strip():
                if inside and not skip:
                    total += int(line.split()[1])
                skip = False
    return total


def count(tools, allocator, loop, times):
    _label, shape, parameter, number = loop
    out = os.path.join(tools.directory, "callgrind.out")
    environment = tools.environment(allocator)
    # Only the child that callgrind runs may be served by the allocator.
    if allocator.preload:
        environment["LD_PRELOAD"] = allocator.preload
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}",
               "--soname-synonyms=somalloc=nouserintercepts",
               tools.workload, shape, str(number * times), "1",
               str(parameter)]
    done = subprocess.run(command, env=environment, check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=600)
    served = os.path.realpath(machine.fields(done.stdout).get("malloc", "-"))
    if done.returncode != 0 or served != allocator.path:
        raise SystemExit(f"bench-instructions: {allocator.name}: served by "
                         f"{served}\n{done.stderr[-500:]}")
    return self_cost(out, allocator.path)


def table(results):
    names = list(results)
    text = f"{'instructions in the allocator for':34}"
    text += "".join(f"{name:>11}" for name in names) + "\n"
    for label, *_ in LOOPS:
        text += f"{label:34}"
        text += "".join(f"{results[name][label]:11.1f}" for name in names)
        text += "\n"
    return text


def options(arguments):
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--programs", metavar="DIR", default=".", dest="build")
    add("--tcm", metavar="FILE",
        default=os.environ.get("TEST_RELEASE_SO"))
    add("--without", metavar="NAME", action="append", default=[])
    add("--present", action="store_true",
        help="leave out the peers that are not installed")
    add("--add", metavar="NAME=FILE[,VAR=VALUE...]", action="append",
        default=[], type=bench.added_allocator)
    add("--json", metavar="FILE")
    return parser.parse_args(arguments)


def main(arguments):
    chosen = options(arguments)
    if shutil.which("valgrind") is None:
        raise SystemExit("bench-instructions: valgrind is missing")
    directory = tempfile.mkdtemp(prefix="tcm-bench-")
    try:
        tools = measure.Bench(os.path.abspath(chosen.build), directory)
        allocators, _missing = bench.choose_allocators(chosen, tools)
        results = {}
        for allocator in allocators:
            results[allocator.name] = {
                loop[0]: (count(tools, allocator, loop, 2)
                          - count(tools, allocator, loop, 1)) / loop[3]
                for loop in LOOPS}
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(table(results), end="")
    bench.write(chosen.json, json.dumps(
        {"commit": machine.commit(bench.HERE), "instructions": results},
        indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
