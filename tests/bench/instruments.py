# SPDX-License-Identifier: BSD-2-Clause
"""The instruments other than bench.py run: each with very little work under
every allocator that is installed.  Every cell of its result file must be
filled.

As in quick.py, the times mean nothing.
"""
import importlib
import json
import os
import re
import subprocess
import sys
import tempfile
import xml.dom.minidom

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, HERE)
import curves  # noqa: E402
import latencies  # noqa: E402
import machine  # noqa: E402
import measure  # noqa: E402

BUILD = os.path.join(os.environ.get("TEST_BUILDDIR", "."), "tests", "bench")

failures = []


def expect(condition, text):
    if not condition:
        failures.append(text)
        print("FAIL " + text)


def run(directory, name, *options):
    """(the result file of an instrument, what it printed)."""
    path = os.path.join(directory, name + ".json")
    done = subprocess.run(
        [sys.executable, os.path.join(HERE, f"bench-{name}.py"), "--programs",
         BUILD, "--quick", "--present", "--rounds", "1", "--json", path,
         *options],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False)
    expect(done.returncode == 0,
           f"bench-{name} ended with {done.returncode}: {done.stdout[-2000:]}")
    if not os.path.exists(path):
        return None, done.stdout
    with open(path, encoding="utf-8") as file:
        result = json.load(file)
    expect(result["kind"] == name, f"{name}: a file of {result['kind']}")
    names = list(result["allocators"])
    expect(names[:2] == ["glibc", "tcm"], f"{name}: allocators {names}")
    for word in names:
        expect(word[:10] in done.stdout, f"{name}: {word} is not in the table")
    return result, done.stdout


def check_cells(label, samples, wanted):
    expect(sorted(samples) == sorted(wanted), f"{label}: {list(samples)}")
    for name, cells in samples.items():
        expect(len(cells) == 1 and cells[0]["seconds"] > 0,
               f"{label} under {name}: {cells}")


def check_traces(directory):
    result, said = run(directory, "traces")
    if result is None:
        return
    expect(result["rows"], "no trace")
    for row in result["rows"]:
        label = "traces, " + row["name"]
        check_cells(label, row["samples"], ["null", *result["allocators"]])
        expect(row["facts"]["allocs"] > 1000, f"{label}: {row['facts']}")
        expect(row["name"] in said, f"{label}: not in the table")
        for name in result["allocators"]:
            over = row["samples"][name][0]["over"]
            expect(0.5 < over < 1000, f"{label}, {name}: {over} of the limit")


def check_scaling(directory):
    result, said = run(directory, "scaling")
    if result is None:
        return
    for row in result["rows"]:
        threads = [cell["threads"] for cell in row["cells"]]
        expect(threads == [10, 100] if row["name"] == "crowd"
               else threads[-3:] == [2, 8, 32], f"{row['name']}: {threads}")
        for cell in row["cells"]:
            label = f"{row['name']}@{cell['threads']}"
            check_cells(label, cell["samples"],
                        ["null", *result["allocators"]])
            expect(label + " " in said, f"{label}: not in the table")
            # With so little work some may find nothing to do.
            expect(cell["facts"]["threads"] > cell["threads"] // 2,
                   f"{label}: {cell['facts']['threads']} threads")


def check_curves(directory):
    result, said = run(directory, "curves")
    if result is None:
        return
    expect(len(result["rows"]) == 3, f"{len(result['rows'])} points")
    for row in result["rows"]:
        check_cells(f"{row['count']} objects", row["samples"],
                    result["allocators"])
        expect(said.count(f"{row['count']:10d}") == len(curves.FIGURES),
               f"{row['count']} objects: not in every table")
        for name, (sample,) in row["samples"].items():
            for key, _, _ in curves.FIGURES:
                expect(-300 < sample[key] < 1e5 and sample[key] != 0,
                       f"{row['count']} objects under {name}: {sample}")
    drawing = xml.dom.minidom.parseString(curves.svg(result))
    lines = len(drawing.getElementsByTagName("polyline"))
    expect(lines == len(curves.FIGURES) * len(result["allocators"]),
           f"{lines} curves are drawn")


def check_calls(label, row, name):
    """The figures of one allocator, in every cell and consistent."""
    for call in latencies.calls_of(row):
        for clock in latencies.CLOCKS:
            calls = latencies.Calls(row, name, call, clock)
            figures = calls.figures()
            expect(calls.count >= 1000 and figures[0] > 0
                   and figures == sorted(figures),
                   f"{label}: {call} {clock}: {calls.count}, {figures}")
            told = row["samples"][name][0]["calls"][call][clock]
            expect(figures[:-1] == [told[part] for part, _ in latencies.PARTS],
                   f"{label}: {call} {clock}: {figures}, but {told}")


