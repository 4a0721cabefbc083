/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lib/base/lock.c: three threads take one lock and add one to a number.
 *
 *     word = holder + WAITERS; a thread sleeps while the word is what it saw
 *
 * Proved: no two of them are inside at once, no addition is lost, and nobody
 * sleeps forever.
 *
 * mutant TAKE_IN_TWO_STEPS: the lock is looked at and then written
 * mutant RELEASE_RELAXED: what was written inside may arrive after the release
 * mutant FORGET_WAITERS: who was woken takes the lock without the mark
 * mutant SLEEP_UNSEEN: the word is not compared again before going to sleep
 * mutant WAKE_NONE: a release looks away from the mark
 */
#define THREADS 3
#define ROUNDS 2
#define WAITERS 8

byte word = 0;           /* see above */
bool asleep[4] = false;  /* in the kernel, by thread */
byte inside = 0;         /* threads that hold it */
byte number = 0;         /* what it protects */
byte done = 0;

inline wake_one()
{
  atomic {
    if
    :: asleep[1] -> asleep[1] = false
    :: asleep[2] -> asleep[2] = false
    :: asleep[3] -> asleep[3] = false
    :: else
    fi
  }
}

/* tcmi_system_wait(): sleeps if the word is still what the caller saw. */
inline wait_for(value)
{
  atomic {
#ifdef SLEEP_UNSEEN
    asleep[self] = true
#else
    if
    :: word == value -> asleep[self] = true
    :: else
    fi
#endif
  }
  !asleep[self]
}

inline acquire()
{
  taken = false;
  /* lock_acquire(), or one turn of lock_spin() */
#ifdef TAKE_IN_TWO_STEPS
  if
  :: word == 0 -> seen = 0
  :: else -> seen = 1
  fi;
  if
  :: seen == 0 -> word = self; taken = true
  :: else
  fi;
#else
  atomic {
    if
    :: word == 0 -> word = self; taken = true
    :: else
    fi
  }
#endif
  do
  :: taken -> break
  :: else ->
     seen = word;
     if
     :: seen == 0 ->
        atomic {
          if
#ifdef FORGET_WAITERS
          :: word == 0 -> word = self; taken = true
#else
          :: word == 0 -> word = self + WAITERS; taken = true
#endif
          :: else
          fi
        }
     :: seen != 0 ->
        marked = (seen >= WAITERS);
        if
        :: !marked ->
           atomic {
             if
             :: word == seen -> word = seen + WAITERS; marked = true;
                seen = seen + WAITERS
             :: else
             fi
           }
        :: marked
        fi;
        if
        :: marked -> wait_for(seen)
        :: !marked
        fi
     fi
  od
}

inline release()
{
  atomic { seen = word; word = 0 }
#ifndef WAKE_NONE
  if
  :: seen != self -> wake_one()
  :: else
  fi
#endif
}

proctype thread(byte self)
{
  byte seen, round, mine;
  bool taken, marked;

  for (round : 1 .. ROUNDS) {
    acquire();
    inside++;
    assert(inside == 1);
    mine = number;
    inside--;
#ifdef RELEASE_RELAXED
    release();
    number = mine + 1
#else
    number = mine + 1;
    release()
#endif
  }
  atomic {
    done++;
    if
    :: done == THREADS -> assert(number == THREADS * ROUNDS)
    :: else
    fi
  }
}

init
{
  atomic { run thread(1); run thread(2); run thread(3) }
}
