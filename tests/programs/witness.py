# SPDX-License-Identifier: BSD-2-Clause
"""Proof, from inside each process of a job, that tcm served it.

It combines two witnesses:

  samples   a thread looks at all descendants of this process, by default
            every 50 ms: it reads /proc/PID/maps, finds the writable mapping
            of libtcm and in it the page that starts with the magic of
            lib/observe/stats_page.h, and reads the counter from
            /proc/PID/mem;
  lines     tests/programs/witness_exit.c, preloaded after libtcm, appends a
            line when an image starts, after a fork and when a process ends,
            so that processes too short for the samples are recorded too.

A process is proven if its last image had libtcm mapped and its counter
slow_mallocs was above zero.  Static and set-user-ID programs, into which the
loader preloads nothing, are left out and counted separately.
"""

import copy
import os
import stat
import struct
import threading
import time

MAGIC = b"tcm-stats-page\n\0"
LIBRARIES = ("libtcm.so", "libtcm-debug.so")
SMALLEST_PAGE = 4096
# struct stats_page: magic, version, size, slow_mallocs.
COUNTER_OFFSET = 24
COUNTER_END = 32

# Between exec and the loader's work, a sampled image has no libtcm.  This is
# normal, unless it lasts.
STARTING_SECONDS_MAX = 0.25


def read_bytes(path, size=-1):
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(size)
    except OSError:
        return b""


def status_of(pid):
    """(state, parent, start time) of a process, or None."""
    text = read_bytes("/proc/%d/stat" % pid)
    fields = text[text.rfind(b")") + 2:].split()
    if len(fields) < 20:
        return None
    return fields[0].decode(), int(fields[1]), int(fields[19])


def title_of(pid):
    """The command line of a process, or its title if it set one."""
    text = read_bytes("/proc/%d/cmdline" % pid).rstrip(b"\0 ")
    return text.replace(b"\0", b" ").decode(errors="replace")


def all_parents():
    """A map from each process to its parent."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            status = status_of(int(name))
            if status is not None:
                parents[int(name)] = status[1]
    return parents


def children_of(pid, parents=None):
    """The children of a process.  The kernel lists them for each thread.  For a
    kernel built without that list, @parents has the parent of each process."""
    if parents is not None:
        return [child for child, parent in parents.items() if parent == pid]
    children = []
    try:
        threads = os.listdir("/proc/%d/task" % pid)
    except OSError:
        return children
    for thread in threads:
        text = read_bytes("/proc/%d/task/%s/children" % (pid, thread))
        children += [int(word) for word in text.split()]
    return children


def descendants_of(pid, excluded=()):
    """All live descendants of a process, but not those below @excluded."""
    parents = None
    if not os.path.exists("/proc/self/task/%d/children" % os.getpid()):
        parents = all_parents()
    found, front = [], [pid]
    while front:
        for child in children_of(front.pop(), parents):
            if child not in excluded and child not in found:
                found.append(child)
                front.append(child)
    return found


def takes_no_preload(pid):
    """Why the loader preloads nothing into the program of a process, or
    None."""
    path = "/proc/%d/exe" % pid
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return None
    if mode & (stat.S_ISUID | stat.S_ISGID):
        return "set-user-ID"
    head = read_bytes(path, 4096)
    if head[:4] != b"\x7fELF" or head[4] != 2:
        return None
    order = "<" if head[5] == 1 else ">"
    offset, = struct.unpack_from(order + "Q", head, 32)
    size, count = struct.unpack_from(order + "HH", head, 54)
    for index in range(count):
        at = offset + index * size
        if at + 4 > len(head):
            return None
        if struct.unpack_from(order + "I", head, at)[0] == 3:  # PT_INTERP
            return None
    return "static"


class Image:
    """One program image of a process, as the samples saw it."""

    def __init__(self, exe, now):
        self.exe = exe
        self.first_seen = self.last_seen = now
        self.mapped = False
        self.page = None         # address of the stats page
        self.counts = []         # first and latest value of the counter
        self.barred = None       # why nothing can be preloaded into it
        self.cleared = False     # the program was started without LD_PRELOAD

    def served(self):
        return self.mapped and bool(self.counts) and self.counts[-1] > 0

    def count(self, value):
        self.counts[1:] = [value]
        if len(self.counts) == 1:
            self.counts.append(value)


class Process:
    """All that is known about one process of the job."""

    def __init__(self, pid):
        self.pid = pid
        self.images = []         # from the samples
        self.lines = []          # from the witness file, as lists of words
        self.title = ""          # its command line, the last one seen
        self.forked = False      # its last image came by fork, not by exec

    def exit_line(self):
        if self.lines and self.lines[-1][0] == "exit":
            return self.lines[-1]
        return None

    @property
    def exe(self):
        """The program that it ran last."""
        told = self.lines[-1][-1] if self.lines else "?"
        if self.images and self.exit_line() is None:
            return self.images[-1].exe
        return told

    @property
    def name(self):
        return os.path.basename(self.exe)

    @property
    def peak_kib(self):
        return max([int(line[5]) for line in self.lines if line[0] == "exit"],
                   default=0)

    @property
    def rise(self):
        """By how much the counter rose in this process itself."""
        found = 0
        line = self.exit_line()
        if line is not None:
            found = int(line[3]) - int(line[4])
        for image in self.images:
            if image.counts:
                base = image.counts[0] if self.forked else 0
                found = max(found, image.counts[-1] - base)
        return found

    def walked(self):
        """The heap's invariants were checked at its end."""
        line = self.exit_line()
        return line is not None and line[6] == "1"

    def mapped(self):
        return (any(image.mapped for image in self.images) or
                any(line[2] == "1" for line in self.lines))

    def ran_unserved(self):
        """Whether one of its images ran for long without libtcm."""
        return any(not image.mapped and not image.barred and
                   image.last_seen - image.first_seen > STARTING_SECONDS_MAX
                   for image in self.images)

    def proven(self):
        if self.ran_unserved():
            return False
        line = self.exit_line()
        if line is not None and line[2] == "1" and int(line[3]) > 0:
            return True
        return bool(self.images) and self.images[-1].served()

    def killed_with_tcm(self):
        """Ended without an exit line, with libtcm mapped in its last image."""
        return (self.exit_line() is None and self.mapped() and
                all(image.mapped for image in self.images[-1:]))

    def excuse(self):
        """Why the process need not be proven, or None."""
        if self.lines and self.lines[-1][0] != "fork":
            return None
        if self.images and self.images[-1].barred:
            return self.images[-1].barred
        return None

    def describe(self):
        last = self.images[-1:]
        if any(image.cleared for image in self.images):
            why = "started without LD_PRELOAD"
        elif not self.mapped() or not all(image.mapped for image in last):
            why = "libtcm not mapped"
        elif self.exit_line() is None:
            why = "libtcm mapped, killed before its counters were read"
        else:
            why = "libtcm mapped, its counter stayed 0"
        kinds = " ".join(line[0] for line in self.lines) or "no line"
        return "%d %s (%s): %s; %d images sampled, lines: %s" % (
            self.pid, self.exe, self.title[:60], why, len(self.images), kinds)


