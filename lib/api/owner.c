/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A separate file, so that the linker resolves the names to the program's where
 * it has defined them.
 */
#include "config.h"

#include "api/owner.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#include "base/bits.h"
#include "front/allocate.h"
#include "heap/pagemap.h"

/* This thread is calling a function of the program. [owner thread] */
static __thread bool asking;

bool
tcmi_owner_is_program(void)
{
  return !IS_SAME(free, tcmi_own_free);
}

void *
tcmi_owner_realloc(void *ptr, size_t size)
{
  if (likely(IS_SAME(realloc, tcmi_own_realloc)))
    return tcmi_own_realloc(ptr, size);
  return realloc(ptr, size);
}

void
tcmi_owner_free(void *ptr)
{
  free(ptr);
}

bool
tcmi_owner_is_unknown(const void *ptr)
{
  return unlikely(tcmi_owner_is_program()) &&
         tcmi_pagemap_find((uintptr_t)ptr) == NULL;
}

static void *
from_posix_memalign(size_t align, size_t size)
{
  void *block = NULL;
  int error = posix_memalign(&block, max_size(align, sizeof(void *)), size);

  if (error == 0)
    return block;
  errno = error;
  return NULL;
}

/* @whole is a multiple of the alignment: many heaps align such sizes. */
static void *
from_malloc(size_t align, size_t size, size_t whole)
{
  void *block = malloc(whole);

  if (block == NULL || (uintptr_t)block % align == 0)
    return block;
  free(block);
  return tcmi_allocate_aligned(align, size);
}

static void *
ask_program(size_t align, size_t size)
{
  size_t whole;

  if (size > PTRDIFF_MAX - align) {
    errno = ENOMEM;
    return NULL;
  }
  whole = round_up(max_size(size, 1), align);
  if (!IS_SAME(posix_memalign, tcmi_own_posix_memalign))
    return from_posix_memalign(align, size);
  if (!IS_SAME(aligned_alloc, tcmi_own_aligned_alloc))
    return aligned_alloc(align, whole);
  if (!IS_SAME(memalign, tcmi_own_memalign))
    return memalign(align, size);
  if (!IS_SAME(malloc, tcmi_own_malloc))
    return from_malloc(align, size, whole);
  return tcmi_allocate_aligned(align, size);
}

void *
tcmi_owner_allocate_aligned(size_t align, size_t size)
{
  void *block;

  if (likely(!tcmi_owner_is_program()) || asking)
    return tcmi_allocate_aligned(align, size);
  asking = true;
  block = ask_program(align, size);
  asking = false;
  return block;
}
