# SPDX-License-Identifier: BSD-2-Clause
"""The manual pages say what the header, the options and the sources say.

  functions  each tcm_* function of tcm.h has a page or an alias, named in NAME,
             with the header's prototype, errors, signal safety and version;
             no page has a function or an error that the header lacks
  structs    each field is described, in the order of the header
  options    ENVIRONMENT of tcm(7) has each row of lib/base/options.def
  the rest   the pages, replaced functions, messages, variables, files and
             functions that a page names exist
"""
import errno
import os
import re

import lint
import manpage

HEADER = "include/tcm.h"
OVERVIEW, INTERNALS = "man/tcm.7", "man/tcm-internals.7"
OF_THE_SYSTEM = {"LD_PRELOAD"}
ERRNO = set(errno.errorcode.values())
DECLARATION = re.compile(
    r"(?:/\*\*((?:(?!\*/).)*)\*/\s*)?"
    r"^((?:[\w*]+[ *]+)+?)(tcm_\w+)\(([^)]*)\)[^;{]*;", re.M | re.S)


class Function:
    def __init__(self, match):
        comment, result, self.name, arguments = match.groups()
        self.comment = comment or ""
        self.prototype = squeeze("%s%s(%s);" % (result, self.name, arguments))
        self.errors = {word for word in re.findall(r"\bE[A-Z0-9]+\b",
                                                   self.comment)
                       if word in ERRNO}
        self.like = set(re.findall(r"\b[Aa]s (tcm_\w+)\(\)", self.comment))
        self.is_signal_safe = "async-signal-safe" in self.comment
        since = re.search(r"Since (\d[\d.]*\d)", self.comment)
        self.since = since.group(1) if since else None


def squeeze(text):
    return re.sub(r"\s+", " ", text).strip()


def header_functions():
    text = lint.read(HEADER)
    found = {function.name: function for function in
             map(Function, DECLARATION.finditer(text))}
    # "as tcm_malloc()" in a comment adds that function's errors.
    for _ in found:
        for function in found.values():
            for name in function.like & set(found):
                function.errors |= found[name].errors
    return found


def complain(page, text):
    lint.complain("%s: %s" % (page.path, text))


# ---- Functions -----------------------------------------------------------
def check_files(functions, pages):
    by_path = {page.path: page for page in pages}
    listed = set(re.findall(r"\bman/\S+\.\d\b", lint.read("man/local.mk")))
    for path in sorted(set(by_path) ^ listed):
        lint.complain("%s: %s man/local.mk" % (
            path, "there is none, but in" if path in listed else "missing in"))
    for name in functions:
        if "man/%s.3" % name not in by_path:
            lint.complain("%s: no page or alias for %s" % (HEADER, name))
    for page in pages:
        # A page may describe a family, as tcm_profile(3) does.
        if page.section == "3" and page.name not in functions and not any(
                name.startswith(page.name + "_") for name in functions):
            complain(page, "tcm.h does not declare that")
        if page.alias_of is None:
            continue
        target = by_path.get("man/" + page.alias_of.rpartition("/")[2])
        if target is None or target.alias_of is not None or \
                page.alias_of != "man%s/%s" % (target.section,
                                               target.path[len("man/"):]):
            complain(page, "an alias of what is not there: " + page.alias_of)
        elif page.name not in target.names():
            complain(target, "NAME lacks its alias " + page.name)


def check_functions(page, functions):
    synopsis = squeeze(page.text("SYNOPSIS"))
    for name in page.names():
        function = functions.get(name)
        if function is None:
            complain(page, "tcm.h does not declare " + name)
            continue
        if function.prototype not in synopsis:
            complain(page, "SYNOPSIS has not: " + function.prototype)
        if function.since is None or "tcm %s." % function.since not in \
                page.text("HISTORY"):
            complain(page, "HISTORY has not the version of " + name)
    check_errors(page, [functions[name] for name in page.names()
                        if name in functions])
    check_signals(page, functions)


