# SPDX-License-Identifier: BSD-2-Clause
"""Servers of several processes as rows: the jobs of tests/programs, with one
allocator under the server alone.

The seconds are the CPU time of all the server's processes, since its wall time
depends on its clients.  The memory is the greatest sum of what its processes
hold at one time, each page counted once, however many of them share it.
"""
import ctypes
import os
import shutil
import sys
import threading

import machine
import programs

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)),
                             os.pardir, "programs"))
import harness  # noqa: E402
import nginx  # noqa: E402
import postgresql  # noqa: E402
import witness  # noqa: E402

INTERVAL_SECONDS = 0.05
base_dir = harness.base_dir


def held_kib(pid):
    """The memory of one process, with its part of the pages that it shares."""
    text = witness.read_bytes(f"/proc/{pid}/smaps_rollup").decode()
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


class Meter(threading.Thread):
    """Measures a process and its descendants repeatedly until it is stopped."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid = pid
        self.peak_kib = 0
        self.ended = threading.Event()

    def look(self):
        processes = [self.pid, *witness.descendants_of(self.pid)]
        self.peak_kib = max(self.peak_kib, sum(map(held_kib, processes)))

    def run(self):
        while not self.ended.wait(INTERVAL_SECONDS):
            self.look()


class Server(harness.Child):
    """The server itself, with a meter; a last reading before it ends ensures
    that the shortest run has a figure too."""

    meter = None

    def stop(self, *arguments, **how):
        self.meter.look()
        self.meter.ended.set()
        self.meter.join()
        super().stop(*arguments, **how)


class Run(harness.Run):
    """One run of a job whose server gets the allocator."""

    def __init__(self, host, job, little, number):
        super().__init__(host, None, "demo", number)
        self.job = job          # (preloaded library or None, variables)
        self.little = little
        self.server = None
        self.serving = False

    def scale(self, **sizes):
        return sizes["small" if self.little else "demo"]

    def preload(self):
        return self.job[0] or "nothing"

    def environment(self, extra=None, preloaded=True):
        environment = machine.clean_environment(self.home)
        environment.update(TMPDIR=self.temporary, TZ="UTC", **(extra or {}))
        if self.serving:
            environment.update(self.job[1])
            if self.job[0]:
                environment["LD_PRELOAD"] = self.job[0]
        return environment

    def start(self, argv, **how):
        child = super().start(argv, **{**how, "measured": self.serving})
        if self.serving:
            child.__class__ = Server
            child.meter = Meter(child.pid)
            child.meter.start()
            self.server = child
        # The programs that ask whether the server is ready do not belong to it.
        self.serving = False
        return child

    def serve(self, argv, ready, **how):
        self.serving = True
        return super().serve(argv, ready, **how)


class Postgresql(postgresql.Postgresql):
    """Each run begins with a copy of one empty database."""

    def __init__(self):
        self.template = None

    def create(self, run, owner):
        if self.template is None:
            made = super().create(run, owner)
            self.template = run.bench.path("template")
            run.call(["cp", "-a", made, self.template])
            return made
        run.call(["cp", "-a", self.template, run.path("data")])
        return run.path("data")


class Host:
    """What the runs of all services share: a folder that the unprivileged
    users of the servers may enter, and copies of the libraries in it."""

    def __init__(self, directory):
        os.chmod(directory, 0o711)
        self.dir = os.path.join(directory, "services")
        os.mkdir(self.dir)
        os.chmod(self.dir, 0o711)
        self.numbers = 0
        self.libraries = {}
        self.services = {}
        ctypes.CDLL(None).prctl(harness.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def exclude(self, pid):
        """Nothing is sampled here."""

    def library(self, allocator):
        """The path of the copy of what is preloaded, or None."""
        if allocator.preload is None:
            return None
        if allocator.name not in self.libraries:
            folder = self.path(f"lib-{allocator.name}")
            os.mkdir(folder)
            os.chmod(folder, 0o755)
            copy = os.path.join(folder, os.path.basename(allocator.path))
            shutil.copyfile(allocator.path, copy)
            os.chmod(copy, 0o755)
            self.libraries[allocator.name] = os.path.realpath(copy)
        return self.libraries[allocator.name]

    def service(self, shape):
        if shape not in self.services:
            service = {"nginx": nginx.Nginx,
                       "postgresql": Postgresql}[shape]()
            if service.missing() is not None:
                raise programs.Missing(shape)
            service.prepare(self)
            self.services[shape] = service
        return self.services[shape]

    def run(self, shape, little, allocator, variables=None):
        """The figures of one run; RuntimeError if the job was not done."""
        service = self.service(shape)
        self.numbers += 1
        job = (self.library(allocator),
               {**allocator.variables, **(variables or {})})
        run = Run(self, job, little, self.numbers)
        try:
            service.run(run)
            faults = run.outputs.get("complaints", b"")
            if faults:
                raise RuntimeError(faults.decode(errors="replace")[-300:])
        except harness.Failure as failure:
            raise RuntimeError(str(failure)) from None
        finally:
            run.end_all()
            if run.server is not None:
                run.server.meter.ended.set()
            shutil.rmtree(run.dir, ignore_errors=True)
        return {"seconds": run.usage.cpu_s, "wall_seconds": run.usage.wall_s,
                "minor_faults": run.usage.faults,
                "rss_kib": run.server.meter.peak_kib}
