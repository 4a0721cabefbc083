# SPDX-License-Identifier: BSD-2-Clause
"""The curves of bench-curves.py as a table of text and as line charts."""
import math

import page
import summary
import table as tables

# Key of a sample, what it is, its unit.
FIGURES = (
    ("allocate_ns", "allocating them", "ns"),
    ("replace_ns", "replacing any of them", "ns"),
    ("free_ns", "freeing them", "ns"),
    ("full_bytes", "bytes beyond those asked for, when all are made", "B"),
    ("aged_bytes", "the same after as many replacements", "B"),
)
WIDE, TALL = 380, 200    # of one chart
LEFT, TOP = 46, 30       # of the plot area in it
ACROSS = 2               # charts in a row


def points(result, name, key):
    """(number of objects, median) of one allocator."""
    return [(row["count"], summary.estimate(
        [sample[key] for sample in row["samples"][name]]).value)
        for row in result["rows"]]


def table(result):
    names = list(result["allocators"])
    text = "\nwith so many live objects of 16 to 255 bytes\n"
    for key, what, unit in FIGURES:
        text += f"\n{what}, {unit} each\n{'objects':>10}"
        text += "".join(f"{name[:10]:>12}" for name in names) + "\n"
        columns = [dict(points(result, name, key)) for name in names]
        for row in result["rows"]:
            text += f"{row['count']:10d}" + "".join(
                f"{column[row['count']]:12.1f}" for column in columns) + "\n"
    return text


class Chart:
    """One figure against the number of objects.  Both scales are logarithmic;
    that of the figure ends at powers of two."""

    def __init__(self, result, key, left, top):
        names = list(result["allocators"])
        self.lines = {name: [(x, max(y, 1.0)) for x, y in
                             points(result, name, key)] for name in names}
        every = [point for line in self.lines.values() for point in line]
        self.across = [math.log10(f(x for x, _ in every)) for f in (min, max)]
        self.up = [math.floor(math.log2(min(y for _, y in every))),
                   math.ceil(math.log2(max(y for _, y in every)))]
        if self.up[0] == self.up[1]:
            self.up[1] += 1
        self.left = left
        self.top = top

    def x(self, count):
        low, high = self.across
        return self.left + (math.log10(count) - low) / (high - low) * WIDE

    def y(self, value):
        low, high = self.up
        return self.top + (high - math.log2(value)) / (high - low) * TALL

    def grid(self):
        parts = []
        for power in range(round(self.across[0]), round(self.across[1]) + 1):
            x = self.x(10 ** power)
            if x > self.left + WIDE + 1:
                continue
            parts.append(
                f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" '
                f'y1="{self.top}" y2="{self.top + TALL}"/>'
                f'<text x="{x:.1f}" y="{self.top + TALL + 14}" '
                f'text-anchor="middle">10<tspan dy="-4" font-size="8">{power}'
                f"</tspan></text>")
        for power in range(self.up[0], self.up[1] + 1):
            y = self.y(2 ** power)
            parts.append(
                f'<line class="grid" x1="{self.left}" '
                f'x2="{self.left + WIDE}" y1="{y:.1f}" y2="{y:.1f}"/>'
                f'<text x="{self.left - 6}" y="{y + 4:.1f}" '
                f'text-anchor="end">{tables.number(2 ** power)}</text>')
        return parts

    def draw(self, marks, title):
        parts = [f'<text class="head" x="{self.left}" y="{self.top - 10}">'
                 f"{page.escape(title)}</text>", *self.grid()]
        for name, line in self.lines.items():
            colour = marks.looks[name][1]
            path = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}"
                            for x, y in line)
            thick = 2.4 if name == summary.SUBJECT else 1.4
            parts.append(f'<polyline points="{path}" fill="none" '
                         f'stroke="{colour}" stroke-width="{thick}"/>')
            for x, y in line:
                parts.append(marks.draw(name, self.x(x), self.y(y),
                                        self.hint(name, x, y), size=2.6))
        return parts

    def hint(self, name, x, y):
        return f"{name}, {x} objects: {tables.number(y)}"


def legend(marks):
    parts, at = [], LEFT
    for name in marks.looks:
        parts.append(marks.draw(name, at, 10))
        parts.append(f'<text x="{at + 10}" y="14">{page.escape(name)}</text>')
        at += 40 + 7 * len(name)
    return parts


def svg(result):
    """All figures in one drawing, with a legend above."""
    marks = page.Marks(list(result["allocators"]))
    parts = legend(marks)
    for number, (key, what, unit) in enumerate(FIGURES):
        left = LEFT + number % ACROSS * (WIDE + LEFT + 20)
        top = 30 + TOP + number // ACROSS * (TALL + TOP + 34)
        parts += Chart(result, key, left, top).draw(marks, f"{what}, {unit}")
    rows = -(-len(FIGURES) // ACROSS)
    return (f'<svg viewBox="0 0 {ACROSS * (WIDE + LEFT + 20)} '
            f'{40 + rows * (TALL + TOP + 34)}" role="img" '
            'xmlns="http://www.w3.org/2000/svg" aria-label="cost over the '
            'number of live objects">' + "\n".join(parts) + "</svg>")
