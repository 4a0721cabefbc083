#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""sqlite3: one script of inserts, indexes, joins, windows and a vacuum."""

import hashlib
import random
import sys

sys.dont_write_bytecode = True
import harness  # noqa: E402


def statements(rows):
    """The script; only rows differ between the sizes."""
    rng = random.Random(harness.SEED)
    yield "pragma journal_mode = wal; pragma cache_size = 4000;"
    yield "create table customer (id integer primary key, name text, " \
          "region text, note blob);"
    yield "create table sale (id integer primary key, customer integer, " \
          "day integer, amount integer, text text);"
    yield "begin;"
    for number in range(rows // 10):
        yield "insert into customer values (%d, '%s', 'region %d', " \
              "zeroblob(%d));" % (number, harness.words(rng, 3),
                                  rng.randrange(40), rng.randrange(600))
    yield "commit; begin;"
    for number in range(rows):
        yield "insert into sale values (%d, %d, %d, %d, '%s');" % (
            number, rng.randrange(rows // 10), rng.randrange(365),
            rng.randrange(100000), harness.words(rng, rng.randrange(12)))
        if number % 5000 == 4999:
            yield "commit; begin;"
    yield "commit;"
    yield "create index by_customer on sale (customer, day);"
    yield "create index by_text on sale (text);"
    yield "analyze;"
    yield QUERIES
    yield "update sale set text = upper(text) || id where id % 3 = 0;"
    yield "delete from sale where id % 7 = 0;"
    yield "vacuum; pragma integrity_check;"
    yield "select count(*), sum(length(text)), sum(amount) from sale;"


QUERIES = """
select region, count(*), sum(amount), group_concat(distinct day % 10)
  from sale join customer on customer.id = sale.customer
  group by region order by region;
select day, amount, total from (
  select day, amount, sum(amount) over
      (partition by customer order by day, sale.id) as total,
    rank() over (partition by day order by amount desc, sale.id) as place
  from sale) where place = 1 order by day, amount, total;
with recursive step (n, s) as (
  select 1, '1' union all
  select n + 1, substr(s || ',' || (n * n % 97), -200) from step
    where n < 20000)
  select n, s from step where n % 1000 = 0;
select substr(text, 1, 12) as head, count(*) as c from sale
  group by head order by c desc, head limit 50;
select json_group_array(json_object('id', id, 'text', text))
  from sale where day = 17 order by id;
select a.id, b.id from sale a join sale b
  on a.text = b.text and a.id < b.id and a.day = b.day
  order by a.id, b.id limit 200;
"""


class Sqlite:
    name = "sqlite3"

    def missing(self):
        if harness.find_program("sqlite3") is None:
            return "sqlite3 is not installed"
        return None

    def prepare(self, bench):
        self.bench = bench

    def script(self, rows):
        path = self.bench.path("sqlite-%d.sql" % rows)
        with open(path, "w") as file:
            for statement in statements(rows):
                file.write(statement + "\n")
        return path

    def run(self, run):
        rows = run.scale(small=4000, quick=40000, demo=60000)
        done = run.call([harness.find_program("sqlite3"), "-batch",
                         "-init", "/dev/null", "shop.db"],
                        stdin=self.script(rows))
        run.out("answers", done.out)
        run.out("complaints", done.err)
        dump = run.call([harness.find_program("sqlite3"), "-batch",
                         "-init", "/dev/null", "shop.db", ".dump"])
        run.out("dump", hashlib.sha256(dump.out).hexdigest())
        if b"\nok\n" not in done.out:
            raise harness.Failure("the integrity check did not say ok")


if __name__ == "__main__":
    harness.run_as_script(Sqlite())
