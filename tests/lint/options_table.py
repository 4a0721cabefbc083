# SPDX-License-Identifier: BSD-2-Clause
"""README's table of options agrees with lib/base/options.def.

  options_table.py          compare
  options_table.py --print  print the table for README
"""
import re
import sys

import lint

WIDTH = 78


def wrapped(text, indent):
    lines, line = [], indent
    for word in text.split():
        if len(line) + 1 + len(word) > WIDTH and line.strip():
            lines.append(line)
            line = indent
        line += (" " if line.strip() else "") + word
    return lines + [line]


def table():
    lines = []
    for variable, text, values in lint.options():
        lines.append("  " + variable)
        lines += wrapped(text, "      ") + wrapped(values, "      ")
    return lines


wanted = table()
if sys.argv[1:] == ["--print"]:
    print("\n".join(wanted))
    sys.exit(0)
found = [line for line in lint.read("README").splitlines()
         if line.startswith("  ")]
start = found.index(wanted[0]) if wanted and wanted[0] in found else 0
if found[start:start + len(wanted)] != wanted:
    lint.complain("README's options differ from lib/base/options.def; "
                  "put the output of this there:\n"
                  "  python3 tests/lint/options_table.py --print")
for name in re.findall(r"^  (TCM_\w+)$", "\n".join(found), re.M):
    if "  " + name not in wanted:
        lint.complain("README has an option that does not exist: " + name)
lint.finish(sum(line.startswith("  TCM_") for line in wanted), "options")
