/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * allocate.h - what malloc and free do, under whatever name they are called.
 *
 *     malloc -> thread_cache_pop -- empty --> tcmi_allocate_slow
 *     free   -> thread_cache_try_push -- else --> tcmi_free_slow
 *
 * The slow path has one seam, enter_slow_path() in allocate.c: every call that
 * the thread cache cannot answer goes through it.  Those that may make the heap
 * grow go through tcmi_enter_allocation(), the one place where the soft limit
 * applies.
 *
 * Invariants
 *   P1  a failed allocation sets errno to ENOMEM and changes nothing else.
 *   P2  a free leaves errno alone.
 *   P3  before an allocation fails, all caches are flushed and it is tried
 *       once more.
 *
 * Locking: none is held between the calls into the floors below.
 */
#ifndef TCM_API_ALLOCATE_H
#define TCM_API_ALLOCATE_H

#include "base/compiler.h"
#include "cache/misuse.h"
#include "cache/thread_cache_fast.h"
#include "cache/thread_cache_large.h"

/* The begin of a call that may make the heap grow. */
void tcmi_enter_allocation(void);
/* Any size, cache or no cache; NULL with errno ENOMEM. */
void *tcmi_allocate_slow(size_t size);
/* @count * @size bytes, zeroed. */
void *tcmi_allocate_zeroed(size_t count, size_t size);
/* @align is a power of two; @from is the return address that a line about the
 * block names. */
void *tcmi_allocate_aligned(size_t align, size_t size);
void *tcmi_allocate_for(const void *from, size_t align, size_t size);
/* Frees any block, and aborts on what is none. */
void tcmi_free_slow(void *block);
void tcmi_free_checked(struct call call, void *block);

/* The usable bytes of a block; aborts on what is none. */
size_t tcmi_usable_size(struct call call, void *block);
/* What tcmi_allocate(@size) makes usable. */
size_t tcmi_good_size(size_t size);

/* The memory of a block, beneath what guard.h adds to it; without memory NULL,
 * and errno is left alone. */
void *tcmi_raw_allocate(size_t align, size_t size, bool zero);
void tcmi_raw_free(void *block);
/* Aborts with what is wrong about an address that is no block in use; @gone is
 * said of one that may have been a block. */
void tcmi_refuse(struct call call, void *block, const char *gone)
    __attribute__((noreturn, cold));

/* The alignment that glibc's memalign uses for any number; 0 if there is no
 * power of two above it. */
size_t tcmi_alignment_round(size_t alignment);

static ALWAYS_INLINE void *
tcmi_allocate(size_t size)
{
  void *block = thread_cache_pop(size);

  if (likely(block != NULL))
    return block;
  return tcmi_allocate_slow(size);
}

static ALWAYS_INLINE void
tcmi_free(void *block)
{
  if (likely(thread_cache_try_push(block)))
    return;
  tcmi_free_slow(block);
}

#endif /* TCM_API_ALLOCATE_H */
