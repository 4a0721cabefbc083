/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * background.h - gives back, unasked, what nobody needs.
 *
 *     a free that leaves 8 MiB and more free --> a thread
 *       |<-- period -->|<-- period -->|<-- period -->|
 *       begin          round          round          round: nothing left, ends
 *
 * A round empties the caches that no live thread owns, and then returns what
 * stayed free since the round before: the fewest pages of the page heap that
 * were idle at any time in between, and for each class the fewest objects.  So
 * memory goes back one to two periods after it was last needed, and a program
 * that needs it again and again at shorter intervals never loses it.
 *
 * Invariants
 *   B1  there is at most one thread; its id is known until it is gone.
 *   B2  it is started at the end of a free, with no lock held, where at least
 *       BACKGROUND_LEAST bytes can be returned; never in a process with less.
 *   B3  it never touches the cache of a live thread: the fast path has no
 *       atomics, so nobody can tell from outside that its owner is not in the
 *       middle of it, asleep or not.
 *
 * What a sleeping thread may pin is therefore bounded by what its bins may
 * hold, see T3 of thread_cache.h, and the block that it holds.  Each object may
 * be the last one on its page: two batches of each class lie on up to 4,752
 * pages, 18.6 MiB.  Bins that a swinging load has grown may hold, by default,
 * 8 MiB of objects; if these are the smallest, on up to 38,117 pages, 149 MiB.
 * A thread that only frees keeps small batches, on up to 1,127 pages, 4.4 MiB,
 * and no large block.
 *
 * Locking: none held between the steps; TRIM over each of them, so that a
 * fork waits for a step and the child begins without a thread.
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

/* [atomic: relaxed] frees that took the slow path */
extern uint64_t tcmi_background_frees;

/* Starts the thread if there is enough for it to do. */
COLD void tcmi_background_consider(void);
/* One round; bytes returned. */
size_t tcmi_background_round(void);
/* From now on, no thread is started. */
void tcmi_background_forbid(void);
/* In the child of a fork. */
void tcmi_background_after_fork(void);

/* At the end of a free that took the slow path: pages are idle, or it is time to
 * look at the central lists. */
static inline void
background_look(void)
{
  uint64_t before = atomic_add_relaxed(&tcmi_background_frees, 1);

  if ((atomic_load_relaxed(&tcmi_page_counts.idle) >= BACKGROUND_LEAST >>
           PAGE_SHIFT ||
       before % BACKGROUND_EVERY == 0) &&
      atomic_load_relaxed(&tcmi_background_thread) == 0)
    tcmi_background_consider();
}

#endif /* TCM_API_BACKGROUND_H */
