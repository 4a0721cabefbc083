#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs every row of expect.tsv: one program, one error, its exact result.

  misuse.py                  tcm, the debug library, tcm with TCM_CHECK=1, 2, 3,
                             and with guarded blocks
  misuse.py --survey WAY     what any allocator does, row by row, as a table
                             (WAY as in tests/support/way.sh); always succeeds
"""

import functools
import os
import platform
import re
import resource
import shlex
import signal
import subprocess
import sys

SOURCE = os.environ["TEST_SRCDIR"]
BUILD = os.environ["TEST_BUILDDIR"]
WAYS = (("preload", "plain"), ("debug", "plain"), ("checked", "checked"),
        ("bounds", "bounds"), ("quarantine", "quarantine"),
        ("guarded", "guarded"))
LEVEL_2 = ("bounds", "quarantine")
PAGE = 4096  # tcm's own page size


def read_table():
    rows = []
    path = os.path.join(SOURCE, "tests/misuse/expect.tsv")
    with open(path, encoding="utf-8") as table:
        for line in table:
            if not line.startswith("#"):
                rows.append(line.rstrip("\n").split("\t"))
    return rows


def no_core():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def run(way, program, function):
    return subprocess.run(
        ["sh", os.path.join(SOURCE, "tests/support/way.sh"), way,
         "tests/misuse/" + program, function],
        capture_output=True, text=True, errors="replace", timeout=60,
        preexec_fn=no_core, check=False)


def places(program, kind):
    """The regular expression for each placeholder of a code address."""
    path = re.escape(os.path.join(BUILD, "tests/misuse", program))
    # With an older libc, the file of an address is not known.
    place = " from (?:" + path + r"\+)?0x[0-9a-f]+"
    freed = ", freed" + place
    frames = r"\n" "tcm:     " + path + r"\+0x[0-9a-f]+(\n" "tcm:     .+)*"
    thread = r"\n" "tcm:   %s by thread [1-9][0-9]*, from" + frames
    return {"{in}": ", in " + path + r"\+0x[0-9a-f]+",
            "{stack}": thread % "allocated",
            "{stacks}": thread % "allocated" + thread % "freed",
            "{caller}": ", called" + place,
            "{allocated}": ", allocated" + place, "{freed}": freed,
            "{freed?}": freed if kind == "quarantine" else "",
            "{freed*}": f"({freed})?"}


def of_guarded(message):
    """The message in the table, as it is for a guarded block.  A heap of the
    program guards none."""
    if "of a heap" in message:
        return message
    message = re.sub(r", \{(class|count)\} B class", "", message)
    message = message.replace(" (span {hex}, {count} pages)", "{span?}")
    return message.replace("{caller}", "{caller}{freed*}")


def pattern(row, kind, address):
    """The regular expression for the message in the table."""
    if row[-1] == "-":
        return ""
    message = of_guarded(row[-1]) if kind == "guarded" else row[-1]
    parts = re.split(r"(\{[a-z?*]+\})", message)
    known = {"{address}": re.escape(address), "{hex}": "0x[0-9a-f]+",
             "{count}": "[1-9][0-9]*",
             "{class}": "80" if kind in LEVEL_2 else "64",
             "{span?}": r"( \(span 0x[0-9a-f]+, [1-9][0-9]* pages\))?"}
    # Other processors do not report whether an access was a read or a write.
    known.update({"{read}": "read", "{write}": "write"}
                 if platform.machine() == "x86_64" else
                 {"{read}": "access", "{write}": "access"})
    known.update(places(row[0], kind))
    return "".join(known.get(part, re.escape(part)) for part in parts) + "\n"


@functools.lru_cache(maxsize=None)
def functions(program):
    """(start, end) of each function that the program defines."""
    listing = subprocess.run(
        shlex.split(os.environ.get("NM") or "nm") + ["-S", "--defined-only", program],
        capture_output=True, text=True, check=True).stdout
    return [(int(start, 16), int(start, 16) + int(size, 16))
            for start, size in re.findall(
                r"^([0-9a-f]+) ([0-9a-f]+) [tT] ", listing, re.M)]


def places_hold(line):
    """Whether each address in a program is inside one of its functions."""
    found = re.findall(r" (?:from|in) ([^ +]+)\+(0x[0-9a-f]+)", line)
    return all(any(start <= int(address, 16) < end
                   for start, end in functions(program))
               for program, address in found)


def span_holds(line, address):
    span = re.search(r"\(span (0x[0-9a-f]+), (\d+) pages", line)
    if span is None:
        return True
    start = int(span[1], 16)
    return start <= int(address, 16) < start + int(span[2]) * PAGE


def find_faults(row, kind, done):
    """The differences between the result and the row, in words."""
    wanted_signal, when, message = row[3:]
    address = re.search("address (0x[0-9a-f]+)\n", done.stdout)
    if address is None:
        return [f"the program did not get there: {done.stdout}{done.stderr}"]
    faults = []
    # The shell in between reports a signal as 128 + its number, or the program
    # replaces the shell and dies of the signal itself.
    number = signal.Signals[wanted_signal].value
    if done.returncode not in (-number, 128 + number):
        faults.append(f"status {done.returncode}, not {wanted_signal}")
    if when != "flush" and "after the call" in done.stdout:
        faults.append("the call itself was not caught")
    if "after the flush" in done.stdout:
        faults.append("not caught at all")
    if not re.fullmatch(pattern(row, kind, address[1]), done.stderr):
        faults.append(f"message {done.stderr!r}\n    wanted  {message!r}")
    elif not span_holds(done.stderr, address[1]):
        faults.append(f"the span does not hold the address: {done.stderr!r}")
    elif not places_hold(done.stderr):
        faults.append(f"a place is not in the program: {done.stderr!r}")
    return faults


def check():
    failed = ran = 0
    for way, kind in WAYS:
        for row in read_table():
            program, function, ways = row[:3]
            if ways != "all" and kind not in ways.split(","):
                continue
            ran += 1
            faults = find_faults(row, kind, run(way, program, function))
            failed += bool(faults)
            print("FAIL" if faults else "pass", way, program, function)
            for fault in faults:
                print("   ", fault)
    print(f"{ran} rows, {failed} failed")
    return 1 if failed or not ran else 0


def outcome(done):
    status = done.returncode if done.returncode < 0 else done.returncode - 128
    if -status in iter(signal.Signals) or status > 0:
        return signal.Signals(abs(status)).name
    return "silent"


def survey(way):
    seen = set()
    for row in read_table():
        program, function = row[:2]
        if (program, function) in seen:
            continue
        seen.add((program, function))
        done = run(way, program, function)
        if done.returncode == 77:
            print(done.stdout, end="")
            return 77
        when = ("now" if "after the call" not in done.stdout else
                "flush" if "after the flush" not in done.stdout else "-")
        print(way, program, function, outcome(done), when, sep="\t")
    return 0


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--survey":
        sys.exit(survey(sys.argv[2]))
    sys.exit(check())
