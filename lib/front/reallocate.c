/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "front/reallocate.h"

#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "base/params.h"
#include "base/system.h"
#include "cache/size_class.h"
#include "front/allocate.h"
#include "front/counting.h"
#include "front/guard.h"
#include "front/heaps.h"
#include "front/raw.h"
#include "heap/pagemap.h"
#include "process/background.h"
#include "profile/profile.h"

/* Whether a block of @usable bytes stays as it is for @size bytes: if they fit,
 * and use more than half of it or it is small.  Never for 0 bytes. */
static ALWAYS_INLINE bool
fits_as_it_is(size_t usable, size_t size)
{
  return size - 1 < usable && (size > usable / 2 || usable <= 64);
}

static NOINLINE void *
move_by_copy(void *block, size_t usable, size_t size)
{
  void *moved = tcmi_allocate(size);

  if (moved == NULL)
    return NULL;
  memcpy(moved, block, min_size(usable, size));
  tcmi_free(block);
  return moved;
}

/* The same for a block of a heap of the program, which stays in its heap. */
static NOINLINE void *
move_in_heap(void *block, size_t usable, size_t size)
{
  void *moved =
      tcmi_heap_allocate(CALL_HERE("realloc"), raw_heap(block), 1, size, false);

  if (moved == NULL)
    return NULL;
  memcpy(moved, block, min_size(usable, size));
  tcmi_free(block);
  return moved;
}

/* A resized block counts in the heap profile if the profile is on, or if the
 * block is a sample. */
static bool
profile_sees(const struct span *span)
{
  return (profile_counts() && !span->slab) || span->sample != 0;
}

/* Counts a large block that had @usable bytes, if somebody counts. */
static void
count_resized(struct span *span, size_t usable, bool seen)
{
  if (unlikely(seen))
    tcmi_profile_resized(span);
  if (thread_counts() && !span->slab)
    tcmi_count_resized(usable, (void *)span->start);
}

static bool
resize_large(struct span *span, size_t size)
{
  size_t usable = span_bytes(span);
  bool seen = profile_sees(span);

  if (!tcmi_raw_resize_large(span, size))
    return false;
  if (span_bytes(span) != usable)
    count_resized(span, usable, seen);
  background_poll();
  return true;
}

static void *
reallocate_large(void *block, size_t size)
{
  struct span *span = pagemap_span((uintptr_t)block);
  size_t usable = span_bytes(span);
  bool seen = profile_sees(span);

  if (size > PTRDIFF_MAX) {
    errno = ENOMEM;
    return NULL;
  }
  /* The call that moves a mapped block can also grow it in place. */
  if (size > SIZE_CLASS_MAX && (size <= usable || !span->mapped) &&
      resize_large(span, size))
    return block;
  if (size > usable && tcmi_raw_move_large(span, size)) {
    count_resized(span, usable, seen);
    return (void *)span->start;
  }
  return unlikely(span->slab) ? move_in_heap(block, usable, size)
                              : move_by_copy(block, usable, size);
}

static void *
guarded(struct call call, void *block, size_t size)
{
  size_t before = thread_counts() ? tcmi_counted_bytes(block) : 0;
  void *moved = tcmi_guard_reallocate(call, block, size);

  if (moved == NULL)
    errno = ENOMEM;
  else if (thread_counts())
    tcmi_count_resized(before, moved);
  return moved;
}

/* Whether the block has its own span, and not only because it is a sample. */
static bool
is_large(const void *block, size_t usable)
{
  const struct span *span = pagemap_span((uintptr_t)block);

  if (unlikely(span->slab))
    return slab_of(span)->class_id == 0;
  return pagemap_tag((uintptr_t)block) == 0 && span->slot == 0 &&
         (usable > SIZE_CLASS_MAX || span->sample == 0);
}

static bool
expand_in_place(struct call call, void *block, size_t usable, size_t size)
{
  if (size > PTRDIFF_MAX)
    return false;
  if (guard_is_on()) {
    if (!tcmi_guard_expand(call, block, size))
      return false;
    if (thread_counts())
      tcmi_count_resized(raw_heap(block) != NULL ? 0 : usable, block);
    return true;
  }
  return is_large(block, usable) && size > SIZE_CLASS_MAX &&
         resize_large(pagemap_span((uintptr_t)block), size);
}

size_t
tcmi_expand(struct call call, void *block, size_t size)
{
  size_t usable;

  if (block == NULL) {
    errno = ENOMEM;
    return 0;
  }
  tcmi_enter_allocation();
  usable = tcmi_usable_size(call, block);
  if (size <= usable)
    return usable;
  if (expand_in_place(call, block, usable, size))
    return tcmi_usable_size(call, block);
  errno = ENOMEM;
  return 0;
}

static NOINLINE void *
reallocate_slow(void *block, size_t size)
{
  struct call call = CALL_HERE("realloc");
  size_t usable;

  if (block == NULL)
    return tcmi_allocate(size);
  if (size == 0) {
    tcmi_free_checked(call, block);
    return NULL;
  }
  tcmi_enter_allocation();
  if (guard_is_on())
    return guarded(call, block, size);
  usable = tcmi_usable_size(call, block);
  if (is_large(block, usable))
    return reallocate_large(block, size);
  if (fits_as_it_is(usable, size))
    return block;
  return unlikely(raw_heap(block) != NULL) ? move_in_heap(block, usable, size)
                                           : move_by_copy(block, usable, size);
}

void *
tcmi_reallocate(void *block, size_t size)
{
  size_t tag = thread_cache_tag_of(block);
  size_t usable = size_class_size(tag >> 1);

  if (unlikely(tag == 0 || size == 0))
    return reallocate_slow(block, size);
  if (likely(fits_as_it_is(usable, size)))
    return block;
  return move_by_copy(block, usable, size);
}
