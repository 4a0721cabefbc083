#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The distribution's python3: modules of its own test suite, and a script
that makes and drops many objects, all with PYTHONMALLOC=malloc, so that each
object is a block of malloc."""

import os
import re
import sys
import xml.etree.ElementTree

sys.dont_write_bytecode = True
import harness  # noqa: E402

FEWEST_MODULES = 45

# Quick modules that allocate, fork or use threads, and whose results do not
# depend on the clock or the machine.
MODULES = """
test_array test_asyncgen test_atexit test_base64 test_binascii test_bisect
test_bool test_codecs test_collections test_configparser test_contextlib
test_csv test_ctypes test_dataclasses test_deque test_descr test_dict
test_enumerate test_fileio test_fstring test_functools test_gc test_generators
test_glob test_gzip test_hash test_heapq test_inspect test_json test_list
test_marshal test_memoryio test_memoryview test_mmap test_ordered_dict test_re
test_richcmp test_shlex test_slice test_struct test_tempfile test_thread
test_threading test_threading_local test_traceback test_tuple test_typing
test_userstring test_weakset
""".split()

# Only parts of these, because the whole takes minutes.
SLOW_MODULES = """
test_concurrent_futures test_multiprocessing_fork
""".split()
PARTS = """
WithProcessesTestArray WithProcessesTestQueue WithProcessesTestSharedMemory
WithProcessesTestConnection WithThreadsTestPool ProcessPoolForkInitializerTest
*WithProcessesTestPool.test_map *WithProcessesTestPool.test_imap*
ThreadPoolInitializerTest ThreadPoolAsCompletedTest
""".split()

# The debug build walks its heap; it gets fewer modules.
FEW = """
test_ctypes test_dict test_gc test_json test_list test_re
test_struct test_thread test_threading_local test_weakset
""".split()

WORKLOAD = r"""
import collections, decimal, json, re, sys, threading, zlib

scale = int(sys.argv[1])
state = 1

def number(limit):
    global state
    state = (state * 6364136223846793005 + 1442695040888963407) % 2 ** 64
    return (state >> 33) % limit

class Item:
    def __init__(self, name, size):
        self.name, self.size, self.parts = name, size, []

def objects(count):
    live, total = [], 0
    for i in range(count):
        item = Item("item %d" % i, number(1000))
        item.parts = [str(n) * (n % 5) for n in range(item.size % 13)]
        live.append(item)
        if len(live) > 3000:
            total += sum(len(i.parts) for i in live[::2])
            del live[::2]
    return total, len(live)

def documents(count):
    checksum = 0
    for i in range(count):
        table = {"k%d" % number(500): [number(100), "t" * number(40), None,
                 {"n": i, "f": number(10 ** 6) / 7}] for _ in range(40)}
        text = json.dumps(table, sort_keys=True)
        if json.loads(text) != table:
            raise SystemExit("json")
        checksum = zlib.crc32(text.encode(), checksum)
    return checksum

def text(count):
    words = ["".join(chr(97 + number(26)) for _ in range(1 + number(9)))
             for _ in range(count)]
    joined = " ".join(words)
    found = re.findall(r"\b(\w)(\w*?)([aeiou]+)(\w*)\b", joined)
    top = collections.Counter(w[0] for w in words).most_common(5)
    return len(found), top, zlib.crc32(joined[::-1].title().encode())

def worker(results, index):
    local = [bytearray(n % 3000) for n in range(2000 * scale)]
    queue = collections.deque(maxlen=200)
    for n, block in enumerate(local):
        block[:] = b"x" * (n % 700)
        queue.append(bytes(block))
    results[index] = sum(map(len, queue)) + sum(map(len, local))

