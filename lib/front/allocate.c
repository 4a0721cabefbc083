/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "front/allocate.h"

#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "base/options.h"
#include "base/params.h"
#include "cache/thread_cache_checked.h"
#include "front/block_check.h"
#include "front/counting.h"
#include "front/guard.h"
#include "front/raw.h"
#include "heap/large.h"
#include "heap/pagemap.h"
#include "observe/stats.h"
#include "process/background.h"
#include "process/lifecycle.h"
#include "process/release.h"
#include "process/request.h"
#include "profile/profile.h"

/* The seam: every slow path begins here. */
static ALWAYS_INLINE void
enter_slow_path(enum start_from from)
{
  if (unlikely(tcmi_thread_cache_state == CACHE_NONE))
    tcmi_thread_start(from);
  request_poll();
  profile_poll();
}

static ALWAYS_INLINE void
enter_allocation(enum start_from from)
{
  enter_slow_path(from);
  background_poll_early();
  tcmi_flush_if_grown();
}

void
tcmi_enter_allocation(void)
{
  enter_allocation(START_OTHER);
}

/* Every block that the slow path allocates goes through here. */
static void *
or_enomem(void *block)
{
  if (unlikely(block == NULL))
    errno = ENOMEM;
  else if (thread_counts())
    tcmi_count_allocated(block);
  return block;
}

/* The block, if this allocation is sampled; else NULL. */
static NOINLINE void *
allocate_sampled(size_t align, size_t size, bool zero)
{
  unsigned class_id;
  void *block;

  if (align > PTRDIFF_MAX || size > PTRDIFF_MAX - align)
    return NULL;
  class_id = raw_class(align, size);
  block = tcmi_profile_allocate(align, size, class_id, zero);
  if (block != NULL && class_id != 0)
    stats_count_slow_malloc();
  return block;
}

/* A separate function, so that the steps before it need no stack frame. */
static NOINLINE void *
allocate_slower(size_t size, const void *from)
{
  void *block;

  if (thread_counts() && (block = tcmi_counting_pop(size)) != NULL)
    return block;
  tcmi_enter_allocation();
  if (guard_is_on())
    return or_enomem(tcmi_guard_allocate(from, NULL, 1, size, /*zero=*/false));
  if (profile_counts() &&
      (block = allocate_sampled(1, size, /*zero=*/false)) != NULL)
    return or_enomem(block);
  if (likely(size <= SIZE_CLASS_MAX))
    return or_enomem(tcmi_raw_allocate_small(size_class_of(size)));
  return or_enomem(tcmi_raw_allocate_large(size, PAGE_SIZE, /*zero=*/false));
}

/* The second step of the slow path: a checked thread, or a large block. */
static NOINLINE void *
allocate_uncounted(size_t size, struct thread_cache *cache, size_t index)
{
  size_t tag = tcmi_tags[index];
  void *block;

  if (tag == 0)
    block = thread_cache_pop_large(size);
  else
    block = thread_cache_pop_checked(cache, tag);
  return likely(block != NULL)
             ? block
             : allocate_slower(size, __builtin_return_address(0));
}

/* A separate function, so that the first step needs no other registers. */
NOINLINE void *
tcmi_allocate_slow(size_t size, struct thread_cache *cache, size_t index)
{
  void *block = thread_cache_pop_counted(cache, tcmi_tags[index]);

  return likely(block != NULL) ? block : allocate_uncounted(size, cache, index);
}

/* The first steps of the slow path for a small block of that tag, or NULL. */
static ALWAYS_INLINE void *
pop_small(struct thread_cache *cache, size_t tag)
{
  void *block = thread_cache_pop_counted(cache, tag);

  if (unlikely(block == NULL) && unlikely(cache->view.npages != 0))
    block = thread_cache_pop_checked(cache, tag);
  return block;
}

/* @tag is 0 unless the size is below PAGE_SIZE. */
static NOINLINE void *
allocate_zeroed_slow(size_t bytes, struct thread_cache *cache, size_t tag)
{
  void *block = pop_small(cache, tag);
  unsigned class_id;

  if (block != NULL)
    return memset(block, 0, thread_cache_tag_size(tag));
  enter_allocation(START_MAYBE_TSD);
  if (guard_is_on())
    return or_enomem(tcmi_guard_allocate(__builtin_return_address(0), NULL, 1,
                                         bytes,
                                         /*zero=*/true));
  if (profile_counts() &&
      (block = allocate_sampled(1, bytes, /*zero=*/true)) != NULL)
    return or_enomem(block);
  if (bytes > SIZE_CLASS_MAX)
    return or_enomem(tcmi_raw_allocate_large(bytes, PAGE_SIZE, /*zero=*/true));
  if (bytes >= PAGE_SIZE)
    return or_enomem(tcmi_raw_allocate_zeroed(size_class_of(bytes)));
  class_id = size_class_of(bytes);
  block = or_enomem(tcmi_raw_allocate_small(class_id));
  return unlikely(block == NULL) ? NULL
                                 : memset(block, 0, size_class_size(class_id));
}

