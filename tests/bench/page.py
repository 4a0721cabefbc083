# SPDX-License-Identifier: BSD-2-Clause
"""One self-contained HTML page with the time and memory charts.

Each row of the chart is a row of the benchmark, and each mark is an allocator.
Its place is the ratio to glibc on a logarithmic scale; left is better.  The
colors can be told apart with the common kinds of color blindness, and each
allocator also has its own shape.
"""
import html
import math

import rows as row_table
import summary
import table

SHAPES = ("circle", "square", "triangle", "diamond", "cross", "bar")
COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
LEAST, GREATEST = 1 / 16, 16
TICKS = ((1 / 16, "1/16"), (1 / 8, "1/8"), (1 / 4, "1/4"), (1 / 2, "1/2"),
         (1, "1"), (2, "2"), (4, "4"), (8, "8"), (16, "16"))
LABELS = 156     # width of the row names
PANEL = 350      # width of one chart
GAP = 62         # between the charts, for the subject's figures
LINE = 17        # height of a row
# lintian and diff tools treat a file with a line above 512 as a compiled one.
LONGEST = 500    # characters of a line of the page
WIDTH = LABELS + 2 * (PANEL + GAP)

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1000px;
  margin: 2em auto; padding: 0 1em; color: #222; background: #fff }
