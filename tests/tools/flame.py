# SPDX-License-Identifier: BSD-2-Clause
"""The flame graph of tcm-stat profile --html and of tcm-stat report: its data
agree with the document, and a browser draws it, zooms and searches."""
import json
import os
import re
import shutil
import subprocess
import tempfile

import toolbox
from toolbox import MIB, Skip, Target, has, need_names, stat

SHELF = "shop::Shelf<std::vector<int, std::allocator<int> > >::fill(int)"
SOURCE = r"""
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unistd.h>
#include <vector>

// Far larger than the mean of the samples, as all blocks are.
static const size_t block = 1 << 20;
void *last;

void equal_one() { last = malloc(block); }
void equal_two() { last = malloc(block); }
void narrow() { last = malloc(100000); }
void tiny_one() { last = malloc(9000); }
void tiny_two() { last = malloc(9000); }
void come_and_go() { last = malloc(block); free(last); }

namespace shop {
template <class T> struct Shelf {
  static void fill(int n) { while (n-- > 0) last = malloc(block); }
};
}

int main(int argc, char **argv)
{
  for (int i = 0; i < 24; i++) {
    equal_one();
    equal_two();
    come_and_go();
    come_and_go();
  }
  shop::Shelf<std::vector<int> >::fill(16);
  narrow();
  tiny_one();
  tiny_two();
  puts("ready");
  fflush(stdout);
  while (argc > 1) {
    equal_one();
    usleep(10000);
  }
  pause();
}
"""
# Sampling misses even the smallest block of the program only once in 10^7 runs.
MEAN = {"TCM_PROFILE_BYTES": "512"}
NUMBERS = ["live_bytes", "live_blocks", "allocated_bytes", "allocated_blocks"]
REST = "[other]"


def compile_in(folder, source):
    compiler = shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        raise Skip("there is no C++ compiler")
    text = os.path.join(folder, "program.cc")
    with open(text, "w", encoding="ascii") as file:
        file.write(source)
    program = os.path.join(folder, "program")
    subprocess.run([compiler, "-O0", "-fno-omit-frame-pointer", "-o", program,
                    text], check=True)
    return program


class Shop:
    """A program with known stacks; compiled once."""
    folder = None

    @classmethod
    def path(cls):
        if cls.folder is None:
            cls.folder = tempfile.TemporaryDirectory()
            cls.program = compile_in(cls.folder.name, SOURCE)
        return cls.program


def page_of(target, *arguments):
    done = stat("profile", "--html", *arguments, target.pid)
    assert done.returncode == toolbox.OK, done.stderr
    assert not done.stderr, done.stderr
    return done.stdout


def data_text(page):
    return re.search(r'type="application/json">(.*?)</script>', page,
                     re.S).group(1)


def profile_of(page):
    return json.loads(data_text(page))["profile"]


class Frame:
    """A function of the tree; its numbers include those of its callees."""

    def __init__(self, numbers):
        self.numbers = list(numbers)
        self.below = {}

    def add(self, numbers):
        self.numbers = [a + b for a, b in zip(self.numbers, numbers)]


def tree_of_page(profile):
    path = []
    for depth, name, *numbers in profile["frames"]:
        frame = Frame(numbers)
        if depth > 0:
            below = path[depth - 1].below
            assert name not in below, (name, below)
            below[name] = frame
        path[depth:] = [frame]
    return path[0]


def tree_of_document(document):
    root = Frame([0] * 5)
    for stack in document["stacks"]:
        numbers = [stack[name] for name in NUMBERS]
        numbers.append(max(0, stack["growth_bytes"]))
        frame = root
        frame.add(numbers)
        for name in stack["frames"][::-1] or ["unknown code"]:
            frame = frame.below.setdefault(name, Frame([0] * 5))
            frame.add(numbers)
    return root


def is_narrow(numbers, whole):
    return all(numbers[i] == 0 or numbers[i] < whole[i] // 1000
               for i in (0, 2, 4))


def compare(shown, truth, whole, joined):
    """All frames of the tree are shown, except narrow ones: they are joined."""
    assert shown.numbers == truth.numbers, (shown.numbers, truth.numbers)
    rest = Frame([0] * 5)
    for name, frame in truth.below.items():
        if is_narrow(frame.numbers, whole):
            assert name not in shown.below, name
            rest.add(frame.numbers)
            joined.append(name)
        else:
            compare(shown.below[name], frame, whole, joined)
    names = {n for n in truth.below if n not in joined}
    if rest.numbers[0] + rest.numbers[2] > 0:
        names.add(REST)
        assert shown.below[REST].numbers == rest.numbers
    assert set(shown.below) == names, (set(shown.below), names)


