#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs the fault catalogue, row by row.

  faults.py                 tcm, and the debug library on the programs that only
                            the catalogue uses; each row must be ok
  faults.py ALLOCATOR...    the results of these: tcm, debug, glibc, tcmalloc,
                            jemalloc, mimalloc; always succeeds
  faults.py --table FILE    all of them, written to FILE
  faults.py --row NAME      with any of the above: only this row, or these, if
                            the option is repeated

The result of a row:

  ok       what catalogue.tsv requires
  wrong    another value, or wrong contents or amounts of memory
  abort    the allocator ended the process by SIGABRT
  crash    another signal did
  hang     it did not end
  skip     it cannot run on this machine, or not with this allocator
  unit     a test with a fake, which passed, replaces it
"""

import argparse
import glob
import os
import platform
import re
import resource
import signal
import subprocess
import sys
import time

SOURCE = os.environ["TEST_SRCDIR"]
BUILD = os.environ["TEST_BUILDDIR"]
CATALOGUE = "tests/faults/catalogue.tsv"
TABLE = "tests/faults/TABLE"
LIMIT_S = 170          # of a row; the programs' own limits are shorter
PROGRAM_LIMIT_S = 100
COLUMNS = ("tcm", "debug", "glibc", "tcmalloc", "jemalloc", "mimalloc")
PEERS = {"tcmalloc": "libtcmalloc_minimal.so.4", "jemalloc": "libjemalloc.so.2",
         "mimalloc": "libmimalloc.so.[23]"}
FOLDERS = ("/usr/lib/%s-linux-gnu" % platform.machine(), "/usr/lib64",
           "/usr/lib")
UNIT = "unit"

# Variables that would choose an allocator or its options.
FOREIGN = re.compile("^(LD_|TCM_|MALLOC_|MIMALLOC_|TCMALLOC_|GLIBC_)")


class Row:
    """A line of the catalogue."""

    def __init__(self, number, name, fault, must, how):
        self.number = number
        self.name = name
        self.fault = fault
        self.must = must
        words = how.split()
        self.settings = []
        while "=" in words[0]:
            self.settings.append(words.pop(0).split("=", 1))
        self.kind, self.arguments = words[0], words[1:]

    def test(self):
        """The test, by its path in the tree."""
        folder = "tests/misuse/" if self.is_misuse() else "tests/"
        settings = ["=".join(pair) for pair in self.settings]
        return " ".join(settings + [folder + self.arguments[0]] +
                        self.arguments[1:])

    def is_misuse(self):
        """Whether the program is one of tests/misuse."""
        return self.kind in ("misuse", "access")

    def is_own(self):
        """Whether only the catalogue runs the test's program."""
        return self.arguments[0].startswith("faults/") and \
            self.kind in ("run", "caught")


class Result:
    """The result of a row, with a line of detail, and figures."""

    def __init__(self, word, detail="", figures=""):
        self.word = word
        self.detail = detail
        self.figures = figures


def read_catalogue():
    rows = []
    with open(os.path.join(SOURCE, CATALOGUE), encoding="utf-8") as stream:
        for line in stream:
            if not line.startswith("#"):
                rows.append(Row(*line.rstrip("\n").split("\t")))
    return rows


def library_of(allocator):
    """The file to preload; None for libc's own, "" if it is missing."""
    if allocator == "tcm":
        return os.environ["TEST_RELEASE_SO"]
    if allocator == "debug":
        return os.environ["TEST_DEBUG_SO"]
    if allocator == "glibc":
        return None
    for folder in FOLDERS:
        found = sorted(glob.glob(os.path.join(folder, PEERS[allocator])))
        if found:
            return found[-1]
    return ""


