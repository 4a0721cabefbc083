#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Time and memory with transparent huge pages as the machine allows them,
forced and forbidden.

Forced: a preloaded module advises every mapping of the allocator.  Forbidden:
the process asks the kernel for none.  The machine's own setting stays as it
is; if it forbids huge pages, this cannot force them.
"""
import copy
import os
import sys

sys.dont_write_bytecode = True
import bench  # noqa: E402
import measure  # noqa: E402
import programs  # noqa: E402
import rows as row_table  # noqa: E402
import runner  # noqa: E402
import summary  # noqa: E402
import table  # noqa: E402

MODES = ("allowed", "forced", "forbidden")
# Rows of bench.py: a large standing set, memory that comes and goes, large
# blocks, the smallest process, and a program.
ROWS = ("random-cold@1", "stress@*", "large", "zeroed-large@1", "start",
        "python")


def in_mode(allocator, mode, module):
    """A copy of `allocator` that runs in the given mode."""
    made = copy.copy(allocator)
    made.name = f"{allocator.name} {mode}"
    if mode == "forbidden":
        made.no_huge_pages = True
    if mode == "forced" and allocator.preload is None:
        made.variables = {**allocator.variables,
                          "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
    elif mode == "forced":
        made.preload = f"{module} {allocator.preload}"
    return made


def variants(allocators, build):
    module = os.path.abspath(os.path.join(build, ".libs", "libhuge.so"))
    return [in_mode(allocator, mode, module)
            for allocator in allocators for mode in MODES]


def chosen_rows(chosen):
    """The rows.  Of several rows that differ only in the number of threads,
    takes one with two or more threads."""
    rows = row_table.select(row_table.all_rows(chosen.quick), list(ROWS))
    rows = [row for row in rows
            if not row.name.startswith("stress@")
            or row.threads == max(2, row_table.cpu_count())]
    return row_table.select(rows, chosen.rows)


def text_of(result):
    names = list(result["allocators"])
    text = runner.heading(result)
    thp = result["machine"]["thp"].get("enabled", "absent")
    text += (f"\nhuge pages as the machine allows them ({thp}): seconds and "
             "MiB; forced and forbidden:\nthe ratio to that\n")
    for measure_name, key, scale in (("time, s", "seconds", 1),
                                     ("memory, MiB", "rss_kib", 1024)):
        text += f"\n{measure_name:16}" + "".join(
            f"{name[:10]:>22}" for name in names)
        text += "\n" + " " * 16 + "    allow  force forbid" * len(names) + "\n"
        for row in result["rows"]:
            text += f"{row['name']:16}"
            for name in names:
                base = f"{name} allowed"
                value = summary.cell(row, base, key).value / scale
                text += f"{table.number(value):>9}"
                for mode in MODES[1:]:
                    ratio = summary.ratio(row, f"{name} {mode}", base, key)
                    text += f"{table.number(ratio.value):>7}"
            text += "\n"
    return text + "".join(f"not run: {name}: {why}\n"
                          for name, why in result["absent"].items())


def run_row(tools, row, allocators, rounds):
    by_name = {item.name: item for item in allocators}

    def sample_of(name):
        sample = tools.run(row, by_name[name])
        return {key: sample[key] for key in ("seconds", "rss_kib",
                                             "minor_faults")}

    return {"name": row.name,
            "samples": runner.in_turn(by_name, rounds, sample_of)}


def main(arguments):
    chosen = runner.parser(__doc__, 5).parse_args(arguments)
    with runner.prepared(chosen) as (tools, allocators, missing):
        result = runner.origin("huge", chosen, allocators, missing)
        every = variants(allocators, chosen.build)
        rows, absent = bench.prove_rows(tools, chosen_rows(chosen), every)
        result.update(rows=[], absent=absent)
        for row in rows:
            try:
                result["rows"].append(run_row(tools, row, every,
                                              chosen.rounds))
            except (measure.Failed, programs.Missing) as problem:
                raise SystemExit(f"bench-huge: {row.name}: "
                                 f"{problem}") from None
            bench.note(f"bench-huge: {row.name} done")
    if not result["rows"]:
        raise SystemExit("bench-huge: no row fits")
    runner.finish(chosen, result, text_of(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
