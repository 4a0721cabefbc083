# SPDX-License-Identifier: BSD-2-Clause
"""The single calls of bench-latency.py as a table of text, and as curves with
that table.  A curve shows the time of a call against the part of the calls
that take no longer.

The figures are those of all rounds together: percentiles do not average.
"""
import math

import curves
import page
import table as tables

CALLS = ("empty", "fill", "malloc", "free")
DRAWN = ("malloc", "free")
CLOCKS = ("wall", "cpu")
CLOCK_NAMES = {"wall": "wall time", "cpu": "processor time"}
PARTS = (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999))
STEPS = 4      # points of a curve per factor of ten

LEGEND = """\
nanoseconds of single calls, all rounds together.  "empty" is the measurement
with no call in it: one reading of the clock, and what the machine adds; it is
in every other figure too.  "fill" is malloc while the heap is filled.  "cpu" is
the thread's processor time with its system calls and page faults, which other
processes do not change; "wall" means something on an idle machine only.
">1 ms" counts the calls that took more than a millisecond, of so many.
"""


def merge(histograms):
    """The sum of [[ns, count], ...] of several rounds, ascending."""
    sums = {}
    for histogram in histograms:
        for ns, count in histogram:
            sums[ns] = sums.get(ns, 0) + count
    return sorted(sums.items())


class Calls:
    """One call under one allocator by one clock, over all rounds."""

    def __init__(self, row, name, call, clock):
        found = [sample["calls"][call][clock] for sample in row["samples"][name]
                 if call in sample["calls"]]
        self.histogram = merge(item["buckets"] for item in found)
        self.count = sum(item["count"] for item in found)
        self.worst = max((item["worst"] for item in found), default=0)
        self.over = sum(item["over_1ms"] for item in found)

    def at(self, part):
        """The time that `part` of the calls does not exceed."""
        below = 0
        for ns, count in self.histogram:
            below += count
            if below >= part * self.count:
                return min(ns, self.worst)
        return self.worst

    def figures(self):
        return [self.at(part) for _name, part in PARTS] + [self.worst]

    def curve(self):
        """(power of ten, ns) pairs: at 2, one call in a hundred takes longer;
        the last point is the worst call."""
        last = math.log10(self.count)
        steps = [step / STEPS for step in range(int(last * STEPS) + 1)]
        return ([(x, self.at(1 - 10 ** -x)) for x in steps]
                + [(last, self.worst)])


def calls_of(row):
    """The calls that the row made, in the order of the table."""
    some = next(iter(row["samples"].values()))[0]["calls"]
    return [call for call in CALLS if call in some]


def heads():
    return [name for name, _part in PARTS] + ["worst", ">1 ms"]


def table(result):
    text = "\n" + LEGEND
    for row in result["rows"]:
        text += (f"\n{row['name']}: {row['ops']} operations\n{'call':8}"
                 f"{'clock':6}{'allocator':12}"
                 + "".join(f"{head:>10}" for head in heads())
                 + f"{'calls':>12}\n")
        for call in calls_of(row):
            for clock in CLOCKS:
                for name in result["allocators"]:
                    calls = Calls(row, name, call, clock)
                    text += (f"{call:8}{clock:6}{name[:11]:12}"
                             + "".join(f"{value:10d}" for value in
                                       [*calls.figures(), calls.over])
                             + f"{calls.count:12d}\n")
    return text + "".join(f"not run: {name}: {why}\n"
                          for name, why in result["absent"].items())


class Chart(curves.Chart):
    """Time against rarity, both on logarithmic scales."""

    def __init__(self, lines):
        # Not that of curves.Chart, which makes its lines from a result.
        # pylint: disable=super-init-not-called
        self.lines = lines
        every = [point for line in lines.values() for point in line]
        self.across = [0, max(1, max(x for x, _ in every))]
        # Ten nanoseconds to a millisecond at least, so that charts compare.
        self.up = [1, max(6, math.ceil(math.log10(max(y for _, y in every))))]
        self.left = curves.LEFT + 14
        self.top = 2 * curves.TOP

    def x(self, count):
        return self.left + count / self.across[1] * curves.WIDE

    def y(self, value):
        low, high = self.up
        part = (high - math.log10(max(value, 10 ** low))) / (high - low)
        return self.top + part * curves.TALL

    def hint(self, name, x, y):
        return f"{name}, {rareness(x)}: {duration(y)}"

    def grid(self):
        bottom, right = self.top + curves.TALL, self.left + curves.WIDE
        parts = []
        for power in range(int(self.across[1]) + 1):
            x = self.x(power)
            parts.append(
                f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" '
                f'y1="{self.top}" y2="{bottom}"/><text x="{x:.1f}" '
                f'y="{bottom + 14}" text-anchor="middle">'
                f"{rareness(power)}</text>")
        for power in range(self.up[0], self.up[1] + 1):
            y = self.y(10 ** power)
            kind = "one" if power == 6 else "grid"
            parts.append(
                f'<line class="{kind}" x1="{self.left}" x2="{right}" '
                f'y1="{y:.1f}" y2="{y:.1f}"/><text x="{self.left - 6}" '
                f'y="{y + 4:.1f}" text-anchor="end">{duration(10 ** power)}'
                "</text>")
        return parts


def rareness(tenfolds):
    """The percentile as text: 0 %, 90 %, 99 %, 99.9 %."""
    digits = max(0, math.ceil(tenfolds) - 2)
    return f"{100 * (1 - 10 ** -tenfolds):.{digits}f} %"


def duration(ns):
    for unit, scale in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= scale:
            return f"{tables.number(ns / scale).removesuffix('.00')} {unit}"
    return f"{ns:.0f} ns"


def svg(result, row, call, clock):
    marks = page.Marks(list(result["allocators"]))
    chart = Chart({name: Calls(row, name, call, clock).curve()
                   for name in marks.looks})
    title = f"{row['name']}, {call}, {CLOCK_NAMES[clock]}"
    parts = curves.legend(marks) + chart.draw(marks, title)
    return (f'<svg viewBox="0 0 {curves.LEFT + curves.WIDE + 40} '
            f'{curves.TALL + 2 * curves.TOP + 24}" role="img" '
            f'xmlns="http://www.w3.org/2000/svg" aria-label="'
            f'{page.escape(title)}">' + "\n".join(parts) + "</svg>")


def table_of(result, row, call, clock):
    """The table that belongs to a chart."""
    text = "<table><tr><th></th>" + "".join(
        f"<th>{page.escape(head)}</th>" for head in heads()) + "</tr>"
    for name in result["allocators"]:
        calls = Calls(row, name, call, clock)
        kind = ' class="subject"' if name == "tcm" else ""
        text += (f"<tr{kind}><td>{page.escape(name)}</td>" + "".join(
            f"<td>{duration(value)}</td>" for value in calls.figures())
            + f"<td>{calls.over}</td></tr>")
    return text + "</table>"


def charts(result):
    """The page's part: each chart with its table."""
    return "".join(
        f'<div class="pair">{svg(result, row, call, clock)}'
        f"{table_of(result, row, call, clock)}</div>"
        for row in result["rows"] for call in DRAWN for clock in CLOCKS)
