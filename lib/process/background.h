/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * background.h - returns unused memory to the OS automatically.
 *
 *     a slow free that leaves 8 MiB or more free
 *         |-- a thread may be started --> tcm's own thread: rounds until
 *         |                               nothing is left, then it ends
 *         `-- it may not ---------------> the calls of the program: a piece
 *                                         of a round in each
 *
 * While the calls of the program have rounds to do, no free takes the fast
 * path: a program that only uses what its threads cache would never do them.
 * Other threads are diverted, too, once a second.
 *
 * The thread is not started while the option "background" is 0, after the
 * program began a sandbox, if the thread cannot give up its rights, or for a
 * while after it left or the kernel refused it.
 *
 * Rejected: rounds on slow paths while the program calls tcm, and the thread
 * only after the calls stop.  A call cannot know that it is the last one, and
 * the work of the thread on another processor slows no call.
 *
 * Invariants
 *   B1  there is at most one thread; its id is known until it is gone.
 *   B2  it is started at the end of a free, with no lock held, and only if at
 *       least the threshold can be returned; or by a tool that waits for an
 *       answer, see wake.h, in a thread that takes no lock.
 *   B3  it gives up every right before its first round, see
 *       tcmi_system_confine().
 *   B4  fork(2), and calls that need a process with one thread, wait until it
 *       is gone, but no longer than BACKGROUND_LEAVE_MAX_MS.
 *
 * A sleeping thread of the program can pin pages only with the objects in its
 * bins, see T3 of thread_cache.h, and with the large block that it caches.
 * Each object may be the only one that pins its page: two batches of each class
 * lie on up to 4,752 pages, 18.6 MiB.  Bins that a fluctuating load has grown
 * may hold, by default, 8 MiB of objects; the smallest ones lie on up to 38,117
 * pages, 149 MiB.  A thread that only frees keeps small batches, on up to 1,127
 * pages, 4.4 MiB, and no large block.
 *
 * Locking: no lock is held between the steps, see rounds.h.
 */
#ifndef TCM_PROCESS_BACKGROUND_H
#define TCM_PROCESS_BACKGROUND_H

#include "base/atomics.h"
#include "base/compiler.h"
#include "base/params.h"
#include "base/wake.h"
#include "cache/thread_cache.h"
#include "heap/page_range.h"

/* [atomic: relaxed] the id of the thread; 0: there is none; cleared by the
 * kernel when it is gone */
extern uint32_t tcmi_background_thread;
/* [owner thread] its slow frees */
extern __thread unsigned tcmi_background_frees;
/* [owner thread] calls to skip before the next piece */
extern __thread unsigned tcmi_background_skips;
/* [atomic: relaxed] slow paths do the rounds */
extern bool tcmi_background_by_calls;
/* [atomic: relaxed] there was a thread before; never reset */
extern bool tcmi_background_was_started;
/* [atomic: relaxed] idle pages at which the thread is started */
extern size_t tcmi_background_threshold;

/* Starts the thread, or does a piece of a round, if there is enough to do. */
COLD void tcmi_background_consider(void);
/* Starts the thread if there is none and it is allowed.  Takes no lock: the
 * calling thread may have been interrupted anywhere. */
COLD enum wake_result tcmi_background_wake(void);
/* Sets how many @bytes must be idle before memory is returned: at least
 * BACKGROUND_THRESHOLD_MIN. */
void tcmi_background_set_threshold(size_t bytes);
/* From now on, no thread is started. */
void tcmi_background_forbid(void);
/* Ends the thread, and waits for its end, see B4. */
void tcmi_background_leave(void);
/* In the child of a fork. */
void tcmi_background_after_fork(void);

static inline bool
background_skips(void)
{
  if (likely(tcmi_background_skips == 0))
    return false;
  tcmi_background_skips--;
  return true;
}

/* At the end of a free that took the slow path: acts if enough pages are idle,
 * or if it is time to check the central lists. */
static inline void
background_poll(void)
{
  if ((atomic_load_relaxed(&tcmi_page_counts.idle) >=
           atomic_load_relaxed(&tcmi_background_threshold) ||
       atomic_load_relaxed(&tcmi_background_by_calls) ||
       tcmi_thread_cache->diverted ||
       tcmi_background_frees++ % BACKGROUND_EVERY == 0) &&
      atomic_load_relaxed(&tcmi_background_thread) == 0 && !background_skips())
    tcmi_background_consider();
}

/* In a malloc that took the slow path. */
static inline void
background_poll_early(void)
{
  if (unlikely(atomic_load_relaxed(&tcmi_background_by_calls)) &&
      !background_skips())
    tcmi_background_consider();
}

#endif /* TCM_PROCESS_BACKGROUND_H */
