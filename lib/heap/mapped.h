/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mapped.h - large blocks that each have their own mapping.
 *
 *     arenas:   | runs of pages | ... |      mapped:  | block |   | block |
 *
 * A block gets its own mapping if it is larger than any arena, so that neither
 * its cost nor its metadata grows with its size.  A block in an arena gets its
 * own mapping when it must move to grow: its pages move out, and the arena gets
 * fresh address space in their place.  The span is the only metadata of a
 * mapped block; the kernel grows, shrinks and moves the block.
 *
 * Invariants
 *   N1  the span of a mapped block is in the list of mapped blocks, and in the
 *       pagemap like every large span.
 *   N2  its pages count as used, committed and reserved, from before they are
 *       mapped until they are unmapped: they count toward the limits.
 *   N3  memory that is mapped for a block is zero until its user writes it.
 *   N4  no call replaces a mapping that is not tcm's.
 *
 * Locking: the functions take LOCK_PAGE_HEAP for the accounting.  The only
 * system calls made under it prepare the pagemap.
 */
#ifndef TCM_HEAP_MAPPED_H
#define TCM_HEAP_MAPPED_H

#include "base/compiler.h"
#include "base/list.h"
#include "heap/span.h"

/* All fields: [lock: page heap] */
struct mapped_blocks {
  struct list spans; /* of all mapped blocks */
  size_t count;      /* blocks */
};

extern struct mapped_blocks tcmi_mapped_blocks;

/* Maps @npages for the block of @span, aligned to @align_pages (a power of
 * two), and enters it in the pagemap.  False when a limit or the OS refuses the
 * memory; then nothing changed. */
MUST_CHECK bool tcmi_mapped_new(struct span *span, size_t npages,
                                size_t align_pages);
/* Unmaps the block.  The span is then in no list; the caller still owns it. */
void tcmi_mapped_delete(struct span *span);

/* Enters a block in the caller's own memory.  The second function removes it.
 * Neither maps memory for it.  False when a limit or the OS refuses. */
MUST_CHECK bool tcmi_mapped_enter(struct span *span, uintptr_t start,
                                  size_t npages);
void tcmi_mapped_leave(struct span *span);

/* Resizes the block to @npages.  It moves if it must and @may_move is set;
 * span->start is then its new address.  False if nothing changed. */
MUST_CHECK bool tcmi_mapped_resize(struct span *span, size_t npages,
                                   bool may_move);

/* Turns the block of @span, a run in an arena, into a mapped block of @npages,
 * which is more than it has.  False if nothing changed. */
MUST_CHECK bool tcmi_mapped_adopt(struct span *span, size_t npages);

/* Writes the ranges of up to @most blocks, from number @first on, for a report.
 * Returns how many it wrote; none when the lock stays busy for long. */
struct mapped_range {
  uintptr_t start; /* [const] */
  size_t size;     /* [const] */
};
size_t tcmi_mapped_read(size_t first, struct mapped_range *ranges, size_t most);

#endif /* TCM_HEAP_MAPPED_H */
