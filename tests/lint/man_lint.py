# SPDX-License-Identifier: BSD-2-Clause
"""The manual pages pass our own rules and mandoc, groff, man and lexgrog.  The
lint names a missing tool and counts as skipped.

Our own rules: the sections are those of man-pages(7), in its order; each page
has the sections that its kind needs; source lines fit 80 columns; examples fit
a terminal of 80.
"""
import os
import re
import shutil
import tempfile

import lint
import manpage

ORDER = ["NAME", "LIBRARY", "SYNOPSIS", "CONFIGURATION", "DESCRIPTION",
         "OPTIONS", "EXIT STATUS", "RETURN VALUE", "ERRORS", "ENVIRONMENT",
         "FILES", "ATTRIBUTES", "VERSIONS", "STANDARDS", "HISTORY", "NOTES",
         "CAVEATS", "BUGS", "EXAMPLES", "AUTHORS", "REPORTING BUGS",
         "COPYRIGHT", "SEE ALSO"]
NEEDED = {"1": ["NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "SEE ALSO"],
          "3": ["NAME", "LIBRARY", "SYNOPSIS", "DESCRIPTION", "RETURN VALUE",
                "ATTRIBUTES", "STANDARDS", "HISTORY", "EXAMPLES", "SEE ALSO"],
          "7": ["NAME", "DESCRIPTION", "SEE ALSO"]}
SOURCE_COLUMNS = 80
INDENT, COLUMNS = 7, 80
HEADING = re.compile(r"\.TH (\S+) (\d) (\d{4}-\d\d-\d\d) tcm \"[^\"]+\"")
missing = []


def check_heading(page):
    match = next(filter(None, map(HEADING.fullmatch, page.lines)), None)
    if match is None or manpage.unescape(match.group(1)) != page.name or \
            match.group(2) != page.section:
        lint.complain("%s: no heading such as .TH %s %s 2000-01-31 tcm \"...\""
                      % (page.path, page.name, page.section))


def check_sections(page):
    titles = list(page.sections)
    known = [title for title in titles if title in ORDER]
    for title in titles:
        if title not in ORDER:
            lint.complain("%s: no section of man-pages(7): %s"
                          % (page.path, title))
    for before, after in zip(known, known[1:]):
        if ORDER.index(before) > ORDER.index(after):
            lint.complain("%s: %s stands before %s"
                          % (page.path, before, after))
    for title in NEEDED.get(page.section, []):
        if title not in titles:
            lint.complain("%s: no section %s" % (page.path, title))


def check_widths(page):
    literal, indent = False, INDENT
    for number, line in enumerate(page.lines, 1):
        macro, text = manpage.rendered(line)
        where = "%s:%d: " % (page.path, number)
        if len(line) > SOURCE_COLUMNS and macro is not None:
            lint.complain(where + "a source line of %d columns" % len(line))
        if line != line.rstrip():
            lint.complain(where + "blanks at the end of the line")
        if macro == "EX":
            literal = True
        elif macro == "EE":
            literal = False
        elif macro == "in":
            indent = INDENT + 4 if text else INDENT
        elif macro is None and literal and len(text) > COLUMNS - indent:
            lint.complain(where + "an example of %d columns, at most %d"
                          % (len(text), COLUMNS - indent))


def check_see_also(page):
    """Ordered by section, then by name."""
    found = re.findall(r"([\w.-]+)\((\d)\)", page.text("SEE ALSO"))
    keys = [(section, name) for name, section in found]
    if keys != sorted(keys):
        lint.complain("%s: SEE ALSO is not in order" % page.path)


def stage(pages):
    """A folder with the pages as they are installed."""
    root = tempfile.mkdtemp()
    for page in pages:
        folder = os.path.join(root, "man" + page.section)
        os.makedirs(folder, exist_ok=True)
        shutil.copy(os.path.join(lint.srcdir(), page.path), folder)
    return root


def staged(page):
    return "man%s/%s.%s" % (page.section, page.name, page.section)


def has(tool):
    if shutil.which(tool) is None:
        if tool not in missing:
            missing.append(tool)
        return False
    return True


def complain_of_output(page, tool, result):
    said = (result.stdout + result.stderr).strip()
    if said or result.returncode != 0:
        lint.complain("%s: %s says (status %d):\n%s"
                      % (page.path, tool, result.returncode, said))


def check_mandoc(page, root):
    if has("mandoc"):
        complain_of_output(page, "mandoc", lint.run(
            ["mandoc", "-Tlint", "-W", "warning", staged(page)], cwd=root))


def check_groff(page, root):
    if has("groff"):
        complain_of_output(page, "groff", lint.run(
            ["groff", "-ww", "-b", "-z", "-t", "-man", "-Tutf8",
             staged(page)], cwd=root))


# Distributions check each page of a package like this.  In 120 columns, a table
# can cross the end of a page that it does not reach in 80 columns.
def check_man(page, root):
    if not has("man"):
        return
    for width in "80", "120":
        environment = dict(os.environ, LC_ALL="C.UTF-8", MANROFFSEQ="",
                           MANWIDTH=width)
        result = lint.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8",
                           "-Z", staged(page)], cwd=root, env=environment)
        result.stdout = ""
        complain_of_output(page, "man", result)


def check_lexgrog(page, root):
    """lexgrog finds each name in NAME for the index of pages."""
    if not has("lexgrog"):
        return
    result = lint.run(["lexgrog", staged(page)], cwd=root)
    found = re.findall(r'"(\S+) - .*"', result.stdout)
    if result.returncode != 0 or found != page.names():
        lint.complain("%s: lexgrog finds %s, not %s"
                      % (page.path, found, page.names()))


def check_alias(page, root):
    """man shows the page of the alias."""
    if not has("man"):
        return
    environment = dict(os.environ, LC_ALL="C.UTF-8", MANWIDTH="80",
                       MANPAGER="cat", PAGER="cat")
    target = page.alias_of.rpartition("/")[2].rpartition(".")[0]
    shown = [lint.run(["man", "-M", root, page.section, name],
                      env=environment).stdout for name in (page.name, target)]
    if not shown[0] or shown[0] != shown[1]:
        lint.complain("%s: man does not show %s for it"
                      % (page.path, page.alias_of))


def main():
    pages = manpage.pages()
    root = stage(pages)
    try:
        for page in pages:
            check_groff(page, root)
            if page.alias_of is not None:
                check_alias(page, root)
                continue
            check_mandoc(page, root)
            check_heading(page)
            check_sections(page)
            check_widths(page)
            check_see_also(page)
            check_man(page, root)
            check_lexgrog(page, root)
    finally:
        shutil.rmtree(root)
    lint.finish(len(pages), "manual pages", missing)


main()
