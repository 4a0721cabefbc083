# SPDX-License-Identifier: BSD-2-Clause
"""A tcm symbol that one floor uses is defined on the same floor or below.

The objects show a use that a stray prototype hides from the include lint.
"""
import os
import re

import lint

OWN = re.compile(r"^tcmi?_")


def objects():
    """(source, object) of every source that the release library is made of."""
    for source in lint.files("lib", suffixes=(".c",)):
        if not lint.floor_of(source):
            continue
        folder, name = os.path.split(source[:-2] + ".o")
        for candidate in ("%s/.libs/%s" % (folder, name),
                          "%s/%s" % (folder, name),
                          "%s/.libs/libtcmoperators_la-%s" % (folder, name)):
            path = os.path.join(lint.builddir(), candidate)
            if os.path.exists(path):
                yield source, path
                break


def symbols(path):
    """(defined, undefined) names of an object."""
    defined, undefined = set(), set()
    listing = lint.output(lint.tool("NM", "nm") + ["-P", path])
    for line in listing.splitlines():
        name, kind = line.split()[:2]
        if OWN.match(name) and kind.isupper():
            (undefined if kind == "U" else defined).add(name)
    return defined, undefined


defined_on = {}
used = []
count = 0
for source, path in objects():
    floor = lint.floor_of(source)
    defined, undefined = symbols(path)
    count += 1
    for name in defined:
        defined_on.setdefault(name, set()).add(floor)
    used += [(source, floor, name) for name in sorted(undefined)]

for source, floor, name in used:
    floors = defined_on.get(name)
    if floors is None:
        lint.complain("%s: %s is defined nowhere" % (source, name))
    elif min(map(lint.FLOORS.index, floors)) > lint.FLOORS.index(floor):
        lint.complain("%s: floor %s uses %s of floor %s"
                      % (source, floor, name, "/".join(sorted(floors))))
lint.finish(count, "objects")
