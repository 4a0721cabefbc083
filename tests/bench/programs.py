# SPDX-License-Identifier: BSD-2-Clause
"""Real programs as rows: their inputs, which are generated, and their commands.

Each gets a fixed input whose size grows with the row's work.  Python is told
to use malloc for its objects, since its own allocator would hide the one that
is measured.  The servers that consist of several processes are in services.py.
"""
import os
import shutil
import subprocess
import sys
import time

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)),
                             os.pardir, "programs"))
import node  # noqa: E402

PERL = r"""
use strict; use warnings;
my ($n, %seen, @lines) = (shift);
for my $i (1 .. $n) {
  my $key = "key" . ($i * 7919 % 50021);
  push @{$seen{$key}}, { id => $i, text => "item $i " . ("x" x ($i % 90)) };
  push @lines, join(",", $i, $key, $i % 97);
}
my $text = join("\n", @lines);
my @sorted = sort { $a->[1] cmp $b->[1] || $a->[0] <=> $b->[0] }
             map { [split /,/] } split /\n/, $text;
(my $copy = $text) =~ s/key(\d+)/<$1>/g;
my $sum = 0;
$sum += length $_->{text} for map { @$_ } values %seen;
print "$sum ", length $copy, " $sorted[0][1]\n";
"""

PYTHON = r"""
import json, re, sys
n = int(sys.argv[1])
class Node:
    def __init__(self, key, rest):
        self.key, self.rest, self.words = key, rest, key.split("-")
chain = None
table = {}
for i in range(n):
    key = "%d-%d-%s" % (i, i * 7919 % 50021, "y" * (i % 40))
    chain = Node(key, chain if i % 10 else None)
    table.setdefault(i % 997, []).append({"key": key, "n": [i, i + 1.5]})
text = json.dumps(table, sort_keys=True)
again = json.loads(text)
words = sorted(re.findall(r"\d+-\d+", text))
print(len(text), len(again), words[0], sum(map(len, words)))
"""

SQLITE = """
PRAGMA journal_mode=OFF;
CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT, kind INTEGER, body TEXT);
WITH RECURSIVE count(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM count
  WHERE i < {rows})
INSERT INTO item SELECT i, 'name' || (i*7919 % 50021), i % 97,
  hex(zeroblob(i % 60)) FROM count;
CREATE INDEX by_name ON item(name, kind);
SELECT count(*), sum(length(body)) FROM item;
SELECT kind, count(DISTINCT name), max(length(body)) FROM item GROUP BY kind;
SELECT length(group_concat(name, ',')) FROM item;
SELECT count(*) FROM item a JOIN item b ON a.name = b.name AND a.id < b.id
  WHERE a.kind < 40;
UPDATE item SET body = body || name WHERE kind % 3 = 0;
DELETE FROM item WHERE kind % 5 = 0;
SELECT count(*), sum(length(body)) FROM item;
"""

C_FUNCTION = """
struct record_{i} {{ int id; double weight; const char *name; }};
static int compare_{i}(const struct record_{i} *a, const struct record_{i} *b)
{{ return a->id < b->id ? -1 : a->id > b->id ? 1 : a->weight > b->weight; }}
int work_{i}(struct record_{i} *r, int n, int kind)
{{
  int sum = {i};
  for (int i = 0; i + 1 < n; i++)
    for (int j = i + 1; j < n; j++)
      if (compare_{i}(&r[i], &r[j]) > 0) {{
        struct record_{i} t = r[i]; r[i] = r[j]; r[j] = t;
      }}
  switch (kind) {{
  case 0: for (int i = 0; i < n; i++) sum += r[i].id * (i ^ {i}); break;
  case 1: for (int i = 0; i < n; i++) sum ^= r[i].id << (i & 7); break;
  case 2: for (int i = 0; i < n; i++) if (r[i].name) sum += r[i].name[0];
    break;
  default: sum = work_{previous}(0, 0, kind - 1);
  }}
  return sum;
}}
"""


class Missing(Exception):
    """The program is not on this machine."""


def tool(name):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")
    if path is None:
        raise Missing(name)
    return path


def c_source(functions):
    head = "int work_0(void *r, int n, int kind) { return n + kind + !r; }\n"
    return head + "".join(C_FUNCTION.format(i=i, previous=i - 1)
                          for i in range(1, functions + 1))


def write(directory, name, text):
    path = os.path.join(directory, name)
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    return path


def command(name, work, directory):
    """(argv, extra environment, input file or None) of program `name`."""
    if name == "perl":
        script = write(directory, "input.pl", PERL)
        return [tool("perl"), script, str(2500 * work)], {}, None
    if name == "python":
        # The interpreter itself, not a wrapper script that looks for one.
        program = "/usr/bin/python3"
        if not os.access(program, os.X_OK):
            program = sys.executable
        script = write(directory, "input.py", PYTHON)
        return ([os.path.realpath(program), "-sS", script, str(1000 * work)],
                {"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0"}, None)
    if name == "sqlite":
        script = write(directory, "input.sql", SQLITE.format(rows=1500 * work))
        return [tool("sqlite3"), "-batch", ":memory:"], {}, script
    if name == "gcc":
        source = write(directory, "input.c", c_source(4 * work))
        return [tool("gcc"), "-O1", "-c", source, "-o", os.devnull], {}, None
    if name == "node":
        script = write(directory, "input.js", node.SCRIPT)
        return [tool("node"), script, "4", str(work)], {}, None
    raise Missing(name)


class Redis:
    """A server with its own socket in `directory`, and its client."""

    def __init__(self, directory):
        self.server = tool("redis-server")
        self.client = tool("redis-cli")
        self.load = shutil.which("redis-benchmark")
        if self.load is None:
            raise Missing("redis-benchmark")
        self.directory = directory
        self.socket = os.path.join(directory, "redis.sock")

    def server_command(self):
        return [self.server, "--port", "0", "--unixsocket", self.socket,
                "--dir", self.directory, "--save", "", "--appendonly", "no",
                "--daemonize", "no", "--loglevel", "warning"]

    def ask(self, *words):
        return subprocess.run([self.client, "-s", self.socket, *words],
                              stdout=subprocess.PIPE, timeout=60, text=True,
                              stderr=subprocess.DEVNULL,
                              stdin=subprocess.DEVNULL, check=False).stdout

    def wait_until_up(self, server, seconds=20):
        end = time.monotonic() + seconds
        while time.monotonic() < end and server.poll() is None:
            if os.path.exists(self.socket) and "PONG" in self.ask("ping"):
                return
            time.sleep(0.01)
        raise RuntimeError("redis-server did not answer")

    def drive(self, server, work):
        """Send the load to the running `server` and shut it down."""
        self.wait_until_up(server)
        subprocess.run([self.load, "-s", self.socket, "-q", "-c", "20",
                        "-P", "16", "-n", str(1000 * work),
                        "-r", str(400 * work), "-d", "200",
                        "-t", "set,lpush,hset,zadd,lpop,lrange_100"],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       stdin=subprocess.DEVNULL, timeout=120, check=True)
        self.ask("shutdown", "nosave")
        server.wait(timeout=30)