class Report:
    """The verdict on all processes of one run."""

    def __init__(self, processes, allow=None):
        self.processes = processes
        self.proven = [p for p in processes if p.proven()]
        rest = [p for p in processes if not p.proven()]
        self.barred = [p for p in rest if p.excuse()]
        rest = [p for p in rest if not p.excuse()]
        self.allowed = [p for p in rest if allow is not None and allow(p)]
        self.unproven = [p for p in rest
                         if allow is None or not allow(p)]
        self.rose = [p for p in self.proven if p.rise > 0]
        self.walked = [p for p in processes if p.walked()]

    def peak_kib(self, helpers=()):
        """The largest resident set of any process but the helpers."""
        return max([p.peak_kib for p in self.processes
                    if p.pid not in helpers], default=0)

    def summary(self):
        parts = ["%d of %d processes served by tcm" %
                 (len(self.proven), len(self.processes) - len(self.barred))]
        parts.append("counters rose inside %d" % len(self.rose))
        forked = [p for p in self.rose if p.forked]
        if forked:
            parts.append("%d of them forked workers" % len(forked))
        if self.walked:
            parts.append("heap walked at the end of %d" % len(self.walked))
        if self.barred:
            parts.append("%d static or set-user-ID left out" %
                         len(self.barred))
        if self.allowed:
            parts.append("%d ended or scrubbed by the program itself" %
                         len(self.allowed))
        return ", ".join(parts)


