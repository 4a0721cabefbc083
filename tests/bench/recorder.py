# SPDX-License-Identifier: BSD-2-Clause
"""Records what a program allocates, packs it, and plays it under an allocator;
tests/bench/trace.h describes the files and what a replay keeps."""
import glob
import os
import shutil
import subprocess

import machine
import measure


def facts_of(text):
    return {name: int(value) for name, value in machine.fields(text).items()}


class Recorder:
    """The tools, and a directory for the traces inside the bench's."""

    def __init__(self, bench, build_directory):
        self.bench = bench
        self.tracer = os.path.abspath(
            os.path.join(build_directory, ".libs", "libtracer.so"))
        self.pack_tool = os.path.abspath(os.path.join(build_directory, "pack"))
        self.replay_tool = os.path.abspath(
            os.path.join(build_directory, "replay"))
        self.directory = os.path.join(bench.directory, "traces")

    def allocator(self, **variables):
        """The tracer as an allocator: what bench.run() takes.  libc's malloc
        serves, even if the program is linked with another one."""
        return machine.Allocator(
            "tracer", f"{self.tracer} {self.bench.libc.path}",
            {"TRACE_DIR": self.directory, **variables})

    def clear(self):
        shutil.rmtree(self.directory, ignore_errors=True)
        os.mkdir(self.directory)
        os.chmod(self.directory, 0o777)

    def record(self, run, **variables):
        """Calls run(allocator); returns the largest file that it wrote."""
        self.clear()
        run(self.allocator(**variables))
        files = glob.glob(os.path.join(self.directory, "*.raw"))
        if not files:
            raise measure.Failed("nothing was recorded")
        return max(files, key=os.path.getsize)

    def record_workload(self, arguments, yield_after=0):
        """The workload program, whose threads take turns after a few events
        each if asked to."""
        def run(allocator):
            self.bench.wait_for(self.bench.start(
                allocator, allocator.preload,
                [self.bench.workload, *arguments]))
        variables = {"TRACE_YIELD": str(yield_after)} if yield_after else {}
        return self.record(run, **variables)

    def pack(self, raw, epoch_events=None):
        """(path of the packed file, what it holds); the raw one is deleted."""
        packed = raw[:-len(".raw")] + ".trace"
        command = [self.pack_tool, raw, packed]
        if epoch_events:
            command.append(str(epoch_events))
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.PIPE, check=False)
        if done.returncode != 0:
            raise measure.Failed(done.stderr.strip())
        facts = facts_of(done.stdout)
        facts["raw_bytes"] = os.path.getsize(raw)
        os.unlink(raw)
        return packed, facts

    def replay(self, packed, allocator, **options):
        """One sample of a replay; the allocator None uses the planned
        addresses."""
        words = [f"{name}={value}" for name, value in options.items()]
        if allocator is None:
            words.append("mode=null")
        served = allocator or self.bench.libc
        process = self.bench.start(served, served.preload,
                                   [self.replay_tool, packed, *words])
        out, sample = self.bench.wait_for(process)
        said = machine.fields(out)
        measure.expect_served(said, served)
        sample["seconds"] = float(said["seconds"])
        sample["rss_kib"] = int(said["peak_kib"])
        for name in ("ops", "base_kib", "left"):
            sample[name] = int(said[name])
        return sample
