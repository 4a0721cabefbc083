# SPDX-License-Identifier: BSD-2-Clause
"""A vt100 terminal, as far as curses uses it, that runs a program."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

# Matches only whole sequences: a read may end in the middle of one.
SEQUENCE = re.compile(rb"\x1b(?:\[([?>=!0-9;]*)([A-Za-z@])|[()#].|[^\[()#])",
                      re.S)


class Terminal:
    """Runs a program and keeps the letters of its screen."""

    def __init__(self, command, rows, columns, env):
        self.rows, self.columns = rows, columns
        self.clear()
        self.errors = []
        self.master, self.slave = pty.openpty()
        self.resize(rows, columns, notify=False)
        self.before = termios.tcgetattr(self.slave)
        self.pid = os.fork()
        if self.pid == 0:
            # A script's background job and its children ignore SIGINT.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.setsid()
            fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
            for fd in range(3):
                os.dup2(self.slave, fd)
            os.execve(command[0], command, env)
        self.status = None

    def resize(self, rows, columns, notify=True):
        self.rows, self.columns = rows, columns
        fcntl.ioctl(self.master, termios.TIOCSWINSZ,
                    struct.pack("HHHH", rows, columns, 0, 0))
        if notify:
            self.clear()
            os.kill(self.pid, signal.SIGWINCH)

    def clear(self):
        self.cells = [[" "] * self.columns for _ in range(self.rows)]
        self.y = self.x = 0
        # As on a vt100, the cursor stays in the last column after a letter
        # there; only the next letter would continue in the next row.
        self.full = False
        self.rest = b""

    def text(self):
        return "\n".join("".join(row).rstrip() for row in self.cells)

    def send(self, text):
        os.write(self.master, text.encode())

    def read(self, seconds):
        """Reads and shows the program's output for that time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            ready, _, _ = select.select([self.master], [], [], 0.05)
            if ready:
                try:
                    self.show(os.read(self.master, 65536))
                except OSError:
                    return

    def wait_for(self, pattern, seconds=15):
        end = time.monotonic() + seconds
        while not re.search(pattern, self.text()):
            assert time.monotonic() < end, "no %s in\n%s" % (pattern,
                                                           self.text())
            self.read(0.1)
        return self.text()

    def end(self):
        """Waits for the program and returns its exit status."""
        end = time.monotonic() + 15
        while self.status is None:
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                raise AssertionError("it did not end\n" + self.text())
            self.read(0.1)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid != 0:
                self.status = status
        after = termios.tcgetattr(self.slave)
        os.close(self.master)
        os.close(self.slave)
        assert after == self.before, "the terminal is not as it was"
        return os.waitstatus_to_exitcode(self.status)

    def show(self, data):
        data = self.rest + data
        self.rest = b""
        while data:
            if data[:1] == b"\x1b":
                match = SEQUENCE.match(data)
                if match is None:
                    self.rest = data
                    return
                self.sequence(match)
                data = data[match.end():]
            else:
                self.letter(data[0])
                data = data[1:]

    def letter(self, code):
        full, self.full = self.full, False
        if code == 13:
            self.x = 0
        elif code == 10:
            self.y = min(self.y + 1, self.rows - 1)
        elif code == 8:
            self.x = max(self.x - 1, 0)
        elif code == 9:
            self.x = min(self.x // 8 * 8 + 8, self.columns - 1)
        elif code >= 32:
            if full:
                self.errors.append("beyond the edge: %r" % chr(code))
            self.cells[self.y][self.x] = chr(code)
            self.full = self.x == self.columns - 1
            self.x = min(self.x + 1, self.columns - 1)
        else:
            self.full = full

    def sequence(self, match):
        numbers = [int(n) if n.isdigit() else 0
                   for n in (match.group(1) or b"").split(b";")]
        first = max(numbers[0], 1)
        kind = (match.group(2) or b"").decode()
        if kind and kind in "ABCDHJK":
            self.full = False
        if kind == "H":
            column = numbers[1] if len(numbers) > 1 else 1
            self.y = min(first, self.rows) - 1
            self.x = min(max(column, 1), self.columns) - 1
        elif kind == "A":
            self.y = max(self.y - first, 0)
        elif kind == "B":
            self.y = min(self.y + first, self.rows - 1)
        elif kind == "C":
            self.x = min(self.x + first, self.columns - 1)
        elif kind == "D":
            self.x = max(self.x - first, 0)
        elif kind == "K":
            self.erase(self.y, self.x if numbers[0] == 0 else 0,
                       self.columns if numbers[0] != 1 else self.x + 1)
        elif kind == "J":
            self.erase(self.y, self.x, self.columns)
            for y in range(self.y + 1, self.rows):
                self.erase(y, 0, self.columns)

    def erase(self, y, start, end):
        self.cells[y][start:end] = [" "] * (end - start)
