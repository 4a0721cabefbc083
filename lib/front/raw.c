/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "front/raw.h"

#include <string.h>

#include "base/bits.h"
#include "base/params.h"
#include "cache/central_list.h"
#include "cache/mark.h"
#include "cache/thread_cache_fast.h"
#include "cache/thread_cache_large.h"
#include "front/block_check.h"
#include "heap/clear.h"
#include "heap/large.h"
#include "heap/pagemap.h"
#include "observe/stats.h"
#include "process/release.h"
#include "profile/guarded.h"
#include "profile/profile.h"

static void *
object_get(unsigned class_id)
{
  bool zero;

  stats_count_slow_malloc();
  if (likely(tcmi_thread_cache_state == CACHE_OPEN))
    return tcmi_thread_cache_refill(tcmi_thread_cache, class_id);
  return tcmi_central_extract_one(class_id, &zero);
}

void *
tcmi_raw_allocate_small(unsigned class_id)
{
  struct bin *bin = thread_cache_bin(tcmi_thread_cache, 2 * (size_t)class_id);
  void *object;

  if (tcmi_thread_cache_state == CACHE_OPEN &&
      (object = bin->top[-1]) != NULL &&
      thread_cache_has_allocated(tcmi_thread_cache, class_id)) {
    bin->top--;
    mark_clear(object);
    return object;
  }
  object = object_get(class_id);
  if (unlikely(object == NULL) && tcmi_make_room())
    object = object_get(class_id);
  if (likely(object != NULL))
    mark_clear(object);
  return object;
}

/* The block freed last, if it has exactly this size. */
static void *
large_from_cache(size_t size, size_t align, bool zero)
{
  struct span *span;

  if (tcmi_thread_cache_state != CACHE_OPEN || align > PAGE_SIZE)
    return NULL;
  span = tcmi_thread_cache_take_large(tcmi_thread_cache,
                                      tcmi_large_usable(size) >> PAGE_SHIFT);
  if (span == NULL)
    return NULL;
  if (zero && !tcmi_clear_sparse((void *)span->start, span_bytes(span)))
    memset((void *)span->start, 0, span_bytes(span));
  return (void *)span->start;
}

void *
tcmi_raw_allocate_large(size_t size, size_t align, bool zero)
{
  void *block;

  if (size > PTRDIFF_MAX - align)
    return NULL;
  block = large_from_cache(size, align, zero);
  if (block != NULL)
    return block;
  stats_count_own(large_mallocs);
  block = tcmi_large_alloc(size, align, zero);
  if (unlikely(block == NULL) && tcmi_make_room())
    block = tcmi_large_alloc(size, align, zero);
  return block;
}

void *
tcmi_raw_allocate_zeroed(unsigned class_id)
{
  struct bin *bin = thread_cache_bin(tcmi_thread_cache, 2 * (size_t)class_id);
  bool zero = false;
  void *object = NULL;

  if (tcmi_thread_cache_state != CACHE_OPEN || bin->top[-1] == NULL) {
    stats_count_slow_malloc();
    object = tcmi_central_extract_one(class_id, &zero);
  }
  if (object == NULL)
    object = tcmi_raw_allocate_small(class_id);
  return object == NULL || zero ? object
                                : memset(object, 0, size_class_size(class_id));
}

void *
tcmi_raw_allocate(size_t align, size_t size, bool zero)
{
  unsigned class_id = raw_class(align, size);

  if (class_id != 0)
    return zero ? tcmi_raw_allocate_zeroed(class_id)
                : tcmi_raw_allocate_small(class_id);
  if (align > PTRDIFF_MAX)
    return NULL;
  return tcmi_raw_allocate_large(size, max_size(align, PAGE_SIZE), zero);
}

void
tcmi_raw_free_small(struct call call, unsigned class_id, void *object)
{
  stats_count_own(slow_frees);
  check_block_start(call, class_id, (uintptr_t)object);
  if (unlikely(!mark_set(object, atomic_load_relaxed(&tcmi_free_mark))) &&
      tcmi_object_is_free(class_id, object))
    tcmi_misuse(call, "double free", (uintptr_t)object);
  if (unlikely(tcmi_thread_cache_state != CACHE_OPEN))
    tcmi_central_insert_one(call, class_id, object);
  else
    tcmi_thread_cache_push(tcmi_thread_cache, class_id, object);
}

void
tcmi_raw_free_large(struct call call, uintptr_t address, struct span *span)
{
  if (unlikely(!pagemap_claim(address, span)))
    tcmi_misuse(call, "double free", address);
  if (unlikely(span->sample != 0))
    tcmi_profile_freed(span);
  if (unlikely(span->slot != 0))
    tcmi_guarded_free(call, span);
  else if (tcmi_thread_cache_state == CACHE_OPEN && !span->mapped &&
           !profile_counts() &&
           tcmi_thread_cache_keep_large(tcmi_thread_cache, span))
    pagemap_unclaim(address, span);
  else
    tcmi_large_free(span);
}

void
tcmi_raw_free(void *block)
{
  unsigned class_id = pagemap_tag((uintptr_t)block) >> 1;

  if (class_id != 0)
    tcmi_raw_free_small(call_unknown("free"), class_id, block);
  else
    tcmi_raw_free_large(call_unknown("free"), (uintptr_t)block,
                        pagemap_span((uintptr_t)block));
}
