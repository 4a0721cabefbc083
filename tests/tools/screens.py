# SPDX-License-Identifier: BSD-2-Clause
"""Draws the screens and pages of tcm-stat for doc/screens: make screens.

A screen of a terminal becomes an SVG file, with its letters as text; a page
becomes a PNG file, as Chromium draws it.  The targets are the programs of the
tests.  Look at each picture before you commit it.

A picture carries the words that it shows: an SVG file as its description, a PNG
file as a text.  pictures.py compares them with the words of today's output.
"""
import contextlib
import html
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import textwrap
import time
import zlib
from xml.sax.saxutils import escape

import toolbox
from terminal import Terminal
from toolbox import BUILD, STAT, Target

SICK = os.path.join(BUILD, "tests/tools/sick")
WIDTH, HEIGHT, MARGIN = 8.4, 18, 14
PAPER, INK = "#16181d", "#d7dae0"
COLORS = ["#3b4048", "#f2777a", "#8fc77b", "#f5c969", "#6cb0f5", "#c99bf0",
          "#5fc7c7", "#d7dae0"]
LINES = {"q": "─", "x": "│", "l": "┌", "k": "┐", "m": "└", "j": "┘", "t": "├",
         "u": "┤", "w": "┬", "v": "┴", "n": "┼", "a": "▒", "0": "█"}


def words_of(text):
    """The words of a text, without numbers, units and all-capital names."""
    return sorted(word for word in
                  set(re.findall(r"\b[A-Za-z][a-z]{2,}\b", text))
                  if set(word) - set("to"))  # letters of the bars


def words_in(path):
    """The words that a picture carries."""
    with open(path, "rb") as file:
        data = file.read()
    found = re.search(rb"<desc>([^<]*)</desc>|tEXtComment\0([^.]*)\.", data)
    return set((found.group(1) or found.group(2)).decode().split())


