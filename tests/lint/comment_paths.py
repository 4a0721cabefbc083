# SPDX-License-Identifier: BSD-2-Clause
"""Every file that a comment names exists.

A name may be a path from the top, from lib/, include/ or tests/, or the bare
name of a file anywhere in the tree.  System headers are written <sys/mman.h>.
"""
import os
import re

import lint

NAME = re.compile(r"(?<![<\w./-])((?:[\w-]+/)*[\w-]+"
                  r"\.(?:c|h|def|map|py|sh|mk|ac|am|in|m4))(?![\w/-])")

every = lint.files()
known = set(every) | {os.path.basename(path) for path in every}
for top in ("lib/", "include/", "tests/"):
    known |= {path[len(top):] for path in every if path.startswith(top)}
# Made by configure.
known |= {"config.h", "configure"}


def hash_comments(text):
    """(line number, text) of the comments of a script or a makefile."""
    for number, line in enumerate(text.splitlines(), 1):
        match = re.search(r"(?:^|\s)(?:#|dnl )\s?(.*)", line)
        if match and not line.startswith("#!"):
            yield number, match.group(1)


count = 0
for path in lint.files("lib", "include", "tools", "tests", "build-aux",
                       suffixes=(".c", ".h", ".def", ".mk", ".py", ".sh")):
    text = lint.read(path)
    is_c = path.endswith((".c", ".h", ".def"))
    for line, comment in (lint.comments if is_c else hash_comments)(text):
        for match in NAME.finditer(comment):
            count += 1
            if match.group(1) not in known:
                at = line + comment.count("\n", 0, match.start())
                lint.complain("%s:%d: no such file: %s"
                              % (path, at, match.group(1)))
lint.finish(count, "names of files")
