/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * central_span.h - what the files of the central lists share.
 *
 *     central_list.c     creates and deletes spans, and frees their objects
 *     central_take.c     takes objects out of spans
 *     central_return.c   returns pages without a live object to the OS
 *     central_fill.c     makes pages resident before a collapse
 *
 * Invariants: those of central_list.h and span.h.
 *
 * Locking: the caller of a function ending in _locked holds LOCK_CENTRAL of the
 * class.  A function that reads or writes only a span does no locking: the
 * caller holds that lock, or no other thread can find the span.
 */
#ifndef TCM_CACHE_CENTRAL_SPAN_H
#define TCM_CACHE_CENTRAL_SPAN_H

#include "base/bits.h"
#include "base/compiler.h"
#include "cache/central_list.h"
#include "heap/span.h"

/* Removes the span from its list, or moves it to the list that L1 requires. */
void tcmi_span_unlink_locked(struct central_list *list, struct span *span);
void tcmi_span_relink_locked(struct central_list *list, struct span *span);
/* Removes a span without live or cached objects from the class; the caller
 * drops the lock and then destroys it. */
void tcmi_span_leave_locked(struct central_list *list, struct span *span);
/* Gives its pages to the page heap and deletes it. */
void tcmi_span_destroy(struct span *span);

/* Takes up to @n free objects of the span; sets *@fresh to whether they were
 * never used, so that they have no mark. */
unsigned tcmi_span_take_locked(struct central_list *list, struct span *span,
                               void **out, unsigned n, bool *fresh);
/* Marks the free objects that begin on @pages, see M2 of mark.h. */
void tcmi_span_mark_pages(const struct span *span, uint32_t pages);

/* The bucket that a span belongs in, 0 for none. */
static inline unsigned
span_bucket(const struct span *span)
{
  return span_available(span) == 0 ? 0 : 1 + bit_width(span_outstanding(span));
}

/* One bit for each page of the bytes [offset, offset + size) of a span. */
static inline uint32_t
span_page_mask(size_t offset, size_t size)
{
  size_t first = offset >> PAGE_SHIFT;
  size_t last = (offset + size - 1) >> PAGE_SHIFT;

  return (uint32_t)(((uint64_t)2 << last) - ((uint64_t)1 << first));
}

static inline uint32_t
span_object_pages(const struct span *span, unsigned index)
{
  size_t size = size_class_size(span->class_id);

  return span_page_mask(index * size, size);
}

static inline void *
span_object(const struct span *span, unsigned index)
{
  return (void *)(span->start + index * size_class_size(span->class_id));
}

/* Pages that hold no memory. */
static inline unsigned
span_clean_pages(const struct span *span)
{
  return span->npages - (unsigned)__builtin_popcount(span->dirty);
}

/* Bytes of free objects on pages that hold memory; approximate. */
static inline size_t
central_idle_bytes(const struct central_list *list, unsigned class_id)
{
  size_t free_bytes = (size_t)atomic_load_relaxed(&list->free_objects) *
                      size_class_size(class_id);
  size_t clean = (size_t)atomic_load_relaxed(&list->clean_pages) << PAGE_SHIFT;

  return free_bytes > clean ? free_bytes - clean : 0;
}

/* The bytes that stayed idle cannot exceed the bytes that are idle now. */
static inline void
central_note_idle_locked(struct central_list *list, unsigned class_id)
{
  lock_assert_held(&list->lock);
  list->least_idle =
      min_size(list->least_idle, central_idle_bytes(list, class_id));
}

#endif /* TCM_CACHE_CENTRAL_SPAN_H */