def environment_of(row, allocator, library):
    """The environment of a row: it preloads the allocator, unless the row does
    that itself."""
    env = {name: value for name, value in os.environ.items()
           if not FOREIGN.match(name)}
    env.update(FAULT_SO=library or "", TEST_TIMEOUT=str(PROGRAM_LIMIT_S),
               TEST_ALLOCATOR={"debug": "tcm-debug"}.get(allocator, allocator))
    if library:
        env["TEST_SO"] = library
    if (row.kind in ("run", "caught") or row.is_misuse()) and library:
        env["LD_PRELOAD"] = library
        if allocator in PEERS:
            env["TEST_PROOF"] = os.path.basename(library)
    if row.kind == "load":
        env["TEST_ALLOCATOR"] = "glibc"
    env.update((name, value.replace("@BUILD@", BUILD))
               for name, value in row.settings)
    return env


def command_of(row):
    path = os.path.join(BUILD, "tests", row.arguments[0])
    if row.is_misuse():
        path = os.path.join(BUILD, "tests/misuse", row.arguments[0])
    if row.kind != "script":
        return [path] + row.arguments[1:]
    path = os.path.join(SOURCE, "tests", row.arguments[0])
    runner = sys.executable if path.endswith(".py") else "sh"
    return [runner, path] + row.arguments[1:]


def no_core():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def execute(command, env):
    """(status, output on both streams, output on standard error); the status is
    None after a timeout."""
    with subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, errors="replace", cwd=BUILD,
                          start_new_session=True, preexec_fn=no_core) as child:
        try:
            out, err = child.communicate(timeout=LIMIT_S)
            status = child.returncode
        except subprocess.TimeoutExpired:
            status = None
        # The program may have left children that hang.
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except OSError:
            pass
        if status is None:
            out, err = child.communicate()
    return status, out + err, err


def signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return "signal %d" % number


def detail_of(text):
    """The line that says most about the failure."""
    late = re.search("system call [0-9]+ after the start", text)
    if late:
        return late[0]
    for line in text.splitlines():
        match = re.search(r"(?:not true(?: in a child)?|cannot go on): (.*)",
                          line)
        if match:
            return match[1].strip()[:150]
    for line in reversed(text.splitlines()):
        if line.strip() and not line.startswith(("seed ", "pass ", "begin")):
            return line.strip()[:150]
    return ""


def figures_of(text):
    """The lines with the figures of a test that passed."""
    return "; ".join(line.strip() for line in text.splitlines()
                     if line.startswith("  ") and "not true" not in line)


def ended_by(number, text):
    if number == signal.SIGALRM:
        return Result("hang", detail_of(text))
    if number == signal.SIGABRT:
        lines = [line for line in text.splitlines()
                 if re.search(r"tcm: |mimalloc: error|<jemalloc>|FATAL|"
                              r"src/|\(\)|corrupt|invalid|double", line)
                 and "not true" not in line]
        return Result("abort", lines[-1].strip()[:150] if lines else "")
    return Result("crash", signal_name(number))


def judge(status, text):
    if status is None:
        return Result("hang", "ended after %d s" % LIMIT_S)
    if status == 0:
        return Result("ok", figures=figures_of(text))
    if status == 77:
        skips = re.findall("^(?:skip|SKIP).*?: (.*)$", text, re.M)
        return Result("skip", skips[-1] if skips else "")
    if "malloc is not tcm's" in text or "no library like" in text:
        return Result("wrong", "it was not loaded: " + text.split("\n")[0])
    if status < 0:
        return ended_by(-status, text)
    if status > 128 and status - 128 in list(signal.Signals):
        return ended_by(status - 128, text)
    inner = re.search(r"ended by (?:signal )?(\d+)", text)
    if inner and int(inner[1]) > 0:
        result = ended_by(int(inner[1]), text)
        if not result.detail or result.word == "crash":
            result.detail += (": " if result.detail else "") + detail_of(text)
        return result
    return Result("wrong", detail_of(text))


def judge_caught(status, text, err):
    """An abort with a message counts as ok, as does no damage at all."""
    if status == -signal.SIGABRT and err.strip():
        return Result("ok", figures="caught: " + err.strip().splitlines()[-1])
    return judge(status, text)


def judge_misuse(status, text, err):
    """The program must end by SIGABRT, with a message."""
    if status == -signal.SIGABRT and err.strip():
        if "after the call" in text:
            return Result("ok", figures="caught later")
        return Result("ok", figures="caught at once")
    if status == 0:
        return Result("wrong", "not noticed")
    return judge(status, text)


