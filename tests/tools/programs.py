# SPDX-License-Identifier: BSD-2-Clause
"""The sums hold on real programs, while they work and while they wait."""
import os
import shutil
import subprocess
import tempfile
import time

import toolbox
from toolbox import Skip, stat

# Each works by itself for a while, then waits, or the test ends it.
PROGRAMS = {
    "python": ["python3", "-c", "import json\nwhile True: "
               "json.loads(json.dumps([list(range(99))] * 500))"],
    "perl": ["perl", "-e", "while (1) { my %h = map { $_ => \"x\" x ($_ % 999)"
             " } 1..5000; }"],
    "node": ["node", "-e", "setInterval(() => { Buffer.alloc(1e6); "
             "JSON.parse(JSON.stringify(Array(9999).fill({a: 1}))) }, 1)"],
    "php": ["php", "-r", "while (true) { $a = range(1, 50000); sort($a); "
            "$s = str_repeat('x', 3000000); }"],
    "sqlite": ["sqlite3", ":memory:", "with recursive n(i) as (select 1 union "
               "all select i+1 from n) select count(distinct hex(i)) from "
               "(select i from n limit 30000000)"],
    "bash": ["bash", "-c", "while :; do a=(); for i in {1..3000}; do "
             "a+=(\"word $i\"); done; done"],
    "awk": ["awk", "BEGIN { while (1) { for (i = 0; i < 20000; i++) "
            "a[i] = a[i] i; delete a } }"],
    "sort": ["sh", "-c", "exec sort -R -o /dev/null --buffer-size=20M "
             "/dev/zero"],
    "gcc": ["sh", "-c", "while :; do echo '#include <stdio.h>' | gcc -xc -O2 "
            "-E - >/dev/null; done"],
    "git": ["git", "hash-object", "--stdin"],
    "nginx": None,
    "redis": ["redis-server", "--port", "0", "--unixsocket", "socket",
              "--save", ""],
    "xz": ["xz", "-9", "-c", "/dev/zero"],
    "make": ["make", "-f", "/dev/stdin", "-p"],
}
READINGS = 6


def command_of(name, folder):
    command = PROGRAMS[name]
    if name == "nginx":
        config = os.path.join(folder, "nginx.conf")
        with open(config, "w", encoding="ascii") as file:
            file.write("daemon off; master_process off; pid %s/pid;\n"
                       "error_log %s/log; events {}\n" % (folder, folder))
        command = ["nginx", "-c", config, "-p", folder]
    return command


def family(pid):
    """A process and its descendants."""
    found = [pid]
    for one in found:
        try:
            with open("/proc/%d/task/%d/children" % (one, one),
                      encoding="ascii") as file:
                found += [int(word) for word in file.read().split()]
        except OSError:
            pass
    return found


def readings_of(name, folder):
    """The number of successful readings of the program's processes."""
    command = command_of(name, folder)
    child = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE,
                             stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL,
                             env=toolbox.environment())
    good = 0
    try:
        for _ in range(READINGS):
            time.sleep(0.1)
            for pid in family(child.pid):
                done = stat("--json", pid)
                assert done.returncode in (toolbox.OK, toolbox.NO_PROCESS,
                                           toolbox.NOT_TCM), done
                if done.returncode == toolbox.OK:
                    toolbox.check_sums(toolbox.json.loads(done.stdout))
                    good += 1
    finally:
        for pid in reversed(family(child.pid)):
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass
        child.stdin.close()
        child.wait()
    return good


def sums_hold():
    if not toolbox.has_json():
        raise Skip("built without jansson")
    served = 0
    for name in PROGRAMS:
        first = PROGRAMS[name][0] if PROGRAMS[name] else name
        if shutil.which(first) is None:
            print("not here:", name)
            continue
        with tempfile.TemporaryDirectory() as folder:
            good = readings_of(name, folder)
        print("%s: %d readings" % (name, good))
        served += good > 0
    if served < 3:
        raise Skip("only %d programs are here" % served)
    print(served, "programs")


toolbox.main([sums_hold])
