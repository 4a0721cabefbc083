/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * large.h - blocks above the largest size class: a span each.
 *
 * The size is rounded up to the system's page.  A block grows into free pages
 * behind it and shrinks in place.  When it must move and is very large, its pages
 * are moved, not its bytes.
 *
 * Invariants
 *   B1  the pagemap names the span at its first page, and as what covers the
 *       huge pages that begin inside it.
 *   B2  a block begins at the start of its span, unless its memory is the
 *       caller's, see tcmi_large_enter(): then within its first page.
 *
 * Locking: the span belongs to the thread that frees or resizes the block;
 * the page heap locks itself.
 */
#ifndef TCM_HEAP_LARGE_H
#define TCM_HEAP_LARGE_H

#include "base/compiler.h"
#include "heap/span.h"

struct large_stats {
  uint64_t count; /* [atomic: relaxed, stats] blocks, live or held */
  uint64_t bytes; /* [atomic: relaxed, stats] of them */
  uint64_t slack; /* [atomic: relaxed, stats] of these, what is there only
                     because a small block is sampled and has a page */
};

extern struct large_stats tcmi_large_stats;

/* What malloc(@size) would make usable; @size is at most PTRDIFF_MAX. */
size_t tcmi_large_usable(size_t size);

/* A block of @size bytes aligned to @align (a power of two), cleared if @zero;
 * NULL when the system gives no memory. */
MUST_CHECK void *tcmi_large_alloc(size_t size, size_t align, bool zero);
void tcmi_large_free(struct span *span);

/* Resizes in place; false if that cannot be done. */
MUST_CHECK bool tcmi_large_resize(struct span *span, size_t size);
/* Lets a block of REMAP_MIN_SIZE or more grow by moving its pages, and
 * span->start with them; false if the system cannot: then nothing changed. */
MUST_CHECK bool tcmi_large_move(struct span *span, size_t size);

/* Makes a block of memory that is the caller's and lies in no arena: @npages
 * from @start on, of which it begins at @offset.  Its span, or NULL without
 * memory; it is never resized, and leaves by the second call. */
MUST_CHECK struct span *tcmi_large_enter(uintptr_t start, size_t npages,
                                         size_t offset, unsigned slot);
void tcmi_large_leave(struct span *span);

#endif /* TCM_HEAP_LARGE_H */