/* Like the fast path, but zeroes the whole object: programs use all the bytes
 * that malloc_usable_size() reports, and expect zeros there. */
void *
tcmi_allocate_zeroed(size_t count, size_t size)
{
  struct thread_cache *cache = tcmi_thread_cache;
  size_t bytes, tag, index = LARGE_TAG_INDEX;
  void *block;

  if (unlikely(__builtin_mul_overflow(count, size, &bytes)))
    return or_enomem(NULL);
  if (likely(bytes < PAGE_SIZE) &&
      likely((block = thread_cache_pop_from(cache, bytes, &tag, &index)) !=
             NULL))
    return memset(block, 0, thread_cache_tag_size(tag));
  return allocate_zeroed_slow(bytes, cache, tcmi_tags[index]);
}

void *
tcmi_allocate_for(const void *from, size_t align, size_t size)
{
  struct thread_cache *cache = tcmi_thread_cache;
  size_t tag, index;
  void *block;

  if (align <= BLOCK_ALIGN) {
    block = thread_cache_pop_from(cache, size, &tag, &index);
    if (unlikely(block == NULL))
      block = pop_small(cache, tcmi_tags[index]);
    return likely(block != NULL) ? block : allocate_slower(size, from);
  }
  tcmi_enter_allocation();
  if (guard_is_on())
    return or_enomem(
        tcmi_guard_allocate(from, NULL, align, size, /*zero=*/false));
  if (profile_counts() &&
      (block = allocate_sampled(align, size, /*zero=*/false)) != NULL)
    return or_enomem(block);
  return or_enomem(tcmi_raw_allocate(align, size, /*zero=*/false));
}

void *
tcmi_allocate_aligned(size_t align, size_t size)
{
  return tcmi_allocate_for(__builtin_return_address(0), align, size);
}

size_t
tcmi_alignment_round(size_t alignment)
{
  if (alignment > (SIZE_MAX >> 1) + 1)
    return 0;
  if (alignment <= BLOCK_ALIGN)
    return BLOCK_ALIGN;
  return is_power_of_two(alignment) ? alignment
                                    : (size_t)2 << (bit_width(alignment) - 1);
}

void
tcmi_free_checked(struct call call, void *block)
{
  uintptr_t address = (uintptr_t)block;
  unsigned class_id = pagemap_tag(address) >> 1;
  struct span *span;

  if (block == NULL)
    return;
  enter_slow_path(START_MAYBE_TSD);
  if (thread_counts())
    tcmi_count_freed(block);
  if (guard_is_on()) {
    tcmi_guard_free(call, block);
    background_poll();
    return;
  }
  check_block_alignment(call, address);
  if (class_id != 0) {
    tcmi_raw_free_small(call, class_id, block);
    background_poll();
    return;
  }
  span = pagemap_span(address);
  if (span != NULL && span->slab) {
    tcmi_raw_free_slab(call, address, span);
    return;
  }
  tcmi_raw_free_large(call, address,
                      tcmi_check_large(call, address, "double free"));
  background_poll();
}

/* A separate function, so that the steps before it need no stack frame. */
static NOINLINE void
free_slower(void *block)
{
  struct call call = CALL_HERE("free");
  struct span *span = pagemap_span((uintptr_t)block);

  if (thread_counts() && tcmi_counting_push(block))
    return;
  /* A program that uses heaps frees most of its blocks here. */
  if (span != NULL && span->slab &&
      likely(tcmi_thread_cache_state == CACHE_OPEN))
    tcmi_raw_free_slab(call, (uintptr_t)block, span);
  else
    tcmi_free_checked(call, block);
}

static NOINLINE void
free_large_or_slower(void *block)
{
  if (!thread_cache_try_push_large(block))
    free_slower(block);
}

NOINLINE void
tcmi_free_slow(void *block)
{
  bool pushed = unlikely(tcmi_thread_cache->window.npages == 0)
                    ? thread_cache_push_checked(block)
                    : thread_cache_try_push_outside(block);

  if (!pushed)
    free_large_or_slower(block);
}

size_t
tcmi_usable_size(struct call call, void *block)
{
  uintptr_t address = (uintptr_t)block;
  unsigned class_id = pagemap_tag(address) >> 1;
  struct span *span;

  enter_slow_path(START_OTHER);
  if (guard_is_on())
    return tcmi_guard_usable_size(call, block);
  check_block_alignment(call, address);
  if (likely(class_id != 0)) {
    tcmi_check_object(call, class_id, address);
    return size_class_size(class_id);
  }
  span = tcmi_check_large(call, address, "block is free");
  if (unlikely(span->slab))
    return slab_usable(span);
  return unlikely(span->sample != 0) ? tcmi_profile_usable(span)
                                     : span_bytes(span);
}

size_t
tcmi_good_size(size_t size)
{
  if (guard_is_on() || tcmi_option(OPTION_guard_samples) != 0)
    return size > PTRDIFF_MAX ? 0 : size;
  if (size <= SIZE_CLASS_MAX)
    return size_class_size(size_class_of(size));
  return size > PTRDIFF_MAX ? 0 : tcmi_large_usable(size);
}
