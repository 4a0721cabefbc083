# SPDX-License-Identifier: BSD-2-Clause
"""The tracer, the packer and the replayer: the trace of a program whose
allocations can be counted on paper has the expected counts and peak, and plays
to its end under every allocator, in one thread and across threads."""
import os
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, HERE)
import machine  # noqa: E402
import measure  # noqa: E402
import recorder  # noqa: E402

BUILD = os.path.join(os.environ.get("TEST_BUILDDIR", "."), "tests", "bench")
# What tests/bench/known.c allocates; 2000 steps make the grown block large,
# one makes it small again.
PEAK_BYTES = 1000 * 32 + 10 * 5008 + 112 + 100000
PEAK_OBJECTS = 1000 + 10 + 1 + 1
ALLOCATIONS = PEAK_OBJECTS + 2000 + 1
# A thread's start and end allocate too, less than this.
THREAD_ALLOCATIONS = 16
THREAD_BYTES = 8192
REPEATS = 3

failures = []


def expect(condition, text):
    if not condition:
        failures.append(text)
        print("FAIL " + text)


def record_known(tools, *arguments):
    known = os.path.abspath(os.path.join(BUILD, "known"))

    def run(allocator):
        tools.bench.wait_for(tools.bench.start(
            allocator, allocator.preload, [known, *arguments]))
    return tools.record(run)


def check_known(tools):
    """Exact, since one thread without stdio allocates nothing else."""
    _packed, facts = tools.pack(record_known(tools))
    for name, wanted in (("threads", 1), ("allocs", ALLOCATIONS),
                         ("frees", ALLOCATIONS - 1), ("left", 1),
                         ("unknown", 0), ("peak_bytes", PEAK_BYTES),
                         ("peak_objects", PEAK_OBJECTS)):
        expect(facts[name] == wanted, f"{name}: {facts[name]}, not {wanted}")
    return facts


def check_crossing(tools, allocators):
    """Another thread frees the blocks: the replay has two threads, and one
    waits."""
    packed, facts = tools.pack(record_known(tools, "threads"),
                               epoch_events=100)
    expect(facts["threads"] == 2, f"{facts['threads']} threads")
    expect(0 <= facts["allocs"] - ALLOCATIONS <= THREAD_ALLOCATIONS,
           f"{facts['allocs']} allocations")
    expect(0 <= facts["peak_bytes"] - PEAK_BYTES <= THREAD_BYTES,
           f"a peak of {facts['peak_bytes']} bytes")
    expect(facts["epochs"] > 10, f"only {facts['epochs']} epochs")
    check_replays(tools, packed, facts, allocators, facts["left"])


def check_replays(tools, packed, facts, allocators, left):
    for allocator in [None, *allocators]:
        name = allocator.name if allocator else "null"
        sample = tools.replay(packed, allocator, repeat=REPEATS)
        wanted = REPEATS * (facts["allocs"] + facts["frees"])
        expect(sample["ops"] == wanted,
               f"{name}: {sample['ops']} operations, not {wanted}")
        expect(sample["left"] == left,
               f"{name}: {sample['left']} objects left, not {left}")
        expect(sample["seconds"] > 0, f"{name}: no time")
        held = (sample["rss_kib"] - sample["base_kib"]) * 1024
        expect(held > facts["peak_bytes"] // 2,
               f"{name}: {held} bytes for {facts['peak_bytes']} live ones")


def check_workloads(tools, allocators):
    """Many threads that pass objects to each other, some short-lived."""
    for arguments, threads, epoch in (
            (("exchange", "40000", "8", "200"), 8, 512),
            (("stress", "40000", "8", "0"), 96, 512),
            (("pipeline", "40000", "8", "0"), 8, 512),
            (("growth-strings", "200", "2", "0"), 2, 512),
            (("churn", "200", "8", "0"), 200, 64)):
        packed, facts = tools.pack(
            tools.record_workload(arguments, yield_after=16), epoch)
        label = arguments[0]
        expect(0 <= facts["threads"] - threads <= 1,
               f"{label}: {facts['threads']} threads, not {threads}")
        expect(facts["unknown"] == 0,
               f"{label}: {facts['unknown']} frees of unknown objects")
        expect(facts["left"] < facts["allocs"] // 100,
               f"{label}: {facts['left']} objects left")
        check_replays(tools, packed, facts, allocators, facts["left"])
        print(f"{label}: " + " ".join(f"{name}={value}"
                                      for name, value in facts.items()))


def check_broken(tools):
    """A file that is not a trace is rejected."""
    raw = record_known(tools)
    with open(raw, "r+b") as file:
        file.truncate(os.path.getsize(raw) - 1)
    try:
        tools.pack(raw)
        expect(False, "half a recorded file was packed")
    except measure.Failed:
        pass
    try:
        tools.replay(os.path.join(BUILD, "known"), None)
        expect(False, "a program was played as a trace")
    except measure.Failed:
        pass


def main():
    directory = tempfile.mkdtemp(prefix="tcm-bench-")
    try:
        bench = measure.Bench(os.path.abspath(BUILD), directory)
        allocators, _missing = machine.find_allocators(
            bench.workload, os.environ["TEST_RELEASE_SO"], (), (), directory)
        bench.libc = allocators[0]
        tools = recorder.Recorder(bench, BUILD)
        check_known(tools)
        check_crossing(tools, allocators)
        check_workloads(tools, allocators)
        check_broken(tools)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print("FAIL" if failures else "pass", len(failures), "complaints")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
