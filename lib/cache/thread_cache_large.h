/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * thread_cache_large.h - the one large block that a thread cache holds.
 *
 *     free of a large block --> held --> malloc of its number of pages
 *                                |
 *                                +-----> page heap, on any other request
 *
 * The large block that was freed last is held for the next request of its
 * number of pages.  Any other large request or free first gives it to the page
 * heap, so that it never prevents reuse.  A thread that only frees holds none.
 *
 * Invariants: T3 of thread_cache.h, S5 of span.h; and
 *   L1  large_charge does not change when the block is handed out: blocks of
 *       one size that come and go do not change the budget.
 *
 * Locking: none; all of it belongs to the owner thread.
 */
#ifndef TCM_CACHE_THREAD_CACHE_LARGE_H
#define TCM_CACHE_THREAD_CACHE_LARGE_H

#include "base/atomics.h"
#include "base/compiler.h"
#include "cache/thread_cache.h"
#include "heap/pagemap.h"
#include "heap/span.h"

/* Holds a freed block, if allowed; whether it is held now. */
MUST_CHECK bool tcmi_thread_cache_keep_large(struct thread_cache *cache,
                                             struct span *span);
/* The held block if it has @npages pages, or NULL. */
struct span *tcmi_thread_cache_take_large(struct thread_cache *cache,
                                          size_t npages);
/* Gives the held block to the page heap. */
void tcmi_thread_cache_flush_large(struct thread_cache *cache);

/* The next two serve large blocks of one size that come and go, in the first
 * step of the slow path.  This one returns the held block for @size bytes, or
 * NULL. */
static ALWAYS_INLINE void *
thread_cache_pop_large(size_t size)
{
  struct thread_cache *cache = tcmi_thread_cache;
  struct span *span = cache->large;

  if (span == NULL || cache->large_charge - size >= cache->large_step)
    return NULL;
  atomic_store_relaxed(&cache->large, NULL);
  span->held = false;
  return (void *)span->start;
}

/* Holds a large block of the size that was held last; false: the block needs
 * the full checks. */
static ALWAYS_INLINE bool
thread_cache_try_push_large(void *block)
{
  struct thread_cache *cache = tcmi_thread_cache;
  struct span *span = pagemap_span((uintptr_t)block);

  /* An atomic load, because otherwise the compiler reads the next fields along
   * with nobjs.  Those belong to this thread only if the span is a large
   * block. */
  if (span == NULL || span->start != (uintptr_t)block ||
      atomic_load_relaxed(&span->nobjs) != 0)
    return false;
  if (span->sample != 0 || span->held || span->mapped || cache->large != NULL ||
      span_bytes(span) != cache->large_charge)
    return false;
  if (!pagemap_claim((uintptr_t)block, span))
    return false;
  span->held = true;
  pagemap_unclaim((uintptr_t)block, span);
  atomic_store_relaxed(&cache->large, span);
  return true;
}

#endif /* TCM_CACHE_THREAD_CACHE_LARGE_H */
