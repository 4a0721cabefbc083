/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lib/base/list.h, as tcmi_thread_cache_stats() walks the list of caches in a
 * signal handler that interrupted the very thread which changes it.
 *
 * Proved: at each step of an insertion or a removal the links that lead forward
 * pass every other node of the list, once, and end at the head.
 *
 * mutant HEAD_FIRST: the head names the node before the node names the next
 * mutant CLEAR_FIRST: a node that is taken out is cleared before it is passed
 */
#define HEAD 0
#define NOTHING 9

byte next[4], prev[4];
bool linked[4] = false; /* is in the list for certain */
bool finished = false;

inline push_front(node)
{
#ifdef HEAD_FIRST
  prev[node] = HEAD;
  after = next[HEAD];
  prev[after] = node;
  next[HEAD] = node;
  next[node] = after;
#else
  next[node] = next[HEAD];
  prev[node] = HEAD;
  prev[next[HEAD]] = node;
  next[HEAD] = node;
#endif
  linked[node] = true
}

inline remove(node)
{
  linked[node] = false;
#ifdef CLEAR_FIRST
  after = next[node];
  next[node] = NOTHING;
  next[prev[node]] = after;
  prev[after] = prev[node];
#else
  next[prev[node]] = next[node];
  prev[next[node]] = prev[node];
  next[node] = NOTHING;
#endif
  prev[node] = NOTHING
}

proctype thread()
{
  byte after;

  push_front(1);
  push_front(2);
  push_front(3);
  remove(2);
  push_front(2);
  remove(1);
  remove(2);
  remove(3);
  finished = true
}

/* The handler runs to its end in one step of the thread. */
proctype handler()
{
  byte node, seen[4], n;

  do
  :: finished -> break
  :: atomic {
       seen[1] = 0; seen[2] = 0; seen[3] = 0;
       node = next[HEAD];
       n = 0;
       do
       :: node == HEAD -> break
       :: node == NOTHING -> break
       :: else ->
          seen[node]++;
          n++;
          assert(n <= 3);
          node = next[node]
       od;
       assert(node == HEAD);
       assert(seen[1] <= 1 && seen[2] <= 1 && seen[3] <= 1);
       assert(!linked[1] || seen[1] == 1);
       assert(!linked[2] || seen[2] == 1);
       assert(!linked[3] || seen[3] == 1)
     }
  od
}

init
{
  next[HEAD] = HEAD; prev[HEAD] = HEAD;
  next[1] = NOTHING; next[2] = NOTHING; next[3] = NOTHING;
  atomic { run thread(); run handler() }
}
