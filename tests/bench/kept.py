# SPDX-License-Identifier: BSD-2-Clause
"""The figures that are kept in the tree, doc/bench.json, and README's table of
them.

The file is that of bench.py with of each sample only the time and the memory,
one row a line, so that git shows which rows changed; beside it the result
files of the other instruments.  Whatever is shown is computed from it.
"""
import json

import rows as row_table
import summary
import table

SAMPLE = tuple(summary.MEASURES.values())
HEADING = "Beside other allocators"
PATH = "doc/bench.json"

INTRODUCTION = """\
Time and peak memory of each row of "make bench": tcm's ratio to glibc, and to
the best other allocator of the row, glibc among them, which is named.  Lower is
better.  Marks: * best beyond the spread of the rounds, - behind beyond it,
! worse than {bar:.2f} times the best beyond it.  A row's name ends with the
number of threads.  doc/bench.html has all allocators, intervals and charts.
"""


class Refused(Exception):
    """A result that may not be kept."""


def reduced(result):
    """What is kept of the result of bench.py."""
    if result["quick"] or result["rounds"] < summary.ENOUGH_ROUNDS:
        raise Refused("too few rounds, or a quick run")
    if result["commit"].endswith("+") or result["commit"] == "unknown":
        raise Refused("measured in a tree that is no commit")
    for row in result["rows"]:
        if not summary.complete(row, list(result["allocators"])):
            raise Refused(f"{row['name']}: samples are missing")
    kept = {name: value for name, value in result.items()
            if name not in ("rows", "derived")}
    kept["rows"] = [
        {**{name: value for name, value in row.items() if name != "samples"},
         "samples": {name: [{key: round(sample[key], 6) for key in SAMPLE}
                            for sample in cells]
                     for name, cells in row["samples"].items()}}
        for row in result["rows"]]
    return kept


def text_of(kept):
    """JSON with each row on a line of its own."""
    parts = [f"{json.dumps(name)}: {json.dumps(value)}"
             for name, value in kept.items() if name != "rows"]
    rows = ",\n".join(json.dumps(row) for row in kept["rows"])
    return "{\n" + ",\n".join(parts) + ',\n"rows": [\n' + rows + "\n]\n}\n"


def ratio_to_best(row, names, key):
    """(the best other, the ratio to it), or (None, None)."""
    best = summary.best_other(row, names, key)
    return best, best and summary.ratio(row, summary.SUBJECT, best, key)


def cells(row, names):
    """The two halves of a row's line, and its marks."""
    text = ""
    for key in SAMPLE:
        base = summary.ratio(row, summary.SUBJECT, summary.BASE, key)
        best, ratio = ratio_to_best(row, names, key)
        text += (f"{table.number(base.value):>9}"
                 f"{table.number(ratio.value):>7}"
                 f"{table.mark(summary.verdict(ratio))} {best[:10]:10}")
    return text.rstrip()


def mean_line(label, rows, names):
    text = f"{label:20}"
    for key in SAMPLE:
        base = summary.mean_ratio(rows, summary.SUBJECT, summary.BASE, key)
        best = summary.mean_to_best(rows, names, summary.SUBJECT, key)
        text += (f"{table.number(base.value):>9}"
                 f"{table.number(best.value):>7}{'':12}")
    return text.rstrip()


def peer_line(rows, peer):
    text = f"{'to ' + peer:20}"
    for key in SAMPLE:
        mean = summary.mean_ratio(rows, summary.SUBJECT, peer, key)
        text += f"{'':9}{table.number(mean.value):>7}{'':12}"
    return text.rstrip()


def count_losing(rows, names, key):
    verdicts = [summary.verdict(ratio_to_best(row, names, key)[1])
                for row in rows]
    return sum(word in ("worse", "behind") for word in verdicts)


def readme(kept):
    """The lines of README's section."""
    names = list(kept["allocators"])
    rows = kept["rows"]
    machine = kept["machine"]
    lines = INTRODUCTION.format(bar=summary.BAR).splitlines() + [""]
    lines += [f"  commit {kept['commit'][:12]}, {kept['date'][:10]}, "
              f"{kept['rounds']} rounds",
              f"  {machine['cpu']}; {machine['cpus']} CPUs, "
              f"{machine['memory_mib'] // 1024} GiB",
              f"  kernel {machine['kernel']}, {machine['libc']}, huge pages: "
              f"{machine['thp'].get('enabled', 'absent')}"]
    lines += [f"  {name}: {item['package'] or item['path']}"
              for name, item in kept["allocators"].items()
              if name not in (summary.SUBJECT, summary.BASE)]
    head = f"{'':20}"
    for what in ("time", "memory"):
        head += f"{what + '/glibc':>12}  /best{'':9}"
    lines += ["", "  " + head.rstrip()]
    for group in dict.fromkeys(row["group"] for row in rows):
        lines.append(f"  {row_table.GROUPS.get(group, group)}:")
        lines += [f"  {row['name']:20}{cells(row, names)}"
                  for row in rows if row["group"] == group]
    lines += ["  geometric means:",
              "  " + mean_line(f"all {len(rows)} rows", rows, names)]
    lines += ["  " + peer_line(rows, name) for name in names
              if name not in (summary.SUBJECT, summary.BASE)]
    time, memory = (count_losing(rows, names, key) for key in SAMPLE)
    lines.append(f"  behind the best other beyond the spread: in time on "
                 f"{time} rows, in memory on {memory}")
    return lines
