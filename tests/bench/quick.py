# SPDX-License-Identifier: BSD-2-Clause
"""The benchmark runs: every row under every allocator that is installed, every
cell of the result file filled, and no run measured that another allocator
served than the one that it is recorded for.

Very little work is done, so the times mean nothing; what is tested is the
instrument.
"""
import argparse
import copy
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
import bench as instrument  # noqa: E402
import kept  # noqa: E402
import machine  # noqa: E402
import measure  # noqa: E402
import page  # noqa: E402
import rows as row_table  # noqa: E402
import summary  # noqa: E402
import table  # noqa: E402

BUILD = os.path.join(os.environ.get("TEST_BUILDDIR", "."), "tests", "bench")
TCM = os.environ["TEST_RELEASE_SO"]
# The launcher's mark of peak memory lags behind the exact one by some pages
# for each CPU and kind of memory.
LAG_KIB = 1024 + 3 * 128 * row_table.cpu_count()

failures = []


def expect(condition, text):
    if not condition:
        failures.append(text)
        print("FAIL " + text)


def bench(*options):
    command = [sys.executable, os.path.join(HERE, "bench.py"), "--programs",
               BUILD, "--quick", "--present", *options]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT, check=False)


def check_sample(label, row, sample):
    expect("error" not in sample, f"{label}: {sample.get('error')}")
    if "error" in sample:
        return
    expect(sample["seconds"] >= 0, f"{label}: no time")
    expect(sample["rss_kib"] > 100, f"{label}: {sample['rss_kib']} KiB")
    expect(sample["minor_faults"] > 10, f"{label}: no page faults")
    if row["kind"] == "workload":
        apart = abs(sample["rss_kib"] - sample["launcher_rss_kib"])
        expect(apart <= LAG_KIB + sample["rss_kib"] // 10,
               f"{label}: the launcher saw {sample['launcher_rss_kib']} KiB, "
               f"the workload {sample['rss_kib']}")


def check_result(result):
    """Every row under every allocator."""
    names = list(result["allocators"])
    expect(names[:2] == ["glibc", "tcm"], f"allocators: {names}")
    expect(sorted(names[2:] + result["missing"]) == sorted(machine.PEERS),
           f"measured {names}, missing {result['missing']}")
    found = {row["name"]: row for row in result["rows"]}
    for row in row_table.all_rows(quick=True):
        if row.name in result["absent"]:
            print(f"without {row.name}: {result['absent'][row.name]}")
            expect(row.kind in ("program", "service"), f"{row.name} is absent")
            continue
        expect(row.name in found, f"no row {row.name}")
        samples = found.get(row.name, {"samples": {}})["samples"]
        expect(list(samples) == names, f"{row.name}: cells {list(samples)}")
        for name, cells in samples.items():
            expect(len(cells) == result["rounds"], f"{row.name}, {name}")
            for sample in cells:
                check_sample(f"{row.name} under {name}", found[row.name],
                             sample)
    for name in names:
        expect(result["trivial"][name]["private_dirty_kib"] > 0,
               f"trivial program under {name}")


def check_presentation(result, text):
    """The table has every row and fits, the page is well-formed."""
    expect(text == table.table(result), "the table is not made from the file")
    lines = text.splitlines()
    widest = max(map(len, lines))
    expect(widest <= 100, f"the table is {widest} columns wide")
    for row in result["rows"]:
        count = sum(line.startswith(row["name"] + " ") for line in lines)
        expect(count >= 2, f"{row['name']} stands {count} times in the table")
    made = page.page(result)
    drawings = re.findall(r"<svg.*?</svg>", made, re.S)
    expect(len(drawings) == 3, f"{len(drawings)} drawings")
    for drawing in drawings:
        xml.dom.minidom.parseString(drawing)
    for row in result["rows"]:
        expect(f">{row['name']}</text>" in drawings[-1],
               f"{row['name']} is not drawn")


def refused(result):
    try:
        kept.reduced(result)
    except kept.Refused:
        return True
    return False


def check_kept(result):
    """What would be kept in the tree, and README's table of it."""
    sound = {**copy.deepcopy(result), "quick": False, "commit": "0" * 40,
             "rounds": summary.ENOUGH_ROUNDS}
    for row in sound["rows"]:
        for cells in row["samples"].values():
            cells *= summary.ENOUGH_ROUNDS
    for name, value in (("quick", True), ("rounds", 4), ("commit", "0+")):
        expect(refused({**sound, name: value}), f"{name} {value} was kept")
    reduced = kept.reduced(sound)
    lines = kept.readme(json.loads(kept.text_of(reduced)))
    expect(lines == kept.readme(reduced), "the kept figures say something else")
    widest = max(map(len, lines))
    expect(widest <= 80, f"README's table is {widest} columns wide")
    for group in {row["group"] for row in sound["rows"]}:
        label = row_table.GROUPS.get(group, group)
        expect(sum(line.startswith(f"  {label:32}") for line in lines) == 1,
               f"{label} is not in README's table")
    check_endless(sound)
    del sound["rows"][0]["samples"]["tcm"][0]
    expect(refused(sound), "a result without a sample was kept")


