# SPDX-License-Identifier: BSD-2-Clause
"""libtcm.so exports the names of tests/lint/exports.txt and no other.

The standard names have no version, because a versioned malloc would not replace
libc's; the tcm_* names have the version TCM_1.0.  Each tcm_* name is declared
in tcm.h, and vice versa.
"""
import re

import lint

LIST = "tests/lint/exports.txt"
LINKER_NAMES = {"_edata", "_end", "__bss_start", "_init", "_fini", "TCM_1.0"}


def listed():
    names = set()
    for line in lint.read(LIST).splitlines():
        words = line.split("#")[0].split()
        if words and all(map(lint.configured, words[1:])):
            names.add(words[0])
    return names


def exported(path):
    command = lint.tool("NM", "nm") + ["-D", "--defined-only", path]
    return {line.split()[-1] for line in lint.output(command).splitlines()
            if line.split()[-1].partition("@")[0] not in LINKER_NAMES}


def declared():
    text = lint.blank(lint.read("include/tcm.h"), "comments")
    return set(re.findall(r"^(?:[\w ]+[ *])(tcm_\w+)\(", text, re.M))


wanted = listed()
of_the_header = {name.partition("@")[0] for name in wanted
                 if name.startswith("tcm_")}
for name in sorted(of_the_header - declared()):
    lint.complain("%s: %s is not declared in tcm.h" % (LIST, name))
for name in sorted(declared() - of_the_header):
    lint.complain("tcm.h: %s is not in %s" % (name, LIST))

if not lint.configured("TCM_MALLOC_OVERRIDE"):
    wanted = {name for name in wanted if name.startswith("tcm_")}
found = exported(lint.library())
for name in sorted(wanted - found):
    lint.complain("not exported: %s" % name)
for name in sorted(found - wanted):
    lint.complain("exported, but not in %s: %s" % (LIST, name))
lint.finish(len(found), "exported names")
