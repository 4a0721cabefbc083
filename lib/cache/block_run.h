/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * block_run.h - which blocks of a span are taken, copied at one moment.
 *
 *     span:  | 0 | 1 | 2 | 3 | ...        taken: bit i is 1 if block i is in
 *            ^ start      size each              use or in a cache
 *
 * A run is a copy, so that a walk holds no lock while it works on it.
 *
 * Invariants
 *   R1  the copy was true at one moment: the span existed then, and a block in
 *       use had its bit.
 *
 * Locking: filled under the lock of the span's bits and LOCK_METADATA.  A
 * descriptor is freed under LOCK_METADATA after its span left the pagemap, so
 * the descriptor of a span that the pagemap names under that lock is valid.
 */
#ifndef TCM_CACHE_BLOCK_RUN_H
#define TCM_CACHE_BLOCK_RUN_H

#include "base/bits.h"
#include "base/compiler.h"
#include "base/metadata.h"
#include "heap/pagemap.h"
#include "heap/span.h"

/* The words for the bits of the span with the most objects. */
#define RUN_WORDS (SPAN_MAX_PAGES * LIVE_WORDS)

/* All fields: [owner thread] */
struct block_run {
  uintptr_t start;           /* of the first block */
  uintptr_t end;             /* where the walk continues */
  size_t size;               /* bytes of each block */
  unsigned count;            /* blocks; 0: no span begins here */
  uint64_t taken[RUN_WORDS]; /* bit per block */
};

/* The span that the pagemap names for a page, whose descriptor another thread
 * may have made a moment ago, or NULL. */
static inline const struct span *
block_run_span_locked(uintptr_t page)
{
  struct span **place = pagemap_span_place_of(page);

  lock_assert_held(&tcmi_metadata_lock);
  return place == NULL ? NULL : atomic_load_acquire(place);
}

/* Copies which blocks of a span are taken.  Its first @fresh blocks were
 * allocated at least once. */
static inline void
block_run_copy_locked(struct block_run *run, const struct span *span,
                      size_t size, unsigned fresh)
{
  lock_assert_held(&tcmi_metadata_lock);
  run->start = span->start;
  run->end = span_end(span);
  run->size = size;
  run->count = (unsigned)min_size(fresh, (size_t)RUN_WORDS * 64);
  for (unsigned w = 0; w * 64 < run->count; w++)
    run->taken[w] = ~span->bits[w];
}

#endif /* TCM_CACHE_BLOCK_RUN_H */
