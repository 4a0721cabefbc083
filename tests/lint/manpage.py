# SPDX-License-Identifier: BSD-2-Clause
"""Reads the manual pages in man/ for their lints.

It understands only the roff that our pages use: the macros of man(7), quoted
arguments, and a few escapes.
"""
import re

import lint

ESCAPES = {r"\-": "-", r"\ ": " ", r"\&": "", r"\^": "", r"\e": "\\",
           r"\(aq": "'", r"\(dq": '"', r"\(ha": "^", r"\(ti": "~",
           r"\(ga": "`", r"\(bu": "*", r"\(em": "--"}
_ESCAPE = re.compile(r"\\f.|\\\(..|\\.")
_WORD = re.compile(r'"((?:[^"]|"")*)"|(\S+)')
ALTERNATING = {"BR", "RB", "BI", "IB", "IR", "RI"}


def unescape(text):
    return _ESCAPE.sub(lambda match: ESCAPES.get(match.group(0), ""), text)


def rendered(line):
    """(macro or None, its text) of a source line; a comment has no text."""
    if line.startswith(('.\\"', "'\\\"")):
        return "comment", ""
    if not line.startswith("."):
        return None, unescape(line)
    macro, _, rest = line[1:].partition(" ")
    words = [quoted.replace('""', '"') or plain
             for quoted, plain in _WORD.findall(rest)]
    between = "" if macro in ALTERNATING else " "
    return macro, unescape(between.join(words))


class Page:
    def __init__(self, path):
        self.path = path
        self.name, _, self.section = path.rpartition("/")[2].rpartition(".")
        self.lines = lint.read(path).splitlines()
        first = self.lines[0] if self.lines else ""
        self.alias_of = first[4:].strip() if first.startswith(".so ") else None
        self.sections = {}
        title = None
        for line in self.lines:
            macro, text = rendered(line)
            if macro == "SH":
                title = text
                self.sections[title] = []
            elif title is not None:
                self.sections[title].append(line)

    def text(self, *titles):
        """The words of the sections, or of all, without macros."""
        lines = [line for title in titles or self.sections
                 for line in self.sections.get(title, [])]
        return "\n".join(text for macro, text in map(rendered, lines) if text)

    def names(self):
        """The names before the dash in NAME."""
        before = " ".join(self.text("NAME").split()).partition(" - ")[0]
        return [name.strip() for name in before.split(",")]

    def subsection(self, title, heading):
        """The source lines under a heading .SS of a section."""
        found, inside = [], False
        for line in self.sections.get(title, []):
            macro, text = rendered(line)
            if macro == "SS":
                inside = text == heading
            elif inside:
                found.append(line)
        return found

    def samples(self):
        """(name, text, line number) of each text between SRC marks."""
        found, name = [], None
        for number, line in enumerate(self.lines, 1):
            begin = re.fullmatch(r'\.\\" SRC BEGIN \((\S+)\)', line)
            if begin:
                name, start, text = begin.group(1), number + 1, []
            elif line == '.\\" SRC END' and name is not None:
                found.append((name, "".join(text), start))
                name = None
            elif name is not None:
                text.append(rendered(line)[1] + "\n")
        if name is not None:
            lint.complain("%s: no end of %s" % (self.path, name))
        return found


def tagged(lines):
    """(tag, text) of each paragraph .TP, the text up to the next tag or
    heading."""
    tag, text, wants_tag = None, [], False
    for line in lines + [".SS"]:
        macro, words = rendered(line)
        if macro in ("TP", "TQ", "SS", "SH"):
            if tag is not None:
                yield tag, " ".join(" ".join(text).split())
            tag, text, wants_tag = None, [], macro in ("TP", "TQ")
        elif macro == "comment":
            continue
        elif wants_tag:
            tag, wants_tag = words, False
        elif words and macro not in ("in", "PD"):
            text.append(words)


def pages():
    return [Page(path) for path in lint.files("man")
            if re.search(r"\.[1-8]$", path)]
