#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Plays small traces of real programs under each allocator, and says how far
above the limit their time and memory are.

The limit of the memory is what is live at the peak, each object rounded up to
16 bytes.  The limit of the time is the replay with planned addresses: no
allocator, and no page that is new.  The memory of a replayer without any object
is subtracted; the memory that an allocator needs to start is not.
"""
import os
import sys

sys.dont_write_bytecode = True
import bench  # noqa: E402
import measure  # noqa: E402
import programs  # noqa: E402
import recorder  # noqa: E402
import rows as row_table  # noqa: E402
import runner  # noqa: E402
import summary  # noqa: E402
import table  # noqa: E402

NULL = "null"
# Program and work, in the same measure as the rows of bench.py.
TRACES = (("perl", 10), ("python", 10), ("sqlite", 40), ("gcc", 20),
          ("redis", 10), ("node", 20))
# The one process of several that is recorded.
ONLY = {"gcc": "cc1"}
# A round plays the trace once, because a program touches new pages only once;
# therefore there are many rounds.
ROUNDS = 15
# Threads of a replay may run ahead of one another by an epoch, and then hold
# more than the trace's peak, so an epoch has few events.
EPOCH_EVENTS = 512


def record(tools, name, work):
    row = row_table.Row(name, "programs", "program", work)
    variables = {"TRACE_ONLY": ONLY[name]} if name in ONLY else {}
    raw = tools.record(lambda allocator: tools.bench.run(row, allocator),
                       **variables)
    return tools.pack(raw, EPOCH_EVENTS)


def run_trace(tools, name, work, allocators, rounds):
    packed, facts = record(tools, name, work)
    by_name = {item.name: item for item in allocators}

    def sample_of(allocator_name):
        sample = tools.replay(packed, by_name.get(allocator_name))
        return {key: sample[key] for key in (
            "seconds", "rss_kib", "base_kib", "minor_faults", "ops")}

    samples = runner.in_turn([NULL, *by_name], rounds, sample_of)
    os.unlink(packed)
    limit_kib = (facts["peak_bytes"] + 4095) // 4096 * 4
    for cells in samples.values():
        for turn, sample in enumerate(cells):
            sample["held_kib"] = (sample["rss_kib"]
                                  - samples[NULL][turn]["base_kib"])
            sample["over"] = sample["held_kib"] / limit_kib
    return {"name": name, "work": work, "facts": facts, "samples": samples}


def over_limits(row, name):
    """(time over the limit, memory over the limit), each with an interval."""
    return (summary.ratio(row, name, NULL, "seconds"),
            summary.cell(row, name, "over"))


def text_of(result):
    names = list(result["allocators"])
    text = runner.heading(result)
    text += ("\ntime and peak memory over the limit of each trace; the trace: "
             "operations in thousands,\nthreads, live MiB at the peak, "
             "nanoseconds of an operation with planned addresses\n\n")
    text += (f"{'trace':10}{'ops k':>8}{'thr':>4}{'MiB':>7}{'ns':>6}  "
             + "".join(f"{name[:10]:>14}" for name in names) + "\n")
    for row in result["rows"]:
        facts = row["facts"]
        limit = summary.cell(row, NULL, "seconds").value
        ops = row["samples"][NULL][0]["ops"]
        text += (f"{row['name']:10}"
                 f"{(facts['allocs'] + facts['frees']) / 1000:8.0f}"
                 f"{facts['threads']:4d}{facts['peak_bytes'] / 2 ** 20:7.1f}"
                 f"{limit / ops * 1e9:6.1f}  ")
        for name in names:
            time, memory = over_limits(row, name)
            text += (f"{table.number(time.value):>7}"
                     f"{table.number(memory.value):>7}")
        text += "\n"
    text += f"{'geometric mean':37}"
    for name in names:
        pairs = [over_limits(row, name) for row in result["rows"]]
        for part in range(2):
            mean = summary.geometric_mean([pair[part].value for pair in pairs])
            text += f"{table.number(mean):>7}"
    return text + "\n" + "".join(
        f"not run: {name}: {why}\n" for name, why in result["absent"].items())


def main(arguments):
    chosen = runner.parser(__doc__, ROUNDS).parse_args(arguments)
    with runner.prepared(chosen) as (tools, allocators, missing):
        result = runner.origin("traces", chosen, allocators, missing)
        result.update(rows=[], absent={})
        recording = recorder.Recorder(tools, chosen.build)
        for name, work in TRACES:
            if not row_table.fits(name, chosen.rows):
                continue
            try:
                result["rows"].append(run_trace(
                    recording, name, 1 if chosen.quick else work, allocators,
                    chosen.rounds))
            except programs.Missing as program:
                result["absent"][name] = f"{program} is not installed"
            except measure.Failed as problem:
                raise SystemExit(f"bench-traces: {name}: {problem}") from None
            bench.note(f"bench-traces: {name} done")
    if not result["rows"]:
        raise SystemExit("bench-traces: no row")
    runner.finish(chosen, result, text_of(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
