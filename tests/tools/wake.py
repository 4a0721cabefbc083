#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""tcm-stat release and profile on idle processes without tcm's own thread.

The process answers, its interrupted system call continues, and it ends as it
would have ended.  Where tcm-stat cannot wake the process, it says why.
"""
import ctypes
import errno
import os
import platform
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

import toolbox
from toolbox import MIB, STAT, Skip, Target, read, stat

WAITER = os.path.join(toolbox.BUILD, "tests/tools/waiter")
# Constants of the kernel's interface.
SYS_RESTART_SYSCALL = 219
SYS_PTRACE = 101
PTRACE_SEIZE = 0x4206
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_RET_ERRNO = 0x50000
SECCOMP_RET_ALLOW = 0x7FFF0000
# No other process runs as this user.
LIMITED_USER = 61234
# A process answers within a second, the default of --timeout; a test that runs
# several at once allows more.
PATIENT = "--timeout=20"

# What each waiter prints at the end.  The test sends it a line, or SIGUSR1.
WAITS = {
    "read": "read 6", "sleep": "nanosleep 0", "epoll": "epoll_wait 1",
    "poll": "poll 1", "poll-limit": "poll 1", "select": "select 1",
    "pause": "pause -1", "sigsuspend": "sigsuspend -1",
    "sigwaitinfo": "sigwaitinfo %d" % signal.SIGUSR1, "accept": "accept 1",
    "child": "waitpid 1", "join": "pthread_join 1", "threads": "pthread_join 1",
    "pending": "read 6", "registers": "read 6"}
BY_SIGNAL = ("pause", "sigsuspend", "sigwaitinfo")


class Waiter(Target):
    """An idle process that waits in one system call."""

    def __init__(self, wait, **keywords):
        super().__init__([WAITER, wait], **keywords)
        self.wait = wait
        for _ in range(1000):
            if self.system_call() != "running" or wait == "spin":
                break
            time.sleep(0.001)

    def system_call(self):
        return self.system_call_and_file()[0]

    def system_call_and_file(self):
        with open("/proc/%d/syscall" % self.pid, encoding="ascii") as file:
            return file.read().split()[:2]

    def finish(self):
        """Ends the wait; checks what the program found."""
        if self.wait in BY_SIGNAL:
            os.kill(self.pid, signal.SIGUSR1)
        elif self.wait != "sleep":
            self.child.stdin.write("hello\n")
            self.child.stdin.flush()
        rest = self.child.stdout.read()
        status = self.child.wait()
        assert status == 0, (self.wait, status, rest)
        return rest


def check_released(target):
    if toolbox.has_json():
        after = read(target.pid)
        assert after["counters"]["releases"] == 1, (target.wait, after)
        assert after["page_heap_bytes"] < MIB, (target.wait, after)


def check_unreleased(target):
    if toolbox.has_json():
        before = read(target.pid)
        assert before["page_heap_bytes"] > 3 * MIB, before
        assert before["counters"]["releases"] == 0, before


def release_one(wait):
    with Waiter(wait) as target:
        check_unreleased(target)
        done = stat("release", target.pid, PATIENT)
        assert done.returncode == toolbox.OK, (wait, done)
        check_released(target)
        if wait in ("sleep", "poll-limit"):
            # It sleeps for the rest of its time, not for all of it again.
            assert target.system_call() == str(SYS_RESTART_SYSCALL), wait
        rest = target.finish()
        assert rest.startswith(WAITS[wait]), (wait, rest)


def each(test, items):
    """Runs a test on all items, some at once."""
    errors = []
    gate = threading.Semaphore(5)

    def run(item):
        with gate:
            try:
                test(item)
            except Exception as error:  # all of them are reported
                errors.append((item, error))
    threads = [threading.Thread(target=run, args=(item,)) for item in items]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors


def every_wait_goes_on():
    each(release_one, WAITS)


def within_a_second():
    with Waiter("read") as target:
        done = stat("release", target.pid)
        assert done.returncode == toolbox.OK, done
        assert re.match(r"[34]\.\d MiB returned to the OS$", done.stdout)
        check_released(target)
        # tcm's thread ends, and can be started again.
        done = stat("release", target.pid)
        assert done.returncode == toolbox.OK, done
        target.finish()


def a_time_limit_of_epoll():
    """The kernel ends this call with EINTR, as after SIGSTOP and SIGCONT."""
    with Waiter("epoll-limit") as target:
        done = stat("release", target.pid)
        assert done.returncode == toolbox.OK, done
        assert target.finish().startswith("epoll_wait -1 Interrupted")


def no_signal_is_lost():
    """A handler runs, and the call ends with EINTR, even while the thread is
    interrupted."""
    with Waiter("signals") as target:
        tools = [subprocess.Popen(
            "for i in 1 2 3; do %s release %d %s || exit; done"
            % (STAT, target.pid, PATIENT), shell=True,
            stdout=subprocess.DEVNULL) for _ in range(2)]
        count = 0
        while any(tool.poll() is None for tool in tools):
            # Retries, since a signal before the call would not end it.
            if target.system_call_and_file() != ["0", "0x0"]:
                continue
            os.kill(target.pid, signal.SIGUSR1)
            target.expect("interrupted")
            count += 1
        assert [tool.returncode for tool in tools] == [0, 0]
        assert count > 0
        target.finish()


def waits(target, reason, **keywords):
    done = stat("release", target.pid, "--timeout=0.6", **keywords)
    assert done.returncode == toolbox.WAITS, done
    assert re.search("the request waits in.*" + reason, done.stderr), done
    assert len(done.stderr.splitlines()) == 1, done


def seize(pid):
    """Makes this process the tracer; does not stop the other one."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long] * 4
    if libc.ptrace(PTRACE_SEIZE, pid, 0, 0) != 0:
        raise Skip("ptrace is not allowed here")


