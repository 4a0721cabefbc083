# SPDX-License-Identifier: BSD-2-Clause
"""The first two sentences of tcm-stat name the problem of a process."""
import os
import re

import toolbox
from toolbox import BUILD, Skip, Target, stat

SICK = os.path.join(BUILD, "tests/tools/sick")
LIMIT = {"TCM_HARD_LIMIT_BYTES": "32M"}

# For each process: its environment, the start of the diagnosis, words in it,
# and words in the action.
CASES = [
    ("leak", None, r"^Growth: the program's own use rose by [\d.]+ \w+ in .* "
     r"of it in blocks of \d+ to 1024 bytes\.", "^Do: tcm-stat profile --growth"),
    ("large-leak", None, r"^Growth: .* in large blocks\.", "--seconds=60"),
    ("fragmented", None, r"^Fragmentation: (1\d\.\d) MiB (?!.*: \1 MiB).* next "
     r"to 40\d\d blocks of 481 to 512 bytes", "could return 1"),
    ("caches", None, r"^Caches: .* in the caches of 201 threads, 20\d of them "
     "idle", r"tcm_thread_idle\(3\)"),
    ("returnable", {"TCM_BACKGROUND": "0", "TCM_CLOSE_FREED": "0"},
     r"^About to be returned: 6\d.* MiB is "
     "free in whole pages", "tcm-stat release"),
    ("outside", None, r"^Outside of the heap: 6\d.* MiB of mappings of the "
     r"program's own", r"mmap\(2\)"),
    ("stacks", None, r"^Outside of the heap: 4\d.* MiB of stacks of threads",
     "fewer threads"),
    ("limit", LIMIT, r"^Limit: the process uses .* of the 32.0 MiB that the "
     r"hard limit, hard_limit_bytes, allows \(9\d %\)", "Raise it"),
    ("huge", None, r"^Huge block: a single block of 64.0 MiB makes up \d+ %",
     "one buffer"),
    ("churn", None, "^Churn: in each second .* pages come from the OS",
     "Keep blocks"),
    ("healthy", None, r"^Nothing wrong: of .* its use did not rise\.",
     "^Do: Nothing"),
]


def two_sentences(text):
    """The diagnosis and the action, each of them on one line again."""
    head = re.sub("\n  ", " ", text.split("\n\n")[0])
    return head.split("\n")


def is_named(target, what, seconds, diagnosis, action, rows=2):
    """The first two rows are enough to know the cause."""
    done = stat("--seconds=%g" % seconds, target.pid)
    assert done.returncode == toolbox.OK, done
    lines = two_sentences(done.stdout)
    print(what, *lines, sep="\n  ")
    head = " ".join(row.strip() for row in done.stdout.split("\n")[:rows])
    return len(lines) == 2 and re.search(diagnosis, head) and \
        re.search(action, lines[1])


def the_matter_is_named():
    """On a busy machine, a short look may catch a process that churns only
    while it allocates; a longer look then decides."""
    wrong = []
    for what, env, diagnosis, action in CASES:
        with Target([SICK, what], env=env) as target:
            if not any(is_named(target, what, seconds, diagnosis, action)
                       for seconds in (0.5, 3)):
                wrong.append(what)
    assert not wrong, wrong


def samples_name_the_code_that_grows():
    toolbox.need_names()
    with Target([SICK, "leak"], env={"TCM_PROFILE_BYTES": "4096"}) as target:
        assert is_named(target, "leak, with samples", 2,
                        r"^Growth: .* bytes; by the samples, \d+ % of the growth "
                        r"is from leak, through allocate\.",
                        "^Do: Look at that code.*--seconds=60", rows=3)


def huge_pages_are_told_apart():
    with Target([SICK, "huge-pages"], ready=False) as target:
        if target.child.stdout.readline() != "ready\n":
            raise Skip("the kernel makes no huge page of these")
        if '"resident_bytes": null' in stat("json", target.pid).stdout:
            raise Skip("the kernel does not report what is resident")
        assert is_named(target, "huge-pages", 0.5, "^Huge pages: .* MiB of the "
                        "heap is resident although tcm returned it",
                        "TCM_HUGE_PAGES=0")


def one_reading_does_not_tell():
    with Target([SICK, "healthy"]) as target:
        text = stat("--seconds=0", target.pid).stdout
        assert "a single reading cannot show" in two_sentences(text)[0], text


def lines_are_narrow():
    for what in ["leak", "caches", "outside"]:
        with Target([SICK, what]) as target:
            for line in stat("--seconds=0.1", target.pid).stdout.splitlines():
                assert len(line) <= 80, line


toolbox.main([the_matter_is_named, samples_name_the_code_that_grows,
              huge_pages_are_told_apart, one_reading_does_not_tell,
              lines_are_narrow])