def check_endless(sound):
    """A peer that never ended a row does not keep the others' figures out; tcm
    must end each row."""
    for name in sound["allocators"]:
        result = copy.deepcopy(sound)
        cells = result["rows"][0]["samples"][name]
        cells[:] = [{"error": "no end after 60 s", "endless": True}
                    for _cell in cells]
        allowed = name not in (summary.SUBJECT, summary.BASE)
        expect(refused(result) != allowed, f"{name} without an end")
        if allowed:
            reduced = json.loads(kept.text_of(kept.reduced(result)))
            expect("failed" in table.table(result),
                   "the table does not say failed")
            expect("<svg" in page.page(result), "no page")
            expect(kept.readme(reduced), "no table for README")
    runs = []

    class Endless:
        def run(self, row, allocator):
            runs.append(allocator)
            raise measure.Endless("no end")

    earlier = []
    for _turn in range(3):
        earlier.append(instrument.sample_of(
            Endless(), argparse.Namespace(name="row"),
            argparse.Namespace(name="peer"), earlier))
    expect(len(runs) == 1 and all(cell["endless"] for cell in earlier),
           "a row without an end was tried again")


def compare(directory, first, second):
    paths = []
    for name, result in (("first.json", first), ("second.json", second)):
        paths.append(os.path.join(directory, name))
        with open(paths[-1], "w", encoding="utf-8") as file:
            json.dump(result, file)
    return subprocess.run(
        [sys.executable, os.path.join(HERE, "bench-compare.py"), *paths],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False)


def check_compare(directory, result):
    expect(compare(directory, result, result).returncode == 2,
           "quick runs were compared")
    result = copy.deepcopy(result)
    result["quick"] = False
    done = compare(directory, result, result)
    expect(done.returncode == 0 and "geometric mean, as measured: 1.00"
           in done.stdout, "a run differs from itself: " + done.stdout[-300:])
    slower = copy.deepcopy(result)
    for row in slower["rows"]:
        for sample in row["samples"]["tcm"]:
            sample["seconds"] *= 2
    done = compare(directory, result, slower)
    expect(done.returncode == 0 and "geometric mean, to glibc: 2.00"
           in done.stdout, "twice the time is not seen: " + done.stdout[-300:])
    for name in ("id", "cpu", "kernel"):
        other = copy.deepcopy(result)
        other["machine"][name] += "x"
        done = compare(directory, result, other)
        expect(done.returncode == 2 and name + ":" in done.stdout,
               f"another {name} was not refused")


def check_proofs(directory):
    """A run that its allocator does not serve is rejected, whatever check
    detects that."""
    done = bench("--rows", "pairs-16", "--add", "absent=/nonexistent/lib.so")
    expect(done.returncode != 0 and "absent cannot be preloaded"
           in done.stdout, "a library that is not there: " + done.stdout)
    tools = measure.Bench(BUILD, directory)
    impostor = machine.Allocator("impostor", None)
    impostor.path = os.path.realpath(TCM)
    row = row_table.select(row_table.all_rows(quick=True), ["pairs-16@1"])[0]
    try:
        tools.run(row, impostor)
        expect(False, "glibc was booked as tcm")
    except measure.Failed as problem:
        expect("served by" in str(problem), str(problem))
    account = "binding file {0} [0] to {1} [0]: normal symbol `malloc'\n"
    for lines, good in (
            ((("/bin/a", "/lib/b"),), True),
            ((("/bin/a", "/lib/c"),), False),
            ((("/bin/a", "/lib/b"), ("/lib/d", "/bin/a")), True),
            ((("/bin/a", "/lib/b"), ("/lib/d", "/lib/c")), False),
            ((), False)):
        text = "".join(account.format(*line) for line in lines)
        try:
            machine.check_bindings(text, os.path.realpath("/lib/b"))
            expect(good, f"taken for served: {text}")
        except machine.NotServed:
            expect(not good, f"not taken for served: {text}")


def check_figures():
    """The arithmetic, on samples whose answer is known."""
    row = {"name": "x", "samples": {
        "glibc": [{"seconds": s} for s in (1.0, 2.0, 4.0, 1.0, 1.0)],
        "tcm": [{"seconds": s} for s in (0.5, 1.0, 2.0, 0.5, 0.9)]}}
    ratio = summary.ratio(row, "tcm", "glibc", "seconds")
    expect((ratio.value, ratio.low, ratio.high) == (0.5, 0.5, 0.9),
           f"ratio {ratio.as_list()}")
    nine = summary.estimate([9, 1, 8, 2, 7, 3, 6, 4, 5])
    expect((nine.value, nine.low, nine.high) == (5, 2, 8),
           f"interval of nine: {nine.as_list()}")
    mean = summary.mean_ratio([row, row], "tcm", "glibc", "seconds")
    expect(abs(mean.value - 0.5) < 1e-9, f"mean {mean.as_list()}")
    for value, low, wanted in ((1.5, 1.2, "worse"), (1.5, 1.05, "behind"),
                               (1.5, 0.9, "even"), (0.5, 0.4, "best")):
        found = summary.verdict(summary.Estimate(value, low, value))
        expect(found == wanted, f"{low} to {value} is {found}")


def main():
    check_figures()
    with tempfile.TemporaryDirectory(prefix="tcm-bench-") as directory:
        path = os.path.join(directory, "bench.json")
        plain = os.path.join(directory, "bench.txt")
        done = bench("--json", path, "--table", plain)
        expect(done.returncode == 0, f"bench.py ended with {done.returncode}: "
               + done.stdout[-2000:])
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                result = json.load(file)
            with open(plain, encoding="utf-8") as file:
                text = file.read()
            check_result(result)
            check_presentation(result, text)
            check_compare(directory, result)
            check_kept(result)
            print(f"{len(result['rows'])} rows, allocators: "
                  + ", ".join(result["allocators"]))
        check_proofs(directory)
    print("FAIL" if failures else "pass", len(failures), "complaints")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
