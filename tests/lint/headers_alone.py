# SPDX-License-Identifier: BSD-2-Clause
"""Every header compiles when it is the first thing that a file includes."""
import os

import lint

WARNINGS = ["-Wall", "-Wextra", "-Werror", "-fsyntax-only"]


def compiles(name, language, flags):
    """Complain unless a file that includes only name compiles."""
    text = '#include "%s"\ntypedef int not_empty;\n' % name
    command = lint.tool("CC", "cc") + WARNINGS + flags + [
        "-I" + lint.builddir(), "-I" + os.path.join(lint.srcdir(), "lib"),
        "-I" + os.path.join(lint.srcdir(), "include"), "-x", language, "-"]
    result = lint.run(command, input=text)
    if result.returncode != 0:
        lint.complain("%s does not compile alone with %s:\n%s"
                      % (name, " ".join(flags), result.stderr))


count = 0
for path in lint.files("lib", suffixes=(".h",)):
    compiles(path[len("lib/"):], "c", ["-std=gnu11", "-include", "config.h"])
    count += 1
for standard in ("c99", "c11", "gnu2x"):
    compiles("tcm.h", "c", ["-std=" + standard, "-Wpedantic"])
    count += 1
# clang always compiles C++, gcc only if its C++ part is installed.
if lint.run(lint.tool("CC", "cc") + ["-fsyntax-only", "-x", "c++", "-"],
            input="").returncode == 0:
    for standard in ("c++11", "c++17"):
        compiles("tcm.h", "c++", ["-std=" + standard, "-Wpedantic"])
        count += 1
lint.finish(count, "compilations")
