#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Walks every state of the models of the lock-free pieces, tests/model/spin.

Each model must hold.  Its head names mutants, which leave out a step or
exchange two; with each of them it must fail, which proves that the model can
fail.
"""

import glob
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

FOLDER = os.path.join(os.environ["TEST_SRCDIR"], "tests/model/spin")


def run(command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True,
                          timeout=300, check=False)
    return done.returncode, done.stdout + done.stderr


def verify(model, mutant, folder):
    """(errors, states) of a model; aborts if it cannot be built."""
    define = ["-D" + mutant] if mutant else []
    compiler = shlex.split(os.environ.get("CC") or "cc")
    for step in (["spin"] + define + ["-a", model],
                 compiler + ["-O0", "-w", "-DSAFETY", "-DVECTORSZ=4096", "-o",
                             "pan", "pan.c"]):
        status, text = run(step, folder)
        if status != 0:
            sys.exit(f"{' '.join(step)}: {text}")
    _, text = run(["./pan", "-m1000000"], folder)
    errors = re.search(r"errors: (\d+)", text)
    states = re.search(r"(\d+) states, stored", text)
    if errors is None or states is None or "too small" in text:
        sys.exit(f"{model} {mutant}: no result: {text}")
    return int(errors[1]), int(states[1])


def mutants_of(model):
    with open(model, encoding="utf-8") as source:
        return re.findall(r"^ \* mutant (\w+):", source.read(), re.M)


def check(model, folder):
    name = os.path.basename(model)
    faults = 0
    errors, states = verify(model, None, folder)
    print(f"{'FAIL' if errors else 'pass'} {name}: {states} states")
    faults += errors > 0
    mutants = mutants_of(model)
    if not mutants:
        print(f"FAIL {name} names no mutant")
        faults += 1
    for mutant in mutants:
        errors, _ = verify(model, mutant, folder)
        print("pass" if errors else "FAIL", name, mutant,
              "is found" if errors else "is not found")
        faults += errors == 0
    return faults


def main():
    if shutil.which("spin") is None:
        print("there is no spin")
        return 77
    models = sorted(glob.glob(os.path.join(FOLDER, "*.pml")))
    with tempfile.TemporaryDirectory() as folder:
        faults = sum(check(model, folder) for model in models)
    print(f"{len(models)} models, {faults} faults")
    return 1 if faults or not models else 0


if __name__ == "__main__":
    sys.exit(main())
