# SPDX-License-Identifier: BSD-2-Clause
"""Functions, files and lines stay short enough to be read.

A function has at most 60 lines, a source file 600, a header 250.
tests/lint/lengths.allow lists the exceptions, one "path[:function] reason" per
line.  A line of C has at most 80 columns; clang-format breaks code, but not
comments.  Any other line has at most 512 characters: lintian treats a file with
a longer line as compiled, with its source missing.
"""
import re

import lint

FUNCTION_MAX = 60
FILE_MAX = {".c": 600, ".h": 250}
LINE_MAX = 512
C_LINE_MAX = 80
ALLOW = "tests/lint/lengths.allow"


def allowed():
    names = {}
    for line in lint.read(ALLOW).splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, reason = line.partition(" ")
            if not reason.strip():
                lint.complain("%s: no reason given for %s" % (ALLOW, name))
            names[name] = False
    return names


def functions(text):
    """(name, first line, lines) of each function definition."""
    code = lint.blank(lint.blank(text, "comments"), "strings").split("\n")
    start = name = None
    for number, line in enumerate(code, 1):
        if start is None:
            match = re.match(r"(\w+)\(", line)
            if match:
                name = match.group(1)
            elif line.startswith("{") and name:
                start = number
            elif line.rstrip().endswith(";"):
                name = None
        elif line.startswith("}"):
            yield name, start, number - start + 1
            start = name = None


exceptions = allowed()


def check_length(key, place, length, limit):
    if length <= limit:
        return
    if key in exceptions:
        exceptions[key] = True
        return
    lint.complain("%s: %d lines, at most %d" % (place, length, limit))


count = 0
for path in lint.files("lib", "include", "tools", suffixes=(".c", ".h")):
    source = lint.read(path)
    check_length(path, path, source.count("\n"), FILE_MAX[path[-2:]])
    for function, line, length in functions(source):
        count += 1
        check_length("%s:%s" % (path, function),
                     "%s:%d: %s" % (path, line, function),
                     length, FUNCTION_MAX)
for path in lint.files():
    # lintian exempts JSON, which is data.
    if path.endswith(".json"):
        continue
    most = C_LINE_MAX if path.endswith((".c", ".h")) else LINE_MAX
    for number, line in enumerate(lint.read(path).split("\n"), 1):
        # The generated table of classes is as wide as its generator makes it.
        if len(line) > most and not line.endswith("\\"):
            lint.complain("%s:%d: %d characters, at most %d"
                          % (path, number, len(line), most))
for exception, needed in sorted(exceptions.items()):
    if not needed:
        lint.complain("%s: %s needs no exception" % (ALLOW, exception))
lint.finish(count, "functions")
