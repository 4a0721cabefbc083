/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lib/process/lifecycle.c, tcmi_process_start(): two threads allocate first.
 *
 * Proved: the process starts once, and each thread that continues sees what the
 * start wrote.
 *
 * mutant LOOK_ONCE: the flag is not looked at again under the lock
 * mutant STORE_RELAXED: the flag may be seen before the options are
 */
bool lock = false;
bool started = false;
byte starts = 0;
bool options = false; /* what the start writes */

proctype thread()
{
  if
  :: started -> goto go_on
  :: !started
  fi;
  atomic { !lock -> lock = true };
#ifdef LOOK_ONCE
  if
  :: true ->
#else
  if
  :: started
  :: !started ->
#endif
     starts++;
#ifdef STORE_RELAXED
     started = true;
     options = true
#else
     options = true;
     started = true
#endif
  fi;
  lock = false;
go_on:
  assert(options);
  assert(starts == 1)
}

init
{
  atomic { run thread(); run thread(); run thread() }
}