def judge_access(status, text, err):
    """The program must end by SIGSEGV at the invalid access, or as above."""
    # It writes the address once before the access, and once after.
    if status == -signal.SIGSEGV and text.count("address 0x") > 1:
        return Result("wrong", "SIGSEGV after the access")
    if status != -signal.SIGSEGV:
        return judge_misuse(status, text, err)
    line = err.split("\n")[0]
    return Result("ok", figures="SIGSEGV" + (", with a line" if line else ""))


def run_unit(row, allocator):
    """A test that needs a fake: it works only with tcm, and "make check" also
    runs it separately."""
    if allocator != "tcm":
        return Result("-")
    path = os.path.join(BUILD, "tests", row.arguments[0])
    if not os.path.exists(path):
        return Result("skip", "the test is not built here")
    status, text, _ = execute([path], os.environ)
    result = judge(status, text)
    return Result(UNIT, figures=" ".join(row.arguments[1:])) \
        if result.word == "ok" else result


def run_row(row, allocator, library):
    if row.kind == UNIT:
        return run_unit(row, allocator)
    if row.kind == "load" and library is None:
        return Result("-")
    status, text, err = execute(command_of(row),
                                environment_of(row, allocator, library))
    if row.kind == "caught":
        return judge_caught(status, text, err)
    if row.kind == "misuse":
        return judge_misuse(status, text, err)
    if row.kind == "access":
        return judge_access(status, text, err)
    return judge(status, text)


def run_column(rows, allocator):
    """{name: result} of every row; None if the allocator is missing."""
    library = library_of(allocator)
    if library == "" or library and not os.path.exists(library):
        print("skip: %s is not installed here" % allocator)
        return None
    results = {}
    started = time.monotonic()
    for row in rows:
        began = time.monotonic()
        result = run_row(row, allocator, library)
        results[row.name] = result
        note = result.detail or result.figures
        print("%-8s %-5s %5.1f s  %s %s%s" % (
            allocator, result.word, time.monotonic() - began, row.number,
            row.name, ": " + note if note else ""), flush=True)
    print("%s: %d rows in %d s" % (allocator, len(rows),
                                   time.monotonic() - started))
    return results


def count_bad(results):
    return sum(result.word not in ("ok", UNIT, "skip", "-")
               for result in results.values())


def stale_rows(rows):
    """Rows of the catalogue that the stored table lacks, or lists as not
    ok."""
    path = os.path.join(SOURCE, TABLE)
    words = {}
    with open(path, encoding="utf-8") as stream:
        for line in stream:
            cells = line.split()
            if len(cells) > 3 and cells[0].isdigit():
                words[cells[1]] = cells[2]
    return ["%s: %s in the stored table" % (row.name,
                                            words.get(row.name, "nothing"))
            for row in rows
            if words.get(row.name) not in ("ok", UNIT, "skip")]


def check(rows):
    alone = [row for row in rows if row.kind != UNIT]
    results = run_column(alone, "tcm")
    ran = sum(result.word == "ok" for result in results.values())
    failed = count_bad(results)
    own = [row for row in rows if row.is_own()]
    failed += count_bad(run_column(own, "debug"))
    for line in stale_rows(rows):
        failed += 1
        print("FAIL %s: run make fault-table" % line)
    print("%d rows, %d ran, %d failed" % (len(rows), ran, failed))
    return 1 if failed or not ran else 0


# ---- The table ---------------------------------------------------------------
def package_version(library):
    """The version of the package that a library belongs to."""
    path = os.path.realpath(library)
    for command in (["dpkg-query", "-S", path], ["rpm", "-qf", path]):
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True,
                                  stderr=subprocess.DEVNULL, check=False)
        except OSError:
            continue
        if done.returncode != 0:
            continue
        name = done.stdout.split("\n")[0]
        if command[0] == "rpm":
            return name
        name = name.split(": ")[0]
        done = subprocess.run(["dpkg-query", "-W", name],
                              stdout=subprocess.PIPE, text=True, check=False)
        return " ".join(done.stdout.split())
    return path


