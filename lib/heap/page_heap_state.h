/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * page_heap_state.h - what the files of the page heap share.
 *
 *     page_heap.c     runs of pages are taken and given back
 *     page_return.c   idle pages are returned to the OS
 *     page_room.c     address space is unmapped near a limit
 *
 * Invariants: those of page_heap.h.
 */
#ifndef TCM_HEAP_PAGE_HEAP_STATE_H
#define TCM_HEAP_PAGE_HEAP_STATE_H

#include "base/compiler.h"

struct arena;

/* All fields: [lock: page heap]; the first arena is also read without it, with
 * acquire, by tcmi_page_heap_base(). */
struct page_heap_state {
  struct arena *first, *last; /* in the order of their making */
  size_t next_arena_size;     /* bytes; 0 before the first */
  size_t released_bytes;      /* ever returned to the system */
  size_t mapped_pages;        /* of the used ones: charged for mapped blocks */
  bool refused;               /* there was room, but the system gave none */
};

extern struct page_heap_state tcmi_page_heap;

/* Whether the heap would hold more than the hard limit with @bytes more. */
bool tcmi_over_hard_limit(size_t bytes);

/* Gives address space back that nothing uses; says whether there was any.
 * Caller holds LOCK_PAGE_HEAP. */
bool tcmi_page_heap_give_space_locked(void);

#endif /* TCM_HEAP_PAGE_HEAP_STATE_H */
