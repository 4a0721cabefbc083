# SPDX-License-Identifier: BSD-2-Clause
"""Runs one real program under libc's malloc and under tcm, and compares.

A program is a class with a name and three methods:

  missing()     why it cannot run on this machine, or None
  prepare(bench)
                makes the input files that all its runs share
  run(run)      does the job once: starts programs through @run, which knows
                the allocator, and passes every result that must not depend on
                the allocator to run.out()

and optionally allow(process), which is true if a process need not be proven,
and judge(report), which makes further demands on the proof.  The tests and the
demo use the same classes; run.size selects the amount of work.
"""

import argparse
import contextlib
import ctypes
import difflib
import os
import pwd
import random
import re
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time

import witness

SEED = 20240229
SKIPPED = 77
BROKEN = 99
PR_SET_CHILD_SUBREAPER = 36

# Variables that would change what a program does or which malloc it gets.
FOREIGN = re.compile(
    r"^(LD_|TCM_|MALLOC_|GLIBC_|PYTHON|GIT_|PG|NODE_|PHP|PERL|REDIS|NGINX|"
    r"CFLAGS|CPATH|C_INCLUDE|CPLUS|GCC_|MAKE|XDG_|LC_|LANG|SOURCE_DATE)")


class Failure(Exception):
    """The program did not do its job; the message says what it did."""


class Timeout(Failure):
    pass


class Allocator:
    """What is preloaded: tcm and the witness, or the witness alone."""

    def __init__(self, name, library=None, options=None, walks=False):
        self.name = name
        self.library = library
        self.options = options or {}   # of tcm, by their variables' names
        self.walks = walks             # a debug library, which walks its heap

    @property
    def is_tcm(self):
        return self.library is not None


class Usage:
    """What the processes of one run cost."""

    def __init__(self):
        self.wall_s = 0.0
        self.cpu_s = 0.0
        self.faults = 0
        self.peak_kib = 0

    def add(self, rusage):
        self.cpu_s += rusage.ru_utime + rusage.ru_stime
        self.faults += rusage.ru_minflt + rusage.ru_majflt


class Child:
    """A process that the harness started, in its own session."""

    def __init__(self, run, argv, popen, output, errors, measured):
        self.run = run
        self.argv = argv
        self.popen = popen
        self.output = output
        self.errors = errors
        self.measured = measured

    @property
    def pid(self):
        return self.popen.pid

    def alive(self):
        return self.popen.returncode is None and not self.reap(os.WNOHANG)

    def reap(self, flags=0):
        """Collect the child and what it used; False while it runs."""
        if self.popen.returncode is not None:
            return True
        pid, status, rusage = os.wait4(self.pid, flags)
        if pid == 0:
            return False
        self.popen.returncode = os.waitstatus_to_exitcode(status)
        if self.measured:
            self.run.usage.add(rusage)
        return True

    def wait(self, timeout):
        if self.popen.returncode is None:
            if not self.ends_within(timeout):
                raise Timeout("still running after %d s: %s" %
                              (timeout, self.story()))
            self.reap()
        return self.popen.returncode

    def ends_within(self, timeout):
        try:
            handle = os.pidfd_open(self.pid)
        except OSError:
            return self.polled_end(timeout)
        try:
            return bool(select.select([handle], [], [], timeout)[0])
        finally:
            os.close(handle)

    def polled_end(self, timeout):
        """For a kernel without pidfds."""
        end = time.monotonic() + timeout
        while not self.reap(os.WNOHANG):
            if time.monotonic() > end:
                return False
            time.sleep(0.005)
        return True

    def stop(self, signum=signal.SIGTERM, timeout=20, expect=(0,)):
        """End a server as its manual says, and fail unless it ends cleanly."""
        if self.alive():
            os.kill(self.pid, signum)
        code = self.wait(timeout)
        if code not in expect:
            raise Failure(self.story())

    def command(self):
        return " ".join(self.argv[:12])

    def story(self):
        """How it ended, and the end of its output."""
        code = self.popen.returncode
        if code is None:
            how = "still running"
        elif code < 0:
            how = "killed by %s" % signal.Signals(-code).name
        else:
            how = "exit status %d" % code
        tail = b"".join((read_file(self.output)[-1500:],
                         read_file(self.errors)[-1500:]))
        return "%s: %s\n  preload: %s\n%s" % (
            self.command(), how, self.run.preload(),
            tail.decode(errors="replace"))


