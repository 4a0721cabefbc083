/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * page_heap.h - runs of pages: the layer that provides all memory.
 *
 *     central lists, large blocks
 *          | run of n pages ^
 *          v                |
 *     filler: huge pages partly in use        (n up to 512 pages)
 *     arenas: empty huge pages, in a row      (more, or none fits above)
 *     system: a new arena
 *
 * A run is placed, in this order of preference, in: a huge page of the same
 * kind that is nearly full; an empty one that is resident; an empty one; a huge
 * page of the other kind; a new arena.  Within a huge page, resident pages come
 * first.  Large blocks of about the size of a huge page take the lowest free
 * run instead, which may cross huge page borders.
 *
 * Invariants
 *   G1  a page is in use, or idle (free and resident), or returned (free and
 *       not resident, though accessible), or not yet accessible.
 *   G2  used + idle + returned pages == committed pages.
 *   G3  two runs never overlap.  Adjacent free runs need no merging: a free run
 *       is only a row of clear bits.
 *
 * Locking: the functions take LOCK_PAGE_HEAP.  They release it while they
 * return memory to the OS, and hold LOCK_TRIM then.  Address space is unmapped
 * under it, see page_room.h.
 */
#ifndef TCM_HEAP_PAGE_HEAP_H
#define TCM_HEAP_PAGE_HEAP_H

#include "base/compiler.h"
#include "base/lock.h"
#include "heap/huge_page.h"
#include "heap/page_account.h"
#include "heap/page_range.h"
#include "heap/span.h"

/* Held while idle pages are marked as in use because they are being returned
 * to the OS. */
extern struct lock tcmi_trim_lock;

/* Where readers outside the process find the state of the heap. */
struct page_heap_view {
  struct arena **first;   /* [const] the first arena */
  struct list *mapped;    /* [const] the spans of mapped blocks */
  size_t *released_bytes; /* [const] bytes ever returned to the OS */
};

extern struct page_heap_view tcmi_page_heap_view;

struct page_heap_stats {
  size_t used_bytes;     /* [const] in allocated runs */
  size_t idle_bytes;     /* [const] free and resident */
  size_t returned_bytes; /* [const] free, accessible, not resident */
  size_t released_bytes; /* [const] ever returned to the OS */
};

/* Returns a run of @npages aligned to @align pages (a power of two, at least
 * 1), or 0 when the OS or the hard limit refuses the memory. */
MUST_CHECK uintptr_t tcmi_page_heap_alloc(size_t npages, size_t align,
                                          enum run_kind kind);
/* Frees a run or a part of one. */
void tcmi_page_heap_free(uintptr_t start, size_t npages,
                         enum residency residency);

/* Allocates a run for a span of objects of @object_size bytes.  In *@dirty, it
 * sets the bit of each page that may hold data.  The second function frees the
 * spans that one batch emptied, at most 64, under one lock. */
MUST_CHECK uintptr_t tcmi_page_heap_alloc_dirty(size_t npages,
                                                size_t object_size,
                                                uint32_t *dirty);
void tcmi_page_heap_free_dirty(struct span *const *spans, unsigned n);

/* Extends a run in place; false if the pages after it are not free, or the
 * memory is refused. */
MUST_CHECK bool tcmi_page_heap_extend(uintptr_t start, size_t npages,
                                      size_t new_npages);

/* Clears a run that was just allocated; does not touch pages known to be
 * zero. */
void tcmi_page_heap_clear(uintptr_t start, size_t npages);

/* Returns idle pages to the OS, empty huge pages first, until @most bytes are
 * returned.  The result is the number of bytes returned. */
size_t tcmi_page_heap_release(size_t most);
/* Does the same, but continues @walk, and stops after about as much work as it
 * takes to return @most bytes in one run.  Adds that work to *@work, without
 * the work for the pages returned; see WORK_OF_CHECK. */
struct page_walk {
  struct arena *arena; /* [owner thread] NULL: start with the last one */
  size_t h;            /* [owner thread] huge pages below h remain */
  bool past_empty;     /* [owner thread] empty ones are done, others are next */
  bool keeps_huge;     /* [owner thread] do not break a huge page for few idle
                          pages */
  bool done;           /* [owner thread] nothing left, or arena is gone */
};
size_t tcmi_page_heap_release_some(struct page_walk *walk, size_t most,
                                   size_t *work);
/* Bytes of pages that stayed idle since the last call. */
size_t tcmi_page_heap_unneeded(void);
void tcmi_page_heap_stats(struct page_heap_stats *stats);

/* The addresses of one arena and of its descriptor, for a report.  False past
 * the last arena, or when the lock stays busy for long. */
struct arena_range {
  uintptr_t start;         /* [const] */
  size_t size;             /* [const] */
  uintptr_t description;   /* [const] */
  size_t description_size; /* [const] */
};
MUST_CHECK bool tcmi_page_heap_arena(size_t index, struct arena_range *range);

/* The address of the first arena, or 0. */
uintptr_t tcmi_page_heap_base(void);

/* Debug: checks the invariants above, and those of arena.h and huge_page.h. */
void tcmi_page_heap_verify(void);

#endif /* TCM_HEAP_PAGE_HEAP_H */
