/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * thread_cache_checked.h - malloc and free of a small block at TCM_CHECK=1.
 *
 *     malloc -> fast path: tags are 0 -> pop  -> live bit 0 -> 1
 *     free   -> fast path: no window  -> push -> live bit 1 -> 0
 *
 * The cache of a checked thread is closed, so each call takes the slow path.
 * These are its first steps: they work on the bins, as the fast path does
 * otherwise.  The rest of the slow path serves the calls that they refuse, or
 * reports what is wrong with them.
 *
 * Invariants: T7 of thread_cache.h; those of live.h.
 *
 * No locking.  Cost: a pair takes fewer than 100 instructions together with the
 * part of the fast path before it; a test counts them.  A block outside the
 * view takes more, see tcmi_thread_cache_move_view().
 *
 * Rejected: a view of the whole row also in a small heap.  It takes 128 MiB
 * more of address space, all of which is resident in a process that locks its
 * memory.
 */
#ifndef TCM_CACHE_THREAD_CACHE_CHECKED_H
#define TCM_CACHE_THREAD_CACHE_CHECKED_H

#include "base/atomics.h"
#include "base/compiler.h"
#include "cache/cache_owner.h"
#include "cache/live.h"
#include "cache/size_class.h"
#include "cache/thread_cache.h"
#include "cache/thread_cache_fast.h"
#include "heap/pagemap.h"
#include "heap/span.h"

/* Whether the blocks of the calling thread have live bits.  For a thread that
 * works unchecked, the first test is enough. */
static inline bool
live_is_on(void)
{
  return unlikely(tcmi_thread_cache_state != CACHE_OPEN) && spans_have_live();
}

/* Whether the address is in the view, and the number of its page there. */
static ALWAYS_INLINE bool
view_holds(const struct pagemap_view *view, uintptr_t address, size_t *page)
{
  *page = (address - view->start) >> PAGE_SHIFT;
  return likely(*page < view->npages);
}

/* A free object of the class with that tag, or NULL.  The view of an unchecked
 * thread has no pages. */
static ALWAYS_INLINE void *
thread_cache_pop_checked(struct thread_cache *cache, size_t tag)
{
  struct bin *bin = thread_cache_bin(cache, tag);
  void *object = bin->top[-1];
  size_t page;

  OPAQUE_RESULT(object);
  if (!mark_is_set(object, cache->mark) ||
      !view_holds(&cache->view, (uintptr_t)object, &page) ||
      !live_begin(atomic_load_relaxed(&cache->view.spans[page]),
                  (uintptr_t)object))
    return NULL;
  mark_clear(object);
  bin->top--;
  owner_of(cache)->traffic.slow_mallocs++;
  return object;
}

/* Caches a small block that is in use; false if it is not in use or there is no
 * room.  A large block is of class 0, whose bin has no room. */
static ALWAYS_INLINE bool
thread_cache_push_checked(void *block)
{
  struct thread_cache *cache = tcmi_thread_cache;
  struct span **place, *span;
  struct bin *bin;
  void **top;
  size_t page;

  if (!view_holds(&cache->view, (uintptr_t)block, &page) ||
      (uintptr_t)block % BLOCK_ALIGN != 0)
    return false;
  place = &cache->view.spans[page];
  span = atomic_load_relaxed(place);
  if (span == NULL)
    return false;
  bin = &cache->bins[span->class_id];
  top = bin->top;
  if (top >= bin->lim || !live_end(place, span, (uintptr_t)block))
    return false;
  mark_write(block, cache->mark);
  *top = block;
  bin->top = top + 1;
  return true;
}

#endif /* TCM_CACHE_THREAD_CACHE_CHECKED_H */
