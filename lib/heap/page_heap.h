/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * page_heap.h - runs of pages: the floor that all memory comes from.
 *
 *     central lists, large blocks
 *          | run of n pages ^
 *          v                |
 *     filler: huge pages partly in use        (n up to 512 pages)
 *     arenas: empty huge pages, in a row      (more, or none fits above)
 *     system: a new arena
 *
 * Preferred, in this order: a huge page of the same kind that is nearly full;
 * an empty one that is resident; an empty one; a huge page of the other kind;
 * a new arena.  Within a huge page resident pages come first.  Large blocks of
 * about the size of a huge page take the lowest place instead, across borders.
 *
 * Invariants
 *   G1  a page is in use, or idle (free and resident), or returned (free and
 *       not resident, though accessible), or not yet accessible.
 *   G2  used + idle + returned pages == committed pages.
 *   G3  two runs never overlap; freed neighbours merge by themselves, since
 *       a free run is nothing but clear bits.
 *
 * Locking: LOCK_PAGE_HEAP inside; around giving memory back to the system it is
 * dropped, and LOCK_TRIM held.
 */
#ifndef TCM_HEAP_PAGE_HEAP_H
#define TCM_HEAP_PAGE_HEAP_H

#include "base/compiler.h"
#include "base/lock.h"
#include "heap/huge_page.h"
#include "heap/page_range.h"
#include "heap/span.h"

extern struct lock tcmi_page_heap_lock;
/* Held while pages are marked as in use only because they are on their way
 * back to the system. */
extern struct lock tcmi_trim_lock;

/* For readers from outside: where the state of the heap is. */
struct page_heap_view {
  struct arena **first;   /* [const] the first arena */
  struct list *mapped;    /* [const] the spans of mapped blocks */
  size_t *released_bytes; /* [const] bytes ever returned to the system */
};

extern struct page_heap_view tcmi_page_heap_view;

struct page_heap_stats {
  size_t used_bytes;     /* [const] in runs handed out */
  size_t idle_bytes;     /* [const] free and resident */
  size_t returned_bytes; /* [const] free, accessible, not resident */
  size_t released_bytes; /* [const] ever returned to the system */
};

/* A run of @npages aligned to @align pages (a power of two, at least 1), or 0
 * when the system gives no memory. */
MUST_CHECK uintptr_t tcmi_page_heap_alloc(size_t npages, size_t align,
                                          enum run_kind kind);
/* Gives a run, or a part of one, back. */
void tcmi_page_heap_free(uintptr_t start, size_t npages,
                         enum residency residency);

/* The same for a span of small objects, with a bit per page that may hold
 * data; and the way back, for the spans that one batch emptied, 64 at most,
 * under one lock. */
MUST_CHECK uintptr_t tcmi_page_heap_alloc_dirty(size_t npages, size_t align,
                                                uint32_t *dirty);
void tcmi_page_heap_free_dirty(struct span *const *spans, unsigned n);

/* Lengthens a run where it stands; false if what follows is in use. */
MUST_CHECK bool tcmi_page_heap_extend(uintptr_t start, size_t npages,
                                      size_t new_npages);

/* Clears a run that was just taken; pages known to be zero are not touched. */
void tcmi_page_heap_clear(uintptr_t start, size_t npages);

/* Counts pages that are mapped beside the arenas as used, unless the hard limit
 * refuses them; and no more. */
MUST_CHECK bool tcmi_page_heap_charge(size_t npages);
void tcmi_page_heap_uncharge(size_t npages);

/* Gives address space back that nothing uses, after the system refused more;
 * says whether there was any. */
bool tcmi_page_heap_give_space(void);

/* Returns idle pages to the system, empty huge pages first, until @most bytes
 * are returned; the result is bytes. */
size_t tcmi_page_heap_release(size_t most);
/* The same from where @walk stands, in about as much work as the return of
 * @most bytes in one run.  Adds to *@work what that was, beside the pages
 * returned; see WORK_OF_LOOK. */
struct page_walk {
  struct arena *arena; /* [owner thread] NULL: begin behind the last one */
  size_t h;            /* [owner thread] huge pages before it are left */
  bool past_empty;     /* [owner thread] those that are in use are next */
  bool keeps_huge;     /* [owner thread] few idle pages break no huge page */
  bool done;           /* [owner thread] nothing is left, or its arena went */
};
size_t tcmi_page_heap_release_some(struct page_walk *walk, size_t most,
                                   size_t *work);
/* The bytes of pages that stayed idle since the last call. */
size_t tcmi_page_heap_unneeded(void);
/* Bytes that the heap holds, as the limits count them: runs handed out, whole,
 * idle pages, and tcm's own structures.  Read without the lock. */
size_t tcmi_page_heap_held_bytes(void);
/* Counts that the soft limit was met. */
void tcmi_page_heap_count_soft_hit(void);
/* Counts pages that come back into use inside a run. */
void tcmi_page_heap_count_faulted(size_t npages);
/* Bytes ever returned to the system; read without the lock. */
size_t tcmi_page_heap_released_bytes(void);
/* Counts bytes that another module returned. */
void tcmi_page_heap_count_released(size_t bytes);

void tcmi_page_heap_stats(struct page_heap_stats *stats);

/* One arena, for a report: where it lies, and its descriptor.  False past the
 * last one, or when the lock cannot be had for long. */
struct arena_range {
  uintptr_t start;         /* [const] */
  size_t size;             /* [const] */
  uintptr_t description;   /* [const] */
  size_t description_size; /* [const] */
};
MUST_CHECK bool tcmi_page_heap_arena(size_t index, struct arena_range *range);

/* Bytes in runs handed out; read without the lock. */
size_t tcmi_page_heap_used_bytes(void);

/* The address of the first arena, or 0. */
uintptr_t tcmi_page_heap_base(void);

/* Debug: checks every invariant above, of arena.h and of huge_page.h. */
void tcmi_page_heap_verify(void);

#endif /* TCM_HEAP_PAGE_HEAP_H */
