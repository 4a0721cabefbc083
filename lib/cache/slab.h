/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * slab.h - the heaps of the program, whose blocks are freed at once.
 *
 *     heap:  slabs ------> slab <-> slab <-> slab <-> slab
 *            classes[c] -> slab <------------> slab    with a free object
 *
 *     slab, in metadata:   | struct slab | struct span | bits ... |
 *                                          |
 *     its pages:           | 0 | 1 | 2 | ... fresh | ... |   or one large block
 *
 * A slab is a run of pages of one heap, for objects of one size class or for
 * one large block.  Its span has class 0 and the flag slab: the page heap, and
 * all that reads the heap from outside, treat it as a large block.  So the fast
 * path does not handle it, and free() of its blocks takes the slow path.  There
 * the span leads to the slab, and the slab to the heap.
 *
 * Invariants
 *   H1  nfree is the number of set bits; no bit at or above fresh is set, and
 *       none in a word below lowest.
 *   H2  a slab with a free object is in the open list of its class.  At most
 *       one slab of a class has no object in use.
 *   H3  bytes is the sum of the bytes of all slabs.
 *   H4  a slab in the list of a heap is named by the pagemap.  It leaves both
 *       under the lock before its pages and its descriptor are free, so a free
 *       that finds it there under the lock finds it intact.
 *
 * Locking: LOCK_SLAB, one of a few, chosen by the address of the heap.  It is
 * not held while memory is taken from the page heap or given back.  Cost: one
 * lock pair for a block; for a slab, a run of pages and a descriptor.
 *
 * Rejected: a lock in each heap: a fork would have to find them all.
 */
#ifndef TCM_CACHE_SLAB_H
#define TCM_CACHE_SLAB_H

#include "base/compiler.h"
#include "base/list.h"
#include "base/lock.h"
#include "cache/size_class.h"
#include "heap/span.h"

/* Threads that use different heaps seldom meet on one of 16 locks, and a fork
 * takes no more. */
#define SLAB_LOCKS 16

struct slab_lock {
  struct lock lock;
} CACHE_ALIGNED;

extern struct slab_lock tcmi_slab_locks[SLAB_LOCKS];

struct slab_class {
  struct list open; /* [lock: slab] the spans of slabs with a free object */
  unsigned count;   /* [lock: slab] slabs; any thread may read it */
};

struct tcm_heap {
  struct list slabs; /* [lock: slab] all */
  size_t bytes;      /* [lock: slab] see H3; any thread may read it */
  size_t state;      /* [lock: slab] HEAP_ALIVE, or else it was deleted; any
                        thread may read it */
  struct slab_class classes[SIZE_CLASS_COUNT]; /* [lock: slab] */
};

/* A random number: memory that is no heap does not hold it. */
#define HEAP_ALIVE ((size_t)0x6b1f93d2a7c5084eu)

struct slab {
  struct list link;      /* [lock: slab] in the heap's list of slabs */
  struct tcm_heap *heap; /* [const] */
  uint16_t nfree;        /* [lock: slab] set bits */
  uint16_t fresh;        /* [lock: slab] first object never handed out */
  uint16_t lowest;       /* [lock: slab] see H1 */
  uint8_t class_id;      /* [const] of its objects, 0 for one large block */
};

/* The slab of a span that has the flag. */
static inline struct slab *
slab_of(const struct span *span)
{
  return (struct slab *)(uintptr_t)span - 1;
}

/* Whether the heap still exists.  Its memory may have been reused, so the
 * answer may be wrong. */
static inline bool
slab_heap_is_alive(const struct tcm_heap *heap)
{
  return atomic_load_relaxed(&heap->state) == HEAP_ALIVE;
}

/* The bytes of a block of a slab. */
static inline size_t
slab_usable(const struct span *span)
{
  unsigned class_id = slab_of(span)->class_id;

  return class_id != 0 ? size_class_size(class_id) : span_bytes(span);
}

/* A heap without a block, or NULL when there is no memory. */
MUST_CHECK struct tcm_heap *tcmi_slab_heap_new(void);
/* Frees all blocks of the heap, and the heap. */
void tcmi_slab_heap_delete(struct tcm_heap *heap);

/* An object from the slabs that the heap has, or NULL. */
MUST_CHECK void *tcmi_slab_take(struct tcm_heap *heap, unsigned class_id);
/* The same, from a new slab if necessary; NULL when there is no memory. */
MUST_CHECK void *tcmi_slab_allocate(struct tcm_heap *heap, unsigned class_id);
/* A large block; the arguments are those of tcmi_large_alloc(). */
MUST_CHECK void *tcmi_slab_allocate_large(struct tcm_heap *heap, size_t size,
                                          size_t align, bool zero);

/* Whether @block is a block in use of the slab. */
enum block_verdict tcmi_slab_judge(const struct span *span, uintptr_t block);
/* Frees it if it is.  Sets *@gone if pages of the heap became free. */
enum block_verdict tcmi_slab_free(struct span *span, uintptr_t block,
                                  bool *gone);
/* Call it after a large block that had @npages changed its size. */
void tcmi_slab_resized(const struct span *span, size_t npages);

/* If a slab begins at @start, copies which of its blocks are in use. */
struct block_run;
bool tcmi_slab_blocks(uintptr_t start, struct block_run *run);

/* Debug: checks every invariant above. */
void tcmi_slab_verify(struct tcm_heap *heap);

#endif /* TCM_CACHE_SLAB_H */
