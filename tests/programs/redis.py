#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""redis-server: under redis-benchmark, filled, saved in the background and in
the foreground, ended, started again and read back.

Some packages link the server to another allocator's library.  The runs under
libc's malloc therefore preload libc itself, which puts its malloc before that
library's; as_packaged leaves the choice to the package."""

import hashlib
import random
import re
import socket
import sys
import time

sys.dont_write_bytecode = True
import harness  # noqa: E402

BATCH = 200
LUA = """
local made = {}
for i = 1, 200 do made[i] = string.rep(KEYS[1], i % 17) .. i end
redis.call('rpush', KEYS[1], unpack(made))
return table.concat(made, ','):len()
"""


class Client:
    """Speaks the server's protocol, many requests at a time."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 60)
        self.file = self.socket.makefile("rb", 1 << 16)

    def close(self):
        self.file.close()
        self.socket.close()

    def ask(self, *requests):
        """Send all requests, then read all replies."""
        parts = []
        for words in requests:
            parts.append(b"*%d\r\n" % len(words))
            for word in words:
                if not isinstance(word, bytes):
                    word = str(word).encode()
                parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
        self.socket.sendall(b"".join(parts))
        return [self.reply() for _ in requests]

    def one(self, *words):
        return self.ask(words)[0]

    def reply(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:].rstrip(b"\r\n")
        if kind == b"$":
            size = int(rest)
            if size < 0:
                return None
            return self.file.read(size + 2)[:-2]
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        if kind == b":":
            return int(rest)
        if kind == b"+":
            return rest
        raise harness.Failure("the server said %r" % line)


def changes(keys):
    """The requests that fill the server, the same ones each time."""
    rng = random.Random(harness.SEED)
    for number in range(keys):
        key = "key:%d" % number
        kind = number % 5
        if kind == 0:
            yield "SET", key, rng.randbytes(rng.randrange(1, 3000))
            if number % 3 == 0:
                yield "APPEND", key, rng.randbytes(rng.randrange(20000))
        elif kind == 1:
            for _ in range(rng.randrange(1, 12)):
                yield ("HSET", key, "f%d" % rng.randrange(90),
                       rng.randbytes(rng.randrange(1, 120)))
        elif kind == 2:
            yield ("RPUSH", key, *(rng.randbytes(rng.randrange(1, 90))
                                   for _ in range(rng.randrange(1, 40))))
            yield "LTRIM", key, 1, -1
        elif kind == 3:
            yield ("SADD", key, *("m%d" % rng.randrange(5000)
                                  for _ in range(rng.randrange(1, 30))))
        else:
            for _ in range(rng.randrange(1, 12)):
                yield ("ZADD", key, rng.randrange(10 ** 6),
                       "m%d" % rng.randrange(500))
        if rng.random() < 0.15:
            yield "DEL", "key:%d" % rng.randrange(number + 1)


READERS = {
    b"string": lambda key: ("GET", key),
    b"hash": lambda key: ("HGETALL", key),
    b"list": lambda key: ("LRANGE", key, 0, -1),
    b"set": lambda key: ("SMEMBERS", key),
    b"zset": lambda key: ("ZRANGE", key, 0, -1, "WITHSCORES"),
}


def in_fixed_order(kind, value):
    """A value in an order that does not depend on the server's hash seed."""
    if kind == b"set":
        return sorted(value)
    if kind == b"hash":
        return sorted(zip(value[::2], value[1::2]))
    return value


def contents(client, keys):
    """A digest of every key's value."""
    digest = hashlib.sha256()
    names = ["key:%d" % number for number in range(keys)] + ["made"]
    for at in range(0, len(names), BATCH):
        batch = names[at:at + BATCH]
        kinds = client.ask(*(("TYPE", name) for name in batch))
        there = [(name, kind) for name, kind in zip(batch, kinds)
                 if kind != b"none"]
        values = client.ask(*(READERS[kind](name) for name, kind in there))
        for (name, kind), value in zip(there, values):
            digest.update(repr((name, in_fixed_order(kind, value))).encode())
    return digest.hexdigest()