def the_page_is_the_document():
    if not toolbox.has_json():
        raise Skip("built without jansson")
    with Target([Shop.path()], env=MEAN) as target:
        page = profile_of(page_of(target))
        done = stat("profile", "--json", target.pid)
    document = json.loads(done.stdout)
    assert page["samples"] == document["samples"] > 100, page["samples"]
    assert page["mean"] == document["profile_bytes"] == 512
    truth, joined = tree_of_document(document), []
    compare(tree_of_page(page), truth, truth.numbers, joined)
    assert abs(truth.numbers[0] - 64 * MIB) < MIB / 2, truth.numbers
    assert abs(truth.numbers[2] - 112 * MIB) < MIB / 2, truth.numbers
    if has("HAVE_LIBDW"):
        # Of 64 MiB, narrow() holds 0.15 percent, the others 0.01 each.
        assert find(tree_of_page(page), "narrow()") is not None
        assert {"tiny_one()", "tiny_two()"} <= set(joined), joined


def many_long_names():
    """700 functions of equal weight, whose names take 1.3 MB; and one name
    that is cut."""
    names = ["f%d%s" % (i, "x" * 1900) for i in range(700)]
    names.append("g" + "y" * 3000)
    yield "#include <cstdio>\n#include <cstdlib>\n#include <unistd.h>"
    yield "void *last;"
    for name in names:
        yield 'extern "C" void %s() { last = malloc(1 << 20); }' % name
    yield "int main()\n{"
    for name in names:
        yield "  %s();" % name
    yield "  for (int i = 0; i < 99; i++)\n    %s();" % names[-1]
    yield '  puts("ready");\n  fflush(stdout);\n  pause();\n}'


def the_page_is_bounded():
    need_names()
    with tempfile.TemporaryDirectory() as folder:
        program = compile_in(folder, "\n".join(many_long_names()))
        with Target([program], env=MEAN) as target:
            page = page_of(target)
    assert len(page) < MIB, len(page)
    profile = profile_of(page)
    root = tree_of_page(profile)
    assert profile["least"] == 0.2, profile["least"]
    assert abs(root.numbers[0] - 800 * MIB) < MIB, root.numbers
    rest, cut = find(root, REST), find(root, "g" + "y" * 1999 + "...")
    assert abs(rest.numbers[0] - 700 * MIB) < MIB, rest.numbers
    assert cut.numbers[1] == 100, cut.numbers


def find(frame, name):
    if name in frame.below:
        return frame.below[name]
    found = [find(below, name) for below in frame.below.values()]
    return next(filter(None, found), None)


def names_are_escaped():
    need_names()
    with Target([Shop.path()], env=MEAN) as target:
        page = page_of(target)
    assert "<" not in data_text(page)
    shelf = find(tree_of_page(profile_of(page)), SHELF)
    assert shelf is not None and shelf.numbers[1] == 16, shelf
    assert abs(shelf.numbers[0] - 16 * MIB) < MIB / 8, shelf.numbers


def it_needs_nothing_else():
    with Target([Shop.path()], env=MEAN) as target, \
            tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "flame.html")
        assert page_of(target, "-o", path) == ""
        with open(path, encoding="utf-8") as file:
            page = file.read()
        assert not re.search(r"https?:|src=|@import|url\(|@[A-Z]+@", page)
        assert len(page) < MIB, len(page)


def growth_is_shown():
    """Growth between two readings, even if samples were off."""
    need_names()
    for env in (MEAN, {}):
        with Target([Shop.path(), "leak"], env=env) as target:
            profile = profile_of(page_of(target, "--growth", "--seconds=1"))
        root = tree_of_page(profile)
        leak = find(root, "equal_one()")
        assert profile["growth"] and profile["seconds"] >= 0.9, profile
        assert "equal_one()" in profile["note"], profile["note"]
        assert leak.numbers[4] == root.numbers[4] > 10 * MIB, leak.numbers


def equal_ones_are_in_the_tree():
    need_names()
    with Target([Shop.path()], env=MEAN) as target:
        text = stat("profile", "--tree", target.pid).stdout
    for name in ["equal_one()", "equal_two()", SHELF[:30]]:
        assert text.count(name) == 1, text


def report_of(target, folder):
    if not toolbox.has_json():
        raise Skip("built without jansson")
    path = os.path.join(folder, "heap.html")
    done = stat("report", "--seconds=0", target.pid, "-o", path)
    assert done.returncode == toolbox.OK, done.stderr
    with open(path, encoding="utf-8") as file:
        return file.read()


def the_report_has_it():
    """The page has a flame graph if samples are taken; otherwise it says how to
    take them, and that works."""
    with Target() as target, tempfile.TemporaryDirectory() as folder:
        target.do("fill 100 1000")
        off = profile_of(report_of(target, folder))
        assert set(off) == {"off"}, off
        words = re.search(r"tcm-stat (set .*)", off["off"]).group(1).split()
        # An idle process handles the request in one of its next allocations.
        done = stat("--timeout=0.1", *words)
        assert done.returncode in (toolbox.OK, toolbox.WAITS), done
        for _ in range(2):
            target.do("fill 100 1000000")
        page = report_of(target, folder)
        text = stat("profile", "--html", target.pid).stdout
        assert profile_of(page) == profile_of(text)
        assert tree_of_page(profile_of(page)).numbers[0] > 10 * MIB