def page_errors(page):
    """(errno, the functions it is for, or none if for all) of ERRORS."""
    for tag, text in manpage.tagged(page.sections.get("ERRORS", [])):
        if tag in ERRNO:
            only = re.match(r"\(((?:tcm_\w+\(\)(?:, )?)+)\)", text)
            names = re.findall(r"tcm_\w+", only.group(1)) if only else []
            yield tag, names


def check_errors(page, functions):
    entries = list(page_errors(page))
    for function in functions:
        for error in sorted(function.errors):
            if not any(tag == error and (not names or function.name in names)
                       for tag, names in entries):
                complain(page, "ERRORS lacks %s of %s()"
                         % (error, function.name))
    for error, names in entries:
        able = {function.name for function in functions
                if error in function.errors}
        for name in sorted(set(names) - able) or ([] if able else ["none"]):
            complain(page, "ERRORS has %s, tcm.h not: %s" % (error, name))


def check_signals(page, functions):
    """Each function is in ATTRIBUTES, with the signal safety of tcm.h."""
    said, names = {}, []
    for line in page.sections.get("ATTRIBUTES", []):
        text = manpage.rendered(line)[1]
        if line == "T{":
            names = []
        if not line.startswith("."):
            names += re.findall(r"(tcm_\w+)\(\)", text.partition("\t")[0])
        safety = re.search(r"\tSignal safety\t(\S+)", text)
        if safety:
            said.update(dict.fromkeys(names, safety.group(1)))
    for name in page.names():
        if name not in functions:
            continue
        wanted = "AS-Safe" if functions[name].is_signal_safe else "AS-Unsafe"
        if said.get(name) != wanted:
            complain(page, "ATTRIBUTES: the signal safety of %s() is %s, "
                     "tcm.h says %s" % (name, said.get(name), wanted))


# ---- Structs -------------------------------------------------------------
def check_struct(name, page):
    """The paragraphs before the first .SS describe the fields in order."""
    text = lint.blank(lint.read(HEADER), "comments")
    body = re.search(r"struct %s \{(.*?)\};" % name, text, re.S)
    fields = re.findall(r"(\w+)(?=[,;])", body.group(1)) if body else []
    described = []
    lines = page.sections.get("DESCRIPTION", []) if page else []
    headings = [i for i, line in enumerate(lines) if line.startswith(".SS")]
    for tag, _ in manpage.tagged(lines[:headings[0] if headings else None]):
        described += tag.split(", ")
    if fields != described:
        lint.complain("struct %s has the fields %s; its page describes %s"
                      % (name, fields, described))


# ---- Options and the overview --------------------------------------------
def check_options(page):
    wanted = {variable: values for variable, _, values in lint.options()}
    found = {}
    for tag, text in manpage.tagged(page.sections.get("ENVIRONMENT", [])):
        values = re.search(r"Default \S+, from [^.]*\.|No default; [^.]*\.",
                           text)
        found[tag] = values.group(0) if values else "nothing"
    for variable in sorted(set(wanted) | set(found)):
        if variable not in found:
            complain(page, "ENVIRONMENT lacks " + variable)
        elif variable not in wanted:
            complain(page, "there is no option " + variable)
        elif found[variable] != wanted[variable]:
            complain(page, "%s: %s  It should say: %s"
                     % (variable, found[variable], wanted[variable]))


def check_replaced(page):
    """The functions that tcm replaces are those that it exports."""
    exported = {name for line in
                lint.read("tests/lint/exports.txt").splitlines()
                for name in line.split("#")[0].split()[:1]
                if not name.startswith(("tcm", "_Z"))}
    said = set()
    for line in page.subsection("DESCRIPTION", "What it replaces"):
        if re.match(r"\.(B|BR) \w+( [,;])?$", line):
            said |= set(line.split()[1:2])
    for name in sorted(exported ^ said):
        complain(page, "%s: %s" % (name, "not exported" if name in said else
                                   "replaced, but not told"))


