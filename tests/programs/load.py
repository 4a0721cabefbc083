#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A load generator for a web server on the loopback interface.

Reads its orders as one JSON object from standard input:

  port, threads, requests, seed
  files         [path in the URL, file with the expected body, gzip or not]
  marks         numbers of finished requests at which a line "mark N" is
                printed, so that the caller can act under load
  generation    continue until a response has at least this X-Generation

and prints one JSON object at the end.  Every body is compared with its file;
a wrong one, or a failed request, ends the whole run with status 1.
"""

import hashlib
import json
import random
import socket
import sys
import threading
import time
import zlib

ROUND = 40      # requests over one connection before a new one is made
READ_BYTES = 1 << 18
PATIENCE_S = 20


class Broken(Exception):
    pass


class Connection:
    """One keep-alive connection and the bytes read ahead from it."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ahead = b""
        self.served = 0

    def close(self):
        self.socket.close()

    def more(self):
        data = self.socket.recv(READ_BYTES)
        if not data:
            raise EOFError
        self.ahead += data

    def until(self, mark):
        while True:
            at = self.ahead.find(mark)
            if at >= 0:
                head, self.ahead = (self.ahead[:at],
                                    self.ahead[at + len(mark):])
                return head
            self.more()

    def exactly(self, size):
        parts = [self.ahead]
        have = len(self.ahead)
        while have < size:
            data = self.socket.recv(READ_BYTES)
            if not data:
                raise EOFError
            parts.append(data)
            have += len(data)
        whole = b"".join(parts)
        self.ahead = whole[size:]
        return whole[:size]

    def chunks(self):
        body = b""
        while True:
            size = int(self.until(b"\r\n"), 16)
            body += self.exactly(size)
            self.exactly(2)
            if size == 0:
                return body

    def get(self, path, gzip):
        """One request: the decoded body and the X-Generation header."""
        self.socket.sendall(
            b"GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n" %
            (path.encode(), b"Accept-Encoding: gzip\r\n" if gzip else b""))
        head = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        fields = {}
        for line in head[1:]:
            name, value = line.split(":", 1)
            fields[name.lower()] = value.strip()
        if not head[0].startswith("HTTP/1.1 200"):
            raise Broken("%s: %s" % (path, head[0]))
        if fields.get("transfer-encoding") == "chunked":
            body = self.chunks()
        else:
            body = self.exactly(int(fields["content-length"]))
        if fields.get("content-encoding") == "gzip":
            body = zlib.decompress(body, 31)
        elif gzip:
            raise Broken("%s: not compressed" % path)
        self.served += 1
        return body, int(fields.get("x-generation", "0"))


class Load:
    def __init__(self, orders):
        self.orders = orders
        self.files = []
        for path, name, gzip in orders["files"]:
            with open(name, "rb") as file:
                self.files.append((path, file.read(), gzip))
        rng = random.Random(orders["seed"])
        self.queue = [rng.randrange(len(self.files))
                      for _ in range(orders["requests"])]
        self.marks = sorted(orders.get("marks", []))
        self.lock = threading.Lock()
        self.done = self.body_bytes = self.again = self.generation = 0
        self.faults = []

    def next_file(self):
        """The next file to request.  After the requested number of requests,
        there are more only until a response has the expected generation."""
        with self.lock:
            if self.faults:
                return None
            if self.queue:
                return self.files[self.queue.pop()]
            if self.generation < self.orders.get("generation", 0):
                return self.files[0]
            return None

    def finished(self, size, generation):
        with self.lock:
            self.done += 1
            self.body_bytes += size
            self.generation = max(self.generation, generation)
            if self.marks and self.done >= self.marks[0]:
                print("mark %d" % self.marks.pop(0), flush=True)

    def ask(self, connection, path, gzip):
        """One request.  A server that reloads may close an idle connection
        just when it is used again; HTTP tells the client to retry."""
        for _ in range(5):
            if connection is not None and connection.served >= ROUND:
                connection.close()
                connection = None
            if connection is None:
                connection = Connection(self.orders["port"])
            try:
                return connection, connection.get(path, gzip)
            except (EOFError, ConnectionResetError, BrokenPipeError):
                if connection.served == 0 or connection.ahead:
                    raise
                connection.close()
                connection = None
                with self.lock:
                    self.again += 1
        raise Broken(path + ": closed five times in a row")

    def work(self):
        connection = None
        try:
            while True:
                chosen = self.next_file()
                if chosen is None:
                    break
                path, expected, gzip = chosen
                connection, (body, generation) = self.ask(connection, path,
                                                          gzip)
                if body != expected:
                    raise Broken("%s: %d bytes, not the %d of the file" %
                                 (path, len(body), len(expected)))
                self.finished(len(body), generation)
        except (Broken, OSError, EOFError, ValueError, zlib.error) as fault:
            with self.lock:
                self.faults.append(repr(fault))
        finally:
            if connection is not None:
                connection.close()

    def run(self):
        threads = [threading.Thread(target=self.work)
                   for _ in range(self.orders["threads"])]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        digest = hashlib.sha256()
        for path, body, _ in self.files:
            digest.update(path.encode() + hashlib.sha256(body).digest())
        print(json.dumps(dict(
            requests=self.done, body_bytes=self.body_bytes,
            again=self.again, generation=self.generation,
            seconds=time.monotonic() - started,
            files=digest.hexdigest(), faults=self.faults)))
        return 1 if self.faults else 0


if __name__ == "__main__":
    sys.exit(Load(json.load(sys.stdin)).run())
