/* SPDX-License-Identifier: BSD-2-Clause */
/* A profiler's samples: a signal interrupts malloc and free, and its handler
 * walks the stack through them. */
#include "../support/child.h"
#include "../support/churn.h"

#include <execinfo.h>
#include <sys/time.h>

static long samples, frames; /* [atomic: relaxed] */

static void
take_sample(int number)
{
  int saved_errno = errno;
  void *frame[64];
  int n = backtrace(frame, 64);

  (void)number;
  __atomic_add_fetch(&samples, 1, __ATOMIC_RELAXED);
  __atomic_add_fetch(&frames, n, __ATOMIC_RELAXED);
  errno = saved_errno;
}

static void
backtrace_in_a_handler(void)
{
  struct sigaction action = {.sa_handler = take_sample, .sa_flags = SA_RESTART};
  struct itimerval timer = {{0, 997}, {0, 997}}, none = {{0, 0}, {0, 0}};
  struct churn_slot slots[CHURN_SLOTS];
  uint64_t state = harness.seed;
  void *first[4];

  /* The first call of backtrace() opens a library, as its manual says. */
  REQUIRE(backtrace(first, 4) > 0);
  memset(slots, 0, sizeof slots);
  sigaction(SIGPROF, &action, NULL);
  setitimer(ITIMER_PROF, &timer, NULL);
  churn_begin();
  while (__atomic_load_n(&samples, __ATOMIC_RELAXED) <
         harness_count(400, 20000))
    churn_step(slots, CHURN_SLOTS, &state);
  setitimer(ITIMER_PROF, &none, NULL);
  churn_end();
  churn_clear(slots, CHURN_SLOTS);
  EXPECT(frames > 2 * samples);
  harness_say("  %ld samples, %ld frames", samples, frames);
}

static const struct harness_case cases[] = {
    {"backtrace-in-a-handler", backtrace_in_a_handler},
};

HARNESS_MAIN(cases)
