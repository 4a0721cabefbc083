/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "heap/large.h"

#include "base/atomics.h"
#include "base/bits.h"
#include "base/params.h"
#include "base/report.h"
#include "base/system.h"
#include "heap/closed.h"
#include "heap/huge_advice.h"
#include "heap/mapped.h"
#include "heap/page_heap.h"
#include "heap/pagemap.h"

struct large_stats tcmi_large_stats;

size_t
tcmi_large_usable(size_t size)
{
  return round_up(max_size(size, 1), tcmi_system_page_size());
}

static void
large_count(struct span *span, bool born)
{
  uint64_t bytes = span_bytes(span);

  if (born) {
    atomic_add_relaxed(&tcmi_large_stats.count, 1);
    atomic_add_relaxed(&tcmi_large_stats.bytes, bytes);
  } else {
    atomic_sub_relaxed(&tcmi_large_stats.count, 1);
    atomic_sub_relaxed(&tcmi_large_stats.bytes, bytes);
  }
}

/* Whether no arena is large enough. */
static bool
exceeds_arenas(size_t npages, size_t align_pages)
{
  size_t slack = align_pages > HUGE_PAGE_PAGES ? align_pages : 0;

  return npages + slack > ARENA_MAX_SIZE >> PAGE_SHIFT;
}

/* Gives the span a run of pages in an arena. */
static bool
run_new(struct span *span, size_t npages, size_t align_pages, bool zero)
{
  span->npages = npages;
  span->start = tcmi_page_heap_alloc(npages, align_pages, RUN_LARGE);
  if (span->start == 0)
    return false;
  /* A program seldom fills a large block that it wants zeroed. */
  if (zero)
    tcmi_page_heap_clear(span->start, npages);
  else
    tcmi_huge_advise_block(span->start, npages);
  tcmi_pagemap_set(span);
  return true;
}

bool
tcmi_large_place(struct span *span, size_t size, size_t align, bool zero)
{
  size_t npages = tcmi_large_usable(size) >> PAGE_SHIFT;
  size_t align_pages = max_size(align, tcmi_system_page_size()) >> PAGE_SHIFT;
  bool done = !exceeds_arenas(npages, align_pages) &&
              run_new(span, npages, align_pages, zero);

  /* Near an address space limit there is no room for another arena. */
  if (!done && npages >= HUGE_PAGE_PAGES)
    done = tcmi_mapped_new(span, npages, align_pages);
  if (done)
    large_count(span, /*born=*/true);
  return done;
}

void *
tcmi_large_alloc(size_t size, size_t align, bool zero)
{
  struct span *span = tcmi_span_new(0);

  if (span == NULL)
    return NULL;
  if (tcmi_large_place(span, size, align, zero))
    return (void *)span->start;
  tcmi_span_delete(span);
  return NULL;
}

/* The block may be advised; the next user of its pages may touch only a few of
 * them. */
static void
pages_free(uintptr_t start, size_t npages)
{
  tcmi_huge_learn_from(start, npages);
  if (npages >= HUGE_PAGE_PAGES)
    tcmi_huge_withdraw_from(start, npages);
  tcmi_page_heap_free(start, npages, RESIDENCY_FULL);
}

void
tcmi_large_remove(struct span *span)
{
  large_count(span, /*born=*/false);
  if (span->mapped) {
    tcmi_mapped_delete(span);
  } else {
    tcmi_pagemap_clear(span);
    pages_free(span->start, span->npages);
  }
}

void
tcmi_large_free(struct span *span)
{
  tcmi_large_remove(span);
  tcmi_span_delete(span);
}

void
tcmi_large_close(struct span *span, const void *from)
{
  ASSERT(!span->mapped);
  large_count(span, /*born=*/false);
  tcmi_pagemap_clear(span);
  if (!tcmi_closed_enter(span->start, span->npages, from))
    pages_free(span->start, span->npages);
  tcmi_span_delete(span);
}

static void
count_resized(size_t old, size_t npages)
{
  atomic_add_relaxed(&tcmi_large_stats.bytes, ((uint64_t)npages - old)
                                                  << PAGE_SHIFT);
}

static bool
run_resize(struct span *span, size_t npages)
{
  size_t old = span->npages;

  if (npages > old && !tcmi_page_heap_extend(span->start, old, npages))
    return false;
  tcmi_pagemap_resize(span, npages);
  span->npages = npages;
  if (npages >= old + HUGE_PAGE_PAGES) {
    tcmi_huge_learn_from(span->start, old);
    tcmi_huge_advise_block(span->start + (old << PAGE_SHIFT), npages - old);
  }
  if (npages < old)
    pages_free(span->start + (npages << PAGE_SHIFT), old - npages);
  return true;
}

bool
tcmi_large_resize(struct span *span, size_t size)
{
  size_t npages = tcmi_large_usable(size) >> PAGE_SHIFT;
  size_t old = span->npages;

  if (!(span->mapped ? tcmi_mapped_resize(span, npages, /*may_move=*/false)
                     : run_resize(span, npages)))
    return false;
  count_resized(old, npages);
  return true;
}

bool
tcmi_large_move(struct span *span, size_t size)
{
  size_t npages = tcmi_large_usable(size) >> PAGE_SHIFT;
  size_t old = span->npages;

  ASSERT(npages > old);
  if (span_bytes(span) < REMAP_MIN_SIZE ||
      !(span->mapped ? tcmi_mapped_resize(span, npages, /*may_move=*/true)
                     : tcmi_mapped_adopt(span, npages)))
    return false;
  count_resized(old, npages);
  return true;
}

struct span *
tcmi_large_enter(uintptr_t start, size_t npages, size_t offset, unsigned slot)
{
  struct span *span = tcmi_span_new(0);

  if (span == NULL)
    return NULL;
  span->offset = (uint16_t)offset;
  span->slot = (uint16_t)slot;
  if (!tcmi_mapped_enter(span, start, npages)) {
    tcmi_span_delete(span);
    return NULL;
  }
  large_count(span, /*born=*/true);
  return span;
}

void
tcmi_large_leave(struct span *span)
{
  large_count(span, /*born=*/false);
  tcmi_mapped_leave(span);
  tcmi_span_delete(span);
}
