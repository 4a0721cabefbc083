#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""git: import a history, clone it through a pack, gc, fsck, log and diff."""

import random
import re
import sys

sys.dont_write_bytecode = True
import harness  # noqa: E402

SETTINGS = """[user]
\tname = Tester
\temail = tester@example.invalid
[gc]
\tauto = 0
[pack]
\tthreads = 2
[protocol "file"]
\tallow = always
"""


def blob(rng):
    return "\n".join(harness.words(rng, rng.randrange(2, 12))
                     for _ in range(rng.randrange(5, 120))) + "\n"


def history(commits):
    """A stream for git fast-import; every name and date in it is fixed."""
    rng = random.Random(harness.SEED)
    files = {}
    for number in range(1, commits + 1):
        changes = []
        for _ in range(rng.randrange(1, 9)):
            name = "part%02d/file%03d.txt" % (rng.randrange(12),
                                              rng.randrange(40))
            old = files.get(name)
            if old is not None and rng.random() < 0.05:
                del files[name]
                changes.append("D %s\n" % name)
                continue
            lines = (old or blob(rng)).split("\n")
            lines[rng.randrange(len(lines))] = harness.words(rng, 6)
            files[name] = "\n".join(lines)
            changes.append("M 100644 inline %s\ndata %d\n%s\n" %
                           (name, len(files[name]), files[name]))
        message = "change %d\n\n%s\n" % (number, harness.words(rng, 20))
        yield ("commit refs/heads/main\nmark :%d\n"
               "committer Tester <tester@example.invalid> %d +0000\n"
               "data %d\n%s" % (number, 1700000000 + number * 60,
                                len(message), message))
        if number > 1:
            yield "from :%d\n" % (number - 1)
        yield "".join(changes) + "\n"
        if number % 50 == 0:
            yield "reset refs/tags/v%d\nfrom :%d\n\n" % (number // 50, number)
    yield "done\n"


class Git:
    name = "git"

    def missing(self):
        if harness.find_program("git") is None:
            return "git is not installed"
        return None

    def prepare(self, bench):
        self.bench = bench

    def stream(self, commits):
        path = self.bench.path("history-%d" % commits)
        with open(path, "w") as file:
            file.writelines(history(commits))
        return path

    def run(self, run):
        settings = run.write("gitconfig", SETTINGS)
        commits = run.scale(small=60, quick=400, demo=400)

        def git(*words, **how):
            return run.call([harness.find_program("git"), *words],
                            env={"GIT_CONFIG_NOSYSTEM": "1",
                                 "GIT_CONFIG_GLOBAL": settings,
                                 "GIT_TERMINAL_PROMPT": "0"}, **how)

        git("init", "-q", "--bare", "-b", "main", "origin.git")
        git("-C", "origin.git", "fast-import", "--quiet", "--done",
            stdin=self.stream(commits))
        git("clone", "-q", "file://" + run.path("origin.git"), "work")
        run.out("tree", git("-C", "work", "ls-tree", "-r", "HEAD").out)
        run.out("log", git("-C", "work", "log", "--stat", "-n", "80").out)
        run.out("diff", git("-C", "work", "diff", "--patience", "HEAD~40",
                            "HEAD").out)
        run.out("grep", git("-C", "work", "grep", "-c", "radix").out)
        run.out("blame", git("-C", "work", "blame", "-w", "--",
                             first_file(git)).out)
        git("-C", "work", "gc", "-q", "--aggressive", "--prune=now")
        checked = git("-C", "work", "fsck", "--full", "--strict",
                      "--no-progress")
        run.out("fsck", checked.out + checked.err)
        run.out("objects", git("-C", "work", "rev-list", "--objects",
                               "--all").out)
        counted = git("-C", "work", "count-objects", "-v").out.decode()
        run.out("packed", re.search("in-pack: .*", counted).group())


def first_file(git):
    names = git("-C", "work", "ls-files").out.decode().split("\n")
    return names[0]


if __name__ == "__main__":
    harness.run_as_script(Git())
