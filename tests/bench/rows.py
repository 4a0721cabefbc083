# SPDX-License-Identifier: BSD-2-Clause
"""The rows of the benchmark: which workload, how much of it, how many threads.

A row does a fixed number of operations whatever the allocator and whatever
the number of threads.  The numbers are chosen so that a row takes a few tenths
of a second.  Where allocators differ a hundredfold, the slowest takes at most
a few seconds.
"""
import fnmatch
import os

GROUPS = {
    "pairs": "tight pairs",
    "replace": "replacement of a standing set",
    "cross": "freed by other threads",
    "batches": "batches in other orders",
    "sharing": "false sharing",
    "threads": "thread churn",
    "large": "large and middle blocks",
    "growth": "realloc",
    "zeroed": "calloc",
    "heaps": "heaps freed at once",
    "programs": "whole programs",
}

# name, group, shape, operations, parameter, threads.  In the last column "1"
# is one thread, "n" one per CPU (at least two where a shape needs two sides)
# and "4n" four per CPU; any other number is that many.
ALL = ("1", "n", "4n")
SIDES = ("n", "4n")
ONE = ("1",)
CROWDS = ("10", "100", "1000", "4000")
WORKLOADS = (
    ("pairs-16", "pairs", "pair", 60_000_000, 16, ALL),
    ("pairs-1000", "pairs", "pair", 50_000_000, 1000, ALL),
    ("pairs-8000", "pairs", "pair", 20_000_000, 8000, ALL),
    ("beyond-leaf", "pairs", "beyond-leaf", 30_000_000, 16, ONE),
    ("lifo-hot", "replace", "lifo", 25_000_000, 256, ALL),
    ("fifo-hot", "replace", "fifo", 25_000_000, 256, ALL),
    ("random-hot", "replace", "random", 25_000_000, 256, ALL),
    ("lifo-cold", "replace", "lifo", 2_500_000, 200_000, ALL),
    ("fifo-cold", "replace", "fifo", 3_000_000, 200_000, ALL),
    ("random-cold", "replace", "random", 2_500_000, 200_000, ALL),
    ("server", "cross", "server", 6_000_000, 5000, ALL),
    ("pipeline", "cross", "pipeline", 6_000_000, 0, SIDES),
    ("exchange", "cross", "exchange", 3_000_000, 2000, ALL),
    ("stress", "cross", "stress", 3_000_000, 0, ALL),
    ("batches", "batches", "batches", 6_000_000, 16, ALL),
    ("batches-exchanged", "batches", "batches-exchanged", 4_000_000, 16, SIDES),
    ("sharing-active", "sharing", "sharing-active", 400_000, 1000, SIDES),
    ("sharing-passive", "sharing", "sharing-passive", 100_000, 1000, SIDES),
    ("churn", "threads", "churn", 6000, 0, ALL),
    ("crowd", "threads", "crowd", 7_000_000, 0, CROWDS),
    ("large", "large", "large", 40, 20, ONE),
    ("medium", "large", "medium", 6000, 16, ALL),
    ("pairs-32k", "large", "pair", 5_000_000, 32 << 10, ONE),
    ("pairs-256k", "large", "pair", 500_000, 256 << 10, ONE),
    ("pairs-1m", "large", "pair", 500_000, 1 << 20, ONE),
    ("pairs-4m", "large", "pair", 500_000, 4 << 20, ONE),
    ("growth", "growth", "growth", 60, 0, ONE),
    ("growth-filled", "growth", "growth-filled", 40, 0, ONE),
    ("growth-strings", "growth", "growth-strings", 300_000, 0, ALL),
    ("zeroed", "zeroed", "zeroed", 10_000_000, 2000, ALL),
    ("zeroed-large", "zeroed", "zeroed-large", 8000, 8, ALL),
    ("heap-pair", "heaps", "heap-pair", 3_000_000, 0, ONE),
    ("heap-build", "heaps", "heap-build", 8_000_000, 0, ONE),
)

# name and work: of "start" the number of processes, of the programs a factor
# that programs.py turns into the size of their input.
PROGRAMS = (
    ("start", 300),
    ("perl", 40),
    ("python", 50),
    ("sqlite", 60),
    ("gcc", 25),
    ("redis", 50),
    ("node", 60),
)

# Servers of several processes, and the job of tests/programs that they do.
SERVICES = (
    ("nginx", "nginx"),
    ("postgresql", "postgresql"),
)

QUICK_DIVISOR = 250


class Row:
    """One line of the table.

    kind is "workload", "start", "program" or "service"; arguments are those of
    the workload program; work is the number of operations, processes or the
    size factor of a program's input; of a service it is 1, or 0 for the
    minimum.
    """

    def __init__(self, name, group, kind, work, threads=1, shape=None,
                 param=0):
        self.name = name
        self.group = group
        self.kind = kind
        self.work = work
        self.threads = threads
        self.shape = shape
        self.param = param

    def arguments(self):
        return [self.shape, str(self.work), str(self.threads),
                str(self.param)]


def cpu_count():
    return len(os.sched_getaffinity(0))


def thread_counts(kinds, cpus):
    """The numbers of threads for `kinds`, each once, ascending."""
    least = 2 if "1" not in kinds else 1
    counts = {"n": max(cpus, least), "4n": 4 * cpus}
    return sorted({counts.get(kind) or int(kind) for kind in kinds})


def reduced(work):
    return max(2, work // QUICK_DIVISOR)


def all_rows(quick=False, cpus=None):
    cpus = cpus or cpu_count()
    rows = []
    for name, group, shape, ops, param, kinds in WORKLOADS:
        work = reduced(ops) if quick else ops
        for threads in thread_counts(kinds, cpus):
            label = f"{name}@{threads}" if len(kinds) > 1 else name
            rows.append(Row(label, group, "workload", work, threads, shape,
                            param))
    for name, work in PROGRAMS:
        kind = "start" if name == "start" else "program"
        rows.append(Row(name, "programs", kind,
                        reduced(work) if quick else work))
    rows += [Row(name, "programs", "service", 0 if quick else 1, shape=shape)
             for name, shape in SERVICES]
    return rows


def fits(name, patterns):
    """Whether a row's name, or its name without the number of threads, fits
    one of the patterns; an empty list fits every row."""
    return not patterns or any(
        fnmatch.fnmatchcase(name, pattern)
        or fnmatch.fnmatchcase(name.split("@")[0], pattern)
        for pattern in patterns)


def select(rows, patterns):
    return [row for row in rows if fits(row.name, patterns)]