class Screen(Terminal):
    """A terminal that also keeps the colors, and supports what xterm adds."""

    def __init__(self, command, rows, columns=80, wraps=False):
        self.wraps = wraps
        self.look = (None, None, False)
        self.lines = False
        self.last = " "
        super().__init__(command, rows, columns,
                         toolbox.environment(False, TERM="xterm-256color",
                                             LANG="C.UTF-8"))

    def clear(self):
        super().clear()
        self.looks = [[(None, None, False)] * self.columns
                      for _ in range(self.rows)]

    def letter(self, code):
        if self.wraps and self.full and code >= 32:
            self.full = False
            self.x, self.y = 0, min(self.y + 1, self.rows - 1)
        y, x = self.y, self.x
        super().letter(code)
        if code >= 32:
            if self.lines:
                self.cells[y][x] = LINES.get(chr(code), chr(code))
            self.looks[y][x] = self.look
            self.last = chr(code)

    def erase(self, y, start, end):
        super().erase(y, start, end)
        for x in range(start, min(end, self.columns)):
            self.looks[y][x] = (None, self.look[1], False)

    def paint(self, numbers):
        ink, paper, bold = self.look
        for n in numbers:
            if n == 0:
                ink, paper, bold = None, None, False
            elif n == 1:
                bold = True
            elif n == 7:
                ink, paper = PAPER, INK
            elif n == 27:
                ink, paper = None, None
            elif n == 22:
                bold = False
            elif 30 <= n <= 37:
                ink = COLORS[n - 30]
            elif 90 <= n <= 97:
                ink = "#8a919e" if n == 90 else COLORS[n - 90]
            elif n == 39:
                ink = None
            elif 40 <= n <= 47:
                paper = COLORS[n - 40]
            elif n == 49:
                paper = None
        self.look = (ink, paper, bold)

    def sequence(self, match):
        super().sequence(match)
        text = match.group(0)
        kind = (match.group(2) or b"").decode()
        numbers = [int(n) if n.isdigit() else 0
                   for n in (match.group(1) or b"").split(b";")]
        first = max(numbers[0], 1)
        if text in (b"\x1b(0", b"\x1b(B"):
            self.lines = text == b"\x1b(0"
        elif kind == "m":
            self.paint(numbers)
        elif kind == "d":
            self.y = min(first, self.rows) - 1
        elif kind == "G":
            self.x = min(first, self.columns) - 1
        elif kind == "X":
            self.erase(self.y, self.x, min(self.x + first, self.columns))
        elif kind == "@":
            self.shift(self.x, first)
        elif kind == "P":
            self.shift(self.x, -first)
        elif kind == "b":
            for _ in range(first):
                self.letter(ord(self.last))

    def shift(self, x, n):
        """Inserts blanks into the row, or deletes letters from it."""
        for row, blank in [(self.cells[self.y], " "),
                           (self.looks[self.y], (None, None, False))]:
            if n > 0:
                row[x:x] = [blank] * n
                del row[self.columns:]
            else:
                del row[x:x - n]
                row.extend([blank] * (self.columns - len(row)))

    def keep(self, pattern):
        """Only the rows in which the pattern is found."""
        rows = [y for y, row in enumerate(self.cells)
                if re.search(pattern, "".join(row))]
        self.cells = [self.cells[y] for y in rows]
        self.looks = [self.looks[y] for y in rows]
        self.rows = len(rows)

    def whole_text(self):
        """A line that fills a row continues in the next one."""
        return "".join("".join(row) if row[-1] != " " else
                       "".join(row) + "\n" for row in self.cells)

    def svg(self, title):
        used = max((y + 1 for y in range(self.rows)
                    if "".join(self.cells[y]).strip()), default=1)
        rows = used + 1
        width = self.columns * WIDTH + 2 * MARGIN
        height = rows * HEIGHT + 2 * MARGIN
        out = ['<svg xmlns="http://www.w3.org/2000/svg" width="%g" height="%g" '
               'viewBox="0 0 %g %g" role="img">' % (width, height, width, height),
               "<title>%s</title>" % escape(title),
               "<desc>%s</desc>" % textwrap.fill(
                   " ".join(words_of(self.whole_text())), 72),
               '<rect width="100%%" height="100%%" rx="8" fill="%s"/>' % PAPER,
               '<g font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" '
               'font-size="14" fill="%s">' % INK,
               self.row(0, "$ " + title, [(COLORS[2], None, False)])]
        for y in range(used):
            out.append(self.row(y + 1, "".join(self.cells[y]), self.looks[y]))
        out.append("</g></svg>\n")
        return "\n".join(line for line in out if line)

    @staticmethod
    def row(y, text, looks):
        """One row: a piece of text for each run of equal colors."""
        looks = list(looks) + [looks[-1]] * (len(text) - len(looks))
        out, start = [], 0
        while start < len(text):
            end = start
            while end < len(text) and looks[end] == looks[start]:
                end += 1
            ink, paper, bold = looks[start]
            piece = text[start:end]
            x, top = MARGIN + start * WIDTH, MARGIN + y * HEIGHT
            wide = len(piece) * WIDTH
            if paper:
                out.append('<rect x="%g" y="%g" width="%g" height="%d" '
                           'fill="%s"/>' % (x, top, wide, HEIGHT, paper))
            if piece.strip():
                out.append('<text x="%g" y="%g" textLength="%g" '
                           'xml:space="preserve"%s%s>%s</text>'
                           % (x, top + 14, wide,
                              ' fill="%s"' % ink if ink else "",
                              ' font-weight="bold"' if bold else "",
                              escape(piece)))
            start = end
        return "\n".join(out)


def write(folder, name, text):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(text)
    print(name, len(text))


def draw_output(folder, name, title, *arguments, rows=70, seconds=4):
    """A picture of what a command prints."""
    screen = Screen([STAT, "--color=always"] + [str(a) for a in arguments],
                    rows, wraps=True)
    screen.read(seconds)
    screen.end()
    write(folder, name, screen.svg(title))


def draw_ps(folder):
    """The screen without the other processes of the machine."""
    screen = Screen([STAT, "--color=always", "ps"], 70)
    screen.read(4)
    screen.end()
    screen.keep("COMMAND| shop ")
    write(folder, "ps.svg", screen.svg("tcm-stat ps"))


def draw_top(folder, name, title, *arguments, keys="", seconds=6, rows=24):
    screen = Screen([STAT, "top", "-i", "0.5"] + list(arguments), rows)
    screen.wait_for("q:quit")
    screen.send(keys)
    screen.read(seconds)
    write(folder, name, screen.svg(title))
    screen.send("q")
    screen.end()


def browse(path, *options):
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        raise toolbox.Skip("no chromium here")
    with tempfile.TemporaryDirectory() as profile:
        return subprocess.run(
            [browser, "--headless", "--no-sandbox", "--disable-gpu",
             "--user-data-dir=" + profile, *options, "file://" + path],
            check=True, timeout=60, capture_output=True, text=True).stdout


def page_words(path):
    """The words of the page as the browser renders it, without its scripts."""
    page = re.sub(r"<(script|style|title).*?</\1>", " ",
                  browse(path, "--dump-dom"), flags=re.S)
    return words_of(html.unescape(re.sub("<[^>]*>", " ", page)))