def a_traced_process():
    with Waiter("read") as target:
        seize(target.pid)
        waits(target, "another process traces it.*try again")
        assert target.finish().startswith("read 6")


def a_busy_process_is_not_traced():
    """The process is traced, but answers because it is busy."""
    with Target() as target:
        target.do("threads 1")
        seize(target.pid)
        done = stat("release", target.pid, PATIENT)
        assert done.returncode == toolbox.OK, done


def a_stopped_process():
    with Waiter("read") as target:
        os.kill(target.pid, signal.SIGSTOP)
        waits(target, "it is stopped; SIGCONT")
        with open("/proc/%d/stat" % target.pid, encoding="ascii") as file:
            assert file.read().rsplit(")", 1)[1].split()[0] == "T"
        os.kill(target.pid, signal.SIGCONT)
        assert target.finish().startswith("read 6")


def a_thread_is_not_wanted():
    with Waiter("read", env={"TCM_BACKGROUND": "0"}) as target:
        waits(target, "TCM_BACKGROUND=0.*debugger")
        target.finish()
    with Waiter("sandbox") as target:
        waits(target, "its sandbox forbids tcm's thread.*debugger")
        target.finish()
    with Waiter("filter") as target:
        waits(target, "a filter of system calls.*debugger")
        target.finish()


def no_thread_waits():
    with Waiter("spin") as target:
        waits(target, "none of its threads waits where")


def the_only_one_that_waits_is_filtered():
    with Waiter("own-filter") as target:
        waits(target, "a filter of system calls.*debugger")
        target.finish()


def real_time_threads():
    with Waiter("read") as target:
        try:
            os.sched_setscheduler(target.pid, os.SCHED_FIFO, os.sched_param(1))
        except PermissionError:
            raise Skip("no real-time threads here") from None
        waits(target, "are real-time.*debugger")
        # tcm's thread would not inherit this.
        os.sched_setscheduler(target.pid,
                              os.SCHED_FIFO | os.SCHED_RESET_ON_FORK,
                              os.sched_param(1))
        done = stat("release", target.pid, PATIENT)
        assert done.returncode == toolbox.OK, done
        target.finish()


def become(user):
    """Runs in a child: a limit on processes does not apply to root."""
    if os.geteuid() == 0:
        os.setgid(user)
        os.setuid(user)


