# SPDX-License-Identifier: BSD-2-Clause
"""A file under lib/ includes only files of its own floor and those below, and
within a floor no two modules need each other.

A module is a header with the source of the same name.  A header without a
source is a part of the modules that include it.
"""
import os
import re

import lint

ALLOWED_ANYWHERE = {"config.h", "tcm.h"}


def target_of(path, name):
    """The path in the tree of an #include "name" in path, or None."""
    for base in ("lib", os.path.dirname(path), ""):
        candidate = os.path.normpath(os.path.join(base, name))
        if os.path.exists(os.path.join(lint.srcdir(), candidate)):
            return candidate
    return None


def check(path):
    """Checks the floors; returns the files of the tree that path includes."""
    included = set()
    own = lint.floor_of(path)
    text = lint.blank(lint.read(path), "comments")
    for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', text,
                             re.M):
        name = match.group(1)
        if name in ALLOWED_ANYWHERE:
            continue
        line = text.count("\n", 0, match.start()) + 1
        target = target_of(path, name)
        floor = lint.floor_of(target) if target else None
        if target is None:
            lint.complain('%s:%d: no such file: "%s"' % (path, line, name))
        elif target.endswith(".c"):
            lint.complain("%s:%d: includes a source file" % (path, line))
        elif floor is None or \
                lint.FLOORS.index(floor) > lint.FLOORS.index(own):
            lint.complain("%s:%d: floor %s includes %s"
                          % (path, line, own, target))
        else:
            included.add(target)
    return included


def headers_of(path, includes, modules, seen):
    """The modules that path includes, even through headers without a source."""
    found = set()
    for header in includes.get(path, ()):
        if header in modules:
            found.add(modules[header])
        elif header not in seen:
            seen.add(header)
            found |= headers_of(header, includes, modules, seen)
    return found


def circle_through(module, needs):
    """The shortest way from module back to it, or None."""
    ways = [[module]]
    seen = set()
    while ways:
        way = ways.pop(0)
        for other in sorted(needs[way[-1]] - seen):
            if other == module:
                return way
            seen.add(other)
            ways.append(way + [other])
    return None


def check_circles(includes):
    modules = {header: header[:-2] for header in includes
               if header.endswith(".h") and header[:-2] + ".c" in includes}
    needs = {}
    for module in modules.values():
        needs[module] = set()
        for path in (module + ".h", module + ".c"):
            needs[module] |= headers_of(path, includes, modules, set())
        needs[module].discard(module)
    told = set()
    for module in sorted(needs):
        circle = circle_through(module, needs)
        if circle and not told & set(circle):
            told |= set(circle)
            lint.complain("a circle: %s" % " -> ".join(circle + [module]))


paths = [p for p in lint.files("lib", suffixes=(".c", ".h", ".def"))
         if lint.floor_of(p)]
check_circles({source: check(source) for source in paths})
lint.finish(len(paths), "files")