class Redis:
    name = "redis"
    as_packaged = False

    def missing(self):
        if self.server() is None:
            return "redis-server is not installed"
        if self.bencher() is None:
            return "redis-benchmark is not installed"
        return None

    def server(self):
        return harness.find_program("redis-server", "valkey-server")

    def bencher(self):
        return harness.find_program("redis-benchmark", "valkey-benchmark")

    def prepare(self, bench):
        pass

    def start(self, run):
        port = harness.free_port()
        server = run.serve(
            [self.server(), "--port", str(port), "--bind", "127.0.0.1",
             "--dir", run.path("data"), "--save", "", "--appendonly", "no",
             "--daemonize", "no", "--loglevel", "warning", "--logfile", "",
             # I/O threads spin, which would hide what is measured.
             "--io-threads", str(run.scale(small=2, quick=2, demo=1)),
             "--io-threads-do-reads", "yes"],
            ready=lambda: self.answers(port))
        return server, port

    def answers(self, port):
        """A server that still loads its file accepts connections, but refuses
        commands."""
        if not harness.accepts(port):
            return False
        client = Client(port)
        try:
            return client.one("PING") == b"PONG"
        except harness.Failure:
            return False
        finally:
            client.close()

    def end(self, server, client):
        """SHUTDOWN closes the connection instead of answering."""
        client.socket.sendall(b"SHUTDOWN NOSAVE\r\n")
        server.stop(0, timeout=30)
        client.close()

    def bench(self, run, port):
        requests = run.scale(small=1000, quick=6000, demo=20000)
        done = run.call(
            [self.bencher(), "-h", "127.0.0.1", "-p", str(port), "-q",
             "-n", str(requests), "-c", "20", "-P", "16", "-r", "20000",
             "-d", "120", "-t", "set,get,incr,lpush,rpush,lpop,sadd,hset,"
             "spop,zadd,zpopmin,lrange_100,mset"], measured=False)
        names = re.findall(r"([A-Z_0-9]+)[^:\r\n]*: [0-9.]+ requests",
                           done.out.decode(errors="replace"))
        run.out("benchmarks", " ".join(names))
        if len(names) < 10:
            raise harness.Failure("redis-benchmark ran only: %s" % names)

    def fill(self, client, keys):
        """Send the changes.  After half as many changes as there are keys, and
        after as many, the server forks and saves while more changes arrive."""
        batch, sent, saves = [], 0, 0
        for change in changes(keys):
            batch.append(change)
            if len(batch) < BATCH:
                continue
            client.ask(*batch)
            sent += len(batch)
            batch = []
            if saves < 2 and sent > (saves + 1) * keys // 2:
                saves += 1
                self.saved(client)
                client.one("BGSAVE")
        client.ask(*batch)
        self.saved(client)

    def saved(self, client):
        """Wait for the child that saves."""
        end = time.monotonic() + 30
        while b"rdb_bgsave_in_progress:1" in client.one("INFO",
                                                        "persistence"):
            if time.monotonic() > end:
                raise harness.Timeout("a background save did not end")
            time.sleep(0.01)

    def run(self, run):
        libc = harness.libc_path()
        if not self.as_packaged and libc is not None:
            run.baseline_preload = [libc]
        run.make_dir("data")
        keys = run.scale(small=2000, quick=15000, demo=6000)
        server, port = self.start(run)
        with run.clock():
            self.bench(run, port)
        client = Client(port)
        client.one("FLUSHALL")
        self.fill(client, keys)
        run.out("lua", client.one("EVAL", LUA, 1, "made"))
        run.out("keys", client.one("DBSIZE"))
        before = contents(client, keys)
        run.out("contents", before)
        with run.clock():
            client.one("SAVE")
            self.end(server, client)
            server, port = self.start(run)
        client = Client(port)
        if contents(client, keys) != before:
            raise harness.Failure("other contents after the restart")
        self.end(server, client)

    def judge(self, report):
        servers = [p for p in report.rose if not p.forked and
                   "server" in p.title]
        savers = [p for p in report.rose if p.forked]
        faults = []
        if len(servers) != 2:
            faults.append("%d servers were proven, not 2" % len(servers))
        if not savers:
            faults.append("no child that saved was proven")
        # A server with a built-in allocator hardly calls malloc.
        faults += ["tcm served little of it: " + p.describe()
                   for p in servers if p.rise < 100]
        return faults


if __name__ == "__main__":
    harness.run_as_script(Redis())