class Result:
    """The exit status and the output of a finished command."""

    def __init__(self, code, out, err):
        self.code = code
        self.out = out
        self.err = err


class Run:
    """One execution of a job under one allocator."""

    def __init__(self, bench, allocator, size, number):
        self.bench = bench
        self.allocator = allocator
        self.size = size
        self.random = random.Random(SEED)
        self.outputs = {}
        self.usage = Usage()
        self.report = None
        self.children = []
        self.notes = []
        self.clocks = 0
        self.baseline_preload = []   # in the runs without tcm
        self.dir = os.path.join(bench.dir, "run%03d" % number)
        os.mkdir(self.dir)
        os.chmod(self.dir, 0o711)
        self.line_file = os.path.join(self.dir, "witness")
        with open(self.line_file, "wb"):
            pass
        os.chmod(self.line_file, 0o666)
        self.home = self.make_dir("home")
        self.temporary = self.make_dir("tmp")

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def make_dir(self, name, owner=None):
        path = self.path(name)
        os.mkdir(path)
        os.chmod(path, 0o755)
        if owner is not None and os.geteuid() == 0:
            os.chown(path, owner.pw_uid, owner.pw_gid)
        return path

    def write(self, name, text, mode=0o644):
        path = self.path(name)
        data = text if isinstance(text, bytes) else text.encode()
        with open(path, "wb") as file:
            file.write(data)
        os.chmod(path, mode)
        return path

    def scale(self, **sizes):
        """Returns the amount of work for a run of this size."""
        return sizes[self.size]

    def preload(self):
        first = self.baseline_preload
        if self.allocator.is_tcm:
            first = [self.allocator.library]
        return ":".join(first + [self.bench.witness])

    def environment(self, extra=None, preloaded=True):
        env = {name: value for name, value in os.environ.items()
               if not FOREIGN.match(name)}
        env.update(HOME=self.home, TMPDIR=self.temporary, LC_ALL="C",
                   TZ="UTC")
        if preloaded:
            env["LD_PRELOAD"] = self.preload()
            env["WITNESS_FILE"] = self.line_file
            if self.allocator.is_tcm:
                env.update(self.allocator.options)
        env.update(extra or {})
        return env

    def start(self, argv, env=None, cwd=None, stdin=None, user=None,
              preloaded=True, measured=True):
        """Start a command; its output goes to files, so that it can never
        block on a pipe."""
        number = len(self.children)
        output = self.path("out%03d" % number)
        errors = self.path("err%03d" % number)
        identity = {}
        if user is not None and os.geteuid() == 0:
            identity = dict(user=user.pw_uid, group=user.pw_gid,
                            extra_groups=[])
        source = stdin if stdin is not None else os.devnull
        with open(source, "rb") as from_file, \
                open(output, "wb") as to_file, \
                open(errors, "wb") as error_file:
            popen = subprocess.Popen(
                argv, stdin=from_file, stdout=to_file, stderr=error_file,
                env=self.environment(env, preloaded), cwd=cwd or self.dir,
                start_new_session=True, **identity)
        child = Child(self, argv, popen, output, errors,
                      measured and preloaded)
        self.children.append(child)
        if not preloaded:
            self.bench.exclude(popen.pid)
        return child

    @contextlib.contextmanager
    def clock(self):
        """Time a part of the job; nested parts count once."""
        started = time.monotonic()
        self.clocks += 1
        try:
            yield
        finally:
            self.clocks -= 1
            if self.clocks == 0:
                self.usage.wall_s += time.monotonic() - started

    def call(self, argv, timeout=120, expect=(0,), **how):
        """Run a command of the job to its end."""
        child = self.start(argv, **how)
        with self.clock() if child.measured else contextlib.nullcontext():
            code = child.wait(timeout)
        if expect is not None and code not in expect:
            raise Failure(child.story())
        return Result(code, read_file(child.output), read_file(child.errors))

    def serve(self, argv, ready, timeout=30, **how):
        """Start a server and wait until ready() is true."""
        child = self.start(argv, **how)
        end = time.monotonic() + timeout
        while not ready():
            if not child.alive():
                raise Failure(child.story())
            if time.monotonic() > end:
                raise Timeout("not ready after %d s: %s" %
                              (timeout, child.story()))
            time.sleep(0.02)
        return child

    def out(self, name, value):
        """Keep a result for the comparison, without this run's path."""
        if isinstance(value, str):
            value = value.encode()
        elif not isinstance(value, bytes):
            value = repr(value).encode()
        self.outputs[name] = value.replace(self.dir.encode(), b"@RUN@")

    def note(self, text):
        """Something to print if the comparison fails."""
        self.notes.append(text)

    def end_all(self):
        """Kill, by PID, every process that this run left."""
        for _ in range(20):
            left = witness.descendants_of(os.getpid())
            if not left:
                break
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
            for child in self.children:
                if child.popen.returncode is None:
                    child.reap()
            collect_orphans()
        for child in self.children:
            child.reap()


