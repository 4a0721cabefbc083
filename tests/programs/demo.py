#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs real programs under glibc's malloc and under tcm in turn, and prints a
summary, how much freed memory processes keep, tcm-stat's screen of one of them,
and a table of the programs.

A first round compares the output of both runs of each job and proves that tcm
served every process.  In the measured rounds, the two take turns running first.
Rounds end when the time is up, but not before the third.
"""

import math
import os
import re
import signal
import statistics
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import compilers  # noqa: E402
import git  # noqa: E402
import harness  # noqa: E402
import keeping  # noqa: E402
import nginx  # noqa: E402
import node  # noqa: E402
import perl  # noqa: E402
import php  # noqa: E402
import postgresql  # noqa: E402
import python  # noqa: E402
import redis  # noqa: E402
import sqlite  # noqa: E402

FEWEST_ROUNDS = 3
# A slow sampler does not disturb the programs; the lines that each process
# writes at its end still prove every run.
MEASURED_INTERVAL = 0.5

MEASURES = [
    ("wall s", lambda usage: usage.wall_s, "%.2f"),
    ("CPU s", lambda usage: usage.cpu_s, "%.2f"),
    ("peak MiB", lambda usage: usage.peak_kib / 1024, "%.1f"),
    ("page faults", lambda usage: usage.faults, "%d"),
]

RULE = "-" * 79
HEAD = "%-12s%-13s%10s%8s%10s%8s%10s  %s" % (
    "program", "", "glibc", "spread", "tcm", "spread", "tcm/glibc", "")

LEGEND = """\
Medians of %(rounds)d rounds.  spread: largest less smallest, over the median.
tcm/glibc: below 1, tcm took less.  "less" and "more" stand where the runs of
the one never met those of the other and the medians are 1 %% apart or further;
elsewhere the difference is noise.
CPU and page faults: all processes of the job, of redis and nginx the server
alone.  peak: the largest resident set of any one process."""


def programs():
    return [nginx.Nginx(), redis.Redis(), python.PythonScript(),
            sqlite.Sqlite(), compilers.Gcc(), compilers.Gxx(), perl.Perl(),
            git.Git(), postgresql.Postgresql(), node.Node(), php.Php()]


def say(text):
    """Progress goes to standard error, only the results to standard output."""
    print(text, file=sys.stderr, flush=True)


class Demo:
    def __init__(self, bench, options):
        self.bench = bench
        self.libc = harness.Allocator("glibc")
        self.tcm = harness.Allocator("tcm", bench.adopt(options.so[0]))
        self.budget_s = options.seconds
        self.rounds = options.rounds
        self.started = time.monotonic()
        self.usages = {}
        self.served = 0
        self.faults = []

    def check(self, program):
        """The first round: same output, tcm in every process."""
        program.prepare(self.bench)
        plain = self.bench.execute(program, self.libc, "demo")
        tried = self.bench.execute(program, self.tcm, "demo")
        faults = harness.differences(plain.outputs, tried.outputs)
        faults += harness.check_proof(program, plain, False, judged=False)
        faults += harness.check_proof(program, tried, False, judged=False)
        self.served += len(tried.report.proven)
        self.faults += ["%s: %s" % (program.name, fault) for fault in faults]
        say("%-12s output compared, %s" % (program.name,
                                            tried.report.summary()))

    def measure(self, program, turn):
        """Both runs of one program, in the order of this round."""
        pair = [self.libc, self.tcm]
        for allocator in pair if turn % 2 == 0 else pair[::-1]:
            run = self.bench.execute(program, allocator, "demo")
            faults = harness.check_proof(program, run, False, judged=False)
            self.faults += ["%s: %s" % (program.name, f) for f in faults]
            self.usages.setdefault((program.name, allocator.name),
                                   []).append(run.usage)

    def measure_all(self, chosen):
        """As many rounds as fit in the time."""
        self.bench.interval = MEASURED_INTERVAL
        for turn in range(self.rounds):
            began = time.monotonic()
            say("round %d; %d seconds left" % (
                turn + 1, max(0, self.budget_s - (began - self.started))))
            for program in chosen:
                self.measure(program, turn)
            now = time.monotonic()
            left = self.budget_s - (now - self.started)
            if turn + 1 >= FEWEST_ROUNDS and left < now - began:
                return turn + 1
        return self.rounds


def spread(values):
    middle = statistics.median(values)
    return (max(values) - min(values)) / middle if middle else 0.0


def verdict(plain, tried, ratio):
    if 0.99 < ratio < 1.01:
        return ""
    if max(tried) < min(plain):
        return "less"
    if min(tried) > max(plain):
        return "more"
    return ""


def row(name, measure, plain, tried, form):
    """One line of the table, and its ratio."""
    middles = statistics.median(plain), statistics.median(tried)
    ratio = middles[1] / middles[0] if middles[0] else 1.0
    return ratio, "%-12s%-13s%10s%8s%10s%8s%10.2f  %s" % (
        name, measure, form % middles[0], "%.0f %%" % (100 * spread(plain)),
        form % middles[1], "%.0f %%" % (100 * spread(tried)), ratio,
        verdict(plain, tried, ratio))


def means(ratios):
    """{measure: the geometric mean}."""
    return {measure: math.exp(statistics.fmean(math.log(r) for r in several))
            for measure, several in ratios.items()}


def table(demo, chosen):
    """The lines of the table, and the mean of each measure."""
    lines = [HEAD, RULE]
    ratios = {}
    for program in chosen:
        for number, (measure, value, form) in enumerate(MEASURES):
            plain, tried = ([value(usage) for usage in
                             demo.usages[program.name, side]]
                            for side in ("glibc", "tcm"))
            ratio, line = row(program.name if number == 0 else "", measure,
                              plain, tried, form)
            ratios.setdefault(measure, []).append(ratio)
            lines.append(line)
    lines.append(RULE)
    for number, (measure, mean) in enumerate(means(ratios).items()):
        lines.append("%-12s%-13s%36s%10.2f" % (
            "all" if number == 0 else "", measure, "geometric mean", mean))
    return lines, means(ratios)


def notes(chosen):
    """What a reader must know about individual rows."""
    for program in chosen:
        if isinstance(program, redis.Redis):
            done = subprocess.run(["ldd", program.server()], check=False,
                                  stdout=subprocess.PIPE)
            found = re.search(rb"lib(jemalloc|tcmalloc|mimalloc)", done.stdout)
            if found:
                yield ("redis: this package links %s; for the glibc column "
                       "libc was preloaded\nbefore it, so that both columns "
                       "are what they say." % found.group(1).decode())


def machine():
    model = re.search("model name\\s*: (.*)",
                      harness.read_file("/proc/cpuinfo").decode())
    return "%d CPUs, %s, Linux %s, %s" % (
        os.cpu_count(), model.group(1) if model else os.uname().machine,
        os.uname().release, os.confstr("CS_GNU_LIBC_VERSION"))


def present_programs(options):
    """The programs that are installed; prints the names of the others."""
    chosen, absent = [], []
    for program in programs():
        if options.only and program.name not in options.only:
            continue
        reason = program.missing()
        if reason is None:
            chosen.append(program)
        else:
            absent.append("not in the table: " + reason)
    return chosen, absent


def show(demo, chosen, absent, rounds, library, kept):
    lines, mean = table(demo, chosen)
    print("\n%d programs on tcm, relative to glibc's: %.2f of the wall time, "
          "%.2f of the peak\nmemory, %.2f of the page faults." % (
              len(chosen), mean["wall s"], mean["peak MiB"],
              mean["page faults"]))
    print("\n".join(kept))
    for line in lines:
        print(line.rstrip())
    print()
    print(LEGEND % dict(rounds=rounds))
    print(machine())
    for line in list(notes(chosen)) + absent:
        print(line)
    if demo.faults:
        print("\nNOT ALL WAS WELL:")
        for fault in demo.faults:
            print("  " + fault)
        return 1
    print("All outputs were the same; tcm served all %d processes of the "
          "first round\nand of every other." % demo.served)
    print("\nTo run a program of your own on tcm:\n  LD_PRELOAD=%s PROGRAM" %
          library)
    return 0


def main():
    parser = harness.parse("Real programs under glibc's malloc and under tcm")
    parser.add_argument("--rounds", type=int, default=5,
                        help="measured rounds, if the time allows")
    parser.add_argument("--seconds", type=float, default=100,
                        help="about how long the whole may take")
    parser.add_argument("--only", action="append", metavar="NAME",
                        help="this program; again for more of them")
    parser.add_argument("--idle", metavar="FILE",
                        help="tests/bench/idle, for memory that is kept")
    parser.add_argument("--stat", metavar="FILE", help="tcm-stat")
    options = parser.parse_args()
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        signal.signal(signum, harness.bad_end)
    signal.alarm(900)
    options.so = options.so or [os.environ.get("TEST_RELEASE_SO", "")]
    chosen, absent = present_programs(options)
    if not chosen:
        print("none of the programs is installed")
        return 1
    try:
        with harness.Bench(options) as bench:
            demo = Demo(bench, options)
            for number, program in enumerate(chosen):
                say("%d of %d: %s" % (number + 1, len(chosen), program.name))
                demo.check(program)
            rounds = demo.measure_all(chosen)
            say("memory ten seconds after the peak")
            kept = keeping.lines(options.idle, options.stat, options.so[0])
            return show(demo, chosen, absent, rounds,
                        os.path.abspath(options.so[0]), kept)
    except harness.Failure as failure:
        print("demo: %s" % failure)
        return 1


if __name__ == "__main__":
    sys.exit(main())
