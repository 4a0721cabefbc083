#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Compares two result files of bench.py: what changed from the first to the
second, row by row.

Refuses files of different machines: a ratio between two machines says nothing
about the allocator.  Even one machine may have become slower or faster between
two runs; the column "to glibc" removes the change of glibc's own row, unless
glibc itself is compared.
"""
import argparse
import json
import sys

sys.dont_write_bytecode = True
import rows as row_table  # noqa: E402
import summary  # noqa: E402
import table  # noqa: E402


class Refused(Exception):
    """The files cannot be compared."""


def load(path):
    try:
        with open(path, encoding="utf-8") as file:
            result = json.load(file)
    except (OSError, ValueError) as problem:
        raise Refused(f"{path}: {problem}") from None
    if not isinstance(result, dict) or result.get("format") != 1:
        raise Refused(f"{path}: not a result file that this script knows")
    return result


def check_comparable(first, second):
    old, new = first["machine"], second["machine"]
    differing = [f"{name}: {old.get(name)} and {new.get(name)}"
                 for name in sorted(set(old) | set(new))
                 if old.get(name) != new.get(name)]
    if differing:
        raise Refused("the files come from different machines; "
                      + "; ".join(differing))
    if first["quick"] or second["quick"]:
        raise Refused("a quick run times nothing")


def same_work(old, new):
    return all(old[name] == new[name]
               for name in ("kind", "shape", "work", "param", "threads"))


def change(old, new, name, key):
    """The ratio of the medians with an interval that both intervals allow."""
    if not (summary.complete(old, (name,)) and summary.complete(new, (name,))):
        return None
    a, b = summary.cell(old, name, key), summary.cell(new, name, key)
    return summary.Estimate(b.value / a.value, b.low / a.high, b.high / a.low)


def against_base(old, new, name, key):
    """The change of the ratio to glibc, each ratio taken within its run."""
    a = summary.ratio(old, name, summary.BASE, key)
    b = summary.ratio(new, name, summary.BASE, key)
    if a is None or b is None:
        return None
    return summary.Estimate(b.value / a.value, b.low / a.high, b.high / a.low)


def text_of(estimate):
    return f"{table.interval_text(estimate) if estimate else '-':20}"


def sign(estimate):
    if estimate is None:
        return " "
    return "-" if estimate.low > 1 else "+" if estimate.high < 1 else " "


def compare(first, second, name, patterns):
    """The lines of the comparison of allocator `name`."""
    old_rows = {row["name"]: row for row in first["rows"]}
    pairs = [(old_rows[row["name"]], row) for row in second["rows"]
             if row["name"] in old_rows
             and row_table.fits(row["name"], patterns)]
    skipped = [new["name"] for old, new in pairs if not same_work(old, new)]
    pairs = [(old, new) for old, new in pairs if same_work(old, new)]
    yield f"{name}: {first['commit']} ({first['date']})"
    yield f"  to {second['commit']} ({second['date']})"
    yield "ratios of the second to the first; + better, - worse, beyond the " \
          "spread"
    for measure, key in summary.MEASURES.items():
        yield ""
        yield f"{measure:24}{'as measured':22}{'to glibc':22}"
        plain, corrected = [], []
        for old, new in pairs:
            direct = change(old, new, name, key)
            relative = (None if name == summary.BASE
                        else against_base(old, new, name, key))
            if direct:
                plain.append(direct.value)
            if relative:
                corrected.append(relative.value)
            yield (f"{new['name']:22}{sign(direct)} {text_of(direct)} "
                   f"{sign(relative)} {text_of(relative)}").rstrip()
        for label, numbers in (("as measured", plain),
                               ("to glibc", corrected)):
            if numbers:
                mean = summary.geometric_mean(numbers)
                yield (f"geometric mean, {label}: {table.number(mean)} over "
                       f"{len(numbers)} rows")
    if skipped:
        yield "other work in the two files, left out: " + " ".join(skipped)


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("first")
    parser.add_argument("second")
    parser.add_argument("--allocator", default=summary.SUBJECT,
                        help="which one; default %(default)s")
    parser.add_argument("--rows", metavar="GLOB", action="append")
    chosen = parser.parse_args(arguments)
    try:
        first, second = load(chosen.first), load(chosen.second)
        check_comparable(first, second)
        for result in (first, second):
            if chosen.allocator not in result["allocators"]:
                raise Refused(f"{chosen.allocator} is not in both files")
    except Refused as problem:
        print(f"bench-compare: {problem}", file=sys.stderr)
        return 2
    for line in compare(first, second, chosen.allocator, chosen.rows):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
