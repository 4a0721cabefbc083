/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Returns single pages of partly used spans to the OS.  If the live objects of
 * a program are scattered, returning only whole spans keeps half as much memory
 * again.
 */
#include "config.h"

#include "base/atomics.h"
#include "base/bits.h"
#include "base/params.h"
#include "base/system.h"
#include "cache/central_list.h"
#include "cache/central_span.h"
#include "heap/huge_advice.h"
#include "heap/page_heap.h"
#include "heap/pagemap.h"

/* One bit for each resident page of the span on which no object is live or
 * cached. */
static uint32_t
idle_pages(const struct span *span)
{
  uint32_t idle = 0;

  for (unsigned page = 0; page < span->npages; page++) {
    size_t first = size_class_index(span->class_id, (size_t)page << PAGE_SHIFT);
    size_t last = size_class_index(
        span->class_id, ((size_t)page << PAGE_SHIFT) + PAGE_SIZE - 1);
    size_t end = min_size(last + 1, span->fresh);
    if (!(span->dirty >> page & 1))
      continue;
    if (first >= end ||
        bits_count_range(span->bits, first, end - first) == end - first)
      idle |= (uint32_t)1 << page;
  }
  return idle;
}

/* The whole system pages of which @pages contains every resident page. */
static uint32_t
whole_system_pages(const struct span *span, uint32_t pages)
{
  size_t group = tcmi_system_page_size() >> PAGE_SHIFT;
  size_t skew = (span->start >> PAGE_SHIFT) & (group - 1);
  size_t first = (group - skew) & (group - 1);
  uint32_t whole = 0;

  if (group == 1)
    return pages;
  for (; first + group <= span->npages; first += group) {
    uint32_t mask = span_page_mask(first << PAGE_SHIFT, group << PAGE_SHIFT);
    if ((pages & mask) == (mask & span->dirty) && (pages & mask) != 0)
      whole |= mask;
  }
  return whole;
}

/* Returns @pages of a held span to the OS, and adds the cost to *@work.  The
 * result is the pages that the OS took. */
static uint32_t
discard_pages(const struct span *span, uint32_t pages, size_t *work)
{
  uint32_t done = 0;

  while (pages != 0) {
    unsigned first = lowest_bit(pages);
    unsigned end = lowest_bit(~((uint64_t)pages >> first)) + first;
    uint32_t run = span_page_mask((size_t)first << PAGE_SHIFT,
                                  (size_t)(end - first) << PAGE_SHIFT);
    uintptr_t start = span->start + ((uintptr_t)first << PAGE_SHIFT);
    if (tcmi_huge_discard(pagemap_arena(start), start,
                          (size_t)(end - first) << PAGE_SHIFT) == 0)
      done |= run;
    pages &= ~run;
    *work += WORK_OF_CALL;
  }
  return done;
}

/* Returns the idle pages of one span to the OS; drops the lock meanwhile. */
static size_t
release_span_locked(struct central_list *list, struct span *span, size_t *work)
{
  uint32_t pages = whole_system_pages(span, idle_pages(span));
  uint32_t tried = pages;
  unsigned before;
  bool empty;

  lock_assert_held(&list->lock);
  if (pages != 0) {
    tcmi_span_unlink_locked(list, span);
    span->held = true;
    list_push_front(&list->held, &span->link);
    lock_release(&list->lock);
    pages = discard_pages(span, pages, work);
    lock_acquire(&list->lock);
    list_remove(&span->link);
    before = span_clean_pages(span);
    span->dirty &= ~pages;
    /* The kernel may have taken a part of them before it refused. */
    tcmi_span_mark_pages(span, tried & ~pages);
    counter_add(&list->clean_pages, span_clean_pages(span) - before);
    span->held = false;
  }
  empty = span_outstanding(span) == 0;
  if (empty) {
    tcmi_span_leave_locked(list, span);
    lock_release(&list->lock);
    tcmi_span_destroy(span);
    lock_acquire(&list->lock);
    return (size_t)__builtin_popcount(pages) << PAGE_SHIFT;
  }
  /* Move it to the tail, after the spans that were not visited yet. */
  tcmi_span_unlink_locked(list, span);
  tcmi_span_relink_locked(list, span);
  list_remove(&span->link);
  list_push_back(&list->buckets[span->bucket], &span->link);
  return (size_t)__builtin_popcount(pages) << PAGE_SHIFT;
}

