#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The cost of more threads: the shapes of the benchmark with 1 or 2, 8 and 32
threads, a crowd with up to 4000, under each allocator and with no allocator at
all.

Each shape is recorded with that many threads, which take turns after a few
events each, and the trace is replayed.  The replay with planned addresses shows
the loss that the threads, the machine and the shape cause; the allocator causes
any further loss.  The throughput counts for each CPU that the threads can use
at a time.
"""
import os
import sys

sys.dont_write_bytecode = True
import bench  # noqa: E402
import measure  # noqa: E402
import recorder  # noqa: E402
import rows as row_table  # noqa: E402
import runner  # noqa: E402
import summary  # noqa: E402

NULL = "null"
SOME = (1, 2, 8, 32)
SIDES = (2, 8, 32)
MANY = (10, 100, 1000, 4000)
# Name, shape, operations, parameter, numbers of threads, writes to each object,
# events of an epoch: few where threads come and go, since a thread of the
# replay starts with an epoch.
SHAPES = (
    ("random", "random", 1_000_000, 20_000, SOME, 0, 32768),
    ("zeroed", "zeroed", 1_000_000, 2000, SOME, 0, 32768),
    ("growth-strings", "growth-strings", 40_000, 0, SOME, 0, 32768),
    ("server", "server", 1_000_000, 2000, SOME, 0, 32768),
    ("pipeline", "pipeline", 1_000_000, 0, SIDES, 0, 32768),
    ("exchange", "exchange", 700_000, 2000, SOME, 0, 32768),
    ("stress", "stress", 800_000, 0, SOME, 0, 32768),
    ("batches", "batches", 1_000_000, 16, SOME, 0, 32768),
    ("batches-exchanged", "batches-exchanged", 1_000_000, 16, SIDES, 0, 32768),
    ("sharing-active", "sharing-active", 100_000, 1, SOME, 500, 32768),
    ("sharing-passive", "sharing-passive", 100_000, 1, SOME, 500, 32768),
    ("churn", "churn", 4000, 0, SOME, 0, 256),
    ("crowd", "crowd", 1_400_000, 0, MANY, 0, 32768),
)
YIELD_EVENTS = 64
REPEATS = 3
QUICK_DIVISOR = 100
QUICK_THREADS = 100
# What a row may lose beyond the loss without an allocator.
BAR = 0.10


def run_cell(tools, shape, threads, allocators, chosen):
    """One shape with one number of threads: its samples."""
    _name, workload, ops, param, _threads, writes, epoch = shape
    if chosen.quick:
        ops = max(64, ops // QUICK_DIVISOR)
        writes = min(writes, 10)
    packed, facts = tools.pack(tools.record_workload(
        (workload, str(ops), str(threads), str(param)), YIELD_EVENTS), epoch)
    by_name = {item.name: item for item in allocators}

    def sample_of(name):
        sample = tools.replay(packed, by_name.get(name), writes=writes,
                              repeat=REPEATS)
        return {key: sample[key] for key in (
            "seconds", "ops", "minor_faults", "waits", "preemptions")}

    samples = runner.in_turn([NULL, *by_name], chosen.rounds, sample_of)
    os.unlink(packed)
    return {"threads": threads, "facts": facts, "samples": samples}


def throughputs(cell, name, cpus):
    """Operations a second and CPU, round by round."""
    return [sample["ops"] / max(sample["seconds"], 1e-9)
            / min(cell["threads"], cpus) for sample in cell["samples"][name]]


def losses(row, cell, name, cpus):
    """The loss of throughput per CPU of `name`, as a fraction, from the fewest
    threads of the row to the threads of the cell; one number for each round."""
    few = throughputs(row["cells"][0], name, cpus)
    many = throughputs(cell, name, cpus)
    return [1 - b / a for a, b in zip(few, many)]


def beyond(row, cell, name, cpus):
    """The loss beyond that of no allocator, with its interval; a shape that
    gains from more threads does not raise the bar for an allocator."""
    return summary.estimate([
        a - max(b, 0) for a, b in zip(losses(row, cell, name, cpus),
                              losses(row, cell, NULL, cpus))])


def percent(value):
    return f"{100 * value:.0f}"


def losing(result):
    """Rows on which the subject certainly loses more than the bar."""
    cpus = result["machine"]["cpus"]
    for row in result["rows"]:
        for cell in row["cells"][1:]:
            if summary.SUBJECT in cell["samples"]:
                own = beyond(row, cell, summary.SUBJECT, cpus)
                if own.low > BAR:
                    yield f"{row['name']}@{cell['threads']}", own


def text_of(result):
    names = list(result["allocators"])
    cpus = result["machine"]["cpus"]
    text = runner.heading(result)
    text += ("\npercent of the throughput per CPU that is lost from the "
             "fewest threads of the shape\n(none: no allocator, so the "
             "shape's own loss; then the loss of each beyond that), and\n"
             "million operations a second of all threads\n\n")
    text += (f"{'shape':22}{'none':>6}"
             + "".join(f"{name[:10]:>11}" for name in names)
             + f"{'none':>11}" + "".join(f"{n[:10]:>11}" for n in names) + "\n")
    for row in result["rows"]:
        for cell in row["cells"]:
            label = f"{row['name']}@{cell['threads']}"
            first = cell is row["cells"][0]
            own = summary.estimate(losses(row, cell, NULL, cpus))
            text += f"{label:22}{'' if first else percent(own.value):>6}"
            for name in names:
                loss = beyond(row, cell, name, cpus)
                text += f"{'' if first else percent(loss.value):>11}"
            for name in [NULL, *names]:
                rate = summary.estimate(throughputs(cell, name, cpus)).value
                text += f"{rate * min(cell['threads'], cpus) / 1e6:11.1f}"
            text += "\n"
    found = list(losing(result))
    text += (f"\n{summary.SUBJECT}: {len(found)} cells lose more than "
             f"{percent(BAR)} beyond the loss without an allocator\n")
    for label, own in found:
        text += (f"  {label:22}{percent(own.value)} "
                 f"[{percent(own.low)} to {percent(own.high)}]\n")
    return text


def main(arguments):
    chosen = runner.parser(__doc__, 5).parse_args(arguments)
    with runner.prepared(chosen) as (bench_tools, allocators, missing):
        result = runner.origin("scaling", chosen, allocators, missing)
        tools = recorder.Recorder(bench_tools, chosen.build)
        result["rows"] = []
        for shape in SHAPES:
            if not row_table.fits(shape[0], chosen.rows):
                continue
            row = {"name": shape[0], "cells": []}
            for threads in shape[4]:
                if chosen.quick and threads > QUICK_THREADS:
                    continue
                try:
                    row["cells"].append(run_cell(tools, shape, threads,
                                                 allocators, chosen))
                except measure.Failed as problem:
                    raise SystemExit(f"bench-scaling: {shape[0]}@{threads}: "
                                     f"{problem}") from None
            result["rows"].append(row)
            bench.note(f"bench-scaling: {shape[0]} done")
    if not result["rows"]:
        raise SystemExit("bench-scaling: no row fits")
    runner.finish(chosen, result, text_of(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
