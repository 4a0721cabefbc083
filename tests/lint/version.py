# SPDX-License-Identifier: BSD-2-Clause
"""tcm.h, NEWS and, in a git checkout, debian/changelog have the version of
configure.ac; no other source repeats it."""
import os
import re

import lint

match = re.search(r"AC_INIT\(\[tcm\], \[([\d.]+)\]", lint.read("configure.ac"))
version = match.group(1) if match else "none"
header = lint.read("include/tcm.h")
parts = [re.search(r"#define TCM_VERSION_%s (\d+)" % part, header)
         for part in ("MAJOR", "MINOR", "PATCH")]
in_header = ".".join(part.group(1) for part in parts if part)
if in_header != version:
    lint.complain("configure.ac says %s, tcm.h says %s" % (version, in_header))
news = re.match(r"tcm ([\d.]+)", lint.read("NEWS"))
if not news or news.group(1) != version:
    lint.complain("NEWS does not begin with tcm " + version)
if os.path.exists(os.path.join(lint.srcdir(), "debian/changelog")):
    entry = re.match(r"libtcm \(([\d.]+)-", lint.read("debian/changelog"))
    if not entry or entry.group(1) != version:
        lint.complain("debian/changelog does not begin with " + version)
for path in lint.files():
    if path in ("configure.ac", "NEWS") or path.startswith("debian/"):
        continue
    if path.endswith((".ac", ".am", ".mk", ".in", ".c", ".h", ".sh")) and \
            re.search(r'"%s"|=\s*%s\b' % ((re.escape(version),) * 2),
                      lint.blank(lint.read(path), "comments")):
        lint.complain("%s repeats the version %s" % (path, version))
lint.finish(1, "version")
