# SPDX-License-Identifier: BSD-2-Clause
"""tcm-stat top on a terminal: its screens at several sizes, its keys."""
import os
import re
import signal
import subprocess

import toolbox
from terminal import Terminal
from toolbox import Skip, Target


def start(*arguments, rows=24, columns=80, term="vt100", **env):
    if not toolbox.has("HAVE_NCURSES"):
        raise Skip("built without ncursesw")
    if subprocess.run(["tput", "-T", term, "longname"], capture_output=True,
                      check=False).returncode != 0:
        raise Skip("nothing is known of the terminal %s" % term)
    return Terminal([toolbox.STAT, "top", "-i", "0.2"] + list(arguments),
                    rows, columns,
                    toolbox.environment(False, TERM=term, **env))


def quit_with(screen, key="q"):
    screen.send(key)
    assert screen.end() == toolbox.OK
    assert not screen.errors, screen.errors


def all_processes_and_one_of_them():
    with Target() as target:
        target.do("fill 20000 1000")
        target.do("sparse")
        screen = start()
        text = screen.wait_for(r"%d +\d.* MiB" % target.pid)
        assert re.search("PID +RESIDENT +IN USE", text), text
        screen.send("/%d\r" % target.pid)
        screen.wait_for("Filter: %d" % target.pid)
        screen.send("\r")
        text = screen.wait_for("faults/s")
        assert re.search(r"target \(PID %d\)" % target.pid, text), text
        assert re.search(r"1024 +\d.* MiB +\d.* MiB #+\++", text), text
        target.do("fill 20000 200")
        screen.wait_for(" 208 ")
        print(screen.text())
        screen.send("?")
        screen.wait_for("Any key goes back")
        screen.send("x")
        screen.wait_for("faults/s")
        screen.send("\033")
        screen.wait_for("PID +RESIDENT")
        quit_with(screen)


def what_holds_most():
    """The profile of one process, once samples are taken."""
    toolbox.need_names()
    with Target() as off, Target(env={"TCM_PROFILE_BYTES": "4096"}) as on:
        for target in (off, on):
            target.do("fill 2000 20000")
        for columns in (80, 30):
            screen = start(str(on.pid), columns=columns)
            text = screen.wait_for(r"\d\.\d MiB  fill\b")
            assert text.index("ALLOCATED BY") < text.index("SIZE  "), text
            quit_with(screen)
        screen = start(str(off.pid))
        assert "ALLOCATED BY" not in screen.wait_for("SIZE  ")
        quit_with(screen)


def all_sizes():
    """From the usual one down to three lines, and after a change of size."""
    with Target() as target:
        target.do("malloc")
        for rows, columns in [(24, 80), (50, 200), (24, 40), (10, 20), (5, 12),
                              (3, 10)]:
            screen = start(rows=rows, columns=columns)
            screen.read(0.6)
            screen.send("\r")
            screen.read(0.3)
            screen.send("?")
            screen.read(0.2)
            screen.send("x")
            quit_with(screen)
        screen = start(str(target.pid))
        screen.wait_for("faults/s")
        for rows, columns in [(12, 50), (40, 120)]:
            screen.resize(rows, columns)
            screen.wait_for("faults/s")
            screen.read(0.3)
            # Pending output for the former size is not an error.
            screen.errors.clear()
            screen.read(0.5)
            assert not screen.errors, screen.errors
        quit_with(screen)


def it_pauses_and_sorts():
    with Target() as one, Target() as two:
        one.do("fill 9000 5000")
        screen = start()
        screen.wait_for("%d +" % two.pid)
        screen.send("M")
        text = screen.wait_for("%d +" % one.pid)
        assert text.index(str(one.pid)) < text.index(str(two.pid)), text
        screen.send("r")
        screen.read(0.5)
        text = screen.text()
        assert text.index(str(one.pid)) > text.index(str(two.pid)), text
        screen.send(" ")
        screen.wait_for("PAUSED")
        two.do("fill 9000 5000")
        before = screen.text()
        screen.read(0.6)
        assert screen.text() == before
        screen.send(" ")
        screen.read(0.6)
        assert screen.text() != before
        quit_with(screen)


def the_terminal_is_as_before():
    """After each way to end, and with colors."""
    with Target() as target:
        screen = start(str(target.pid), term="xterm-256color")
        screen.read(0.6)
        quit_with(screen)
        for number in [signal.SIGINT, signal.SIGTERM]:
            screen = start(str(target.pid))
            screen.wait_for("faults/s")
            os.kill(screen.pid, number)
            screen.end()
        screen = start()
        screen.wait_for("%d +" % target.pid)
        screen.send("\x03")
        screen.end()


def it_needs_a_terminal():
    quit_with(start())
    done = toolbox.stat("top")
    assert done.returncode == toolbox.USAGE and "terminal" in done.stderr


def a_process_that_ends():
    with Target() as target:
        screen = start(str(target.pid))
        screen.wait_for("faults/s")
        target.child.kill()
        target.child.wait()
        screen.wait_for("0 processes on tcm")
        quit_with(screen)


toolbox.main([all_processes_and_one_of_them, what_holds_most, all_sizes,
              it_pauses_and_sorts, the_terminal_is_as_before,
              it_needs_a_terminal, a_process_that_ends])