def check_known_calls():
    """One malloc in ten worked for 2 ms, one free in ten slept as long."""
    done = subprocess.run([os.path.join(BUILD, "latency"), "known", "400", "2"],
                          stdout=subprocess.PIPE, text=True, check=False)
    expect(done.returncode == 0, f"latency known: {done.returncode}")
    over = {(said["call"], said["clock"]): int(said["over_1ms"])
            for said in map(machine.fields, done.stdout.splitlines()[1:])}
    expect(over.get(("malloc", "cpu")) == 40
           and over.get(("malloc", "wall"), 0) >= 40
           and over.get(("free", "wall"), 0) >= 40
           and over.get(("free", "cpu")) == 0, f"known calls: {over}")


def check_idle(directory):
    """Also checks that a peer built by the user is measured."""
    peers = os.path.join(directory, "peers")
    os.mkdir(peers)
    os.symlink(os.environ["TEST_DEBUG_SO"], os.path.join(peers, "libown.so"))
    os.environ["BENCH_PEERS"] = peers
    result, said = run(directory, "idle")
    del os.environ["BENCH_PEERS"]
    if result is None:
        return
    expect("own" in result["allocators"], "BENCH_PEERS added nothing")
    for row in result["rows"]:
        expect(list(row["samples"]) == list(result["allocators"]),
               f"{row['name']}: {list(row['samples'])}")
        expect(row["name"] in said, f"{row['name']}: not in the table")
        for name, samples in row["samples"].items():
            expect(samples[0]["peak_kib"] > 1024 * row["mib"] // 2,
                   f"{row['name']} under {name}: peak {samples[0]}")


def check_latency(directory):
    check_known_calls()
    result, said = run(directory, "latency")
    if result is None:
        return
    names = [row["name"].split("@")[0] for row in result["rows"]]
    expect(names + list(result["absent"]) in (
        ["request", "mixed", "fragmented-64m"],
        ["request", "mixed", "fragmented"]), f"latency: rows {names}")
    for row in result["rows"]:
        check_cells(row["name"], row["samples"], result["allocators"])
        expect(row["name"] + ":" in said, f"{row['name']}: not in the table")
        for name in result["allocators"]:
            check_calls(f"{row['name']} under {name}", row, name)
    section = importlib.import_module("bench-page").section(
        "latency", "Single calls", result)
    drawings = re.findall(r"<svg.*?</svg>", section, re.S)
    expect(len(drawings) == section.count("<table>") == 4 * len(names),
           f"{len(drawings)} drawings of single calls")
    for drawing in drawings:
        lines = xml.dom.minidom.parseString(drawing).getElementsByTagName(
            "polyline")
        expect(len(lines) == len(result["allocators"]),
               f"{len(lines)} curves of single calls in a drawing")


def huge_kib(tools, allocator):
    """KiB in huge pages while many objects are live: enough that a heap that
    first grows in small steps now grows by whole huge pages."""
    program = os.path.join(os.path.abspath(BUILD), "curve")
    out, _ = tools.wait_for(tools.start(allocator, allocator.preload,
                                        [program, "400000", "1"]))
    return int(machine.fields(out)["huge_kib"])


def check_huge(directory):
    """Checks both extremes: that pages are huge, and that none is."""
    result, said = run(directory, "huge")
    if result is None:
        return
    modes = importlib.import_module("bench-huge")
    wanted = [f"{name} {mode}" for name in result["allocators"]
              for mode in modes.MODES]
    for row in result["rows"]:
        check_cells(row["name"], row["samples"], wanted)
        expect(said.count(row["name"] + " ") >= 2,
               f"{row['name']}: not in both tables")
    expect(len(result["rows"]) + len(result["absent"]) == len(modes.ROWS),
           f"{len(result['rows'])} rows")
    tools = measure.Bench(os.path.abspath(BUILD), directory)
    allocators, _missing = machine.find_allocators(
        tools.workload, os.environ["TEST_RELEASE_SO"], (), (), directory)
    setting = result["machine"]["thp"].get("enabled")
    for allocator in modes.variants(allocators, BUILD):
        found = huge_kib(tools, allocator)
        if allocator.name.endswith("forbidden") or setting in (None, "never"):
            expect(found == 0, f"{allocator.name}: {found} KiB")
        elif allocator.name.endswith("forced"):
            expect(found >= 2048, f"{allocator.name}: {found} KiB")
        print(f"{allocator.name}: {found} KiB in huge pages")


def check_locks():
    done = subprocess.run(
        [sys.executable, os.path.join(HERE, "bench-locks.py"), "--programs",
         BUILD, "--quick", "--tcm", os.environ["TEST_DEBUG_SO"]],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False)
    locks = importlib.import_module("bench-locks")
    expect(done.returncode == 0, f"bench-locks: {done.stdout[-2000:]}")
    for shape, *_rest in locks.SHAPES:
        expect(shape + "@2 " in done.stdout, f"{shape}: no row of bench-locks")


def main():
    with tempfile.TemporaryDirectory(prefix="tcm-bench-") as directory:
        check_traces(directory)
        check_scaling(directory)
        check_curves(directory)
        check_idle(directory)
        check_latency(directory)
        check_huge(directory)
    check_locks()
    print("FAIL" if failures else "pass", len(failures), "complaints")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
