# SPDX-License-Identifier: BSD-2-Clause
"""How often the slow path accesses what threads share, by shape of load.

Each shape of the workload program runs with the debug library, which counts
the locks it takes, the times that it had to wait for one, and locked additions
to words that threads share.  The table has them per 1000 operations.  Counts of
locks taken hardly depend on the machine; waits do.
"""
import argparse
import os
import subprocess
import sys

# Shape, operations, parameter, minimum of threads: each operation is at least
# one malloc and its free.
SHAPES = (
    ("random", 400_000, 2000, 1),
    ("server", 400_000, 2000, 1),
    ("pipeline", 400_000, 0, 2),
    ("exchange", 400_000, 2000, 1),
    ("stress", 400_000, 0, 1),
    ("batches", 400_000, 16, 1),
    ("batches-exchanged", 400_000, 16, 2),
    ("crowd", 1_400_000, 0, 1),
)
THREADS = (2, 8, 32, 256)
OPS_MIN = 20_000  # of each thread, so that caches are warm
QUICK_DIVISOR = 100
COLUMNS = ("additions", "TRANSFER", "CENTRAL", "PAGE_HEAP", "METADATA",
           "REGISTRY", "TRIM")


def counts(chosen, shape, ops, threads, param):
    """(taken, waited) by the name of the lock."""
    env = dict(os.environ, LD_PRELOAD=chosen.tcm, TCM_STATS_AT_EXIT="1")
    run = subprocess.run(
        [os.path.join(chosen.programs, "workload"), shape, str(ops),
         str(threads), str(param)], env=env, capture_output=True, text=True,
        check=False)
    found = {}
    for line in run.stderr.splitlines():
        if line.startswith("LOCK: "):
            _mark, name, taken, waited = line.split()
            found[name] = int(taken), int(waited)
    if run.returncode != 0 or not found:
        sys.exit(f"{shape}: status {run.returncode}, {run.stderr!r}")
    return found


def cell(found, name, ops):
    taken, waited = (1000 * number / ops for number in found[name])
    return f"{taken:.1f}" + (f"/{waited:.1f}" if waited >= 0.05 else "")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", required=True)
    parser.add_argument("--tcm", required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--table")
    chosen = parser.parse_args()
    lines = ["Per 1000 operations: times taken, and of these waited for", "",
             f"{'shape@threads':23}" + "".join(f"{c:>13}" for c in COLUMNS)]
    for shape, ops, param, least in SHAPES:
        ops = ops // QUICK_DIVISOR if chosen.quick else ops
        for threads in THREADS[:1] if chosen.quick else THREADS:
            if not chosen.quick:
                ops = max(ops, OPS_MIN * threads)
            found = counts(chosen, shape, ops, max(threads, least), param)
            lines.append(f"{shape + '@' + str(threads):23}" + "".join(
                f"{cell(found, name, ops):>13}" for name in COLUMNS))
    text = "\n".join(lines) + "\n"
    sys.stdout.write(text)
    if chosen.table:
        with open(chosen.table, "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    main()