def check_messages(page):
    """The quoted messages exist in the sources."""
    literals = "\0".join(
        re.sub(r'"\s*"', "", "".join(re.findall(
            r'"(?:\\.|[^"\\\n])*"\s*', lint.blank(lint.read(path),
                                                  "comments"))))
        for path in lint.files("lib", suffixes=(".c", ".h")))
    for heading in ("When memory grows", "Wrong pointers", "Other lines"):
        for tag, _ in manpage.tagged(page.subsection("DESCRIPTION", heading)):
            words = re.sub(r"^tcm: |[ .]*$", "", tag)
            if words not in literals:
                complain(page, "no such line in lib/: " + tag)


# ---- Names everywhere ----------------------------------------------------
def check_names(page, paths, known_words):
    text = page.text()
    for name, section in sorted(set(
            re.findall(r"\b(tcm[\w-]*)\((\d)\)", text))):
        if "man/%s.%s" % (name, section) not in paths:
            complain(page, "no such page: %s(%s)" % (name, section))
    for word in sorted(set(re.findall(r"\bTCM_[A-Z_]+[A-Z]\b", text))):
        if word not in known_words:
            complain(page, "nothing is called " + word)
    info = re.search(r"TCM_VERSION_INFO\], \[(\d+):\d+:(\d+)\]",
                     lint.read("configure.ac"))
    number = int(info.group(1)) - int(info.group(2)) if info else None
    for found in sorted(set(re.findall(r"libtcm\.so\.(\d+)", text))):
        if number is not None and int(found) != number:
            complain(page, "the library is libtcm.so.%d" % number)


def check_internals(page, known_files):
    """Functions, constants and files of the sources; the order of locks."""
    sources = "\n".join(lint.read(path) for path in
                        lint.files("lib", "include",
                                   suffixes=(".c", ".h", ".def")))
    text = page.text()
    for name in sorted(set(re.findall(r"\b([a-z_][a-z0-9_]*)\(\)", text))):
        if not re.search(r"^(?:#define )?%s\(" % name, sources, re.M):
            complain(page, "no such function: %s()" % name)
    for word in sorted(set(re.findall(r"\b[A-Z]+_[A-Z_]+\b", text))):
        if word not in OF_THE_SYSTEM and \
                word not in lint.read("configure.ac") and \
                not re.search(r"\b(?:LOCK_)?%s\b" % word, sources):
            complain(page, "no such constant: " + word)
    for path in sorted(set(re.findall(
            r"(?<![\w/.$-])((?:[\w-]+/)+[\w.-]*\w|\w+\.[ch])\b", text))):
        # A test program is named without the suffix of its source.
        if path not in known_files and path + ".c" not in known_files:
            complain(page, "no such file: " + path)
    order = re.search(r"^ \*     (INIT < .*)$",
                      lint.read("lib/base/lock.h"), re.M)
    if order and order.group(1) not in text:
        complain(page, "the order of locks is " + order.group(1))


def files_of_the_tree():
    found = lint.files()
    folders = {os.path.dirname(path) for path in found}
    return set(found) | folders | {os.path.basename(path) for path in found}


def main():
    functions = header_functions()
    pages = manpage.pages()
    by_path = {page.path: page for page in pages}
    whole = [page for page in pages if page.alias_of is None]
    variables = {variable for variable, _, _ in lint.options()}
    known_words = variables | set(re.findall(
        r"\bTCM_\w+", lint.read(HEADER) + lint.read("configure.ac")))
    check_files(functions, pages)
    for page in whole:
        if page.section == "3":
            check_functions(page, functions)
        check_names(page, by_path, known_words)
    for name in re.findall(r"^struct (tcm_\w+) \{", lint.read(HEADER), re.M):
        page = by_path.get("man/%s.3" % name)
        if page is not None and page.alias_of is not None:
            page = by_path.get("man/" + page.alias_of.rpartition("/")[2])
        check_struct(name, page)
    if OVERVIEW in by_path:
        check_options(by_path[OVERVIEW])
        check_replaced(by_path[OVERVIEW])
        check_messages(by_path[OVERVIEW])
    else:
        lint.complain("there is no " + OVERVIEW)
    if INTERNALS in by_path:
        check_internals(by_path[INTERNALS], files_of_the_tree())
    lint.finish(len(functions), "functions of tcm.h")


main()
