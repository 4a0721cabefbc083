/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * heaps.h - the work of tcm_heap_malloc() and its siblings.
 *
 *     tcm_heap_malloc -> heap_take: an object of an open slab -> the block
 *                            | none, or the thread has no cache
 *                            v
 *                        tcmi_heap_allocate: red zones, a new slab, more room
 *
 * Freeing, resizing and measuring a block are those of any block: raw.h and
 * block_check.h find its slab.
 *
 * Invariants: P1 of allocate.h, and those of slab.h.
 *
 * Locking: SLAB inside, and what the slow path takes.
 */
#ifndef TCM_FRONT_HEAPS_H
#define TCM_FRONT_HEAPS_H

#include "base/compiler.h"
#include "cache/misuse.h"
#include "cache/slab.h"
#include "cache/thread_cache.h"

/* A heap, or NULL with errno ENOMEM. */
struct tcm_heap *tcmi_heap_new(void);
/* A block of the heap, zeroed if @zero, or NULL with errno ENOMEM; @align is a
 * power of two. */
void *tcmi_heap_allocate(struct call call, struct tcm_heap *heap, size_t align,
                         size_t size, bool zero);
/* The same without errors, for a small size: NULL if that is not possible. */
static ALWAYS_INLINE void *
heap_take(struct tcm_heap *heap, size_t size)
{
  if (unlikely(size > SIZE_CLASS_MAX || tcmi_thread_cache_state != CACHE_OPEN ||
               !slab_heap_is_alive(heap)))
    return NULL;
  return tcmi_slab_take(heap, size_class_of(size));
}

void tcmi_heap_delete(struct call call, struct tcm_heap *heap);
/* The bytes of all its slabs. */
size_t tcmi_heap_bytes(struct call call, const struct tcm_heap *heap);

#endif /* TCM_FRONT_HEAPS_H */