def draw_page(folder, name, path, size):
    picture = os.path.join(folder, name)
    browse(path, "--hide-scrollbars", "--window-size=%d,%d" % size,
           "--screenshot=" + picture)
    text = b"tEXtComment\0%s." % " ".join(page_words(path)).encode()
    with open(picture, "rb") as file:
        data = file.read()
    # The text goes after the signature and the header.
    with open(picture, "wb") as file:
        file.write(data[:33] + struct.pack(">I", len(text) - 4) + text +
                   struct.pack(">I", zlib.crc32(text)) + data[33:])
    print(name, os.path.getsize(picture))


def draw_fault(folder):
    with tempfile.TemporaryDirectory() as place:
        core, _written = toolbox.die(place, "after 64", toolbox.GUARDS)
        draw_output(folder, "fault.svg", "tcm-stat fault core", "fault", core)


def draw_difference(folder, target, patience):
    """The difference between two saved readings."""
    with tempfile.TemporaryDirectory() as place:
        saved = [os.path.join(place, name) for name in ("before", "after")]
        for path in saved:
            write(place, os.path.basename(path),
                  toolbox.stat("--json", "--seconds=0", target.pid).stdout)
            time.sleep(2 * patience)
        draw_output(folder, "diff.svg", "tcm-stat diff before after", "diff",
                    *saved)


def draw_screens(folder, patience=1):
    draw_fault(folder)
    with contextlib.ExitStack() as stack:
        def start(what, **env):
            return stack.enter_context(
                Target(["shop", what], env=env, executable=SICK))

        fragmented, caches = start("fragmented"), start("caches")
        leak = start("leak", TCM_PROFILE_BYTES="64K")
        stacks = start("stacks")
        time.sleep(3 * patience)
        draw_output(folder, "overview.svg", "tcm-stat %d" % fragmented.pid,
                    fragmented.pid)
        draw_output(folder, "caches.svg", "tcm-stat %d" % caches.pid,
                    caches.pid, rows=80)
        draw_ps(folder)
        draw_difference(folder, leak, patience)
        draw_output(folder, "classes.svg", "tcm-stat classes %d" % leak.pid,
                    "classes", leak.pid)
        draw_output(folder, "spans.svg", "tcm-stat spans %d" % caches.pid,
                    "spans", caches.pid)
        draw_output(folder, "threads.svg", "tcm-stat threads %d" % stacks.pid,
                    "threads", stacks.pid)
        draw_output(folder, "watch.svg", "tcm-stat watch -c 8 %d" % leak.pid,
                    "watch", "-c", 8, "-i", patience, leak.pid, seconds=20)
        draw_output(folder, "profile.svg",
                    "tcm-stat profile --growth --seconds 3 %d" % leak.pid,
                    "profile", "--growth", "--seconds=%g" % (3 * patience),
                    leak.pid, seconds=12)
        draw_top(folder, "top.svg", "tcm-stat top", keys="/shop\r",
                 seconds=6 * patience)
        draw_top(folder, "top-process.svg", "tcm-stat top %d" % leak.pid,
                 str(leak.pid), seconds=15 * patience)


@contextlib.contextmanager
def report_page(seconds):
    with Target(["shop"], env={"TCM_PROFILE_BYTES": "16K"},
                executable=toolbox.PROGRAM) as target, \
            tempfile.TemporaryDirectory() as folder:
        for line in ("fill 200000 700", "sparse", "fill 30000 2000",
                     "fill 12 5000000"):
            target.do(line)
        path = os.path.join(folder, "heap.html")
        done = toolbox.stat("report", "--seconds=%g" % seconds, target.pid,
                            "-o", path)
        assert done.returncode == toolbox.OK, done
        yield path


@contextlib.contextmanager
def flame_page():
    """Anything below 0.1 %, such as the buffer of stdout, has no name there."""
    with Target(["shop"], env={"TCM_PROFILE_BYTES": "16K"},
                executable=toolbox.PROGRAM) as target, \
            tempfile.TemporaryDirectory() as folder:
        target.do("fill 40000 1500")
        path = os.path.join(folder, "flame.html")
        done = toolbox.stat("profile", "--html", target.pid, "-o", path)
        assert done.returncode == toolbox.OK, done
        yield path


def draw_pages(folder):
    with flame_page() as path:
        draw_page(folder, "flame.png", path, (900, 400))
    with report_page(3) as path:
        draw_page(folder, "report.png", path, (1100, 1500))
        draw_page(folder, "report-phone.png", path, (400, 900))


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    draw_screens(folder)
    draw_pages(folder)


if __name__ == "__main__":
    main()
