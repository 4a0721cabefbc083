/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * allocate.h - the work of malloc and free, under all their names.
 *
 *     malloc -> thread_cache_pop -- empty --> tcmi_allocate_slow
 *     free   -> thread_cache_try_push -- else --> tcmi_free_slow
 *
 * The slow path has one seam, enter_slow_path() in allocate.c: every call that
 * the thread cache cannot serve goes through it.  Those that may make the heap
 * grow go through tcmi_enter_allocation(), the one place where the soft limit
 * applies.
 *
 * Invariants
 *   P1  a failed allocation sets errno to ENOMEM and changes nothing else.
 *   P2  a free does not change errno.
 *
 * Locking: no lock is held between the calls into the layers below.
 */
#ifndef TCM_FRONT_ALLOCATE_H
#define TCM_FRONT_ALLOCATE_H

#include "base/compiler.h"
#include "cache/misuse.h"
#include "cache/thread_cache_fast.h"
#include "cache/thread_cache_large.h"

/* Begins a call that may make the heap grow. */
void tcmi_enter_allocation(void);
/* Any size, with or without a cache; on failure NULL, with errno ENOMEM.
 * @cache is the thread's, @index from thread_cache_pop_from(). */
void *tcmi_allocate_slow(size_t size, struct thread_cache *cache, size_t index);
/* @count * @size bytes, zeroed. */
void *tcmi_allocate_zeroed(size_t count, size_t size);
/* @align is a power of two; @from is the return address that reports about the
 * block name. */
void *tcmi_allocate_aligned(size_t align, size_t size);
void *tcmi_allocate_for(const void *from, size_t align, size_t size);
/* Frees any block; aborts if the pointer is invalid. */
void tcmi_free_slow(void *block);
void tcmi_free_checked(struct call call, void *block);

/* The usable bytes of a block; aborts if the pointer is invalid. */
size_t tcmi_usable_size(struct call call, void *block);
/* The usable bytes of a block from tcmi_allocate(@size). */
size_t tcmi_good_size(size_t size);

/* The alignment that glibc's memalign uses for any number; 0 if no power of two
 * is large enough. */
size_t tcmi_alignment_round(size_t alignment);

static ALWAYS_INLINE void *
tcmi_allocate(size_t size)
{
  struct thread_cache *cache = tcmi_thread_cache;
  size_t tag, index;
  void *block = thread_cache_pop_from(cache, size, &tag, &index);

  if (likely(block != NULL))
    return block;
  return tcmi_allocate_slow(size, cache, index);
}

static ALWAYS_INLINE void
tcmi_free(void *block)
{
  if (likely(thread_cache_try_push(block)))
    return;
  tcmi_free_slow(block);
}

#endif /* TCM_FRONT_ALLOCATE_H */
