# SPDX-License-Identifier: BSD-2-Clause
"""The probes of the heap profile, used by a tracer: gdb."""
import re
import shutil
import subprocess
import tempfile

import toolbox
from toolbox import Skip

BYTES = 4096
SCRIPT = """\
set environment LD_PRELOAD=%s
set environment TCM_PROFILE_BYTES=%d
set startup-with-shell off
break main
run
break -probe-stap otel_memory:alloc
commands
silent
printf "alloc %%lu %%lu %%lu\\n", $_probe_arg0, $_probe_arg1, $_probe_arg2
continue
end
break -probe-stap otel_memory:free
commands
silent
printf "free %%lu\\n", $_probe_arg0
continue
end
continue
"""
LINE = re.compile(r"(alloc|free) (\d+)(?: (\d+) (\d+))?$")


def trace(work):
    """The lines of the probes in a program that executes the lines of @work."""
    if not toolbox.has("HAVE_SYS_SDT_H"):
        raise Skip("built without sys/sdt.h")
    if shutil.which("gdb") is None:
        raise Skip("there is no gdb")
    with tempfile.NamedTemporaryFile("w", suffix=".gdb") as script:
        script.write(SCRIPT % (toolbox.LIBRARY, BYTES))
        script.flush()
        done = subprocess.run(["gdb", "-nx", "-batch", "-x", script.name,
                               toolbox.PROGRAM],
                              input="\n".join(work) + "\n", text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env=toolbox.environment(False), timeout=100,
                              check=False)
    lines = [LINE.match(line) for line in done.stdout.splitlines()]
    assert any(lines), done.stdout
    return [(line[1], *map(int, filter(None, line.groups()[1:])))
            for line in lines if line]


def samples_and_frees_pass():
    """The program allocates 8 MiB in blocks of 1000 bytes, of which one byte in
    4096 begins a sample, and frees all blocks."""
    count, size = 8192, 1000
    events = trace(["fill %d %d" % (count, size), "empty"])
    live, weights = set(), 0
    for event in events:
        if event[0] == "alloc":
            assert event[1] not in live and event[1] % 16 == 0, event
            assert event[2] <= event[3], event
            if event[2] == 1024:
                weights += event[3]
                live.add(event[1])
        else:
            live.discard(event[1])
    truth = count * 1024
    print("%d events, %d bytes of %d" % (len(events), weights, truth))
    # Three standard errors of about 1800 samples are 7 percent.
    assert abs(weights - truth) < 0.1 * truth
    assert not live, live


toolbox.main([samples_and_frees_pass])
