/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * page_heap_state.h - state that the files of the page heap share.
 *
 *     page_account.c  counts
 *     page_heap.c     allocates and frees runs of pages
 *     page_return.c   returns idle pages to the OS
 *     page_room.c     unmaps address space near a limit
 *
 * Invariants: those of page_heap.h.
 */
#ifndef TCM_HEAP_PAGE_HEAP_STATE_H
#define TCM_HEAP_PAGE_HEAP_STATE_H

#include "base/compiler.h"

struct arena;

/* All fields: [lock: page heap]; tcmi_page_heap_base() also reads the first
 * arena without the lock, with acquire. */
struct page_heap_state {
  struct arena *first, *last; /* in order of creation */
  size_t next_arena_size;     /* bytes; 0 before the first */
  size_t released_bytes;      /* ever returned to the OS */
  size_t mapped_pages;        /* used pages charged for mapped blocks */
  bool refused;               /* room was found, but memory was refused */
};

extern struct page_heap_state tcmi_page_heap;

#endif /* TCM_HEAP_PAGE_HEAP_STATE_H */