def the_kernel_refuses_a_thread():
    def limit():
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
        become(LIMITED_USER)
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        program, library = folder + "/waiter", folder + "/libtcm.so.0"
        shutil.copy(WAITER, program)
        shutil.copy(toolbox.LIBRARY, library)
        with Target([program, "read"], env={"LD_PRELOAD": library},
                    preexec_fn=limit) as target:
            waits(target, "RLIMIT_NPROC or pids.max")
            assert target.child.poll() is None


def ptrace_is_not_allowed():
    """As in containers whose filter of system calls lacks it."""
    with Waiter("read") as target:
        waits(target, r"does not allow .*ptrace\(2\); try as root",
              preexec_fn=forbid_ptrace)
        assert target.finish().startswith("read 6")


def forbid_ptrace():
    def instruction(code, yes, no, value):
        return struct.pack("HBBI", code, yes, no, value)
    # Load the number of the call; EPERM for this one; else allow.
    code = instruction(0x20, 0, 0, 0) + \
        instruction(0x15, 0, 1, SYS_PTRACE) + \
        instruction(0x06, 0, 0, SECCOMP_RET_ERRNO | errno.EPERM) + \
        instruction(0x06, 0, 0, SECCOMP_RET_ALLOW)
    room = ctypes.create_string_buffer(code)
    program = struct.pack("HxxxxxxP", 4, ctypes.addressof(room))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_char_p,
                           ctypes.c_ulong, ctypes.c_ulong]
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, None, 0, 0) != 0 or \
            libc.prctl(PR_SET_SECCOMP, 2, program, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no filter")


def samples_can_be_switched_on():
    with Waiter("read") as target:
        done = stat("profile", "--seconds=0.1", target.pid)
        assert done.returncode == toolbox.OK, done
        if toolbox.has_json():
            assert read(target.pid)["options"]["profile_bytes"] == {
                "value": 0, "source": "request"}
        target.finish()


# ---- The tool dies -------------------------------------------------------------------
def kill_at(point):
    """Kills tcm-stat at one of its ptrace calls.  The process continues."""
    with Waiter("registers") as target:
        done = subprocess.run(
            ["strace", "-f", "-o", os.devnull, "-e", "trace=ptrace", "-e",
             "inject=ptrace:signal=SIGKILL:when=%d" % point, STAT, "release",
             str(target.pid), "--timeout=2"], env=toolbox.environment(False),
            capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode in (toolbox.OK, toolbox.WAITS), done
        rest = target.finish()
        assert rest.startswith("read 6"), (point, rest)


def count_calls():
    """The number of ptrace calls in a whole release."""
    with Waiter("read") as target, tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "trace")
        done = subprocess.run(
            ["strace", "-f", "-o", path, "-e", "trace=ptrace", STAT, "release",
             str(target.pid), PATIENT], env=toolbox.environment(False),
            capture_output=True, text=True, timeout=60, check=False)
        target.finish()
        if done.returncode != toolbox.OK:
            raise Skip("strace does not work here")
        with open(path, encoding="utf-8") as file:
            return sum("ptrace(" in line for line in file)


def the_tool_dies():
    if shutil.which("strace") is None:
        raise Skip("no strace here")
    calls = count_calls()
    assert calls > 20, calls
    points = {2, 5, 6, 7, 8, 9, calls // 2} | set(range(calls - 7, calls + 1))
    each(kill_at, sorted(points))


if platform.machine() != "x86_64" or sys.maxsize < 1 << 32:
    toolbox.main([a_busy_process_is_not_traced])
else:
    toolbox.main([
        within_a_second, every_wait_goes_on, a_time_limit_of_epoll,
        no_signal_is_lost, a_traced_process, a_busy_process_is_not_traced,
        a_stopped_process, a_thread_is_not_wanted, no_thread_waits,
        the_only_one_that_waits_is_filtered, real_time_threads,
        the_kernel_refuses_a_thread, ptrace_is_not_allowed,
        samples_can_be_switched_on, the_tool_dies])