print("objects", objects(20000 * scale))
print("documents", documents(60 * scale))
print("text", text(12000 * scale))
results = [0] * 4
threads = [threading.Thread(target=worker, args=(results, i))
           for i in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("threads", results)
decimal.getcontext().prec = 200
print("decimal", sum(decimal.Decimal(1) / n for n in range(1, 300 * scale)))
"""

PYTHON = "/usr/bin/python3"
SETTINGS = {"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1"}


class Python:
    name = "python3"
    whole = True        # the modules too, not the script alone

    def missing(self):
        if not os.access(PYTHON, os.X_OK):
            return PYTHON + " is not installed"
        if self.whole and self.suite() is None:
            return "the test suite of %s is not installed" % PYTHON
        return None

    def suite(self):
        """The names of the suite's modules, or None without it."""
        folder = os.path.join(
            os.path.dirname(os.path.realpath(PYTHON)), "../lib",
            os.path.basename(os.path.realpath(PYTHON)), "test")
        for place in (folder, folder.replace("/lib/", "/lib64/")):
            if os.path.exists(os.path.join(place, "test_dict.py")):
                return {os.path.splitext(name)[0]
                        for name in os.listdir(place)
                        if name.startswith("test_")}
        return None

    def prepare(self, bench):
        pass

    def run(self, run):
        script = run.write("work.py", WORKLOAD)
        done = run.call([PYTHON, script,
                         str(run.scale(small=1, quick=3, demo=9))],
                        env=SETTINGS)
        run.out("answers", done.out)
        run.out("complaints", done.err)
        if run.size == "demo":
            return
        there = self.suite()
        wanted = FEW if run.size == "small" else MODULES
        groups = [("modules", [name for name in wanted if name in there], [])]
        if run.size != "small":
            # Python 3.13 turned one of them into a folder of many modules.
            slow = [name for name in SLOW_MODULES if name in there]
            groups.append(("parts", slow, [
                word for part in PARTS for word in ("-m", part)]))
            if sum(len(names) for _, names, _ in groups) < FEWEST_MODULES:
                raise harness.Failure("the suite lacks most of the modules")
        # Both groups run at once, because the parts sleep much of the time.
        with run.clock():
            started = [self.start(run, *group) for group in groups]
            for child in started:
                child.wait(240)
        for child, (label, names, _) in zip(started, groups):
            self.judge_results(run, child, label, names)

    def start(self, run, label, names, words):
        """Run modules of the suite, two at a time, each in its own process."""
        return run.start(
            [PYTHON, "-m", "test", "-j2", "--timeout", "120", "--randseed",
             str(harness.SEED), "--tempdir", run.make_dir(label),
             "--junit-xml", run.path(label + ".xml"), *words, *names],
            env=SETTINGS, cwd=run.temporary)

    def judge_results(self, run, child, label, names):
        """Keep every single result.  A test that fails must fail under both
        allocators; a process must not crash."""
        said = harness.read_file(child.output).decode(errors="replace")
        told = run.path(label + ".xml")
        if not os.path.exists(told):
            raise harness.Failure("no results of %s:\n%s" %
                                  (label, said[-3000:]))
        found = results(told)
        crashed = re.findall(r"\b(test_\w+) (?:process )?crashed.*", said)
        found += [name + " crashed" for name in crashed]
        run.out(label, "\n".join(sorted(found)))
        run.out(label + ": exit status", child.popen.returncode)
        odd = [line for line in found
               if not line.endswith((" ok", " skipped"))]
        if odd:
            run.note("%s: %s\n%s" % (label, "; ".join(odd[:10]),
                                     said[-2500:]))
        passed = sum(line.endswith(" ok") for line in found)
        if crashed or passed < len(names):
            raise harness.Failure("%s: %d tests passed, %d crashed:\n%s" % (
                label, passed, len(crashed), said[-3000:]))

    def allow(self, process):
        """The suite starts some programs with its own environment, and kills
        others on purpose."""
        return (process.killed_with_tcm() or
                any(image.cleared for image in process.images))

    def judge(self, report):
        if not [p for p in report.rose if p.forked]:
            return ["no forked process was proven"]
        return []


class PythonScript(Python):
    """The script alone, for the demo."""

    whole = False


def results(path):
    """One line for each test of a result file."""
    lines = []
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        kinds = {child.tag for child in case}
        kind = "ok"
        for bad in ("failure", "error"):
            if bad in kinds:
                kind = bad
        if kind == "ok" and (case.get("result") == "skipped" or
                             "skipped" in kinds):
            kind = "skipped"
        lines.append("%s %s" % (case.get("name"), kind))
    return lines


if __name__ == "__main__":
    harness.run_as_script(Python())
