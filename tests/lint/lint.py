# SPDX-License-Identifier: BSD-2-Clause
"""Shared by the lints: where the tree is, its files, and how a lint ends.

A lint takes the tree from TEST_SRCDIR, the build from TEST_BUILDDIR, collects
complaints, and exits with 0, 1, or 77 when it cannot run here.
"""
import os
import re
import subprocess
import sys

FLOORS = ["base", "heap", "cache", "profile", "observe", "process", "front",
          "api"]

PASS, FAIL, SKIP = 0, 1, 77

# Folders and files that autoreconf and builds leave in the tree.
_GENERATED_DIRS = {".git", "build", "autom4te.cache", ".libs", ".deps",
                   "__pycache__", ".debhelper"}
_GENERATED = re.compile(
    r"(^|/)(aclocal\.m4|configure|Makefile\.in|config\.h\.in|libtool|Makefile"
    r"|config\.(h|log|status)|stamp-h1|tcm-config(-version)?\.cmake|tcm\.pc|tcm\.spec|compile_commands\.json"
    r"|m4/(libtool|lt.*)\.m4|build-aux/(ar-lib|compile|config\.guess"
    r"|config\.sub|depcomp|install-sh|ltmain\.sh|missing|test-driver))$"
    r"|\.(o|lo|la|a|so|log|trs|pyc)$|~$|\.tar\.xz$"
    r"|^debian/(files|autoreconf\..*|debhelper-build-stamp|.*\.substvars)$"
    r"|^debian/(tmp|libtcm0|libtcm-dev|tcm-tools)/")

_complaints = []


def srcdir():
    return os.environ.get("TEST_SRCDIR") or os.getcwd()


def builddir():
    return os.environ.get("TEST_BUILDDIR") or os.path.join(srcdir(), "build")


def tool(variable, default):
    """A program from the environment, as a list of words."""
    return (os.environ.get(variable) or default).split()


# Core files and pictures.
_BINARY = (".core.xz", ".png")


def files(*tops, suffixes=None):
    """Relative paths of the tree's own text files below the folders."""
    found = []
    root = srcdir()
    for top in tops or (".",):
        for folder, names, members in os.walk(os.path.join(root, top)):
            names[:] = [n for n in names if n not in _GENERATED_DIRS
                        and not os.path.exists(
                            os.path.join(folder, n, "config.status"))
                        and not n.startswith("tcm-")]
            for member in members:
                path = os.path.relpath(os.path.join(folder, member), root)
                if _GENERATED.search(path) or path.endswith(_BINARY):
                    continue
                if suffixes is None or path.endswith(suffixes):
                    found.append(path)
    return sorted(found)


def read(path):
    with open(os.path.join(srcdir(), path), encoding="utf-8") as stream:
        return stream.read()


_OPTION = re.compile(r"\bOPTION\(\s*(\w+)\s*,\s*([^,]+?)\s*,\s*([^,]+?)\s*,"
                     r"\s*([^,]+?)\s*,\s*([^,]+?)\s*,"
                     r"\s*((?:\"[^\"]*\"\s*)+)\)")


_TEXT_OPTION = re.compile(r"\bTEXT_OPTION\(\s*(\w+)\s*,"
                          r"\s*((?:\"[^\"]*\"\s*)+)\)")


def options():
    """(variable, help, the documented text on its values) of each row of
    lib/base/options.def."""
    text = blank(read("lib/base/options.def"), "comments")
    for name, default, least, most, fixed, texts in _OPTION.findall(text):
        yield ("TCM_" + name.upper(),
               "".join(re.findall(r'"([^"]*)"', texts)),
               "Default %s, from %s to %s; %s."
               % (default, least, most,
                  "fixed at start" if fixed in ("1", "true") else
                  "can be set at run time"))
    for name, texts in _TEXT_OPTION.findall(text):
        yield ("TCM_" + name.upper(),
               "".join(re.findall(r'"([^"]*)"', texts)),
               "No default; fixed at start.")


def floor_of(path):
    """The floor of a path such as lib/heap/span.c, or None."""
    match = re.match(r"lib/(\w+)/", path)
    return match.group(1) if match and match.group(1) in FLOORS else None


_TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"'
                    r"|'(?:\\.|[^'\\\n])*'", re.S)


def blank(text, what):
    """C text with comments ("comments") or string contents ("strings")
    replaced by blanks, so that positions and lines stay as they are."""
    def replace(match):
        token = match.group(0)
        is_comment = token.startswith("/")
        if is_comment != (what == "comments"):
            return token
        if is_comment:
            return re.sub(r"[^\n]", " ", token)
        return token[0] + " " * (len(token) - 2) + token[-1]
    return _TOKEN.sub(replace, text)


def comments(text):
    """(line number, text) of each comment of C text."""
    for match in _TOKEN.finditer(text):
        if match.group(0).startswith("/"):
            yield text.count("\n", 0, match.start()) + 1, match.group(0)


def run(command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True,
                          check=False, **options)


def output(command):
    """What a command prints; the lint ends if it fails."""
    try:
        result = run(command)
    except OSError as error:
        skip("cannot run %s: %s" % (command[0], error.strerror))
    if result.returncode != 0:
        print("%s: %s" % (" ".join(command), result.stderr.strip()))
        sys.exit(99)
    return result.stdout


def configured(name):
    """Whether config.h of the build defines a name."""
    try:
        path = os.path.join(builddir(), "config.h")
        with open(path, encoding="utf-8") as stream:
            return re.search(r"^#define %s\b" % name, stream.read(),
                             re.M) is not None
    except OSError:
        return False


def library():
    """The path of the shared library; the lint is skipped without it."""
    path = os.environ.get("TEST_RELEASE_SO") or \
        os.path.join(builddir(), ".libs", "libtcm.so.0")
    if not os.path.exists(path):
        skip("there is no " + path)
    return path


def complain(text):
    _complaints.append(text)
    print(text)


def skip(reason):
    print(reason)
    sys.exit(SKIP)


def finish(looked_at, noun, missing=()):
    """End the lint.  A lint that looked at nothing fails; a lint that lacked a
    tool and has no complaints is skipped."""
    if looked_at == 0:
        complain("nothing to look at: no %s" % noun)
    print("%d %s, %d complaints" % (looked_at, noun, len(_complaints)))
    if missing and not _complaints:
        skip("%d %s pass what was run; skipped, for there is no %s"
             % (looked_at, noun, ", no ".join(missing)))
    sys.exit(FAIL if _complaints else PASS)
