# SPDX-License-Identifier: BSD-2-Clause
"""Evaluates the samples: medians with their intervals, ratios, means.

A ratio is taken round by round, between runs that lie seconds apart, and then
the median of the rounds' ratios: a machine that slows down for a minute slows
both sides.  An interval is the confidence interval of the median by order
statistics, with at least 93 % coverage: with five rounds, from the least sample
to the greatest.  Fewer rounds cannot reach that; their interval is also from
the least to the greatest, which is too narrow.
"""
import math

COVERAGE = 0.93
ENOUGH_ROUNDS = 5
BASE = "glibc"
SUBJECT = "tcm"
# A row loses if it takes more than this times what the best other one takes.
BAR = 1.10
MEASURES = {"time": "seconds", "memory": "rss_kib"}


class Estimate:
    """A median and the interval in which the true one lies."""

    def __init__(self, value, low, high):
        self.value = value
        self.low = low
        self.high = high

    def spread(self):
        """Half of the interval, as a part of the median."""
        return (self.high - self.low) / 2 / self.value if self.value else 0.0

    def as_list(self):
        return [round(x, 6) for x in (self.value, self.low, self.high)]


def median(ordered):
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2


def tail(count):
    """How many of `count` ordered samples are below the interval."""
    outside = 0
    probability = 0.0
    while True:
        probability += math.comb(count, outside) / 2 ** count
        if 1 - 2 * probability < COVERAGE or 2 * (outside + 1) > count:
            return max(0, outside - 1)
        outside += 1


def estimate(values):
    ordered = sorted(values)
    if not ordered:
        return None
    cut = tail(len(ordered))
    return Estimate(median(ordered), ordered[cut], ordered[-1 - cut])


def values(row, name, key):
    """The samples of allocator `name` in order of rounds, None for a failed
    or missing one."""
    return [None if "error" in sample else sample[key]
            for sample in row["samples"].get(name, [])]


def complete(row, names):
    """Whether each of `names` has a good sample of every round of the row."""
    lengths = {len(row["samples"].get(name, [])) for name in names}
    return (len(lengths) == 1 and lengths != {0}
            and all(None not in values(row, name, "seconds")
                    for name in names))


def cell(row, name, key):
    return estimate([v for v in values(row, name, key) if v is not None])


def ratios(row, upper, lower, key):
    """The rounds' ratios of two allocators; both must be complete."""
    return [a / max(b, 1e-9) for a, b in zip(values(row, upper, key),
                                             values(row, lower, key))]


def ratio(row, upper, lower, key):
    if not complete(row, (upper, lower)):
        return None
    return estimate(ratios(row, upper, lower, key))


def best_other(row, names, key, subject=SUBJECT):
    """The other allocator with the lowest median on this row."""
    others = [name for name in names
              if name != subject and complete(row, (name,))]
    if not others:
        return None
    return min(others, key=lambda name: cell(row, name, key).value)


def geometric_mean(numbers):
    return math.exp(sum(math.log(max(x, 1e-9)) for x in numbers)
                    / len(numbers))


def mean_of(lists):
    """The geometric mean over rows, round by round, of lists of ratios."""
    if not lists:
        return None
    return estimate([geometric_mean(column) for column in zip(*lists)])


def mean_ratio(rows, upper, lower, key):
    return mean_of([ratios(row, upper, lower, key) for row in rows])


def mean_to_best(rows, names, subject, key):
    """The mean ratio of `subject` to the best other allocator of each row."""
    return mean_of([ratios(row, subject,
                           best_other(row, names, key, subject), key)
                    for row in rows])


def verdict(to_best):
    """How the subject fares against the best other on one row.

    "worse": loses by more than the bar, whatever the spread; "slower": behind,
    and the spread does not explain it; "even": the spread explains it; "best".
    """
    if to_best is None:
        return "none"
    if to_best.low > BAR:
        return "worse"
    if to_best.low > 1:
        return "behind"
    return "best" if to_best.high < 1 else "even"


def summarize(result):
    """The derived figures that go into the JSON file with the samples."""
    names = list(result["allocators"])
    rows = [row for row in result["rows"] if complete(row, names)]
    derived = {"complete_rows": len(rows), "rows": {}, "means": {}}
    for row in result["rows"]:
        figures = derived["rows"][row["name"]] = {}
        for measure, key in MEASURES.items():
            figures[measure] = {name: cell(row, name, key).as_list()
                                for name in names
                                if cell(row, name, key) is not None}
            if SUBJECT in names:
                best = best_other(row, names, key)
                to_best = best and ratio(row, SUBJECT, best, key)
                if to_best:
                    figures[measure + "_to_best"] = {
                        "best": best, "ratio": to_best.as_list(),
                        "verdict": verdict(to_best)}
    for measure, key in MEASURES.items():
        if BASE in names and rows:
            derived["means"][measure] = {
                name: mean_ratio(rows, name, BASE, key).as_list()
                for name in names}
    return derived
