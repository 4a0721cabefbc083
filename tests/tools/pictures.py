# SPDX-License-Identifier: BSD-2-Clause
"""The pictures of doc/screens show the words of today's screens and pages."""
import os
import re
import tempfile

import screens
import toolbox

DOC = os.path.join(os.environ["TEST_SRCDIR"], "doc/screens")
# Depends on the machine: whether there are processes that could not be
# read.
VARIES = {"process", "processes", "could", "not", "read"}


def compare(name, now):
    shown = screens.words_in(os.path.join(DOC, name))
    assert len(now) > 4, (name, now)
    # A live screen may also show other processes.
    wrong = shown - now if name.startswith("top") else shown ^ now
    assert wrong <= VARIES, \
        "%s is not as it looks; run make screens: %s" % (name, wrong)


def pictures():
    return {name for name in os.listdir(DOC) if name != "README.txt"}


def the_list_is_complete():
    with open(os.path.join(DOC, "README.txt"), encoding="ascii") as file:
        assert set(re.findall(r"^  (\S+\.(?:svg|png))", file.read(), re.M)) == \
            pictures()


def screens_are_as_they_look():
    if not toolbox.has("HAVE_NCURSES"):
        raise toolbox.Skip("built without ncursesw")
    toolbox.need_names()
    with tempfile.TemporaryDirectory() as folder:
        screens.draw_screens(folder, 0.2)
        made = set(os.listdir(folder))
        assert made == {n for n in pictures() if n.endswith(".svg")}, made
        for name in made:
            compare(name, screens.words_in(os.path.join(folder, name)))


def pages_are_as_they_look():
    toolbox.need_names()
    if not toolbox.has_json():
        raise toolbox.Skip("built without jansson")
    with screens.flame_page() as path:
        compare("flame.png", set(screens.page_words(path)))
    with screens.report_page(0.5) as path:
        now = set(screens.page_words(path))
    compare("report.png", now)
    compare("report-phone.png", now)


toolbox.main([the_list_is_complete, screens_are_as_they_look,
              pages_are_as_they_look])
