/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds the pages of spans that hold no memory, and makes them resident.
 */
#include "config.h"

#include "base/atomics.h"
#include "base/bits.h"
#include "cache/block_run.h"
#include "cache/central_list.h"
#include "cache/central_span.h"
#include "heap/page_heap.h"

/* Where a span was a moment ago. */
struct span_place {
  unsigned class_id; /* [owner thread] */
  uintptr_t start;   /* [owner thread] */
  uintptr_t end;     /* [owner thread] */
};

/* False if no span of objects has the page. */
static bool
place_of_page(uintptr_t page, struct span_place *place)
{
  const struct span *span;

  lock_acquire(&tcmi_metadata_lock);
  span = block_run_span_locked(page);
  if (span != NULL)
    *place = (struct span_place){span->class_id, span->start, span_end(span)};
  lock_release(&tcmi_metadata_lock);
  return span != NULL && place->class_id != 0;
}

/* Makes all pages of a span resident. */
static void
fill_locked(struct central_list *list, struct span *span)
{
  uint32_t pages = span_page_mask(0, span_bytes(span)) & ~span->dirty;

  lock_assert_held(&list->lock);
  counter_sub(&list->clean_pages, span_clean_pages(span));
  span->dirty |= pages;
  tcmi_span_mark_pages(span, pages);
}

/* The span that still begins there, if objects of it are in use or cached and
 * its pages are not being returned; or NULL. */
static struct span *
span_in_use_locked(const struct central_list *list,
                   const struct span_place *place)
{
  struct span *span = (struct span *)block_run_span_locked(place->start);

  lock_assert_held(&list->lock);
  return span != NULL && span->class_id == place->class_id &&
                 span->start == place->start && !span->held &&
                 span_outstanding(span) > 0
             ? span
             : NULL;
}

/* If the span is no longer in use, all its pages count. */
static unsigned
clean_pages_of(const struct span_place *place, bool fill)
{
  struct central_list *list = &tcmi_central_lists[place->class_id];
  unsigned clean = (unsigned)((place->end - place->start) >> PAGE_SHIFT);
  struct span *span;

  lock_acquire(&list->lock);
  lock_acquire(&tcmi_metadata_lock);
  span = span_in_use_locked(list, place);
  if (span != NULL) {
    clean = span_clean_pages(span);
    if (fill)
      fill_locked(list, span);
  }
  lock_release(&tcmi_metadata_lock);
  lock_release(&list->lock);
  if (fill && span != NULL)
    tcmi_page_heap_count_faulted(clean);
  return clean;
}

size_t
tcmi_central_clean_pages(uintptr_t start, size_t npages, bool fill)
{
  uintptr_t end = start + (npages << PAGE_SHIFT), at = start;
  struct span_place place = {0};
  size_t clean = 0;

  while (at < end) {
    if (!place_of_page(at, &place)) {
      at += PAGE_SIZE;
      continue;
    }
    clean += clean_pages_of(&place, fill);
    at = place.end;
  }
  return clean;
}
