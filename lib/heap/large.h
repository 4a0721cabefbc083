/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * large.h - blocks above the largest size class; each has its own span.
 *
 * The size is rounded up to the system page size.  A block grows into the free
 * pages after it and shrinks in place.  When a very large block must move, its
 * pages are remapped, and no bytes are copied.
 *
 * Invariants
 *   B1  the pagemap holds the span at its first page, and as the cover of the
 *       huge pages that begin inside it.
 *   B2  a block begins at the start of its span; or inside its first page, if
 *       the memory is the caller's, see tcmi_large_enter().
 *
 * Locking: the span belongs to the thread that frees or resizes the block.  The
 * page heap takes its own lock.
 */
#ifndef TCM_HEAP_LARGE_H
#define TCM_HEAP_LARGE_H

#include "base/compiler.h"
#include "heap/span.h"

struct large_stats {
  uint64_t count; /* [atomic: relaxed, stats] blocks in use or held */
  uint64_t bytes; /* [atomic: relaxed, stats] in these blocks */
  uint64_t slack; /* [atomic: relaxed, stats] part of bytes: extra space of
                     sampled small blocks, which get a page each */
};

extern struct large_stats tcmi_large_stats;

/* The usable size of malloc(@size); @size is at most PTRDIFF_MAX. */
size_t tcmi_large_usable(size_t size);

/* Returns a block of @size bytes aligned to @align (a power of two), cleared if
 * @zero; NULL when there is no memory. */
MUST_CHECK void *tcmi_large_alloc(size_t size, size_t align, bool zero);
void tcmi_large_free(struct span *span);
/* The same, but makes the block inaccessible for a while, see closed.h; @from
 * is the return address of the call that frees it. */
void tcmi_large_close(struct span *span, const void *from);
/* The same for a descriptor that the caller makes and deletes, all zero except
 * for nobjs and slab.  False when there is no memory. */
MUST_CHECK bool tcmi_large_place(struct span *span, size_t size, size_t align,
                                 bool zero);
void tcmi_large_remove(struct span *span);

/* Resizes a block in place; false if that is not possible. */
MUST_CHECK bool tcmi_large_resize(struct span *span, size_t size);
/* Grows a block of REMAP_MIN_SIZE or more; it may move its pages, and
 * span->start is then the new address.  False if that is not possible; then
 * nothing changed. */
MUST_CHECK bool tcmi_large_move(struct span *span, size_t size);

/* Makes a block out of memory of the caller that lies in no arena: @npages from
 * @start on; the block begins at @offset.  Returns its span, or NULL when
 * there is no memory.  The block is never resized; the second function removes
 * it. */
MUST_CHECK struct span *tcmi_large_enter(uintptr_t start, size_t npages,
                                         size_t offset, unsigned slot);
void tcmi_large_leave(struct span *span);

#endif /* TCM_HEAP_LARGE_H */
