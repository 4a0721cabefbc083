/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mapped.h - large blocks that have a mapping to themselves.
 *
 *     arenas:   | runs of pages | ... |      mapped:  | block |   | block |
 *
 * A block is mapped by itself if it is larger than any arena, so that neither
 * its cost nor its description grows with its size.  And a block of an arena is
 * once it must move to grow: its pages move out, and the arena gets fresh address
 * space in their place.  It is described by its span alone; the kernel grows,
 * shrinks and moves it.
 *
 * Invariants
 *   N1  the span of a mapped block is in the list of them, and in the pagemap
 *       as each large span is.
 *   N2  its pages count as used, committed and reserved, from before they are
 *       mapped until they are unmapped: the limits see them as any others.
 *   N3  memory that is mapped for a block is zero until its user writes.
 *   N4  no call maps anything over an address that is not tcm's.
 *
 * Locking: LOCK_PAGE_HEAP inside, for the books; no system call is made under
 * it but to make a part of the pagemap writable.
 */
#ifndef TCM_HEAP_MAPPED_H
#define TCM_HEAP_MAPPED_H

#include "base/compiler.h"
#include "base/list.h"
#include "heap/span.h"

/* All fields: [lock: page heap] */
struct mapped_blocks {
  struct list spans; /* all of them */
  size_t count;      /* blocks */
};

extern struct mapped_blocks tcmi_mapped_blocks;

/* Maps @npages for the block of @span, aligned to @align_pages (a power of
 * two), and enters it in the pagemap.  False when a limit or the system refuses
 * the memory; then nothing changed. */
MUST_CHECK bool tcmi_mapped_new(struct span *span, size_t npages,
                                size_t align_pages);
/* Unmaps the block; the span stays its caller's, in no list. */
void tcmi_mapped_delete(struct span *span);

/* Enters a block of memory that is the caller's, and takes it out again; only the
 * accounting changes.  False when a limit or the system refuses. */
MUST_CHECK bool tcmi_mapped_enter(struct span *span, uintptr_t start,
                                  size_t npages);
void tcmi_mapped_leave(struct span *span);

/* Gives the block @npages.  It moves, and span->start with it, if it must and
 * @may_move; false if nothing changed. */
MUST_CHECK bool tcmi_mapped_resize(struct span *span, size_t npages,
                                   bool may_move);

/* Makes the block of @span, a run of an arena, a mapped one of @npages, which is
 * more than it has.  False if nothing changed. */
MUST_CHECK bool tcmi_mapped_adopt(struct span *span, size_t npages);

/* Where blocks lie, for a report: writes up to @most ranges, from number
 * @first on, and returns how many there were; none when the lock cannot be had
 * for long. */
struct mapped_range {
  uintptr_t start; /* [const] */
  size_t size;     /* [const] */
};
size_t tcmi_mapped_look(size_t first, struct mapped_range *ranges, size_t most);

#endif /* TCM_HEAP_MAPPED_H */
