# SPDX-License-Identifier: BSD-2-Clause
"""The table: for each row the base in full, the others as ratios to it."""
import textwrap

import summary

LEGEND = """\
The base in full, the others as a ratio to it: lower is better.  ±N is half the
interval of the median, in percent.  "to best": {subject}'s ratio to the best
other allocator of the row, glibc among them, and its interval.  Marks: * best;
- behind the best; ! worse than {bar:.2f} times the best: each by more than the
spread.
"""
UNITS = {"time": ("s", 1.0), "memory": ("MiB", 1024.0)}


def percent(estimate):
    """Half the interval in percent; blank if it is empty, as with one round."""
    if estimate.low == estimate.high:
        return "   "
    return f"±{min(99, round(100 * estimate.spread())):<2d}"


def number(value):
    """Three significant digits in at most six columns."""
    if value >= 100:
        return f"{value:.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 0.01 else f"{value:.4f}"


def interval_text(estimate):
    """A figure and its interval, if there is more than one sample."""
    text = number(estimate.value)
    if estimate.low != estimate.high:
        text += f" [{number(estimate.low)}-{number(estimate.high)}]"
    return text


def base_text(estimate, scale):
    value = estimate.value / scale
    digits = 4 if value < 0.1 else 3 if value < 10 else 1
    return f"{value:9.{digits}f}{percent(estimate)}"


def mark(verdict):
    return {"worse": "!", "behind": "-", "best": "*"}.get(verdict, " ")


class Layout:
    """Which allocators are in which columns."""

    def __init__(self, result):
        self.names = list(result["allocators"])
        self.base = (summary.BASE if summary.BASE in self.names
                     else self.names[0])
        self.others = [name for name in self.names if name != self.base]
        self.subject = summary.SUBJECT in self.names
        self.width = max([18] + [len(row["name"]) for row in result["rows"]])

    def head(self, unit):
        text = f"{'row':{self.width}}" + f"{self.base + ' ' + unit:>12}"
        text += "".join(f"{name[:10]:>11}" for name in self.others)
        return text + ("   to best" if self.subject else "")

    def line(self, row, key, scale):
        text = f"{row['name']:{self.width}}"
        base = summary.cell(row, self.base, key)
        if base is None:
            return text + "    failed"
        text += base_text(base, scale)
        for name in self.others:
            ratio = summary.ratio(row, name, self.base, key)
            text += (f"{'failed':>11}" if ratio is None else
                     f"{number(ratio.value):>8}{percent(ratio)}")
        if self.subject:
            text += self.to_best(row, key)
        return text.rstrip()

    def to_best(self, row, key):
        best = summary.best_other(row, self.names, key)
        ratio = best and summary.ratio(row, summary.SUBJECT, best, key)
        if not ratio:
            return ""
        return f" {mark(summary.verdict(ratio))}{interval_text(ratio)}"

    def mean(self, label, rows, key):
        if not rows:
            return ""
        text = f"{label:{self.width}}{'1':>9}   "
        for name in self.others:
            mean = summary.mean_ratio(rows, name, self.base, key)
            text += f"{number(mean.value):>8}{percent(mean)}"
        if self.subject and len(self.names) > 1:
            mean = summary.mean_to_best(rows, self.names, summary.SUBJECT, key)
            text += "  " + interval_text(mean)
        return text.rstrip() + "\n"


def heading(result):
    machine = result["machine"]
    thp = machine["thp"].get("enabled", "absent")
    lines = [
        f"tcm benchmark, {result['date']}, commit {result['commit']}",
        f"{machine['cpu']}; {machine['cpus']} CPUs, "
        f"{machine['memory_mib']} MiB",
        f"kernel {machine['kernel']}, {machine['libc']}, transparent huge "
        f"pages: {thp}; load {result['load_before']}"
        f" before, {result['load_after']} after",
        *textwrap.wrap(f"{result['rounds']} rounds; built with "
                       f"{result['flags'] or '?'}", 98),
    ]
    if result["rounds"] < summary.ENOUGH_ROUNDS:
        lines.append(f"FEWER THAN {summary.ENOUGH_ROUNDS} ROUNDS: the "
                     "intervals are too narrow")
    if result["quick"]:
        lines.append("QUICK RUN: shows that everything runs; "
                     "the times mean nothing")
    for name, item in result["allocators"].items():
        lines.append(f"{name:11}{item['package'] or item['path']}")
    lines += [f"{name:11}not measured: not installed"
              for name in result["missing"]]
    return "\n".join(lines) + "\n"


def single_peer(layout, rows, key):
    """The subject against the one peer that is best over all rows."""
    peers = [name for name in layout.others if name != summary.SUBJECT]
    if not layout.subject or not peers or not rows:
        return ""
    means = {name: summary.mean_ratio(rows, name, layout.base, key).value
             for name in peers}
    best = min(means, key=means.get)
    mean = summary.mean_ratio(rows, summary.SUBJECT, best, key)
    return (f"{summary.SUBJECT} to {best}, the best single peer, over "
            f"{len(rows)} rows: {interval_text(mean)}\n")


def section(result, layout, measure, groups):
    key = summary.MEASURES[measure]
    unit, scale = UNITS[measure]
    rows = [row for row in result["rows"]
            if summary.complete(row, layout.names)]
    text = f"\n{measure}\n{layout.head(unit)}\n"
    for group in groups:
        for row in result["rows"]:
            if row["group"] == group:
                text += layout.line(row, key, scale) + "\n"
    text += "\ngeometric means\n"
    for group in groups:
        text += layout.mean(group, [row for row in rows
                                    if row["group"] == group], key)
    if measure == "memory":
        text += layout.mean("over 30 MiB", [
            row for row in rows
            if summary.cell(row, layout.base, key).value > 30 * 1024], key)
    text += layout.mean("all rows", rows, key)
    return text + single_peer(layout, rows, key)


def losing(result, layout, measure):
    """The rows on which the subject is behind, the worst first."""
    key = summary.MEASURES[measure]
    found = []
    for row in result["rows"]:
        best = summary.best_other(row, layout.names, key)
        ratio = best and summary.ratio(row, summary.SUBJECT, best, key)
        if ratio and summary.verdict(ratio) in ("worse", "behind"):
            found.append((ratio.value, row["name"], best, ratio))
    found.sort(key=lambda item: -item[0])
    if not found:
        return f"\n{measure}: no row is behind beyond its spread\n"
    text = (f"\n{measure}: behind on {len(found)} of {len(result['rows'])} "
            "rows\n")
    for _, name, best, ratio in found:
        text += f"  {name:{layout.width}} {best:10} {interval_text(ratio)}\n"
    return text


def trivial(result):
    text = "\na trivial program: private dirty KiB, page faults\n"
    for name, figures in result["trivial"].items():
        text += (f"  {name:12}{figures['private_dirty_kib']:6d}"
                 f"{figures['minor_faults']:6d}\n")
    return text


def table(result):
    layout = Layout(result)
    groups = list(dict.fromkeys(row["group"] for row in result["rows"]))
    text = heading(result)
    text += "\n" + LEGEND.format(subject=summary.SUBJECT, bar=summary.BAR)
    for measure in summary.MEASURES:
        text += section(result, layout, measure, groups)
    if layout.subject and len(layout.names) > 1:
        for measure in summary.MEASURES:
            text += losing(result, layout, measure)
    text += trivial(result)
    for name, reason in result["absent"].items():
        text += f"not run: {name}: {reason}\n"
    return text