def tcm_version():
    with open(os.path.join(SOURCE, "configure.ac"), encoding="utf-8") as text:
        return re.search(r"AC_INIT\(\[tcm\], \[(.*?)\]", text.read())[1]


def machine_lines(columns):
    yield "Linux %s on %s, %s, %s processors" % (
        platform.release(), platform.machine(),
        " ".join(platform.libc_ver()), os.cpu_count())
    for name in columns:
        if name in ("tcm", "debug"):
            yield "%-9s tcm %s%s" % (name, tcm_version(), {
                "debug": ", with its assertions"}.get(name, ""))
        elif name == "glibc":
            yield "%-9s %s" % (name, " ".join(platform.libc_ver()))
        else:
            yield "%-9s %s" % (name, package_version(library_of(name)))


def wrapped(first, text, width=78):
    """@first and @text, wrapped; further lines are indented by its width."""
    indent = " " * len(first)
    line = first
    for word in text.split():
        if len(line) + len(word) + 1 > width and line.strip():
            yield line.rstrip()
            line = indent
        line += ("" if line.endswith(" ") else " ") + word
    yield line.rstrip()


def table_lines(rows, columns):
    yield "The fault catalogue: what each allocator does, as the tests saw it"
    yield "=" * 66
    yield "SPDX-License-Identifier: BSD-2-Clause"
    yield ""
    yield "Written by \"make fault-table\" from tests/faults/catalogue.tsv, " \
        "never by hand."
    yield ""
    yield from machine_lines(columns)
    yield ""
    yield "ok: as asked.  wrong: another value.  abort, crash: a signal ended " \
        "the process."
    yield "hang: it did not end.  skip: cannot run on this machine, or not " \
        "with this"
    yield "allocator.  unit: a test with a fake, which passed, replaces it."
    yield ""
    yield "%2s  %-31s" % ("", "row") + "".join(" %-8s" % c for c in columns)
    for row in rows:
        yield ("%2s  %-31s" % (row.number, row.name) + "".join(
            " %-8s" % columns[c][row.name].word for c in columns)).rstrip()
    yield ""
    yield ("%-35s" % "rows that are not ok" + "".join(
        " %-8d" % count_bad(columns[c]) for c in columns)).rstrip()
    yield ""
    yield from row_notes(rows, columns)


def row_notes(rows, columns):
    yield "What each row asks, and what was seen"
    yield "-" * 37
    for row in rows:
        yield ""
        yield from wrapped("%2s  " % row.number, "%s: %s" % (row.name,
                                                            row.fault))
        yield from wrapped("    asks   ", row.must)
        yield from wrapped("    test   ", row.test())
        for column in columns:
            result = columns[column][row.name]
            note = result.detail
            if result.word == "ok" and column == "tcm":
                note = result.figures
            if result.word == UNIT:
                note = result.figures
            if note:
                yield from wrapped("    ", "%s: %s: %s" % (column, result.word,
                                                           note))


def write_table(rows, path):
    columns = {}
    for allocator in COLUMNS:
        results = run_column(rows, allocator)
        if results is not None:
            columns[allocator] = results
    text = "\n".join(table_lines(rows, columns)) + "\n"
    for place in (BUILD, SOURCE):
        text = text.replace(place + "/", "")
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(text)
    print("%d rows, %d allocators: %s" % (len(rows), len(columns), path))
    return 1 if count_bad(columns["tcm"]) else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("allocators", nargs="*", metavar="ALLOCATOR")
    parser.add_argument("--table", metavar="FILE")
    parser.add_argument("--row", action="append", metavar="NAME")
    options = parser.parse_args()
    rows = read_catalogue()
    if options.row:
        rows = [row for row in rows
                if row.name in options.row or row.number in options.row]
    if options.table:
        return write_table(rows, options.table)
    if not options.allocators:
        return check(rows)
    for allocator in options.allocators:
        run_column(rows, allocator)
    return 0


if __name__ == "__main__":
    sys.exit(main())
