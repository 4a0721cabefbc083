/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * huge_page.h - which pages of one huge page are in use, and which resident.
 *
 *     used:      1 1 1 0 0 1 0 0 0 ...    512 bits
 *     resident:  . . . 1 1 . 0 0 0 ...    512 bits
 *
 * Invariants
 *   H1  nused == popcount(used); longest is the longest run of 0 in used.
 *   H2  the resident bit of a free page is 1 if the page may hold memory; the
 *       bit of a page in use keeps the value it had when the page was taken.
 *   H3  a huge page with 0 < nused and 0 < longest is in a list of the filler;
 *       bucket names the list, or is 0.
 *
 * No locking: the caller holds LOCK_PAGE_HEAP.
 */
#ifndef TCM_HEAP_HUGE_PAGE_H
#define TCM_HEAP_HUGE_PAGE_H

#include "base/bits.h"
#include "base/compiler.h"
#include "base/list.h"
#include "base/params.h"

#define HUGE_PAGE_WORDS (HUGE_PAGE_PAGES / 64)
#define NO_RUN HUGE_PAGE_PAGES

/* What a run of pages is for.  The two kinds use separate huge pages if
 * possible, so that a long-lived span of small objects does not split the room
 * for large blocks. */
enum run_kind { RUN_SMALL, RUN_LARGE, RUN_KINDS };

/* All fields: [lock: page heap] */
struct huge_page {
  struct list link;                   /* in a list of the filler */
  uint64_t used[HUGE_PAGE_WORDS];     /* bit per page */
  uint64_t resident[HUGE_PAGE_WORDS]; /* bit per page, see H2 */
  struct arena *arena;                /* the arena it is part of */
  uint16_t nused;                     /* set bits of used */
  uint16_t longest;                   /* pages of the longest free run */
  uint8_t kind;                       /* enum run_kind */
  uint8_t bucket;                     /* the list it is in, 0 for none */
};

/* Returns the first page of a free run of @n pages that is aligned to @align
 * pages.  Prefers a run of resident pages, then the lowest.  NO_RUN if there is
 * none. */
size_t tcmi_huge_page_find(const struct huge_page *huge, size_t n,
                           size_t align);

/* Marks pages as in use, or as free again, and maintains H1. */
void tcmi_huge_page_take(struct huge_page *huge, size_t first, size_t n);
void tcmi_huge_page_give(struct huge_page *huge, size_t first, size_t n);

/* Pages of the longest free run, counted again. */
size_t tcmi_huge_page_longest(const struct huge_page *huge);

/* Free pages that are resident. */
size_t tcmi_huge_page_idle_pages(const struct huge_page *huge);

#endif /* TCM_HEAP_HUGE_PAGE_H */
