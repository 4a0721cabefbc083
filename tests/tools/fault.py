# SPDX-License-Identifier: BSD-2-Clause
"""tcm-stat fault: which guarded block a process misused when it died, from its
core file."""
import json
import os
import resource
import signal
import subprocess
import tempfile

import toolbox
from toolbox import GUARDS, Skip, Target, has, need_names, stat

def check_core(line, env, error, place, stacks):
    with tempfile.TemporaryDirectory() as folder:
        path, written = toolbox.die(folder, line, env)
        done = stat("fault", path)
        assert done.returncode == toolbox.OK, done
        lines = done.stdout.splitlines()
        assert lines[0].startswith("target: SIGSEGV: %s at 0x" % error), lines
        assert lines[1].startswith("  " + place), lines
        heads = [head.split(" by ")[0] for head in lines[2:]
                 if not head.startswith(" ")]
        assert heads == ["Accessed in"] + stacks, lines
        if has("HAVE_LIBDW"):
            assert done.stdout.count("main") >= len(stacks), done.stdout
        overview = stat(path)
        assert overview.returncode == toolbox.OK, overview
        assert error in " ".join(overview.stdout.split()), overview.stdout
        return written


def an_overflow():
    for size in (64, 65536, 1048576):
        written = check_core(
            "over %d" % size, GUARDS, "overflow past the end of the block",
            "0 bytes after the %d bytes at 0x" % size, ["Allocated"])
        assert written == "", written


def after_free():
    for size in (64, 65536, 1048576):
        written = check_core(
            "after %d" % size, GUARDS, "access after free",
            "%d bytes into the %d bytes at 0x" % (size // 2, size),
            ["Allocated", "Freed"])
        assert written == "", written


def a_closed_block():
    """A freed large block, without guarded blocks."""
    written = check_core(
        "after 300000", {}, "access after free",
        "150000 bytes into the 303104 bytes at 0x", ["Freed"])
    assert written == "", written
    written = check_core(
        "after 300000", {"TCM_GUARD_REPORT": "1"}, "read after free"
        if os.uname().machine == "x86_64" else "access after free",
        "150000 bytes into the 303104 bytes at 0x", ["Freed"])
    lines = written.splitlines()
    assert "(read 150000 bytes into the 303104 bytes at 0x" in lines[0] or \
        os.uname().machine != "x86_64", lines
    assert lines[1].startswith("tcm:   freed by thread "), lines
    assert len(lines) == 3 and lines[2].startswith("tcm:     "), lines


def the_handler_knows_more():
    """The handler writes the same, and also the kind of access."""
    kind = "read" if os.uname().machine == "x86_64" else "access"
    written = check_core(
        "after 64", dict(GUARDS, TCM_GUARD_REPORT="1"), kind + " after free",
        "32 bytes into the 64 bytes at 0x", ["Allocated", "Freed"])
    lines = written.splitlines()
    assert lines[0].startswith("tcm: SIGSEGV: %s after free at 0x" % kind), lines
    assert lines[1].startswith("tcm:   allocated by thread "), lines
    assert any(line.startswith("tcm:   freed by thread ") for line in lines)


def the_functions_have_names():
    need_names()
    with tempfile.TemporaryDirectory() as folder:
        path, _ = toolbox.die(folder, "after 64", GUARDS)
        text = stat("fault", path).stdout
    for part in text.split(" by thread ")[1:]:
        assert "  freed_block" in part.splitlines()[1], text


def as_a_document():
    if not toolbox.has_json():
        raise Skip("built without jansson")
    with tempfile.TemporaryDirectory() as folder:
        path, _ = toolbox.die(folder, "after 5000", GUARDS)
        done = stat("fault", "--json", path)
        document = json.loads(done.stdout)
    assert document["pid"] is None, document
    assert document["error"] == "access after free", document
    assert document["size_bytes"] == 5000, document
    assert document["address"] - document["block"] == 2500, document
    assert document["distance_bytes"] == 2500, document
    assert document["allocated"]["frames"] and document["freed"]["frames"]


def another_end():
    """A core file that has no such fault, or no guarded block."""
    with tempfile.TemporaryDirectory() as folder:
        path, _ = toolbox.die(folder, "abort", GUARDS)
        done = stat("fault", path)
        assert done.returncode == toolbox.FAILED, done
        assert "did not die of an access" in done.stderr, done.stderr
        assert "died of an error" not in stat(path).stdout
    with tempfile.TemporaryDirectory() as folder:
        path, _ = toolbox.die(folder, "abort", {})
        done = stat("fault", path)
        assert done.returncode == toolbox.FAILED, done
        assert "TCM_GUARD_SAMPLES" in done.stderr, done.stderr


def a_damaged_core():
    """tcm-stat reads nothing outside of the file."""
    with tempfile.TemporaryDirectory() as folder:
        path, _ = toolbox.die(folder, "after 64", GUARDS)
        with open(path, "rb") as whole:
            bytes_ = bytearray(whole.read(1 << 16))
        cut = os.path.join(folder, "cut")
        for at in range(64, 8192, 61):
            damaged = bytearray(bytes_)
            damaged[at] ^= 0xff
            with open(cut, "wb") as file:
                file.write(damaged)
            done = stat("fault", cut)
            assert 0 <= done.returncode < 8, (at, done)


def an_address():
    """An address from a debugger, for example; the process may be stopped."""
    with Target(env=GUARDS) as target:
        target.child.stdin.write("freed 1000\n")
        target.child.stdin.flush()
        address = target.child.stdout.readline().strip()
        target.expect("done")
        os.kill(target.pid, signal.SIGSTOP)
        done = stat("fault", target.pid, address)
        assert done.returncode == toolbox.OK, done
        assert "0 bytes into the 1000 bytes at " + address in done.stdout
        assert "\nFreed by thread %d\n" % target.pid in done.stdout
        done = stat("fault", target.pid)
        assert done.returncode == toolbox.FAILED, done
        assert "has reported no access" in done.stderr, done.stderr
        done = stat("fault", target.pid, "0x1000")
        assert done.returncode == toolbox.FAILED, done
        assert "no guarded block is, or was, at 0x1000" in done.stderr, done
        assert stat("fault", target.pid, "x").returncode == toolbox.USAGE
        assert stat("fault", target.pid, "1", "2").returncode == toolbox.USAGE


def a_process_that_waits_in_its_handler():
    """tcm's handler keeps the fault, then calls the program's handler."""
    with Target([toolbox.PROGRAM, "handle"], stderr=subprocess.PIPE,
                env=dict(GUARDS, TCM_GUARD_REPORT="1")) as target:
        target.child.stdin.write("over 64\n")
        target.child.stdin.flush()
        target.expect("fault")
        os.kill(target.pid, signal.SIGSTOP)
        done = stat("fault", target.pid)
        assert done.returncode == toolbox.OK, done
        assert "overflow past the end of the block" in done.stdout, done.stdout
        assert "0 bytes after the 64 bytes" in done.stdout, done.stdout
        os.kill(target.pid, signal.SIGCONT)
        line = target.child.stderr.readline()
        assert line.startswith("tcm: SIGSEGV: overflow past"), line
        target.child.stderr.close()


toolbox.main([
    an_overflow,
    after_free,
    a_closed_block,
    the_handler_knows_more,
    the_functions_have_names,
    as_a_document,
    another_end,
    a_damaged_core,
    an_address,
    a_process_that_waits_in_its_handler,
])
