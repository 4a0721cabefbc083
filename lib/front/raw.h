/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raw.h - the memory of blocks: no red zones are added, no samples are taken.
 *
 *     allocate.c, guard.c
 *          |
 *          v            small                     large
 *        raw.c    thread cache, central list  |  block held by the thread,
 *                                             |  page heap
 *                 slabs, for a heap of the program
 *
 * Invariants
 *   W1  NULL if there is no memory; errno is not set.
 *   W2  before an allocation fails, all caches are flushed and it is tried
 *       once more.
 *
 * Locking: no lock is held between the calls into the layers below.
 */
#ifndef TCM_FRONT_RAW_H
#define TCM_FRONT_RAW_H

#include "base/compiler.h"
#include "base/params.h"
#include "cache/misuse.h"
#include "cache/size_class.h"
#include "cache/slab.h"
#include "heap/pagemap.h"
#include "heap/span.h"

/* An object of the class; the second function zeroes it, for a page or more. */
MUST_CHECK void *tcmi_raw_allocate_small(unsigned class_id);
MUST_CHECK void *tcmi_raw_allocate_zeroed(unsigned class_id);
MUST_CHECK void *tcmi_raw_allocate_large(size_t size, size_t align, bool zero);
/* The same for any size; @zero is only for blocks of a page or more. */
MUST_CHECK void *tcmi_raw_allocate(size_t align, size_t size, bool zero);

/* A block of a heap of the program, or of the whole heap if that is NULL. */
MUST_CHECK void *tcmi_raw_allocate_in(struct tcm_heap *heap, size_t align,
                                      size_t size, bool zero);

/* Resizes a large block in place, or by a move of its pages, as in large.h. */
MUST_CHECK bool tcmi_raw_resize_large(struct span *span, size_t size);
MUST_CHECK bool tcmi_raw_move_large(struct span *span, size_t size);

/* The program gets an object that was in a thread cache or transfer cache.
 * Aborts if the object does not have the mark of a free one. */
void tcmi_raw_begin_use(void *object);

/* Frees a block; aborts if it is free. */
void tcmi_raw_free_small(struct call call, unsigned class_id, void *object);
/* If two threads free a block at once, only the first continues. */
void tcmi_raw_free_large(struct call call, uintptr_t address,
                         struct span *span);
/* A block of a slab; aborts if no block in use begins at the address. */
void tcmi_raw_free_slab(struct call call, uintptr_t address, struct span *span);
void tcmi_raw_free(void *block);

/* The heap of the program that a block in use belongs to, or NULL. */
static inline struct tcm_heap *
raw_heap(const void *block)
{
  const struct span *span = pagemap_span((uintptr_t)block);

  return span->slab ? slab_of(span)->heap : NULL;
}

/* The class for an alignment and a size, or 0 for a large block. */
static inline unsigned
raw_class(size_t align, size_t size)
{
  if (align > PAGE_SIZE || size > SIZE_CLASS_MAX)
    return 0;
  if (align <= BLOCK_ALIGN)
    return size_class_of(size);
  return tcmi_size_class_aligned(size, align);
}

#endif /* TCM_FRONT_RAW_H */
