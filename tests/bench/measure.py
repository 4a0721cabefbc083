# SPDX-License-Identifier: BSD-2-Clause
"""Runs one row once under one allocator, and proves which one served it.

The launcher takes CPU time, page faults and peak memory of the process.  The
workload program takes its own seconds and its own peak memory, which is more
exact, and names in each run the object that malloc came from.  A real program
cannot be asked: its peak is the launcher's, and who serves it is proven by a
run beforehand with the dynamic linker's log of every binding; the timed runs
have the same command and environment.
"""
import os
import shutil
import signal
import subprocess

import machine
import programs
import services

TIMEOUT_SECONDS = 60
PROOF_WORK = 1
WHOLE = ("minor_faults", "major_faults", "waits", "preemptions", "rss_kib")


class Failed(Exception):
    """A run that failed or was not served by its allocator."""


class Endless(Failed):
    """A run that did not end in time."""


def expect_served(said, allocator):
    """The program says which object its malloc came from."""
    path = os.path.realpath(said["malloc"])
    if path != allocator.path:
        raise Failed(f"served by {path}, not {allocator.path}")


def end_group(process):
    """End a process that was started here, and its descendants."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


class Bench:
    """The built programs, and its own directory for all runs."""

    def __init__(self, build_directory, directory):
        self.workload = os.path.join(build_directory, "workload")
        self.launch = os.path.join(build_directory, "launch")
        self.trivial = os.path.join(build_directory, "trivial")
        self.directory = directory
        self.report = os.path.join(directory, "report")
        self.proof = os.path.join(directory, "proof")
        self.libc = None        # Allocator of libc, set at the first use
        self.commands = {}      # of the programs, by row name
        self.host = None        # of the services, once one is run

    def environment(self, allocator):
        environment = machine.clean_environment(self.directory)
        environment.update(allocator.variables)
        return environment

    def start(self, allocator, preload, command, times=1, extra=None,
              stdin=None):
        """A launcher that runs `command`; wait_for() takes its report."""
        environment = self.environment(allocator)
        environment.update(extra or {})
        if os.path.exists(self.report):
            os.unlink(self.report)
        options = ["--no-huge-pages"] if allocator.no_huge_pages else []
        return subprocess.Popen(
            [self.launch, *options, self.report, str(times), preload or "-", *command],
            env=environment, cwd=self.directory, start_new_session=True,
            stdin=stdin or subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)

    def wait_for(self, process, seconds=TIMEOUT_SECONDS):
        """(what it printed, the launcher's figures)."""
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            end_group(process)
            process.communicate()
            raise Endless(f"no end after {seconds} s") from None
        if process.returncode != 0 or "ld.so" in err:
            raise Failed(f"status {process.returncode}: "
                         + " ".join((err or out).split())[-300:])
        with open(self.report, encoding="ascii") as file:
            figures = machine.fields(file.read())
        sample = {name: int(figures[name]) for name in WHOLE}
        for name in ("user", "system"):
            sample[name] = float(figures[name])
        sample["process_seconds"] = float(figures["seconds"])
        return out, sample

    def run(self, row, allocator):
        """One sample of a row: a dictionary of figures."""
        if row.kind == "workload":
            return self.run_workload(row, allocator)
        if row.kind == "start":
            return self.run_start(row, allocator)
        if row.kind == "service":
            return self.run_service(row, allocator)
        if row.name == "redis":
            return self.run_redis(row, allocator)
        return self.run_program(row, allocator)

    def run_workload(self, row, allocator):
        process = self.start(allocator, allocator.preload,
                             [self.workload, *row.arguments()])
        out, sample = self.wait_for(process)
        said = machine.fields(out)
        expect_served(said, allocator)
        if int(said["ops"]) != row.work:
            raise Failed(f"did {said['ops']} operations, not {row.work}")
        sample["seconds"] = float(said["seconds"])
        sample["launcher_rss_kib"] = sample["rss_kib"]
        sample["rss_kib"] = int(said["peak_kib"])
        return sample

    def run_start(self, row, allocator):
        process = self.start(allocator, allocator.preload, [self.trivial],
                             times=row.work)
        sample = self.wait_for(process)[1]
        sample["seconds"] = sample["process_seconds"]
        sample["launcher_rss_kib"] = sample["rss_kib"]
        sample["rss_kib"] = self.trivial_report(allocator)["rss_kib"]
        return sample

    def command_of(self, name, work):
        """The inputs are written once, before the first run."""
        key = (name, work)
        if key not in self.commands:
            directory = os.path.join(self.directory, f"{name}-{work}")
            os.mkdir(directory)
            self.commands[key] = (
                programs.Redis(directory) if name == "redis"
                else programs.command(name, work, directory))
        return self.commands[key]

    def run_program(self, row, allocator):
        argv, extra, source = self.command_of(row.name, row.work)
        with open(source or os.devnull, "rb") as stdin:
            process = self.start(allocator, allocator.preload, argv,
                                 extra=extra, stdin=stdin)
            sample = self.wait_for(process)[1]
        sample["seconds"] = sample["process_seconds"]
        return sample

    def run_redis(self, row, allocator):
        """The seconds are the server's CPU time, since its wall time depends on
        the client.  Its binary may name its own allocator among the libraries
        that it needs; libc is then preloaded to come before it."""
        redis = self.command_of(row.name, row.work)
        process = self.start(allocator, allocator.preload or self.libc.path,
                             redis.server_command())
        try:
            redis.drive(process, row.work)
        except (RuntimeError, subprocess.SubprocessError) as problem:
            end_group(process)
            out, err = process.communicate()
            raise Failed(f"{problem}: {(err or out)[-300:]}") from None
        sample = self.wait_for(process)[1]
        sample["seconds"] = sample["user"] + sample["system"]
        return sample

    def run_service(self, row, allocator, little=None, variables=None):
        if self.host is None:
            self.host = services.Host(self.directory)
        try:
            return self.host.run(
                row.shape, row.work == 0 if little is None else little,
                allocator, variables)
        except RuntimeError as problem:
            raise Failed(str(problem)) from None

    def prove_service(self, row, allocator):
        """The servers run as their own users, and must be able to write the
        logs."""
        os.mkdir(self.proof)
        os.chmod(self.proof, 0o777)
        os.chmod(self.directory, 0o711)
        self.run_service(row, allocator, little=True,
                         variables=machine.proof_environment(self.proof))
        machine.check_proof(self.proof,
                            self.host.library(allocator) or allocator.path)

    def proof_command(self, name, allocator):
        """(redis or None, argv, environment, input file) of the program with
        little work and the dynamic linker's log enabled."""
        command = self.command_of(name, PROOF_WORK)
        preload = allocator.preload
        redis = None
        if name == "redis":
            redis = command
            preload = preload or self.libc.path
            command = redis.server_command(), {}, None
        argv, extra, source = command
        environment = {**self.environment(allocator), **extra,
                       **machine.proof_environment(self.proof)}
        if preload:
            environment["LD_PRELOAD"] = preload
        return redis, argv, environment, source or os.devnull

    def prove(self, row, allocator):
        """Raises machine.NotServed unless `allocator` serves the program in
        every process that it consists of."""
        shutil.rmtree(self.proof, ignore_errors=True)
        if row.kind == "service":
            self.prove_service(row, allocator)
            return
        os.mkdir(self.proof)
        redis, argv, environment, source = self.proof_command(row.name,
                                                              allocator)
        with open(source, "rb") as stdin:
            process = subprocess.Popen(
                argv, env=environment, cwd=self.directory, stdin=stdin,
                start_new_session=True, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL)
            try:
                if redis:
                    redis.drive(process, PROOF_WORK)
                status = process.wait(timeout=TIMEOUT_SECONDS)
            except (RuntimeError, subprocess.SubprocessError) as problem:
                raise Failed(str(problem)) from None
            finally:
                if process.poll() is None:
                    end_group(process)
        if status != 0:
            raise Failed(f"status {status}")
        machine.check_proof(self.proof, allocator.path)

    def trivial_report(self, allocator):
        """Private dirty memory and page faults of a trivial program."""
        process = self.start(allocator, allocator.preload,
                             [self.trivial, "report"])
        said = machine.fields(self.wait_for(process)[0])
        return {name: int(value) for name, value in said.items()}
