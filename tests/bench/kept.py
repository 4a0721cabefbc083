# SPDX-License-Identifier: BSD-2-Clause
"""The figures that are kept in the tree, doc/bench.json, and README's table of
them.

The file is the result file of bench.py with only the time and the memory of
each sample, and one row per line, so that git shows which rows changed.  It
also has the result files of the other instruments.  Everything shown is
computed from it.
"""
import json
import textwrap

import rows as row_table
import summary
import table

SAMPLE = tuple(summary.MEASURES.values())
HEADING = "Compared with other allocators"
PATH = "doc/bench.json"

INTRODUCTION = """\
Each number is the geometric mean, over the rows of one kind in "make bench", of
tcm's time or peak memory divided by that of glibc's malloc, or of the best
other allocator in that row.  Below 1, tcm is better.  doc/bench.txt has every
row with its spread; doc/bench.html adds charts.
"""
WIDTH = 78


class Refused(Exception):
    """A result that may not be kept."""


def enders(row, names):
    """The allocators of a row without those that never end it in time.  tcm and
    glibc must end each."""
    return [name for name in names
            if name in (summary.SUBJECT, summary.BASE)
            or not all(sample.get("endless") for sample in row["samples"][name])
            or not row["samples"][name]]


def reduced_sample(sample):
    if sample.get("endless"):
        return {"error": sample["error"], "endless": True}
    return {key: round(sample[key], 6) for key in SAMPLE}


def reduced(result):
    """What is kept of the result of bench.py."""
    if result["quick"] or result["rounds"] < summary.ENOUGH_ROUNDS:
        raise Refused("too few rounds, or a quick run")
    if result["commit"].endswith("+") or result["commit"] == "unknown":
        raise Refused("measured in a tree that is no commit")
    for row in result["rows"]:
        if not summary.complete(row, enders(row, result["allocators"])):
            raise Refused(f"{row['name']}: samples are missing")
    kept = {name: value for name, value in result.items()
            if name not in ("rows", "derived")}
    kept["rows"] = [
        {**{name: value for name, value in row.items() if name != "samples"},
         "samples": {name: [reduced_sample(sample) for sample in cells]
                     for name, cells in row["samples"].items()}}
        for row in result["rows"]]
    return kept


def text_of(kept):
    """JSON with each row on its own line."""
    parts = [f"{json.dumps(name)}: {json.dumps(value)}"
             for name, value in kept.items() if name != "rows"]
    rows = ",\n".join(json.dumps(row) for row in kept["rows"])
    return "{\n" + ",\n".join(parts) + ',\n"rows": [\n' + rows + "\n]\n}\n"


def ratio_to_best(row, names, key):
    """(the best other, the ratio to it), or (None, None)."""
    best = summary.best_other(row, names, key)
    return best, best and summary.ratio(row, summary.SUBJECT, best, key)


def mean_line(label, rows, names):
    text = f"{label:32}{len(rows):4}"
    for key in SAMPLE:
        base = summary.mean_ratio(rows, summary.SUBJECT, summary.BASE, key)
        best = summary.mean_to_best(rows, names, summary.SUBJECT, key)
        text += (f"{table.number(base.value):>12}"
                 f"{table.number(best.value):>8}")
    return text.rstrip()


def peer_line(rows, peer):
    """Over all rows, but those that the peer never ends."""
    rows = [row for row in rows if summary.complete(row, (peer,))]
    text = f"{'all rows, to ' + peer:32}{len(rows):4}"
    for key in SAMPLE:
        mean = summary.mean_ratio(rows, summary.SUBJECT, peer, key)
        text += f"{table.number(mean.value):>12}{'':8}"
    return text.rstrip()


def losing(rows, names, key):
    """The rows that are behind by more than their spread, the worst first."""
    found = []
    for row in rows:
        ratio = ratio_to_best(row, names, key)[1]
        if summary.verdict(ratio) in ("worse", "behind"):
            found.append((ratio.value, row["name"]))
    return [(name, value) for value, name in sorted(found, reverse=True)]


def sentences(rows, names):
    """The losses, in words."""
    slow, large = (losing(rows, names, key) for key in SAMPLE)
    heavy = [row for row in rows
             if summary.cell(row, summary.BASE, SAMPLE[1]).value > 30 * 1024]
    named = ", ".join(f"{name} ({table.number(value).strip()})"
                      for name, value in slow)
    text = (f"In time, tcm is behind the best other allocator by more than the "
            f"spread on {len(slow)} of {len(rows)} rows")
    text += f": {named}.  " if slow else ".  "
    lost = len(losing(heavy, names, SAMPLE[1]))
    text += (f"In memory, it is behind on {len(large)} rows; {lost} of these are "
             f"among the {len(heavy)} rows that need more than 30 MiB.")
    return textwrap.wrap(text, WIDTH)


def readme(kept):
    """The lines of README's section."""
    names = list(kept["allocators"])
    rows = kept["rows"]
    machine = kept["machine"]
    lines = INTRODUCTION.splitlines() + [""]
    about = [f"commit {kept['commit'][:12]}, {kept['date'][:10]}, "
             f"{kept['rounds']} rounds",
             f"{machine['cpu']}; {machine['cpus']} CPUs, "
             f"{machine['memory_mib'] // 1024} GiB",
             f"kernel {machine['kernel']}, {machine['libc']}, huge pages: "
             f"{machine['thp'].get('enabled', 'absent')}"]
    for line in about:
        lines += textwrap.wrap(line, WIDTH, initial_indent="  ",
                               subsequent_indent="    ")
    lines += [f"  {name}: {item['package'] or item['path']}"
              for name, item in kept["allocators"].items()
              if name not in (summary.SUBJECT, summary.BASE)]
    lines += ["", f"  {'':36}{'time: to':>12}{'':8}{'memory: to':>12}",
              f"  {'':32}rows{'glibc':>12}{'best':>8}{'glibc':>12}{'best':>8}"]
    for group in dict.fromkeys(row["group"] for row in rows):
        lines.append("  " + mean_line(
            row_table.GROUPS.get(group, group),
            [row for row in rows if row["group"] == group], names))
    lines.append("  " + mean_line("all rows", rows, names))
    lines += ["  " + peer_line(rows, name) for name in names
              if name not in (summary.SUBJECT, summary.BASE)]
    return lines + [""] + sentences(rows, names)
