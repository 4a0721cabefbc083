# SPDX-License-Identifier: BSD-2-Clause
"""Each field of a struct says who may touch it.

The comment of the field, or one on the struct that begins "All fields:", holds
one of the labels
  [const] [init] [derived] [owner thread] [lock: NAME] [atomic: ORDER, ...]
A lock needs none, because the labels name it.
"""
import re

import lint

LABEL = re.compile(r"\[(const|init|derived|owner thread|lock: [^\]]+"
                   r"|atomic: [^\]]+)\]")
ALL_FIELDS = re.compile(r"All fields:[\s*]*" + LABEL.pattern)
IS_LOCK = re.compile(r"^struct lock \w+$")
STRUCT = re.compile(r"\b(?:struct|union)\b[^;{}()=]*\{")


def closing(code, opening):
    """The position of the brace that closes the one at opening."""
    depth = 0
    for position in range(opening, len(code)):
        depth += {"{": 1, "}": -1}.get(code[position], 0)
        if depth == 0:
            return position
    return len(code) - 1


def comment_before(text, start):
    """The comment that ends just before the line of start."""
    line_start = text.rfind("\n", 0, start) + 1
    before = text[:line_start].rstrip()
    if not before.endswith("*/"):
        return ""
    return before[before.rfind("/*"):]


def field_end(text, semicolon):
    """The end of the comment that follows a field on its line."""
    rest = re.compile(r"[ \t]*(/\*.*?\*/)?", re.S).match(text, semicolon + 1)
    return rest.end()


class Checker:
    """Walks the structs of one file."""

    def __init__(self, path):
        self.path = path
        self.text = lint.read(path)
        self.code = lint.blank(lint.blank(self.text, "comments"), "strings")
        self.code = re.sub(r"^[ \t]*#(?:\\\n|[^\n])*",
                           lambda m: re.sub(r"[^\n]", " ", m.group(0)),
                           self.code, flags=re.M)
        self.fields = 0

    def check_fields(self, start, end, name):
        """The fields between two positions, nested structs included."""
        position = start
        while True:
            semicolon = self.code.find(";", position, end)
            brace = self.code.find("{", position, end)
            if semicolon < 0:
                return
            if 0 <= brace < semicolon:
                inner = closing(self.code, brace)
                semicolon = self.code.find(";", inner, end)
                stop = field_end(self.text, semicolon)
                if LABEL.search(self.text[inner:stop]) or \
                        LABEL.search(self.text[position:brace]):
                    self.fields += 1
                else:
                    self.check_fields(brace + 1, inner, name)
                position = stop
                continue
            stop = field_end(self.text, semicolon)
            self.fields += 1
            field = " ".join(self.code[position:semicolon].split())
            if not LABEL.search(self.text[position:stop]) and \
                    not IS_LOCK.match(field):
                line = self.code.count("\n", 0, semicolon) + 1
                lint.complain("%s:%d: %s: no label on: %s"
                              % (self.path, line, name, field))
            position = stop

    def check(self):
        position = 0
        while True:
            match = STRUCT.search(self.code, position)
            if not match:
                return
            end = closing(self.code, match.end() - 1)
            name = " ".join(match.group(0)[:-1].split())
            about = comment_before(self.text, match.start()) + \
                self.text[match.start():end]
            if not ALL_FIELDS.search(about):
                self.check_fields(match.end(), end, name)
            else:
                self.fields += 1
            position = end


total = 0
for source in lint.files("lib", suffixes=(".h", ".c")):
    checker = Checker(source)
    checker.check()
    total += checker.fields
lint.finish(total, "fields")