def ways_to_fail():
    with Target([Shop.path()], env=MEAN) as target:
        for other in ["--json", "--tree", "--collapsed"]:
            done = stat("profile", "--html", other, target.pid)
            assert done.returncode == toolbox.USAGE, done
            assert "one at a time" in done.stderr and not done.stdout, done
        done = stat("show", "--html", target.pid)
        assert done.returncode == toolbox.USAGE, done
        done = stat("profile", "--html", target.pid, "-o", "/nowhere/f.html")
        assert done.returncode == toolbox.FAILED, done


# The actions of a user.  A failed check becomes an error of the page.
USER = r"""<script>
const check = (ok, what) => { if (!ok) throw new Error(what); };
const rectangles = () => [...document.querySelectorAll(".flame button")];
const named = name => rectangles().find(b => b.frame.name.startsWith(name));
const text = () => document.querySelector(".frame").textContent;
const press = key => document.activeElement.dispatchEvent(new KeyboardEvent(
  "keydown", { key, bubbles: true }));
const click = name => [...document.querySelectorAll(".tools button")].find(b =>
  b.textContent === name).click();
const left = b => b.getBoundingClientRect().left -
  document.querySelector(".flame").getBoundingClientRect().left;
const width = b => b.getBoundingClientRect().width /
  document.querySelector(".flame").clientWidth;
const SHELF = "shop::Shelf<";

check(Math.abs(width(named(SHELF)) - 0.25) < 0.01, "a quarter of the width");
check(document.documentElement.scrollWidth <= innerWidth, "it fits");
named(SHELF).dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
check(/^shop::Shelf<.*: 16\.\d MiB in use, 2\d\.\d %, 16 blocks$/.test(text()),
  "hover: " + text());
named(SHELF).click();
check(width(named(SHELF)) > 0.99, "zoomed");
check(named("main").className === "above" && !named("equal_one"), "callers");
named(SHELF).focus();
press("ArrowUp");
check(document.activeElement.frame.name === "main", "up");
check(text().startsWith("main: 64."), "focus: " + text());
press("Escape");
check(named("equal_one") && width(named(SHELF)) < 0.26, "Escape");
named("main").focus();
press("ArrowDown");
check(document.activeElement.frame.up.name === "main", "down");
const first = document.activeElement.frame;
press("ArrowRight");
check(document.activeElement.frame !== first, "right");
press("ArrowLeft");
check(document.activeElement.frame === first, "left");
check(rectangles().filter(b => b.tabIndex === 0).length === 1, "one stop");
const search = document.querySelector("input[type=search]");
search.value = "SHELF<";
search.dispatchEvent(new Event("input"));
check(named(SHELF).className === "hit", "hit");
check(/^Matches: 16\.\d MiB, 2\d\.\d %$/.test(document.querySelector("output")
  .textContent), "found");
click("Allocated");
check(left(named("come_and_go")) < 1, "the widest comes first");
check(named("come_and_go").getAttribute("aria-label").includes("48 blocks"),
  "blocks");
click("Reset");
check(search.value === "" && !document.querySelector(".hit"), "reset");
document.body.dataset.tested = "all";
</script></body>"""


def a_browser_draws_it():
    need_names()
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        raise Skip("no chromium here")
    with Target([Shop.path()], env=MEAN) as target, \
            tempfile.TemporaryDirectory() as folder:
        pages = [(page_of(target), "1000,800"), (page_of(target), "380,700")]
        if toolbox.has_json():
            pages.append((report_of(target, folder), "1000,800"))
        for page, size in pages:
            path = os.path.join(folder, "test.html")
            with open(path, "w", encoding="utf-8") as file:
                file.write(page.replace("</body>", USER))
            done = subprocess.run(
                [browser, "--headless", "--no-sandbox", "--disable-gpu",
                 "--window-size=" + size, "--user-data-dir=" +
                 os.path.join(folder, "profile"), "--dump-dom",
                 "file://" + path], timeout=60, capture_output=True, text=True,
                check=False)
            if "<body" not in done.stdout:
                raise Skip("chromium does not run here")
            body = re.search("<body[^>]*>", done.stdout).group(0)
            print(body)
            assert "data-error" not in body, body
            assert 'data-tested="all"' in body, body


toolbox.main([the_page_is_the_document, the_page_is_bounded,
              names_are_escaped, it_needs_nothing_else, growth_is_shown,
              equal_ones_are_in_the_tree, the_report_has_it, ways_to_fail,
              a_browser_draws_it])
