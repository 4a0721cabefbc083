# SPDX-License-Identifier: BSD-2-Clause
"""Each file names its license in one of its first three lines, and contains no
path of its author's machine."""
import re

import lint

LINE = "SPDX-License-Identifier: BSD-2-Clause"
NO_COMMENT = {"COPYING", "NEWS", "README", "HACKING", "SECURITY",
              "debian/changelog", "debian/source/format"}
NO_COMMENT_SUFFIX = (".txt", ".json", ".svg", ".tsv")
LOCAL = re.compile(r"/(?:home|root|Users)/[a-z]|/work/[a-z]")

paths = lint.files()
for path in paths:
    text = lint.read(path)
    if path not in NO_COMMENT and not path.endswith(NO_COMMENT_SUFFIX) and \
            not any(LINE in line for line in text.splitlines()[:3]):
        lint.complain("%s: no line %s" % (path, LINE))
    match = None if path == "tests/lint/license.py" else LOCAL.search(text)
    if match:
        lint.complain("%s:%d: a path of one machine: %s"
                      % (path, text.count("\n", 0, match.start()) + 1,
                         match.group(0)))
lint.finish(len(paths), "files")
