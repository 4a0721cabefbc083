#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Options from the environment: values, wrong values, mistyped names.

Runs show_options, which prints the table of options, under environments of
all kinds.  A wrong value or a mistyped name must cost exactly one line on
standard error, and the default must hold.
"""

import os
import subprocess
import sys

PROGRAM = os.path.join(os.environ["TEST_BUILDDIR"], "tests/api/show_options")
DEFAULT, ENVIRONMENT = 0, 1
failures = 0


def expect(condition, what):
    global failures
    if not condition:
        failures += 1
        print("FAIL", what)


def run(variables):
    """The options as a dictionary by name, and the lines written by tcm."""
    clean = {name: value for name, value in os.environ.items()
             if not name.startswith("TCM_")}
    clean.update(variables)
    done = subprocess.run([PROGRAM], env=clean, capture_output=True,
                          text=True, timeout=60)
    expect(done.returncode == 0, f"{variables}: status {done.returncode}")
    options = {}
    for line in done.stdout.splitlines():
        name, *numbers = line.split()
        options[name] = [int(number) for number in numbers]
    options.pop("secure", None)
    return options, done.stderr.splitlines()


def check_default(variables, name, expected_mention):
    """Expects one line that names the variable, and the default value."""
    options, lines = run(variables)
    value, source, default = options[name][:3]
    expect(value == default, f"{variables}: {name} is {value}")
    expect(source == DEFAULT, f"{variables}: source {source}")
    expect(len(lines) == 1, f"{variables}: lines {lines}")
    expect(all(line.startswith("tcm: ") and expected_mention in line
               for line in lines), f"{variables}: lines {lines}")


def check_option(name, row):
    default, low, high = row[2:5]
    variable = "TCM_" + name.upper()
    good = {low, high, default}
    if name == "page_size":  # it takes only powers of two
        good = {default, 16384, 65536}
    if name == "messages":   # 0 silences the lines that this test counts
        good = {1}
    if name == "stats_at_exit":  # 1 writes lines of its own
        good = {0}
    for value in sorted(good):
        options, lines = run({variable: str(value)})
        expect(options[name][0] == value,
               f"{variable}={value}: {options[name]}")
        expect(options[name][1] == ENVIRONMENT, f"{variable}={value}: source")
        expect(lines == [], f"{variable}={value}: {lines}")
        others = {n: r for n, r in options.items() if n != name}
        if name == "guard_samples":  # it turns sampling on
            expect(others.pop("profile_bytes")[0] in (0, 524288), variable)
        expect(all(r[1] == DEFAULT for r in others.values()),
               f"{variable}={value}: other options moved")
    bad = ["", "banana", "-1", "1.5", " 1", "1 ", "0x10", "1 2", "%n%n",
           "18446744073709551616", "99999999999999999999999", "1" * 5000,
           "+1", "1e3", "\u0661"]
    if high < 2**64 - 1:
        bad.append(str(high + 1))
    if low > 0:
        bad.append(str(low - 1))
    if name == "page_size":
        bad += ["5000", "65535"]
    for value in bad:
        check_default({variable: value}, name, variable)


def main():
    options, lines = run({})
    expect(len(options) > 0, "there are options")
    expect(lines == [], f"a clean environment: {lines}")
    first = next(iter(options))
    for name, row in options.items():
        check_option(name, row)
    for name in options:
        upper = "TCM_" + name.upper()
        for mistyped in (upper + "X", upper[:-1], upper[:-2] + "ZZ",
                         upper[:5] + "Q" + upper[5:], upper.lower().replace(
                             "tcm_", "TCM_")):
            check_default({mistyped: "1"}, first, mistyped)
    # Other software uses such names too.
    for other in ("TCM_NO_SUCH_OPTION", "TCM_", "TCM_ENABLE", "TCM_ROOT",
                  "TCM_" + first.upper() + "XYZ", "TCM_" + "LONG" * 500):
        lines = run({other: "1"})[1]
        expect(lines == [], f"{other[:40]}: {lines}")
    # tcm ignores names that only look similar.
    for foreign in ("TCM", "XTCM_CHECK", "TCMX_CHECK", "tcm_check", "TC"):
        lines = run({foreign: "banana"})[1]
        expect(lines == [], f"{foreign}: {lines}")
    # One line for each mistake, and the valid options still apply.
    options, lines = run({"TCM_CHECKER": "1", "TCM_NAMED": "2",
                          "TCM_CHECK": "maybe", "TCM_ARENA_BYTES": "8M"})
    expect(len(lines) == 3, f"three mistakes: {lines}")
    expect(options["arena_bytes"][:2] == [8 << 20, ENVIRONMENT],
           "TCM_ARENA_BYTES=8M among mistakes")
    options, lines = run({"TCM_MESSAGES": "0"})
    expect(options["messages"][:2] == [0, ENVIRONMENT], "TCM_MESSAGES=0")
    print(f"{failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
