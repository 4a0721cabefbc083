#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""PostgreSQL: initdb, pgbench with several clients, and queries that sort,
hash and aggregate, as an unprivileged user."""

import glob
import os
import re
import signal
import sys

sys.dont_write_bytecode = True
import harness  # noqa: E402

SETTINGS = """
listen_addresses = ''
unix_socket_directories = '%(sockets)s'
shared_buffers = 32MB
work_mem = 2MB
max_connections = 30
fsync = off
full_page_writes = off
autovacuum_naptime = 1s
max_parallel_workers = 4
max_parallel_workers_per_gather = 2
min_parallel_table_scan_size = 0
parallel_setup_cost = 0
parallel_tuple_cost = 0
logging_collector = off
log_min_messages = warning
timezone = 'UTC'
log_timezone = 'UTC'
jit = off
"""

# No answer here depends on the order in which the clients and the parallel
# workers run.
QUERIES = """
select count(*), sum(abalance) from pgbench_accounts;
select bid, bbalance from pgbench_branches order by bid;
select tid, tbalance from pgbench_tellers order by tid;
select count(*), sum(delta), md5(string_agg(tid || ':' || aid || ':' || delta,
  ',' order by tid, aid, delta)) from pgbench_history;
select (select sum(abalance) from pgbench_accounts) =
  (select sum(delta) from pgbench_history) as balanced;
create table note as select n, md5(n::text) as code,
  repeat(chr(97 + n %% 26), n %% 200) as body,
  jsonb_build_object('n', n, 'list', array[n, n * 2]) as data
  from generate_series(1, %(rows)d) n;
create index on note (code); create index on note using gin (data);
analyze note;
select count(*), max(length(body)), md5(string_agg(code, '' order by code
  collate "C")) from note;
select left(code, 1) as head, count(*), sum(length(body)),
  count(distinct length(body)) from note group by head order by head;
select count(*) from note a join note b on a.code = md5((b.n + 1)::text);
select n, data from note where data @> '{"list": [200]}' order by n;
select count(*) from note where body ~ '^(a|c)+$' or code ~ 'ff[0-9]+a$';
create function fib(n int) returns numeric language plpgsql as $$
declare a numeric := 0; b numeric := 1; c numeric; begin
for i in 1..n loop c := a + b; a := b; b := c; end loop; return a; end $$;
select md5(string_agg(fib(n)::text, ',' order by n))
  from generate_series(1, 400) n;
update note set body = body || code where n %% 3 = 0;
delete from note where n %% 5 = 0;
vacuum full note;
select count(*), sum(length(body)) from note;
-- The compiler that the server loads late is a large C++ library.
set jit = on; set jit_above_cost = 0; set jit_inline_above_cost = 0;
set jit_optimize_above_cost = 0; set max_parallel_workers_per_gather = 0;
select count(*), sum(n * 3), max(length(code)) from note where n %% 7 = 1;
"""


def folder():
    """The folder of the server's programs, which Debian keeps out of PATH."""
    places = glob.glob("/usr/lib/postgresql*/*/bin") + glob.glob(
        "/usr/lib/postgresql*/bin") + glob.glob("/usr/pgsql-*/bin")
    places.sort(key=lambda path: [int(n) for n in re.findall(r"\d+", path)])
    for place in places[::-1] + ["/usr/bin"]:
        if all(os.access(os.path.join(place, name), os.X_OK)
               for name in ("initdb", "postgres")):
            return place
    return None


def tool(name):
    """A program of the package, next to the server or in PATH."""
    path = os.path.join(folder(), name)
    return path if os.access(path, os.X_OK) else harness.find_program(name)


def complaints(server):
    """The server's warnings and errors, without times and usual messages."""
    lines = harness.read_file(server.errors).decode(errors="replace")
    found = re.findall("(?:WARNING|ERROR|FATAL|PANIC): .*", lines)
    # The first client may connect too early.  The shutdown may end a vacuum or
    # a process whose client has just left.  A vacuum ends if others wait.
    usual = ("the database system is starting up", "FATAL:  terminating ",
             "ERROR:  canceling autovacuum task")
    return "\n".join(line for line in found
                     if not any(text in line for text in usual))


class Postgresql:
    name = "postgresql"

    def missing(self):
        if folder() is None:
            return "PostgreSQL's server is not installed"
        for name in ("pgbench", "psql"):
            if tool(name) is None:
                return name + " is not installed"
        return None

    def prepare(self, bench):
        pass

    def create(self, run, owner):
        """Creates an empty database and returns its folder."""
        data = run.make_dir("data", owner)
        os.chmod(data, 0o700)
        run.call([tool("initdb"), "-D", data, "-U", "tester", "-A", "trust",
                  "-E", "UTF8", "--locale=C", "--no-sync",
                  "--no-instructions"], user=owner, cwd=data)
        return data

    def run(self, run):
        owner = harness.unprivileged_user()
        os.chown(run.home, owner.pw_uid, -1)
        os.chown(run.temporary, owner.pw_uid, -1)
        data = self.create(run, owner)
        with open(os.path.join(data, "postgresql.conf"), "a") as file:
            file.write(SETTINGS % dict(sockets=run.temporary))
        server = run.serve([tool("postgres"), "-D", data],
                           ready=lambda: self.answers(run, owner),
                           user=owner, cwd=data)
        with run.clock():
            self.work(run, owner)
        server.stop(signal.SIGINT, timeout=60)
        run.out("complaints", complaints(server))

    def client(self, run, owner, name, *words, **how):
        return run.call([tool(name), "-h", run.temporary, "-U", "tester",
                         *words], user=owner, cwd=run.temporary, **how)

    def answers(self, run, owner):
        return self.client(run, owner, "psql", "-X", "-q", "-c", "select 1",
                           "postgres", expect=None).code == 0

    def work(self, run, owner):
        clients = run.scale(small=2, quick=4, demo=4)
        self.client(run, owner, "pgbench", "-i", "-q", "-s",
                    str(run.scale(small=1, quick=2, demo=1)), "postgres")
        done = self.client(
            run, owner, "pgbench", "-n", "-c", str(clients), "-j", "2", "-t",
            str(run.scale(small=60, quick=600, demo=500)), "-M", "prepared",
            "--random-seed=%d" % harness.SEED, "postgres")
        run.out("transactions", re.search(
            "number of transactions actually processed: (.*)",
            done.out.decode()).group(1))
        queries = run.write("queries.sql", QUERIES % dict(
            rows=run.scale(small=3000, quick=40000, demo=20000)))
        run.out("answers", self.client(
            run, owner, "psql", "-X", "-q", "-A", "-v", "ON_ERROR_STOP=1",
            "-f", queries, "postgres").out)

    def judge(self, report):
        backends = [p for p in report.rose
                    if p.forked and p.name == "postgres"]
        if len(backends) < 6:
            return ["only %d of the server's processes were proven" %
                    len(backends)]
        return []


if __name__ == "__main__":
    harness.run_as_script(Postgresql())
