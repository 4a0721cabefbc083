#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""How long single calls of malloc and free take: a server's requests, random
replacement, and a heap of 8 GiB of which a random half was freed, in use while
memory is returned to the OS.

Where memory does not suffice for 8 GiB the heap is smaller; its row is named
by its size.
"""
import os
import re
import sys

sys.dont_write_bytecode = True
import bench  # noqa: E402
import latencies  # noqa: E402
import machine  # noqa: E402
import measure  # noqa: E402
import rows as row_table  # noqa: E402
import runner  # noqa: E402

HEAPS_MIB = (8192, 4096, 2048, 1024)
QUICK_HEAP_MIB = 64
# Every call reads clocks, and a heap of 8 GiB takes minutes where calls stall.
TIMEOUT_SECONDS = 900
# Name, shape, operations, parameter, seconds to spread them over; the heap's
# size is determined later.  Freed memory returns within about eight seconds.
SHAPES = (
    ("request", "request", 100_000, 0, 0),
    ("mixed", "mixed", 5_000_000, 20_000, 0),
    ("fragmented", "fragmented", 5_000_000, None, 12),
)


class Row:
    def __init__(self, name, shape, ops, param, seconds):
        self.threads = max(2, row_table.cpu_count())
        self.name = f"{name}@{self.threads}"
        self.shape, self.ops = shape, ops
        self.param, self.seconds = param, seconds

    def arguments(self):
        return [str(word) for word in (self.shape, self.ops, self.threads,
                                       self.param, self.seconds)]


def kib_of(path, label):
    try:
        with open(path, encoding="ascii") as file:
            found = re.search(label + r"\s*(\d+)", file.read())
    except OSError:
        return None
    return found and int(found.group(1))


def available_mib():
    """What the machine has, and what the control group leaves."""
    free = [kib_of("/proc/meminfo", "MemAvailable:") // 1024]
    limit = kib_of("/sys/fs/cgroup/memory.max", "^")
    used = kib_of("/sys/fs/cgroup/memory.current", "^")
    if limit is not None and used is not None:
        free.append((limit - used) >> 20)
    return min(free)


def needed_mib(heap_mib):
    """The heap, plus room for rounding, headers and the table of blocks."""
    return heap_mib * 5 // 4 + 512


def heap_of(chosen):
    """MiB of the fragmented heap; None if there is too little memory."""
    sizes = ([QUICK_HEAP_MIB] if chosen.quick else
             [chosen.heap] if chosen.heap else HEAPS_MIB)
    fitting = [size for size in sizes if needed_mib(size) <= available_mib()]
    return fitting[0] if fitting else None


def size_text(mib):
    return f"{mib // 1024}g" if mib % 1024 == 0 else f"{mib}m"


def chosen_rows(chosen):
    """(rows, {name: why it is absent})."""
    rows, absent = [], {}
    heap = heap_of(chosen)
    for name, shape, ops, param, seconds in SHAPES:
        if chosen.quick:
            ops, seconds = row_table.reduced(ops), min(seconds, 1)
        if param is None and heap is None:
            absent[name] = (
                f"needs {needed_mib(chosen.heap or HEAPS_MIB[-1])} MiB, "
                f"{available_mib()} are available")
            continue
        if param is None:
            name, param = f"{name}-{size_text(heap)}", heap << 20
        rows.append(Row(name, shape, ops, param, seconds))
    if chosen.rows:
        rows = [row for row in rows if any(
            row_table.fits(name, chosen.rows)
            for name in (row.name, row.shape))]
    return rows, absent


def parsed(text):
    """{call: {clock: figures}} of what the program printed."""
    calls = {}
    for line in text.splitlines()[1:]:
        said = machine.fields(line)
        figures = {name: int(said[name]) for name in
                   ("count", *(name for name, _ in latencies.PARTS), "worst",
                    "over_1ms")}
        figures["buckets"] = [[int(word) for word in pair.split(":")]
                              for pair in said["buckets"].split(",")]
        calls.setdefault(said["call"], {})[said["clock"]] = figures
    return calls


def sample(tools, program, row, allocator):
    process = tools.start(allocator, allocator.preload,
                          [program, *row.arguments()])
    out, whole = tools.wait_for(process, TIMEOUT_SECONDS)
    said = machine.fields(out.splitlines()[0])
    measure.expect_served(said, allocator)
    return {"seconds": float(said["seconds"]),
            "rss_kib": int(said["peak_kib"]),
            "minor_faults": whole["minor_faults"], "calls": parsed(out)}


def main(arguments):
    parser = runner.parser(__doc__, 3)
    parser.add_argument("--heap", type=int, metavar="MIB",
                        help="size of the fragmented heap")
    chosen = parser.parse_args(arguments)
    program = os.path.join(os.path.abspath(chosen.build), "latency")
    with runner.prepared(chosen) as (tools, allocators, missing):
        result = runner.origin("latency", chosen, allocators, missing)
        rows, result["absent"] = chosen_rows(chosen)
        by_name = {item.name: item for item in allocators}
        result["rows"] = []
        for row in rows:
            try:
                samples = runner.in_turn(
                    by_name, chosen.rounds, lambda name, row=row:
                    sample(tools, program, row, by_name[name]))
            except measure.Failed as problem:
                raise SystemExit(f"bench-latency: {row.name}: "
                                 f"{problem}") from None
            result["rows"].append({
                "name": row.name, "ops": row.ops, "threads": row.threads,
                "param": row.param, "pace_seconds": row.seconds,
                "samples": samples})
            bench.note(f"bench-latency: {row.name} done")
    if not result["rows"]:
        raise SystemExit("bench-latency: no row fits")
    runner.finish(chosen, result, runner.heading(result)
                  + latencies.table(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
