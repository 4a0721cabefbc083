# SPDX-License-Identifier: BSD-2-Clause
"""Targets that work without pause are started, killed and started again while
tcm-stat reads them: never a wrong number, never a hang.

  torture.py [READS]
"""
import json
import random
import sys
import time

import toolbox
from toolbox import PROGRAM, Target, stat

READS = int(sys.argv[1]) if len(sys.argv) > 1 else 100
SEED = 20251
# A reading takes a few milliseconds; longer than this is a hang.
SECONDS = 20

LAWFUL = {toolbox.OK, toolbox.NO_PROCESS, toolbox.NOT_TCM}


def start(chance):
    """A target, sometimes one that is not even loaded yet."""
    if chance.random() < 0.5:
        return Target([PROGRAM, "churn"], ready=chance.random() < 0.7)
    target = Target()
    target.do("threads %d" % chance.randrange(1, 4))
    return target


def one_reading(target, chance, counts):
    doomed = chance.random() < 0.3
    if doomed:
        target.child.kill()
    since = time.monotonic()
    done = stat("--json", target.pid)
    assert time.monotonic() - since < SECONDS, "a hang"
    assert done.returncode in LAWFUL, (done.returncode, done.stderr)
    assert doomed or done.returncode in (toolbox.OK, toolbox.NOT_TCM), done
    if done.returncode == toolbox.OK:
        document = json.loads(done.stdout)
        toolbox.check_sums(document)
        assert document["mapped_bytes"] < 1 << 31, document
        counts["exact" if document["exact"] else "approximate"] += 1
    else:
        counts["gone"] += 1
        assert done.stdout == "", done.stdout
    return doomed


def reads():
    if not toolbox.has_json():
        raise toolbox.Skip("built without jansson")
    print("seed", SEED)
    chance = random.Random(SEED)
    counts = {"exact": 0, "approximate": 0, "gone": 0}
    targets = [start(chance) for _ in range(2)]
    try:
        for _ in range(READS):
            i = chance.randrange(len(targets))
            if one_reading(targets[i], chance, counts):
                targets[i].__exit__()
                targets[i] = start(chance)
    finally:
        for target in targets:
            target.__exit__()
    print(counts)
    assert counts["exact"] + counts["approximate"] > READS // 2, counts


toolbox.main([reads])
