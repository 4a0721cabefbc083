# SPDX-License-Identifier: BSD-2-Clause
"""How much freed memory processes keep, under libc's malloc and under tcm, and
tcm-stat's screen of one of them while it sleeps."""

import os
import re
import subprocess
import time

import harness

SECONDS = 10
LOOK_AFTER = 6
# The title, and the arguments of tests/bench/idle.
SHAPES = [
    ("100 threads go idle", ["threads", "200", "100", str(SECONDS)]),
    ("an eighth of small blocks stays",
     ["fragmented", "256", "1", str(SECONDS)]),
]


def start(program, shape, library):
    environment = dict(os.environ)
    environment.pop("LD_PRELOAD", None)
    if library:
        environment["LD_PRELOAD"] = os.path.abspath(library)
    return subprocess.Popen([program, *shape], env=environment,
                            stdout=subprocess.PIPE, text=True)


def figures(process):
    """(live, peak, kept) in MiB."""
    text = process.communicate(timeout=120)[0]
    if process.returncode != 0:
        raise harness.Failure("idle: status %d" % process.returncode)
    said = dict(re.findall(r"(\w+)=(\S+)", text))
    return [int(said[name + "_kib"]) / 1024
            for name in ("live", "peak", "idle")]


def look(stat, process):
    """The screen of tcm-stat, up to its long tables."""
    done = subprocess.run([stat, str(process.pid)], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)
    shown = done.stdout.split("\nMore\n")[0].rstrip()
    return ["tcm-stat %d, while it sleeps:" % process.pid, ""] + [
        "  " + line if line else "" for line in shown.splitlines()]


def lines(program, stat, library):
    """The lines for the demo; empty if the program was not built."""
    if not program or not os.path.exists(program):
        return [""]
    text = ["", "%-33s%8s%16s%16s" % ("MiB", "", "glibc", "tcm"),
            "%-33s%8s%8s%8s%8s%8s" % ("", "live", "peak", "kept", "peak",
                                      "kept")]
    screen = []
    for title, shape in SHAPES:
        plain = start(program, shape, None)
        tried = start(program, shape, library)
        if stat and title == SHAPES[-1][0]:
            time.sleep(LOOK_AFTER)
            screen = look(stat, tried)
        live, *libc = figures(plain)
        text.append("%-33s%8.0f%8.0f%8.0f%8.0f%8.0f" % (
            title, live, *libc, *figures(tried)[1:]))
    text.append("kept: resident %d seconds after the peak" % SECONDS)
    return text + [""] + screen + [""]
