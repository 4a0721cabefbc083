# SPDX-License-Identifier: BSD-2-Clause
"""SECURITY's table of misuses agrees with tests/misuse/expect.tsv.

  misuse_table.py          compare
  misuse_table.py --print  print the table for SECURITY
"""
import sys

import lint

# Kind of error, and the prefixes of its programs' names, without heap_.
KINDS = (
    ("second free", ("double_free",)),
    ("pointer to no block", ("deleted", "foreign", "interior", "never",
                             "small_integer", "stack", "static", "unaligned",
                             "wild")),
    ("wrong size or alignment", ("sized",)),
    ("overflow, underflow", ("overflow", "underflow")),
    ("read or write after free", ("read_after", "write_after")),
    ("read of zero bytes", ("read_zero",)),
)
WAYS = ("plain", "checked", "bounds", "quarantine", "guarded")


def kind_of(program):
    name = program.removeprefix("heap_")
    for kind, beginnings in KINDS:
        if name.startswith(beginnings):
            return kind
    lint.complain(f"misuse_table.py does not know the kind of {program}")
    return None


def read():
    """{program: {way: {"now", ...}}}"""
    found = {}
    for line in lint.read("tests/misuse/expect.tsv").splitlines():
        if line.startswith("#"):
            continue
        program, _function, ways, _signal, when, _message = line.split("\t")
        for way in WAYS if ways == "all" else ways.split(","):
            found.setdefault(program, {}).setdefault(way, set()).add(when)
    return found


def cell(programs, way):
    whens = [ways.get(way, set()) for ways in programs]
    now = sum("now" in when for when in whens)
    late = sum(bool(when) and "now" not in when for when in whens)
    return f"{now} + {late}" if late else str(now)


def row(label, programs):
    return f"  {label:26}{len(programs):>8}" + "".join(
        f"{cell(programs, way):>9}" for way in WAYS)


def table():
    kinds = {}
    found = read()
    for program, ways in found.items():
        kinds.setdefault(kind_of(program), []).append(ways)
    lines = [f"  {'':26}{'programs':>8}" + "".join(
        f"{column:>9}" for column in (0, 1, 2, 3, "guarded"))]
    lines += [row(kind, kinds[kind]) for kind, _ in KINDS if kind in kinds]
    return lines + [row("all", list(found.values()))]


wanted = table()
if sys.argv[1:] == ["--print"]:
    print("\n".join(wanted))
    sys.exit(0)
if "\n" + "\n".join(wanted) + "\n\n" not in lint.read("SECURITY"):
    lint.complain("SECURITY's table of misuses differs from "
                  "tests/misuse/expect.tsv; put the output of this there:\n"
                  "  python3 tests/lint/misuse_table.py --print")
lint.finish(len(read()), "programs")
