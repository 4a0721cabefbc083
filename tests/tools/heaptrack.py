# SPDX-License-Identifier: BSD-2-Clause
"""Other profilers on top of tcm, as in tcm(7): heaptrack counts each call, and
tcm serves it."""
import os
import re
import shutil
import subprocess
import tempfile

import toolbox
from toolbox import Skip

COUNT, SIZE = 3000, 3072


def heaptrack_counts_what_tcm_serves():
    if shutil.which("heaptrack") is None:
        raise Skip("there is no heaptrack")
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["heaptrack", "-o", os.path.join(folder, "out"), toolbox.PROGRAM],
            input="fill %d %d\n" % (COUNT, SIZE), text=True, timeout=100,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
            env=toolbox.environment(TCM_STATS_AT_EXIT="1"))
        files = [os.path.join(folder, name) for name in os.listdir(folder)]
        assert done.returncode == 0 and len(files) == 1, done
        shown = subprocess.run(["heaptrack_print", files[0]], text=True,
                               stdout=subprocess.PIPE, timeout=100, check=True)
    calls = re.search(r"(\d+) calls? to allocation functions with \S+ peak "
                      r"consumption from\s+fill\b", shown.stdout)
    # heaptrack is a script: its own processes write such a line as well.
    used = list(map(int, re.findall(r"(\d+) Bytes in use by application",
                                    done.stderr)))
    print("heaptrack: %s calls in fill(); tcm: of %d bytes, in use %s"
          % (calls and calls[1], COUNT * SIZE, used))
    assert calls and int(calls[1]) == COUNT, shown.stdout[:2000]
    assert any(1 <= n / (COUNT * SIZE) < 1.02 for n in used), done.stderr


toolbox.main([heaptrack_counts_what_tcm_serves])
