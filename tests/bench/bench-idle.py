#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What processes keep of memory that they have freed: MiB at the peak, and
ten seconds later, while the program does nothing.
"""
import os
import sys

sys.dont_write_bytecode = True
import machine  # noqa: E402
import measure  # noqa: E402
import rows as row_table  # noqa: E402
import runner  # noqa: E402
import summary  # noqa: E402

# Name, MiB, threads, seconds.
SHAPES = (
    ("threads", 400, 200, 10),
    ("fragmented", 512, 1, 10),
    ("peak", 512, 1, 10),
    ("drift", 80, 1, 20),
)
QUICK_MIB, QUICK_THREADS, QUICK_SECONDS = 8, 4, 1
FIGURES = {"live_kib": "live", "peak_kib": "peak", "idle_kib": "kept"}


def sample(tools, program, shape, allocator):
    process = tools.start(allocator, allocator.preload,
                          [program, *map(str, shape)])
    said = machine.fields(tools.wait_for(process)[0])
    measure.expect_served(said, allocator)
    return {key: int(said[key]) for key in FIGURES}


def text_of(result):
    names = list(result["allocators"])
    text = runner.heading(result) + (
        "\nMiB at the peak, and kept ten seconds after it (drift: at the end "
        "of twenty\nseconds in which the sizes of live blocks change)\n\n")
    text += f"{'':12}{'live':>6}" + "".join(f"{n[:10]:>16}" for n in names)
    for row in result["rows"]:
        live = summary.cell(row, names[0], "live_kib").value / 1024
        text += f"\n{row['name']:12}{live:6.0f}"
        for name in names:
            peak, kept = (summary.cell(row, name, key).value / 1024
                          for key in ("peak_kib", "idle_kib"))
            text += f"{peak:9.0f} {kept:6.0f}"
    return text + "\n"


def main(arguments):
    chosen = runner.parser(__doc__, 3).parse_args(arguments)
    program = os.path.join(os.path.abspath(chosen.build), "idle")
    shapes = [shape for shape in SHAPES
              if not chosen.rows or row_table.fits(shape[0], chosen.rows)]
    if chosen.quick:
        shapes = [(shape[0], QUICK_MIB, QUICK_THREADS, QUICK_SECONDS)
                  for shape in shapes]
    if not shapes:
        raise SystemExit("bench-idle: no row fits")
    with runner.prepared(chosen) as (tools, allocators, missing):
        result = runner.origin("idle", chosen, allocators, missing)
        by_name = {item.name: item for item in allocators}
        result["rows"] = []
        for shape in shapes:
            try:
                samples = runner.in_turn(
                    by_name, chosen.rounds, lambda name, shape=shape:
                    sample(tools, program, shape, by_name[name]))
            except measure.Failed as problem:
                raise SystemExit(f"bench-idle: {shape[0]}: {problem}") from None
            result["rows"].append({"name": shape[0], "mib": shape[1],
                                   "threads": shape[2], "seconds": shape[3],
                                   "samples": samples})
    runner.finish(chosen, result, text_of(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
