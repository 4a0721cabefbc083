# SPDX-License-Identifier: BSD-2-Clause
"""README's table of measurements agrees with doc/bench.json, and neither exists
without the other.

  bench_table.py          compare
  bench_table.py --print  print the section's text for README
"""
import json
import os
import sys

import lint

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                os.pardir, "bench"))
import kept  # noqa: E402

readme = lint.read("README").splitlines()
there = kept.HEADING in readme
wanted = []
if os.path.exists(os.path.join(lint.srcdir(), kept.PATH)):
    wanted = kept.readme(json.loads(lint.read(kept.PATH)))
if sys.argv[1:] == ["--print"]:
    print("\n".join(wanted))
    sys.exit(0)
if there and not wanted:
    lint.complain(f"README has a section \"{kept.HEADING}\", but there is no "
                  + kept.PATH)
elif wanted and not there:
    lint.complain(f"README has no section \"{kept.HEADING}\"")
elif wanted:
    # The heading is underlined, and an empty line follows.
    start = readme.index(kept.HEADING) + 3
    if readme[start:start + len(wanted)] != wanted:
        lint.complain("README's table differs from %s; put the output of this "
                      "there:\n  python3 tests/lint/bench_table.py --print"
                      % kept.PATH)
    if readme[start + len(wanted):start + len(wanted) + 1] not in ([], [""]):
        lint.complain("README's table continues after what %s says"
                      % kept.PATH)
if not wanted:
    print("no figures are kept in " + kept.PATH)
lint.finish(1 + len(wanted), "lines of README's table and its heading")
