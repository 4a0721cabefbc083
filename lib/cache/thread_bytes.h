/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * thread_bytes.h - what a thread allocated and freed, while it counts.
 *
 *     counts: false   malloc and free: the fast path
 *     counts: true    malloc -> tags are 0   -> slow path -> allocated += size
 *                     free   -> no window    -> slow path -> freed += size
 *
 * A thread that counts has a closed cache, so each of its calls takes the slow
 * path, and those of other threads are as fast as before.
 *
 * Invariants: T8 of thread_cache.h.
 *
 * Rejected: what the cache took from the lower tiers, minus what it gave back
 * and what it holds.  That costs nothing, but it is only the difference of the
 * two sums: a thread that frees what it allocates would show 0, however much
 * that was.
 * Rejected: the countdown of the heap profile (sample_left).  It sees no free,
 * and nothing at the check levels.
 *
 * No locking: each thread has its own.
 */
#ifndef TCM_CACHE_THREAD_BYTES_H
#define TCM_CACHE_THREAD_BYTES_H

#include "base/compiler.h"

/* All fields: [owner thread] */
struct thread_bytes {
  uint64_t allocated;
  uint64_t freed;
  bool counts;
};

extern __thread struct thread_bytes tcmi_thread_bytes;

static inline bool
thread_counts(void)
{
  return unlikely(tcmi_thread_bytes.counts);
}

#endif /* TCM_CACHE_THREAD_BYTES_H */
