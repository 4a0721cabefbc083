/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * background.h - who returns memory that nobody asks tcm to return.
 *
 *     a slow free that leaves 8 MiB and more free
 *         |-- a thread may be started --> tcm's own thread: rounds until
 *         |                               nothing is left, then it ends
 *         `-- it may not ---------------> the slow paths of the program: a
 *                                         piece of a round in each call
 *
 * The thread may not be started while the option "background" is 0, after the
 * program began a sandbox, where the thread cannot give up its rights, and for
 * a while after it left or the kernel refused it.
 *
 * Rejected: rounds on slow paths as long as the program calls, and the thread
 * only for a program that stopped.  Nobody knows that a call is the last one
 * before the next call comes; and what the thread does on another processor
 * costs no call anything.
 *
 * Invariants
 *   B1  there is at most one thread; its id is known until it is gone.
 *   B2  it is started at the end of a free, with no lock held, where at least
 *       the threshold can be returned; never in a process with less.
 *   B3  before its first round it has given up every right, see
 *       tcmi_system_confine().
 *   B4  it is gone before fork(2) and calls that need the process alone go on,
 *       unless it takes longer than BACKGROUND_LEAVE_MAX_MS to end.
 *
 * What a sleeping thread of the program may pin is bounded by what its bins may
 * hold, see T3 of thread_cache.h, and the block that it holds.  Each object may
 * be the last one on its page: two batches of each class lie on up to 4,752
 * pages, 18.6 MiB.  Bins that a swinging load has grown may hold, by default,
 * 8 MiB of objects; if these are the smallest, on up to 38,117 pages, 149 MiB.
 * A thread that only frees keeps small batches, on up to 1,127 pages, 4.4 MiB,
 * and no large block.
 *
 * Locking: none held between the steps, see rounds.h.
 */
#ifndef TCM_API_BACKGROUND_H
#define TCM_API_BACKGROUND_H

#include "base/atomics.h"
#include "base/compiler.h"
#include "base/params.h"
#include "heap/page_range.h"

/* [atomic: relaxed] the id of the thread; 0: there is none; cleared by the
 * kernel when it is gone */
extern uint32_t tcmi_background_thread;
/* [owner thread] its slow frees */
extern __thread unsigned tcmi_background_frees;
/* [atomic: relaxed] slow paths do the rounds */
extern bool tcmi_background_by_calls;
/* [atomic: relaxed] idle pages that are worth a thread */
extern size_t tcmi_background_threshold;

/* Starts the thread, or does a piece of a round, if there is enough to do. */
COLD void tcmi_background_consider(void);
/* Memory is returned while at least @bytes are idle, and not less than
 * BACKGROUND_THRESHOLD_MIN. */
void tcmi_background_set_threshold(size_t bytes);
/* From now on, no thread is started. */
void tcmi_background_forbid(void);
/* Ends the thread, and waits for that for some milliseconds at most. */
void tcmi_background_leave(void);
/* In the child of a fork. */
void tcmi_background_after_fork(void);

/* At the end of a free that took the slow path: pages are idle, or it is time to
 * look at the central lists. */
static inline void
background_poll(void)
{
  if ((atomic_load_relaxed(&tcmi_page_counts.idle) >=
           atomic_load_relaxed(&tcmi_background_threshold) ||
       atomic_load_relaxed(&tcmi_background_by_calls) ||
       tcmi_background_frees++ % BACKGROUND_EVERY == 0) &&
      atomic_load_relaxed(&tcmi_background_thread) == 0)
    tcmi_background_consider();
}

/* In a malloc that took the slow path. */
static inline void
background_poll_early(void)
{
  if (unlikely(atomic_load_relaxed(&tcmi_background_by_calls)))
    tcmi_background_consider();
}

#endif /* TCM_API_BACKGROUND_H */
