#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Cost over size: from a thousand to ten million live objects, what an
operation takes and how many bytes an object costs beyond those asked for."""
import os
import sys

sys.dont_write_bytecode = True
import bench  # noqa: E402
import curves  # noqa: E402
import machine  # noqa: E402
import measure  # noqa: E402
import runner  # noqa: E402

COUNTS = (1000, 3162, 10_000, 31_623, 100_000, 316_228, 1_000_000, 3_162_278,
          10_000_000)
QUICK_COUNTS = COUNTS[:3]
# A small number of objects is allocated repeatedly, until this many were.
OPERATIONS_MIN = 2_000_000
QUICK_OPERATIONS = 10_000


def sample(tools, program, count, allocator, quick):
    process = tools.start(allocator, allocator.preload,
                          [program, str(count), str(
                              QUICK_OPERATIONS if quick
                              else OPERATIONS_MIN)])
    out, whole = tools.wait_for(process)
    said = machine.fields(out)
    measure.expect_served(said, allocator)
    figures = {name: float(said[name])
               for name in ("allocate_ns", "replace_ns", "free_ns")}
    for state in ("full", "aged"):
        figures[state + "_bytes"] = (
            (int(said[state + "_kib"]) * 1024 - int(said[state + "_bytes"]))
            / count)
    figures["seconds"] = whole["process_seconds"]
    figures["minor_faults"] = whole["minor_faults"]
    return figures


def main(arguments):
    chosen = runner.parser(__doc__, 3).parse_args(arguments)
    with runner.prepared(chosen) as (tools, allocators, missing):
        result = runner.origin("curves", chosen, allocators, missing)
        result["rows"] = []
        by_name = {item.name: item for item in allocators}
        program = os.path.join(os.path.abspath(chosen.build), "curve")
        for count in QUICK_COUNTS if chosen.quick else COUNTS:
            try:
                samples = runner.in_turn(by_name, chosen.rounds, lambda name:
                                         sample(tools, program, count,
                                                by_name[name], chosen.quick))
            except measure.Failed as problem:
                raise SystemExit(f"bench-curves: {problem}") from None
            result["rows"].append({"count": count, "samples": samples})
            bench.note(f"bench-curves: {count} objects done")
    runner.finish(chosen, result, runner.heading(result)
                  + curves.table(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
