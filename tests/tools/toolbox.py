# SPDX-License-Identifier: BSD-2-Clause
"""Shared by the tests of the tools: targets, tcm-stat, and how a test ends."""
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import traceback

BUILD = os.environ["TEST_BUILDDIR"]
LIBRARY = os.environ["TEST_RELEASE_SO"]
STAT = os.path.join(BUILD, "tools/tcm-stat")
RUN = os.path.join(BUILD, "tools/tcm-run")
PROGRAM = os.path.join(BUILD, "tests/tools/target")
OTHER = os.path.join(BUILD, "tests/tools/other_version")

(OK, FAILED, USAGE, NO_PROCESS, NO_PERMISSION, NOT_TCM, OTHER_VERSION, WAITS,
 REFUSED) = range(9)

PARTS = ["in_use_bytes", "thread_cache_bytes", "transfer_cache_bytes",
         "central_list_bytes", "page_heap_bytes", "returned_bytes",
         "metadata_bytes"]

MIB = 1 << 20


class Skip(Exception):
    """The test cannot run here."""


def environment(preload=True, **more):
    env = {name: value for name, value in os.environ.items()
           if not name.startswith("TCM_") and name != "NO_COLOR"}
    env.pop("LD_PRELOAD", None)
    if preload:
        env["LD_PRELOAD"] = LIBRARY
    env.update(more)
    return env


class Target:
    """A child that runs tcm; leaves nothing behind."""

    def __init__(self, command=None, preload=True, ready=True, env=None,
                 **keywords):
        self.child = subprocess.Popen(
            command or [PROGRAM], env=environment(preload, **(env or {})),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, bufsize=1, **keywords)
        self.pid = self.child.pid
        if ready:
            self.expect("ready")

    def expect(self, answer):
        line = self.child.stdout.readline().strip()
        assert line == answer, "the target said %r" % line

    def do(self, line):
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()
        self.expect("done")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.child.kill()
        self.child.wait()
        self.child.stdin.close()
        self.child.stdout.close()


# With these options, each block gets a guarded slot while one is free.
GUARDS = {"TCM_PROFILE_BYTES": "1", "TCM_GUARD_SAMPLES": "1"}


def allow_core():
    resource.setrlimit(resource.RLIMIT_CORE,
                       (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def die(folder, line, env):
    """The core file of a target that dies at one input line, and its output."""
    try:
        target = Target(cwd=folder, preexec_fn=allow_core, env=env,
                        stderr=subprocess.PIPE)
    except subprocess.SubprocessError:
        raise Skip("the limit of core files cannot be raised") from None
    with target:
        target.child.stdin.write(line + "\n")
        target.child.stdin.flush()
        target.child.wait()
        written = target.child.stderr.read()
        target.child.stderr.close()
    names = [name for name in os.listdir(folder) if name.startswith("core")]
    if not names:
        raise Skip("the kernel writes no core file here")
    return os.path.join(folder, names[0]), written


def stat(*arguments, env=None, **keywords):
    """tcm-stat, as a finished process.  An overview takes one reading only."""
    if len(arguments) == 1 and re.match(r"\d+$|/", str(arguments[0])):
        arguments = ("--seconds=0",) + arguments
    return subprocess.run([STAT] + [str(a) for a in arguments],
                          env=environment(False, **(env or {})),
                          capture_output=True, text=True, timeout=120,
                          **keywords)


def has(name):
    """Whether configure found it."""
    with open(os.path.join(BUILD, "config.h"), encoding="ascii") as config:
        return "#define %s 1" % name in config.read()


def has_json():
    return has("HAVE_JANSSON")


def need_names():
    if not has("HAVE_LIBDW"):
        raise Skip("built without libdw")


def read(target, **keywords):
    """The document of a process or core file, checked."""
    done = stat("--json", target, **keywords)
    assert done.returncode == OK, (done.returncode, done.stderr)
    document = json.loads(done.stdout)
    check_sums(document)
    return document


def target_for_core(folder, **keywords):
    """A target that may leave a core file in a folder."""
    def allow_core():
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,
                                                  resource.RLIM_INFINITY))
    try:
        return Target(cwd=folder, preexec_fn=allow_core, **keywords)
    except subprocess.SubprocessError:
        raise Skip("the limit of core files cannot be raised") from None


def core_of(target, folder):
    """The path of its core file, by gcore if that is installed, else by the
    kernel."""
    path = os.path.join(folder, "core")
    if shutil.which("gcore"):
        subprocess.run(["gcore", "-o", path, str(target.pid)],
                       capture_output=True, check=False, timeout=60)
        path += ".%d" % target.pid
    else:
        os.kill(target.pid, signal.SIGABRT)
        target.child.wait()
    if not os.path.exists(path):
        raise Skip("neither gcore nor the kernel writes a core file")
    return path


def check_sums(document):
    """What must hold for every reading, exact or not."""
    total = sum(document[part] for part in PARTS)
    assert total == document["mapped_bytes"], document
    for name in PARTS + ["mapped_bytes", "large_bytes", "span_count"]:
        assert 0 <= document[name] < 1 << 47, (name, document[name])
    assert document["mapped_bytes"] <= document["reserved_bytes"], document
    assert document["most_mapped_bytes"] >= document["mapped_bytes"]
    assert len(document["threads"]) == document["thread_cache_count"]
    if not document["exact"]:
        return
    assert document["large_bytes"] <= document["in_use_bytes"], document
    live = sum(c["live"] * c["size_bytes"] for c in document["classes"])
    assert live + document["large_bytes"] == document["in_use_bytes"], document
    cached = sum(thread["cached_bytes"] for thread in document["threads"])
    assert cached == document["thread_cache_bytes"], document


def main(tests):
    """Runs the tests, prints the failures, exits with the status of a test."""
    failed = skipped = 0
    if not os.path.exists(STAT):
        print("skip: there is no tcm-stat in this build")
        sys.exit(77)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    for test in tests:
        try:
            test()
            print("ok", test.__name__)
        except Skip as reason:
            skipped += 1
            print("skip: %s: %s" % (test.__name__, reason))
        except Exception:  # the other tests still run
            failed += 1
            print("FAIL", test.__name__)
            traceback.print_exc(file=sys.stdout)
        sys.stdout.flush()
    if failed:
        sys.exit(1)
    sys.exit(77 if skipped == len(tests) else 0)