h1 { font-size: 1.5em; margin-bottom: 0 }
h2 { font-size: 1.15em; margin: 1.6em 0 0.3em }
p { margin: 0.4em 0 } .small { color: #555; font-size: 0.9em }
svg { width: 100%; height: auto; display: block }
svg text { font: 11px system-ui, sans-serif; fill: #333 }
svg .head { font-weight: 600; font-size: 12px }
svg .weak { fill: #777 } svg .even { fill: #f6f6f6 }
svg .grid { stroke: #ddd; stroke-width: 1 }
svg .one { stroke: #777; stroke-width: 1.2 }
svg .strong { font-weight: 600 }
table { border-collapse: collapse; margin: 0.5em 0 }
td, th { padding: 2px 14px 2px 0; text-align: right; font-weight: normal }
td:first-child, th:first-child { text-align: left }
th { color: #555 } tr.subject td { font-weight: 600 }
.pair { display: flex; flex-wrap: wrap; gap: 1.5em; align-items: center }
.pair svg { flex: 1 1 26em } .pair table { flex: 0 1 auto }
pre { font-size: 11px; line-height: 1.35; overflow-x: auto }
@media (prefers-color-scheme: dark) {
  body { color: #ddd; background: #16181b } .small, th { color: #aaa }
  svg text { fill: #ccc } svg .weak { fill: #999 }
  svg .even { fill: #1e2126 } svg .grid { stroke: #363a40 }
  svg .one { stroke: #aaa }
}
"""


def escape(text):
    return html.escape(str(text))


def figure(value):
    return table.number(value)


class Panel:
    """The horizontal scale of one chart, from `left` in pixels."""

    def __init__(self, left):
        self.left = left

    def x(self, ratio):
        inside = min(max(ratio, LEAST), GREATEST)
        part = math.log(inside / LEAST) / math.log(GREATEST / LEAST)
        return self.left + 8 + part * (PANEL - 16)

    def grid(self, top, bottom):
        parts = []
        for ratio, text in TICKS:
            kind = "one" if ratio == 1 else "grid"
            x = self.x(ratio)
            parts.append(f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" '
                         f'y1="{top}" y2="{bottom}"/>')
            for y in (top - 5, bottom + 13):
                parts.append(f'<text x="{x:.1f}" y="{y}" '
                             f'text-anchor="middle">{text}</text>')
        return parts


class Marks:
    """Shape and color of each allocator but the base."""

    def __init__(self, names):
        # The first shape and color are the subject's, even if it was not
        # measured.
        ordered = [summary.SUBJECT] + [name for name in names
                                       if name != summary.SUBJECT]
        self.looks = {name: (SHAPES[i % len(SHAPES)], COLOURS[i % len(COLOURS)])
                      for i, name in enumerate(ordered) if name in names}

    def draw(self, name, x, y, title="", size=4.0):
        shape, colour = self.looks[name]
        hint = f"<title>{escape(title)}</title>" if title else ""
        s = size + 0.8 if name == summary.SUBJECT else size
        forms = {
            "circle": f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{s}"',
            "square": f'<rect x="{x - s:.1f}" y="{y - s:.1f}" '
                      f'width="{2 * s}" height="{2 * s}"',
            "triangle": f'<path d="M{x:.1f} {y - s - 1:.1f}l{s + 1} {2 * s}'
                        f'h{-2 * s - 2}z"',
            "diamond": f'<path d="M{x:.1f} {y - s - 1:.1f}l{s + 1} {s + 1} '
                       f'{-s - 1} {s + 1} {-s - 1} {-s - 1}z"',
            "cross": f'<path d="M{x - s:.1f} {y - 1.5:.1f}h{2 * s}v3h{-2 * s}z'
                     f'M{x - 1.5:.1f} {y - s:.1f}h3v{2 * s}h-3z"',
            "bar": f'<rect x="{x - 1.5:.1f}" y="{y - s - 1:.1f}" width="3" '
                   f'height="{2 * s + 2}"',
        }
        return (f'{forms[shape]} fill="{colour}" fill-opacity="0.9">{hint}'
                + f"</{forms[shape][1:].split(' ', 1)[0]}>")

    def whisker(self, name, panel, ratio, y):
        colour = self.looks[name][1]
        return (f'<line x1="{panel.x(ratio.low):.1f}" '
                f'x2="{panel.x(ratio.high):.1f}" y1="{y}" y2="{y}" '
                f'stroke="{colour}" stroke-width="2" stroke-opacity="0.45"/>')


def beyond(panel, ratio, y):
    """A little arrow where a mark lies outside the scale."""
    if LEAST <= ratio <= GREATEST:
        return ""
    side = 1 if ratio > GREATEST else -1
    x = panel.x(ratio) + side * 8
    return (f'<path d="M{x:.1f} {y - 3}l{4 * side} 3 {-4 * side} 3" '
            f'fill="none" stroke="#888" stroke-width="1.3"/>')


class Chart:
    def __init__(self, result):
        self.layout = table.Layout(result)
        self.marks = Marks(self.layout.others)
        self.result = result
        self.panels = {"time": Panel(LABELS),
                       "memory": Panel(LABELS + PANEL + GAP)}

    def place(self, row, measure, name, y, parts):
        """One mark with its interval."""
        key = summary.MEASURES[measure]
        panel = self.panels[measure]
        ratio = summary.ratio(row, name, self.layout.base, key)
        if ratio is None:
            return
        title = (f"{row['name']}, {measure}, {name}: {figure(ratio.value)} "
                 f"[{figure(ratio.low)} to {figure(ratio.high)}]")
        parts.append(self.marks.whisker(name, panel, ratio, y))
        parts.append(self.marks.draw(name, panel.x(ratio.value), y, title))
        parts.append(beyond(panel, ratio.value, y))
        if name == summary.SUBJECT:
            parts.append(f'<text class="strong" x="{panel.left + PANEL + 6}" '
                         f'y="{y + 4}">{figure(ratio.value)}'
                         f"{self.sign(row, key)}</text>")

    def sign(self, row, key):
        best = summary.best_other(row, self.layout.names, key)
        ratio = best and summary.ratio(row, summary.SUBJECT, best, key)
        return escape(table.mark(summary.verdict(ratio or None))).rstrip()

    def row(self, row, y, parts):
        parts.append(f'<text x="{LABELS - 8}" y="{y + 4}" '
                     f'text-anchor="end">{escape(row["name"])}</text>')
        for measure in self.panels:
            for name in reversed(list(self.marks.looks)):
                self.place(row, measure, name, y, parts)

    def heads(self):
        parts = []
        for measure, panel in self.panels.items():
            what = "time" if measure == "time" else "peak memory"
            parts.append(f'<text class="head" x="{panel.left + PANEL / 2}" '
                         f'y="14" text-anchor="middle">{what}, ratio to '
                         f'{escape(self.layout.base)}</text>')
            if self.layout.subject:
                parts.append(f'<text class="weak" y="14" '
                             f'x="{panel.left + PANEL + 6}">'
                             f"{summary.SUBJECT}</text>")
        return parts

    def svg(self):
        groups = list(dict.fromkeys(r["group"] for r in self.result["rows"]))
        top = y = 38
        parts, body = self.heads(), []
        for group in groups:
            members = [r for r in self.result["rows"] if r["group"] == group]
            height = (len(members) + 1) * LINE
            if groups.index(group) % 2 == 0:
                parts.append(f'<rect class="even" x="0" y="{y}" '
                             f'width="{WIDTH}" height="{height}"/>')
            name = row_table.GROUPS.get(group, group)
            body.append(f'<text class="head" x="4" y="{y + 13}">'
                        f"{escape(name)}</text>")
            for i, row in enumerate(members):
                self.row(row, y + (i + 1) * LINE + LINE // 2, body)
            y += height
        for panel in self.panels.values():
            parts += panel.grid(top, y)
        return (f'<svg viewBox="0 0 {WIDTH} {y + 22}" role="img" '
                f'xmlns="http://www.w3.org/2000/svg" aria-label="time and '
                f'memory of each row">' + "\n".join(parts + body) + "</svg>")

    def legend(self):
        parts, x = [], 4
        for name in self.marks.looks:
            parts.append(self.marks.draw(name, x + 6, 10))
            parts.append(f'<text x="{x + 16}" y="14">{escape(name)}</text>')
            x += 40 + 7 * len(name)
        parts.append(f'<text class="weak" x="{x}" y="14">the line at 1: '
                     f"{escape(self.layout.base)}; an arrow: beyond the "
                     f"scale; a bar: the interval</text>")
        return (f'<svg viewBox="0 0 {WIDTH} 20" '
                f'xmlns="http://www.w3.org/2000/svg">'
                + "".join(parts) + "</svg>")


def plane(chart, rows):
    """Time against memory, one mark for each allocator: the geometric means
    over all rows."""
    base = chart.layout.base
    points = {name: [summary.mean_ratio(rows, name, base, key).value
                     for key in summary.MEASURES.values()]
              for name in chart.layout.others}
    every = [v for pair in points.values() for v in pair] + [1.0]
    low = 2 ** (math.floor(2 * math.log2(min(every))) / 2)
    high = 2 ** (math.ceil(2 * math.log2(max(every))) / 2)
    if high == low:
        high = 2 * low
    wide, tall, left, top = 440, 250, 60, 26

    def at(value):
        return math.log(value / low) / math.log(high / low)

    parts = []
    value = low
    while value <= high * 1.001:
        x, y = left + at(value) * wide, top + (1 - at(value)) * tall
        kind = "one" if abs(value - 1) < 1e-9 else "grid"
        parts.append(f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" '
                     f'y1="{top}" y2="{top + tall}"/>'
                     f'<line class="{kind}" x1="{left}" x2="{left + wide}" '
                     f'y1="{y:.1f}" y2="{y:.1f}"/>'
                     f'<text x="{x:.1f}" y="{top + tall + 14}" '
                     f'text-anchor="middle">{figure(value)}</text>'
                     f'<text x="{left - 6}" y="{y + 4:.1f}" '
                     f'text-anchor="end">{figure(value)}</text>')
        value *= math.sqrt(2)
    for name, (time, memory) in points.items():
        x, y = left + at(time) * wide, top + (1 - at(memory)) * tall
        parts.append(chart.marks.draw(name, x, y, size=6))
        parts.append(f'<text x="{x + 11:.1f}" y="{y + 4:.1f}">'
                     f"{escape(name)}</text>")
    x, y = left + at(1) * wide, top + (1 - at(1)) * tall
    parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="#888"/>'
                 f'<text x="{x + 9:.1f}" y="{y - 6:.1f}">{escape(base)}</text>'
                 f'<text class="head" x="{left + wide + 16}" '
                 f'y="{top + tall + 14}">time</text>'
                 f'<text class="head" x="{left - 34}" y="12">memory</text>')
    return (f'<svg viewBox="0 0 {left + wide + 60} {top + tall + 24}" '
            f'role="img" '
            f'xmlns="http://www.w3.org/2000/svg" aria-label="mean time '
            f'against mean memory">' + "".join(parts) + "</svg>")


def means(chart, rows):
    base = chart.layout.base
    text = (f"<table><tr><th>over {len(rows)} rows, to {escape(base)}</th>"
            "<th>time</th><th>interval</th><th>memory</th><th>interval</th>"
            "</tr>")
    for name in chart.marks.looks:
        kind = ' class="subject"' if name == summary.SUBJECT else ""
        text += f"<tr{kind}><td>{escape(name)}</td>"
        for key in summary.MEASURES.values():
            mean = summary.mean_ratio(rows, name, base, key)
            text += (f"<td>{figure(mean.value)}</td><td>"
                     f"{figure(mean.low)} to {figure(mean.high)}</td>")
        text += "</tr>"
    return text + "</table>"


def broken(text):
    """The same page without very long lines: between two tags a line break
    changes nothing that a browser shows."""
    return "\n".join(line if len(line) <= LONGEST
                     else line.replace("><", ">\n<")
                     for line in text.split("\n"))


def page(result, sections=()):
    """The page of one result file, with the sections of other instruments."""
    chart = Chart(result)
    rows = [row for row in result["rows"]
            if summary.complete(row, chart.layout.names)]
    heading = table.heading(result).splitlines()
    text = ("<!DOCTYPE html>\n"
            "<!-- SPDX-License-Identifier: BSD-2-Clause -->\n"
            "<html lang=\"en\"><head><meta charset=\"utf-8\">"
            "<meta name=\"viewport\" content=\"width=device-width\">"
            f"<title>tcm benchmark</title><style>{STYLE}</style></head><body>"
            "<h1>tcm benchmark</h1><p class=\"small\">"
            + "<br>".join(escape(line) for line in heading) + "</p>")
    if rows and chart.layout.others:
        text += ("<h2>Time and memory at once</h2><p>Geometric means over all "
                 "rows; left and down is better.</p>"
                 + f'<div class="pair">{plane(chart, rows)}'
                 + means(chart, rows) + "</div>")
    return broken(
        text + "<h2>Row by row</h2><p>Ratio to "
        f"{escape(chart.layout.base)} on a logarithmic scale; left is "
        "better.  A name ends with the number of threads.  Marks next to "
        "the figures: * best of all, - behind the best other allocator, "
        f"! worse than {summary.BAR:.2f} times the best, each beyond the "
        "spread.</p>" + chart.legend() + chart.svg()
        + "<details><summary>All figures as a table</summary><pre>"
        + escape(table.table(result)) + "</pre></details>"
        + "".join(sections) + "</body></html>\n")