class Watcher(threading.Thread):
    """Samples all descendants of this process until it is told to stop."""

    def __init__(self, line_file, libraries=LIBRARIES, interval=0.05,
                 stand_in=False):
        super().__init__(daemon=True)
        self.line_file = line_file
        self.libraries = libraries
        self.interval = interval
        self.stand_in = stand_in
        self.excluded = set()    # helpers of the harness, outside the job
        self.seen = {}           # (pid, start time) -> Process
        self.own_exe = os.readlink("/proc/self/exe")
        self.own_title = title_of(os.getpid())
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(self.interval):
            self.look()

    def look(self):
        for pid in descendants_of(os.getpid(), self.excluded):
            status = status_of(pid)
            if status is None or status[0] in "ZX":
                continue
            process = self.seen.get((pid, status[2]))
            if process is None:
                process = self.seen[(pid, status[2])] = Process(pid)
            self.sample(process)

    def sample(self, process):
        now = time.monotonic()
        pid = process.pid
        try:
            exe = os.readlink("/proc/%d/exe" % pid)
        except OSError:
            return
        title = title_of(pid)
        # A child between fork and exec still runs this program, for a long time
        # if the machine is busy.
        if exe == self.own_exe and title == self.own_title:
            return
        image = Image(exe, now)
        again = bool(process.images) and process.images[-1].exe == exe
        if again:
            image = copy.deepcopy(process.images[-1])
        image.last_seen = now
        if image.page is None or not self.read_counter(pid, image):
            self.read_maps(pid, image)
        # A process that has just ended has neither title nor environment.
        if title and not image.mapped:
            self.question(pid, image)
        # The data are from one image only if the process has neither executed
        # another one nor ended meanwhile.
        try:
            if os.readlink("/proc/%d/exe" % pid) != exe:
                return
        except OSError:
            return
        process.images[-1 if again else len(process.images):] = [image]
        if title:
            process.title = title

    def read_maps(self, pid, image):
        for line in read_bytes("/proc/%d/maps" % pid).splitlines():
            fields = line.split(None, 5)
            if len(fields) < 6:
                continue
            name = os.path.basename(fields[5].decode(errors="replace"))
            if not name.startswith(self.libraries):
                continue
            image.mapped = True
            if self.stand_in:
                image.count(1)
                return
            if not fields[1].startswith(b"rw"):
                continue
            start, end = (int(part, 16) for part in fields[0].split(b"-"))
            if self.find_page(pid, image, start, end):
                self.read_counter(pid, image)
                return

    def read_memory(self, pid, address, size):
        try:
            with open("/proc/%d/mem" % pid, "rb", buffering=0) as memory:
                return os.pread(memory.fileno(), size, address)
        except (OSError, OverflowError):
            return b""

    def find_page(self, pid, image, start, end):
        for address in range(start, end, SMALLEST_PAGE):
            if self.read_memory(pid, address, len(MAGIC)) == MAGIC:
                image.page = address
                return True
        return False

    def read_counter(self, pid, image):
        """False if the page is no longer where it was: a new image."""
        page = self.read_memory(pid, image.page, COUNTER_END)
        if page[:len(MAGIC)] != MAGIC:
            image.page = None
            return False
        image.count(struct.unpack_from("=Q", page, COUNTER_OFFSET)[0])
        return True

    def question(self, pid, image):
        """Find out why an image lacks the library."""
        image.barred = takes_no_preload(pid)
        try:
            with open("/proc/%d/environ" % pid, "rb") as file:
                image.cleared = b"LD_PRELOAD=" not in file.read()
        except OSError:
            pass

    def finish(self, allow=None):
        """Stop sampling and judge."""
        self.over.set()
        self.join()
        processes = [p for p in self.seen.values()
                     if p.pid not in self.excluded]
        return Report(merge(processes, self.read_lines()), allow)

    def read_lines(self):
        """The lines of the witness file, as one list for each process life: the
        kernel may reuse the PID of an ended process."""
        lives = {}
        for raw in read_bytes(self.line_file).decode(
                errors="replace").splitlines():
            words = raw.split(" ", 3)
            if words[0] == "exit":
                words = raw.split(" ", 7)
            else:
                words = raw.split(" ", 4)
            if len(words) < 5 or int(words[1]) in self.excluded:
                continue
            of_pid = lives.setdefault(int(words[1]), [])
            if not of_pid or of_pid[-1][-1][0] == "exit":
                of_pid.append([])
            of_pid[-1].append(words)
        return lives


def merge(processes, lives):
    """Join the samples with the lines, by PID and, where a PID was reused, by
    order."""
    by_pid = {}
    for process in processes:
        if process.images:
            by_pid.setdefault(process.pid, []).append(process)
    for pid, told in lives.items():
        sampled = by_pid.setdefault(pid, [])
        while len(sampled) < len(told):
            sampled.append(Process(pid))
        for process, lines in zip(sampled[-len(told):], told):
            process.lines = lines
    merged = [p for found in by_pid.values() for p in found]
    for process in merged:
        births = [line[0] for line in process.lines if line[0] != "exit"]
        process.forked = bool(births) and births[-1] == "fork"
    return merged
