/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lib/process/request.c and tools/request.c: two tools ask, two threads of the
 * process look.
 *
 * The number of a tool represents everything that it writes: a request is whole
 * if its parts have one number, which the checksum verifies.
 *
 * Proved: what is done is a whole request, done once; and the answer that a
 * tool reads under its own number came after its request was looked at.
 *
 * mutant TAKE_IN_TWO_STEPS: id is read and then cleared, instead of exchanged
 * mutant NO_CHECK: parts are not compared
 * mutant DONE_FIRST: done may be seen before the result
 */
byte id = 0, kind = 0, value = 0, check = 0;
byte done = 0;
byte acted[3] = 0;    /* how often each request was done */
bool looked[3] = false;
bool result[3] = false; /* the answer to it is stored */

proctype tool(byte self)
{
  /* wait_for_turn(), in vain if nobody looks anymore; two tools may find their
   * turn together */
end:
  id == 0;
  kind = self;
  value = self;
  check = self;
  id = self;
  /* request_wait(), which ends in time if the request was overwritten */
  if
  :: done == self -> assert(looked[self] && result[self])
  :: true
  fi
}

proctype server(byte turns)
{
  byte mine, k, v, c, looks;

  for (looks : 1 .. turns) {
#ifdef TAKE_IN_TWO_STEPS
    mine = id;
    id = 0;
#else
    atomic { mine = id; id = 0 }
#endif
    k = kind;
    v = value;
    c = check;
    if
    :: mine == 0
    :: mine != 0 ->
       looked[mine] = true;
#ifdef NO_CHECK
       if
       :: true ->
#else
       if
       :: k != mine || v != mine || c != mine
       :: k == mine && v == mine && c == mine ->
#endif
          assert(k == v && v == mine);
          acted[mine]++;
          assert(acted[mine] == 1)
       fi;
#ifdef DONE_FIRST
       done = mine;
       result[mine] = true
#else
       result[mine] = true;
       done = mine
#endif
    fi
  }
}

init
{
  atomic { run tool(1); run tool(2); run server(2); run server(1) }
}
