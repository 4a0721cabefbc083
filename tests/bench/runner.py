# SPDX-License-Identifier: BSD-2-Clause
"""What the instruments other than bench.py share: their options, the allocators,
a directory for the run, and what a result file says of where it comes from."""
import argparse
import contextlib
import datetime
import json
import os
import shutil
import tempfile

import bench
import machine
import measure
import services

FORMAT = 1


def parser(description, rounds):
    made = argparse.ArgumentParser(description=description)
    add = made.add_argument
    add("--programs", metavar="DIR", default=".", dest="build",
        help="where the programs of the benchmark were built")
    add("--tcm", metavar="FILE", default=os.environ.get("TEST_RELEASE_SO"))
    add("--rows", metavar="GLOB", action="append",
        help="only the rows that fit; may be given again")
    add("--rounds", type=int, metavar="N", default=rounds)
    add("--quick", action="store_true",
        help="very little work: shows that everything runs, times nothing")
    add("--without", metavar="NAME", action="append", default=[])
    add("--present", action="store_true",
        help="leave out the peers that are not installed")
    add("--add", metavar="NAME=FILE[,VAR=VALUE...]", action="append",
        default=[], type=bench.added_allocator)
    add("--json", metavar="FILE")
    add("--table", metavar="FILE")
    return made


@contextlib.contextmanager
def prepared(chosen):
    """(measure.Bench, allocators, the names of those that are missing)."""
    directory = tempfile.mkdtemp(prefix="tcm-bench-", dir=services.base_dir())
    try:
        tools = measure.Bench(os.path.abspath(chosen.build), directory)
        allocators, missing = bench.choose_allocators(chosen, tools)
        yield tools, allocators, missing
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def origin(kind, chosen, allocators, missing):
    """The head of a result file."""
    return {
        "format": FORMAT, "kind": kind,
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(
            timespec="seconds"),
        "commit": machine.commit(bench.HERE),
        "machine": machine.machine(),
        "rounds": chosen.rounds, "quick": chosen.quick,
        "load_before": bench.load_average(),
        "allocators": {item.name: item.described() for item in allocators},
        "missing": missing,
    }


def heading(result):
    text = (f"{result['kind']}, {result['date']}, commit {result['commit']}\n"
            f"{result['machine']['cpu']}; {result['machine']['cpus']} CPUs, "
            f"kernel {result['machine']['kernel']}; load "
            f"{result['load_before']} before; {result['rounds']} rounds\n")
    if result["quick"]:
        text += "QUICK RUN: shows that everything runs; figures mean nothing\n"
    return text


def finish(chosen, result, text):
    """Print the table; the page shows it as it is in the result file."""
    result["text"] = text
    print(text, end="")
    bench.write(chosen.json, json.dumps(result) + "\n")
    bench.write(chosen.table, text)


def in_turn(names, rounds, sample_of):
    """{name: samples}: each round takes one sample of each, in an order that
    is rotated from round to round."""
    samples = {name: [] for name in names}
    for turn in range(rounds):
        for name in bench.rotated(list(names), turn):
            samples[name].append(sample_of(name))
    return samples
