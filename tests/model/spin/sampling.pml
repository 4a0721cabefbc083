/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lib/cache/thread_registry.c, count_seen_from_outside(): a thread pushes, pops
 * and moves a bin to a larger array while another counts what is in it.
 *
 * Loads and stores are relaxed: both may happen in any order.
 *
 * Proved: the number is never more than the slots that there ever were, so that
 * a report may be a little wrong but never wild.
 *
 * mutant NO_BOUND: the difference is not compared with the slots
 */
#define FIRST 10  /* address of the first array, of 2 slots */
#define SECOND 20 /* address of the second one, of 4 */

short base = 0, top = 0;
short slots = 0;

inline move(to, count, size)
{
  if
  :: base = to; top = to + count
  :: top = to + count; base = to
  fi;
  slots = size
}

active proctype owner()
{
  move(FIRST, 0, 2);
  top = FIRST + 1;
  top = FIRST + 2;
  move(SECOND, 2, 4);
  top = SECOND + 4;
  top = SECOND + 1
}

active proctype reader()
{
  short b, t, count, room;

  if
  :: b = base; t = top
  :: t = top; b = base
  fi;
  count = t - b;
  room = slots;
  if
#ifdef NO_BOUND
  :: b == 0 -> count = 0
#else
  /* below zero is above everything to a size_t */
  :: b == 0 || count < 0 || count > room -> count = 0
#endif
  :: else
  fi;
  assert(count >= 0 && count <= 4)
}
