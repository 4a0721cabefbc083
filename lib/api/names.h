/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * names.h - the bodies that a standard name and its tcm_ twin share.
 *
 * Inline, since a call from one exported name to another would go through the
 * procedure linkage table, or to a function that interposes it.
 */
#ifndef TCM_API_NAMES_H
#define TCM_API_NAMES_H

#include <errno.h>

#include "base/bits.h"
#include "base/options.h"
#include "base/system.h"
#include "cache/central_list.h"
#include "cache/thread_cache_checked.h"
#include "front/allocate.h"
#include "front/guard.h"
#include "front/reallocate.h"
#include "heap/pagemap.h"
#include "process/lifecycle.h"

/* The function that a name finally calls: tcm's, or for a standard name the one
 * of owner.h. */
typedef void *name_reallocate(void *ptr, size_t size);
typedef void *name_allocate_aligned(size_t align, size_t size);

static ALWAYS_INLINE void *
name_reallocarray(name_reallocate *reallocate, void *ptr, size_t count,
                  size_t size)
{
  size_t bytes;

  if (unlikely(__builtin_mul_overflow(count, size, &bytes))) {
    errno = ENOMEM;
    return NULL;
  }
  return reallocate(ptr, bytes);
}

static ALWAYS_INLINE void *
name_memalign(name_allocate_aligned *allocate, size_t alignment, size_t size)
{
  size_t align = tcmi_alignment_round(alignment);

  if (unlikely(align == 0)) {
    errno = EINVAL;
    return NULL;
  }
  return allocate(align, size);
}

static ALWAYS_INLINE void *
name_aligned_alloc(name_allocate_aligned *allocate, size_t alignment,
                   size_t size)
{
  if (unlikely(!is_power_of_two(alignment))) {
    errno = EINVAL;
    return NULL;
  }
  return allocate(alignment, size);
}

static ALWAYS_INLINE int
name_posix_memalign(name_allocate_aligned *allocate, void **out,
                    size_t alignment, size_t size)
{
  void *block;

  if (unlikely(!is_power_of_two(alignment) || alignment % sizeof(void *) != 0))
    return EINVAL;
  block = allocate(alignment, size);
  if (unlikely(block == NULL))
    return ENOMEM;
  *out = block;
  return 0;
}

static ALWAYS_INLINE void *
name_valloc(name_allocate_aligned *allocate, size_t size)
{
  tcmi_process_start();
  return allocate(tcmi_system_page_size(), size);
}

static ALWAYS_INLINE void *
name_pvalloc(name_allocate_aligned *allocate, size_t size)
{
  size_t page;

  tcmi_process_start();
  page = tcmi_system_page_size();
  if (unlikely(size > PTRDIFF_MAX - page)) {
    errno = ENOMEM;
    return NULL;
  }
  return allocate(page, max_size(round_up(size, page), page));
}

static ALWAYS_INLINE size_t
name_usable_size(void *ptr)
{
  return ptr == NULL ? 0
                     : tcmi_usable_size(CALL_HERE("malloc_usable_size"), ptr);
}

/* With the option check, a size larger than the block is an error.  At level 1
 * a smaller one is not, since realloc may leave a block larger than requested.
 * From level 2 on, the exact size is known.  @align is 0 if the call has
 * none. */
static inline void
name_check_size(struct call call, void *ptr, size_t size, size_t align)
{
  if (ptr == NULL)
    return;
  if (guard_is_on())
    tcmi_guard_check_size(call, ptr, size, align);
  else if ((live_is_on() || tcmi_thread_cache_state == CACHE_CLOSED) &&
           tcmi_pagemap_find((uintptr_t)ptr) != NULL &&
           size > tcmi_usable_size(call, ptr))
    tcmi_misuse(call, "size larger than the block", (uintptr_t)ptr);
}

static ALWAYS_INLINE void
name_free_sized(const char *function, void *ptr, size_t size, size_t align)
{
  if (unlikely(tcmi_thread_cache_state != CACHE_OPEN))
    name_check_size(CALL_HERE(function), ptr, size, align);
  tcmi_free(ptr);
}

#endif /* TCM_API_NAMES_H */