/* Returns the idle pages of the first span of a list to the OS.  Moves the span
 * to the tail, or to another list. */
static size_t
release_front(struct central_list *list, unsigned bucket, size_t *work)
{
  size_t bytes = 0;

  lock_acquire(&tcmi_trim_lock);
  lock_acquire(&list->lock);
  if (!list_is_empty(&list->buckets[bucket]))
    bytes = release_span_locked(
        list, list_entry(list_first(&list->buckets[bucket]), struct span, link),
        work);
  lock_release(&list->lock);
  lock_release(&tcmi_trim_lock);
  return bytes;
}

void
tcmi_central_walk_begin(struct span_walk *walk)
{
  *walk = (struct span_walk){0};
}

/* A span that another thread moves meanwhile may be missed or visited twice. */
size_t
tcmi_central_release_some(unsigned class_id, struct span_walk *walk,
                          size_t most, size_t *work)
{
  struct central_list *list = &tcmi_central_lists[class_id];
  size_t bytes = 0, end = *work + (most >> PAGE_SHIFT);

  while (bytes < most && !walk->done && *work <= end) {
    *work += WORK_OF_CHECK;
    if (walk->left > 0) {
      walk->left--;
      bytes += release_front(list, walk->bucket, work);
    } else if (++walk->bucket < CENTRAL_BUCKETS) {
      walk->left = atomic_load_relaxed(&list->lengths[walk->bucket]);
    } else {
      walk->done = true;
    }
  }
  tcmi_page_heap_count_released(bytes);
  return bytes;
}

size_t
tcmi_central_release(unsigned class_id, size_t most)
{
  struct span_walk walk;
  size_t bytes = 0, work = 0;

  tcmi_central_walk_begin(&walk);
  while (bytes < most && !walk.done)
    bytes += tcmi_central_release_some(class_id, &walk, most - bytes, &work);
  return bytes;
}

/* Bytes that the span could return. */
static size_t
returnable_of(const struct span *span)
{
  uint32_t pages = whole_system_pages(span, idle_pages(span));

  return (size_t)__builtin_popcount(pages) << PAGE_SHIFT;
}

/* Two spans represent their list: the first, to which objects came back last,
 * and the last, which has waited longest. */
size_t
tcmi_central_returnable(unsigned class_id)
{
  struct central_list *list = &tcmi_central_lists[class_id];
  size_t bytes = 0;

  lock_acquire(&list->lock);
  for (unsigned bucket = 1; bucket < CENTRAL_BUCKETS; bucket++) {
    struct list *head = &list->buckets[bucket];
    if (list_is_empty(head))
      continue;
    bytes += (returnable_of(list_entry(list_first(head), struct span, link)) +
              returnable_of(list_entry(list_last(head), struct span, link))) /
             2 * list->lengths[bucket];
  }
  lock_release(&list->lock);
  return bytes;
}

size_t
tcmi_central_unneeded(unsigned class_id)
{
  struct central_list *list = &tcmi_central_lists[class_id];
  size_t bytes;

  lock_acquire(&list->lock);
  bytes = list->least_idle;
  list->least_idle = central_idle_bytes(list, class_id);
  lock_release(&list->lock);
  return bytes;
}

size_t
tcmi_central_idle_bytes(unsigned class_id)
{
  return central_idle_bytes(&tcmi_central_lists[class_id], class_id);
}
