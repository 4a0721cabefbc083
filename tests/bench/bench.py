#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Times the workloads and real programs under tcm, glibc and the peers.

Each round runs every row under every allocator, one right after the other, in
an order that is rotated from round to round.  All raw samples go to a JSON
file, from which table.py and page.py make the table and the page.
"""
import argparse
import glob
import datetime
import json
import os
import shutil
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # the source tree stays as it is
import machine  # noqa: E402
import measure  # noqa: E402
import page  # noqa: E402
import programs  # noqa: E402
import rows as row_table  # noqa: E402
import services  # noqa: E402
import summary  # noqa: E402
import table  # noqa: E402

FORMAT = 1
HERE = os.path.dirname(os.path.abspath(__file__))


def added_allocator(text):
    """NAME=PATH[,VARIABLE=VALUE...] as (name, path, variables)."""
    first, *rest = text.split(",")
    name, separator, path = first.partition("=")
    variables = dict(word.split("=", 1) for word in rest if "=" in word)
    if not separator or len(variables) != len(rest):
        raise argparse.ArgumentTypeError(
            "expected NAME=PATH[,VARIABLE=VALUE...]")
    return name, os.path.abspath(path), variables


def own_peers():
    """The peers that the user built: (name, path, variables) of each lib*.so in
    the folder that BENCH_PEERS names."""
    folder = os.environ.get("BENCH_PEERS")
    if not folder:
        return []
    paths = sorted(glob.glob(os.path.join(folder, "lib*.so")))
    if not paths:
        raise SystemExit(f"bench: BENCH_PEERS: no lib*.so in {folder}")
    return [(os.path.basename(path)[3:-3], os.path.abspath(path), {})
            for path in paths]


def options(arguments):
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--programs", metavar="DIR", default=".", dest="build",
        help="where workload, launch and trivial were built")
    add("--tcm", metavar="FILE", default=os.environ.get("TEST_RELEASE_SO"),
        help="the libtcm.so.0 to measure (default: $TEST_RELEASE_SO)")
    add("--rows", metavar="GLOB", action="append",
        help="only the rows that fit; may be given again")
    add("--rounds", type=int, metavar="N", help="default 5, 1 with --quick")
    add("--quick", action="store_true",
        help="very little work: shows that everything runs, times nothing")
    add("--without", metavar="NAME", action="append", default=[],
        help="leave out an allocator; may be given again")
    add("--present", action="store_true",
        help="leave out the peers that are not installed")
    add("--add", metavar="NAME=FILE[,VAR=VALUE...]", action="append",
        default=[], type=added_allocator,
        help="measure one more library, or one more setting of a library")
    add("--json", metavar="FILE", help="where the samples go")
    add("--page", metavar="FILE", help="where the HTML page goes")
    add("--table", metavar="FILE", help="where the table goes too")
    add("--flags", default="", help="the compiler and the user's flags")
    add("--own-flags", default="", help="the flags that configure chose")
    add("--list", action="store_true", help="name the rows and stop")
    chosen = parser.parse_args(arguments)
    if chosen.rounds is None:
        chosen.rounds = 1 if chosen.quick else 5
    if chosen.rounds < 1:
        parser.error("at least one round")
    return chosen


def note(text):
    print(text, file=sys.stderr, flush=True)


def choose_allocators(chosen, bench):
    found, missing = machine.find_allocators(
        bench.workload, chosen.tcm and os.path.abspath(chosen.tcm),
        chosen.without, chosen.add + own_peers(), bench.directory)
    bench.libc = machine.Allocator("glibc", None)
    bench.libc.path = machine.served_by(bench.workload, bench.libc,
                                        bench.directory)
    for name in missing:
        package = machine.PACKAGES.get(name)
        if package is None:
            raise SystemExit(f"bench: {name} cannot be preloaded"
                             f" (--tcm FILE names libtcm.so.0)")
        if not chosen.present:
            raise SystemExit(f"bench: {name} is missing; install {package}"
                             f" or say --without {name} (build-aux/"
                             "install-packages bench installs all peers)")
        note(f"bench: without {name}: not installed")
    if not found:
        raise SystemExit("bench: no allocator is left")
    return found, missing


def prove_rows(bench, rows, allocators):
    """The rows that can run here, and why the others cannot; first proves that
    each allocator serves every program."""
    runnable, absent = [], {}
    for row in rows:
        try:
            if row.kind in ("program", "service"):
                for allocator in allocators:
                    bench.prove(row, allocator)
            runnable.append(row)
        except programs.Missing as program:
            absent[row.name] = f"{program} is not installed"
            note(f"bench: without the row {row.name}: {absent[row.name]}")
        except (machine.NotServed, measure.Failed) as problem:
            raise SystemExit(f"bench: {row.name} under {allocator.name}: "
                             f"{problem}") from None
    return runnable, absent


def rotated(items, by):
    by %= len(items)
    return items[by:] + items[:by]


def sample_of(bench, row, allocator, earlier):
    """A sample of a row.  An allocator that did not end it in an earlier round
    is not tried again."""
    if earlier and earlier[-1].get("endless"):
        return dict(earlier[-1])
    try:
        return bench.run(row, allocator)
    except measure.Failed as problem:
        note(f"bench: {row.name} under {allocator.name}: {problem}")
        return {"error": str(problem),
                "endless": isinstance(problem, measure.Endless)}


def run_rounds(bench, rows, allocators, rounds):
    """The list for the JSON file: each row with its samples."""
    results = [{"name": row.name, "group": row.group, "kind": row.kind,
                "shape": row.shape, "work": row.work, "param": row.param,
                "threads": row.threads,
                "samples": {item.name: [] for item in allocators}}
               for row in rows]
    start = time.monotonic()
    for turn in range(rounds):
        for row, result in zip(rows, results):
            for place, allocator in enumerate(rotated(allocators, turn)):
                earlier = result["samples"][allocator.name]
                sample = sample_of(bench, row, allocator, earlier)
                sample.update(round=turn, place=place)
                earlier.append(sample)
        note(f"bench: round {turn + 1} of {rounds} done after "
             f"{time.monotonic() - start:.0f} s")
    return results


def load_average():
    return round(os.getloadavg()[0], 2)


def run(chosen, directory):
    bench = measure.Bench(os.path.abspath(chosen.build), directory)
    allocators, missing = choose_allocators(chosen, bench)
    rows = row_table.select(row_table.all_rows(chosen.quick), chosen.rows)
    if not rows:
        raise SystemExit("bench: no row fits")
    result = {
        "format": FORMAT,
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(
            timespec="seconds"),
        "commit": machine.commit(HERE),
        "flags": " ".join(chosen.flags.split()),
        "own_flags": " ".join(chosen.own_flags.split()),
        "compiler": machine.output_of(bench.workload, "where").partition(
            " compiler=")[2],
        "machine": machine.machine(),
        "rounds": chosen.rounds,
        "quick": chosen.quick,
        "load_before": load_average(),
        "allocators": {item.name: item.described() for item in allocators},
        "missing": missing,
    }
    if result["load_before"] > 0.5:
        note(f"bench: the machine is not quiet: load {result['load_before']}")
    rows, result["absent"] = prove_rows(bench, rows, allocators)
    result["trivial"] = {item.name: bench.trivial_report(item)
                         for item in allocators}
    result["rows"] = run_rounds(bench, rows, allocators, chosen.rounds)
    result["load_after"] = load_average()
    result["derived"] = summary.summarize(result)
    return result


def write(path, text):
    if path:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


def main(arguments):
    chosen = options(arguments)
    if chosen.list:
        for row in row_table.select(row_table.all_rows(chosen.quick),
                                    chosen.rows):
            print(f"{row.name:22} {row_table.GROUPS[row.group]}")
        return 0
    directory = tempfile.mkdtemp(prefix="tcm-bench-",
                                 dir=services.base_dir())
    try:
        result = run(chosen, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    text = table.table(result)
    print(text, end="")
    write(chosen.json, json.dumps(result, indent=1) + "\n")
    write(chosen.table, text)
    if chosen.page:
        write(chosen.page, page.page(result))
    whole = all(summary.complete(row, list(result["allocators"]))
                for row in result["rows"])
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
