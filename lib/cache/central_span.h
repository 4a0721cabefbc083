/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * central_span.h - what the files of the central lists share.
 *
 *     central_list.c     objects are taken and given back
 *     central_return.c   pages without a live object go back to the system
 *
 * Invariants: those of central_list.h and span.h.
 *
 * Locking: LOCK_CENTRAL of the class for every function ending in _locked.
 */
#ifndef TCM_CACHE_CENTRAL_SPAN_H
#define TCM_CACHE_CENTRAL_SPAN_H

#include "base/bits.h"
#include "base/compiler.h"
#include "cache/central_list.h"
#include "heap/span.h"

/* Takes the span out of its list, or puts it into the one that L1 asks for. */
void tcmi_span_unlink_locked(struct central_list *list, struct span *span);
void tcmi_span_relink_locked(struct central_list *list, struct span *span);
/* Takes a span that has no live or cached object out of the class; the caller
 * destroys it once the lock is dropped. */
void tcmi_span_leave_locked(struct central_list *list, struct span *span);
/* Gives its pages to the page heap. */
void tcmi_span_destroy(struct span *span);

/* The list that a span belongs into, 0 for none. */
static inline unsigned
span_bucket(const struct span *span)
{
  return span_available(span) == 0 ? 0 : 1 + bit_width(span_outstanding(span));
}

/* Bit per page of the bytes [offset, offset + size) of a span. */
static inline uint32_t
span_page_mask(size_t offset, size_t size)
{
  size_t first = offset >> PAGE_SHIFT;
  size_t last = (offset + size - 1) >> PAGE_SHIFT;

  return (uint32_t)(((uint64_t)2 << last) - ((uint64_t)1 << first));
}

/* Pages that hold no memory. */
static inline unsigned
span_clean_pages(const struct span *span)
{
  return span->npages - (unsigned)__builtin_popcount(span->dirty);
}

/* Bytes of free objects on pages that hold memory, nearly. */
static inline size_t
central_idle_bytes(const struct central_list *list, unsigned class_id)
{
  size_t free_bytes = (size_t)atomic_load_relaxed(&list->free_objects) *
                      size_class_size(class_id);
  size_t clean = (size_t)atomic_load_relaxed(&list->clean_pages) << PAGE_SHIFT;

  return free_bytes > clean ? free_bytes - clean : 0;
}

#endif /* TCM_CACHE_CENTRAL_SPAN_H */
