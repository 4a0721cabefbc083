/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * closed.h - some freed large blocks stay inaccessible for a while.
 *
 *     free of a large block --by chance--> closed --the oldest--> page heap
 *                |                                                    ^
 *                '----------------------------------------------------'
 *
 *     arena:   | run of pages | closed: no access, no memory | run of pages |
 *
 * A read or a write of a closed block faults, as it does under an allocator
 * that unmaps each large block.  The first CLOSED_FIRST blocks of a fitting
 * size that a process frees are closed, and from then on one in close_freed, at
 * random, see that option.  A closed block is a free run again when another one
 * needs its place, when the heap has grown, or when memory is short.
 *
 * Invariants
 *   C1  the pages of a closed block are taken in the arena and set aside, like
 *       those of a hole, see hole.h; they count as returned.
 *   C2  they hold no memory, unless the OS refused first to take the memory and
 *       then to reopen the pages.
 *   C3  at most CLOSED_MAX blocks are closed.  They take at most two mappings
 *       each.
 *   C4  a block that the OS does not reopen stays closed and is tried again.
 *   C5  no part of a closed block is in a huge page that the kernel was asked
 *       for: so closing never breaks a huge page.
 *
 * Locking: LOCK_TRIM while a block is closed, so that a fork waits; a thread
 * that finds it taken closes nothing.  LOCK_PAGE_HEAP protects the queue, even
 * while a block is reopened: the call finds no pages there and takes a few
 * microseconds.
 *
 * Cost: three system calls for a closed block, and a page fault for each page
 * that its next user touches.
 */
#ifndef TCM_HEAP_CLOSED_H
#define TCM_HEAP_CLOSED_H

#include "base/atomics.h"
#include "base/compiler.h"
#include "base/params.h"
#include "heap/page_range.h"

/* From about this size on, the page faults of filling a block cost more than
 * the three system calls.  So closing a block costs as much as filling it for
 * the first time, whatever its size.  A block that contains a huge page is too
 * much work for one call. */
#define CLOSED_MIN_SIZE ((size_t)128 << 10)
#define CLOSED_END_SIZE HUGE_PAGE_SIZE
#define CLOSED_MAX 8
#define CLOSED_FIRST 1

/* All fields: [lock: page heap], any thread may read. */
struct closed_block {
  uintptr_t start;    /* [atomic: release, acquire by readers] or 0 */
  uintptr_t from;     /* return address of the free; 0: not known */
  uint32_t thread;    /* id, of the thread that freed it */
  uint16_t npages;    /* fewer than a huge page has */
  uint16_t residency; /* enum residency of its pages */
};

/* All fields: [lock: page heap] */
struct closed_blocks {
  struct closed_block blocks[CLOSED_MAX]; /* a ring */
  uint32_t first;                         /* index of the oldest */
  uint32_t count;
  uint32_t tries; /* [atomic: relaxed] blocks that were to be closed */
};

extern struct closed_blocks tcmi_closed;

static inline size_t
closed_bytes(const struct closed_block *block)
{
  return (size_t)atomic_load_relaxed(&block->npages) << PAGE_SHIFT;
}

/* Whether to close a block of @bytes that is about to be freed. */
bool tcmi_closed_wants(size_t bytes);
/* Closes a run that was just freed at @from; false if it did not, and the
 * caller still has the run. */
MUST_CHECK bool tcmi_closed_enter(uintptr_t start, size_t npages,
                                  const void *from);
/* Makes all closed blocks free runs, when memory or address space may be short;
 * true if there were any. */
bool tcmi_closed_open_all(void);
/* The closed block that contains an address, or NULL.  Async-signal-safe. */
const struct closed_block *tcmi_closed_find(uintptr_t address);

#endif /* TCM_HEAP_CLOSED_H */
