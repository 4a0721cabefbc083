/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * page_range.h - marks pages of an arena as in use or free.
 *
 * A range of pages is processed one huge page at a time:
 *
 *     |    huge page 3    |    huge page 4    |    huge page 5    |
 *                  [======|===================|=====]
 *                  used bits    whole bit      used bits
 *
 * Invariants: A3 to A5 of arena.h and H1 to H3 of huge_page.h; and
 *   R1  the counts below cover all arenas together.
 *
 * Locking: the caller holds LOCK_PAGE_HEAP, except for pure arithmetic.
 */
#ifndef TCM_HEAP_PAGE_RANGE_H
#define TCM_HEAP_PAGE_RANGE_H

#include "base/atomics.h"
#include "base/bits.h"
#include "base/compiler.h"
#include "heap/arena.h"
#include "heap/page_heap_lock.h"

/* The state of pages that are freed. */
enum residency {
  RESIDENCY_KEPT, /* their resident bits are correct */
  RESIDENCY_FULL, /* they may all hold memory */
  RESIDENCY_NONE  /* they were returned to the OS */
};

/* All fields: [lock: page heap] */
struct page_counts {
  size_t used;       /* pages in allocated runs */
  size_t idle;       /* pages free and resident */
  size_t faulted;    /* pages that came into use without memory */
  size_t soft_hits;  /* times that the soft limit made the heap return memory */
  size_t hard_hits;  /* runs of pages that the hard limit refused */
  size_t least_idle; /* the fewest idle since tcmi_page_heap_unneeded() */
  size_t set_aside;  /* pages taken, but in no run; see below */
};

extern struct page_counts tcmi_page_counts;

/* Marks free pages [first, first + n) of the arena as in use.  A huge page that
 * was empty gets the kind @kind. */
void tcmi_range_take_locked(struct arena *arena, size_t first, size_t n,
                            enum run_kind kind);
/* Marks them as free. */
void tcmi_range_give_locked(struct arena *arena, size_t first, size_t n,
                            enum residency residency);
/* Counts taken pages as in no run, while they are being returned to the OS or
 * are a hole.  The second function undoes it. */
static inline void
range_set_aside_locked(size_t npages)
{
  lock_assert_held(&tcmi_page_heap_lock);
  counter_sub(&tcmi_page_counts.used, npages);
  tcmi_page_counts.set_aside += npages;
}

static inline void
range_set_back_locked(size_t npages)
{
  lock_assert_held(&tcmi_page_heap_lock);
  counter_add(&tcmi_page_counts.used, npages);
  tcmi_page_counts.set_aside -= npages;
}

/* Whether the pages are all free and inside the arena. */
bool tcmi_range_is_free_locked(const struct arena *arena, size_t first,
                               size_t n);

/* The part of a range that lies in one huge page. */
struct page_part {
  size_t h;     /* [const] number of the huge page in its arena */
  size_t first; /* [const] first page in the huge page */
  size_t n;     /* [const] pages */
};

static inline struct page_part
page_part_at(size_t first, size_t end)
{
  struct page_part part;

  part.h = first / HUGE_PAGE_PAGES;
  part.first = first % HUGE_PAGE_PAGES;
  part.n = min_size(end - first, HUGE_PAGE_PAGES - part.first);
  return part;
}

/* Huge pages [first, end) of an arena. */
struct huge_range {
  size_t first; /* [const] */
  size_t end;   /* [const] */
};

/* Those that lie inside a range of @n pages; none if end <= first. */
static inline struct huge_range
huge_range_inside(size_t first, size_t n)
{
  return (struct huge_range){(first + HUGE_PAGE_PAGES - 1) / HUGE_PAGE_PAGES,
                             (first + n) / HUGE_PAGE_PAGES};
}

#endif /* TCM_HEAP_PAGE_RANGE_H */
