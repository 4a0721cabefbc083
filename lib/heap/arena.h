/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arena.h - a reservation of address space, divided into huge pages.
 *
 *     | huge page 0 | huge page 1 | huge page 2 | ...            |
 *       committed:    512 pages     40 pages      0    0    0
 *       busy:         1             1             0    0    0
 *
 * Memory is reserved without access and made accessible in steps.  So
 * RLIMIT_DATA, strict overcommit and mlockall charge what is used, not what is
 * reserved.
 *
 * Invariants
 *   A1  start and size are multiples of the huge page.
 *   A2  pages [0, committed[h]) of huge page h are accessible.
 *   A3  busy bit h is 1 while any page of huge page h is in use.
 *   A4  whole bit h is 1 while one large run uses all of huge page h.  The used
 *       bits of huge_pages[h] are then all 0, so that a run of gigabytes
 *       touches no descriptor.
 *   A5  warm bit h is 1 if huge page h is not busy and has a resident page.
 *   A6  a page that is not resident reads as zero when it is touched.
 *
 * Locking: LOCK_PAGE_HEAP protects everything except start and bytes, which are
 * constant, and the resident bits of used pages, see huge_page.h.
 */
#ifndef TCM_HEAP_ARENA_H
#define TCM_HEAP_ARENA_H

#include "base/compiler.h"
#include "heap/arena_counts.h"
#include "heap/huge_page.h"

/* All fields: [lock: page heap] unless labeled otherwise. */
struct arena {
  struct arena *next;  /* the arena made after this one */
  uintptr_t start;     /* [const] address */
  size_t nhuge;        /* huge pages; fewer near a limit of address space */
  size_t nbusy;        /* set bits of busy */
  size_t nwarm;        /* set bits of warm */
  size_t bytes;        /* [const] size of this structure and its tables */
  uint64_t *busy;      /* bit per huge page */
  uint64_t *whole;     /* bit per huge page */
  uint64_t *warm;      /* bit per huge page */
  uint64_t *advised;   /* bit per huge page, see huge_advice.h */
  uint64_t *broken;    /* bit per huge page, see huge_advice.h */
  uint64_t *refilled;  /* bit per huge page, see huge_advice.h */
  uint16_t *committed; /* accessible pages per huge page */
  struct huge_page *huge_pages; /* one per huge page */
};

/* Reserves an arena of at least @size bytes, near @hint if that is not 0.
 * NULL when the OS refuses.  Caller holds LOCK_PAGE_HEAP. */
MUST_CHECK struct arena *tcmi_arena_new_locked(size_t size, uintptr_t hint);
/* Shrinks an arena of which only the first @keep huge pages are still mapped;
 * frees the descriptor if that is 0. */
void tcmi_arena_forget_locked(struct arena *arena, size_t keep);
/* Unmaps an arena that has no page in use.  False if the OS refuses. */
MUST_CHECK bool tcmi_arena_delete_locked(struct arena *arena);

/* Makes pages [first, first + n) accessible, and usually some more.  False when
 * the OS refuses. */
MUST_CHECK bool tcmi_arena_commit_locked(struct arena *arena, size_t first,
                                         size_t n);

/* Returns the first page of the lowest run of @n free pages for a large block;
 * the run may cross huge pages.  Looks at up to *@most huge pages and subtracts
 * them from *@most.  NO_PAGE if there is none. */
#define NO_PAGE SIZE_MAX
size_t tcmi_arena_find_run_locked(const struct arena *arena, size_t n,
                                  size_t *most);

static inline uintptr_t
arena_end(const struct arena *arena)
{
  return arena->start + (arena->nhuge << HUGE_PAGE_SHIFT);
}

static inline uintptr_t
arena_address(const struct arena *arena, size_t page)
{
  return arena->start + (page << PAGE_SHIFT);
}

static inline size_t
arena_page(const struct arena *arena, uintptr_t address)
{
  return (address - arena->start) >> PAGE_SHIFT;
}

#endif /* TCM_HEAP_ARENA_H */