def collect_orphans():
    """Reap the orphans that became children of this process."""
    for pid in witness.descendants_of(os.getpid()):
        try:
            os.waitpid(pid, 0)
        except OSError:
            pass


def read_file(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def find_program(*names):
    """The first of some programs that is installed."""
    for name in names:
        path = shutil.which(name, path="/usr/bin:/usr/sbin:/bin:/sbin")
        if path is not None:
            return path
    return None


def unprivileged_user():
    """An existing user for a server that refuses to run as root."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    for name in ("nobody", "daemon"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            pass
    raise Failure("no unprivileged user to run a server as")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def libc_path():
    """The path of the libc in this process, to preload it first."""
    for line in read_file("/proc/self/maps").decode().splitlines():
        name = line.split(None, 5)[-1]
        if re.match(r"libc(-[0-9.]+)?\.so", os.path.basename(name)):
            return name
    return None


def words(rng, count):
    """Text that compresses like prose."""
    stems = ["alloc", "batch", "cache", "drain", "epoch", "fetch", "grain",
             "heap", "index", "join", "kernel", "list", "map", "node",
             "order", "page", "queue", "radix", "span", "tree"]
    return " ".join(rng.choice(stems) + rng.choice(["", "s", "ed", "ing"])
                    for _ in range(count))


class Bench:
    """Everything that the runs of one process share."""

    def __init__(self, options):
        self.options = options
        self.interval = options.interval
        self.dir = None
        self.witness = None
        self.watcher = None
        self.runs = 0

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="tcm-programs-", dir=base_dir())
        os.chmod(self.dir, 0o711)
        # Orphans of the job become children of this process, so that they
        # are watched, and ended, like the others.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        os.mkdir(self.path("lib"))
        os.chmod(self.path("lib"), 0o755)
        try:
            self.witness = self.find_witness()
        except Failure:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.options.keep:
            print("kept: " + self.dir)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def adopt(self, library):
        """Copy a library to where every user can read it and no build can
        replace it meanwhile."""
        if not os.path.isfile(library):
            raise Failure("no such library: " + library)
        kind = "%02d" % len(os.listdir(self.path("lib")))
        folder = self.path("lib", kind)
        os.mkdir(folder)
        os.chmod(folder, 0o755)
        copy = os.path.join(folder, os.path.basename(library))
        shutil.copyfile(library, copy)
        os.chmod(copy, 0o755)
        return copy

    def find_witness(self):
        """The built module, or one compiled now for a test run by hand."""
        here = os.path.dirname(os.path.abspath(__file__))
        build = os.environ.get("TEST_BUILDDIR")
        if build is not None:
            built = os.path.join(build, "tests/programs/.libs/libwitness.so")
            if os.path.isfile(built):
                return self.adopt(built)
        made = self.path("libwitness.so")
        compiler = os.environ.get("CC", "cc").split()
        done = subprocess.run(
            compiler + ["-std=gnu11", "-O2", "-shared", "-fPIC",
                        "-I" + os.path.join(here, "..", "..", "lib"),
                        "-o", made, os.path.join(here, "witness_exit.c")],
            stderr=subprocess.PIPE, check=False)
        if done.returncode != 0:
            raise Failure("cannot build the witness:\n" +
                          done.stderr.decode(errors="replace"))
        return self.adopt(made)

    def exclude(self, pid):
        if self.watcher is not None:
            self.watcher.excluded.add(pid)

    def libraries(self):
        if self.options.stand_in:
            return tuple(os.path.basename(path)
                         for path in self.options.so or [])
        return witness.LIBRARIES

    def execute(self, program, allocator, size):
        """One run, watched; its outputs, usage and report."""
        self.runs += 1
        run = Run(self, allocator, size, self.runs)
        self.watcher = witness.Watcher(run.line_file, self.libraries(),
                                       self.interval, self.options.stand_in)
        self.watcher.start()
        try:
            program.run(run)
        except Failure as failure:
            raise type(failure)("with %s: %s" % (allocator.name, failure))
        finally:
            run.end_all()
            run.report = self.watcher.finish(
                getattr(program, "allow", None))
            self.watcher = None
        run.usage.peak_kib = run.report.peak_kib(
            {child.pid for child in run.children if not child.measured})
        if not self.options.keep:
            shutil.rmtree(run.dir, ignore_errors=True)
        return run


# The path of a socket, including the names of a run, must fit 108 bytes.
LONGEST_BASE = 50


def base_dir():
    """A folder for temporary files that an unprivileged user may enter."""
    chosen = tempfile.gettempdir()
    if len(chosen) > LONGEST_BASE:
        chosen = "/tmp"
    if os.geteuid() != 0:
        return chosen
    for folder in (chosen, "/tmp", "/var/tmp"):
        path = os.path.realpath(folder)
        while path != "/" and os.stat(path).st_mode & stat.S_IXOTH:
            path = os.path.dirname(path)
        if path == "/":
            return folder
    return chosen


def differences(expected, actual):
    """Lines about what differs between two runs' outputs."""
    lines = []
    for name in sorted(set(expected) | set(actual)):
        if name not in expected or name not in actual:
            lines.append("%s: only in one of the runs" % name)
            continue
        if expected[name] == actual[name]:
            continue
        lines.append("%s: %d bytes under libc's malloc, %d under tcm" %
                     (name, len(expected[name]), len(actual[name])))
        pair = [text.decode(errors="replace").splitlines()
                for text in (expected[name], actual[name])]
        lines += list(difflib.unified_diff(*pair, "libc", "tcm",
                                           lineterm=""))[:20]
    return lines


def check_proof(program, run, stand_in, judged=True):
    """Complaints about the proof of one run.  Without @judged, they omit the
    program's own demands, which hold only for the amount of work of the
    tests."""
    report = run.report
    if not run.allocator.is_tcm:
        return ["libtcm was in a run without it: " + p.describe()
                for p in report.processes if p.mapped()]
    faults = ["not proven: " + p.describe() for p in report.unproven]
    if not report.proven:
        faults.append("no process was served by tcm")
    if run.allocator.walks and not report.walked:
        faults.append("no process walked its heap: a debug library has to "
                      "export tcmi_heap_check")
    judge = getattr(program, "judge", None)
    if judge is not None and judged and not stand_in:
        faults += judge(report)
    return faults


def test_one(bench, program, allocator, plain):
    """The job under tcm, compared with its run under libc's malloc; True if
    all is well."""
    tried = bench.execute(program, allocator, plain.size)
    faults = check_proof(program, tried, bench.options.stand_in)
    faults += differences(plain.outputs, tried.outputs)
    print("%s, %s, size %s: %d results compared; %s; %.1f s (libc's %.1f s)"
          % (program.name, allocator.name, plain.size, len(plain.outputs),
             tried.report.summary(), tried.usage.wall_s,
             plain.usage.wall_s), flush=True)
    for fault in faults:
        print("  " + fault)
    if faults:
        for run in (plain, tried):
            for note in run.notes:
                print("with %s: %s" % (run.allocator.name, note))
    return not faults


def reference(bench, program, size):
    """The run under libc's malloc that others are compared with."""
    plain = bench.execute(program, Allocator("libc"), size)
    faults = check_proof(program, plain, bench.options.stand_in)
    if not plain.outputs:
        faults.append("the job gave no output to compare")
    if faults:
        raise Failure("with libc: " + "\n  ".join(faults))
    return plain


def parse(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--so", action="append", metavar="PATH",
                        help="a libtcm to test; again for more of them")
    parser.add_argument("--size", choices=("small", "quick", "demo"),
                        help="how much work to do")
    parser.add_argument("--env", action="append", default=[],
                        metavar="NAME=VALUE", help="an option for tcm")
    parser.add_argument("--keep", action="store_true",
                        help="leave the temporary files")
    parser.add_argument("--interval", type=float, default=0.05,
                        metavar="S", help="seconds between two samples")
    parser.add_argument("--stand-in", action="store_true",
                        help="for developers of these tests: accept any "
                        "library as proof; proves nothing about tcm")
    return parser


def candidates(options):
    """The size of work and the allocator, for each libtcm to test.  Without
    --so, these are the release and, with less work, the debug build, which
    checks invariants, without and with the check of every free."""
    settings = dict(item.split("=", 1) for item in options.env)
    if options.so:
        return [(options.size or "quick",
                 Allocator(os.path.basename(path), path, settings))
                for path in options.so]
    release = os.environ.get("TEST_RELEASE_SO")
    debug = os.environ.get("TEST_DEBUG_SO")
    if release is None or debug is None:
        raise Failure("neither --so nor TEST_RELEASE_SO and TEST_DEBUG_SO "
                      "are given")
    checked = dict(settings, TCM_CHECK="1")
    return [(options.size or "quick", Allocator("release", release, settings)),
            (options.size or "small",
             Allocator("debug", debug, settings, walks=True)),
            (options.size or "small",
             Allocator("debug checked", debug, checked, walks=True))]


def bad_end(signum, _):
    raise Timeout("ended by " + signal.Signals(signum).name)


def test_all(bench, program, chosen):
    """One program under every libtcm that was chosen; runs of the same size
    share one run under libc's malloc."""
    good = True
    plain = {}
    program.prepare(bench)
    for size, allocator in chosen:
        if size not in plain:
            plain[size] = reference(bench, program, size)
        good = test_one(bench, program, allocator, plain[size]) and good
    return good


def main(programs, limit=420):
    """The test of one program or of several; returns its exit status."""
    title = " and ".join(program.name for program in programs)
    options = parse(title + " under libc's malloc and under tcm").parse_args()
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        signal.signal(signum, bad_end)
    signal.alarm(limit)
    present, absent = [], []
    for program in programs:
        reason = program.missing()
        if reason is None:
            present.append(program)
        else:
            absent.append("SKIP: %s: %s" % (program.name, reason))
    if not present:
        print("\n".join(absent))
        return SKIPPED
    try:
        chosen = candidates(options)
    except Failure as failure:
        print("%s: %s" % (title, failure))
        return BROKEN
    print("%s, seed %d" % (title, SEED), flush=True)
    try:
        with Bench(options) as bench:
            for _, allocator in chosen:
                allocator.library = bench.adopt(allocator.library)
            good = [test_all(bench, program, chosen) for program in present]
    except Failure as failure:
        print("%s: %s" % (title, failure))
        return 1
    if not all(good):
        return 1
    if absent:
        # A part that could not run must not count as passed.
        print("\n".join(absent))
        return SKIPPED
    return 0


def run_as_script(program):
    sys.exit(main([program]))


def run_all_as_script(programs):
    sys.exit(main(programs))
