# SPDX-License-Identifier: BSD-2-Clause
"""A file under lib/ includes only files of its own floor and those below."""
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


paths = [p for p in lint.files("lib", suffixes=(".c", ".h", ".def"))
         if lint.floor_of(p)]
for source in paths:
    check(source)
lint.finish(len(paths), "files")
