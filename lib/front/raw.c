/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "front/raw.h"

#include <string.h>

#include "base/bits.h"
#include "base/params.h"
#include "base/report.h"
#include "cache/central_list.h"
#include "cache/live.h"
#include "cache/mark.h"
#include "cache/thread_bytes.h"
#include "cache/thread_cache_checked.h"
#include "cache/thread_cache_fast.h"
#include "cache/thread_cache_large.h"
#include "front/block_check.h"
#include "heap/clear.h"
#include "heap/closed.h"
#include "heap/large.h"
#include "heap/pagemap.h"
#include "observe/stats.h"
#include "process/background.h"
#include "process/release.h"
#include "profile/guarded.h"
#include "profile/profile.h"

/* Sets the live bit of an object that the program gets, at TCM_CHECK=1. */
static void
begin_live(void *object)
{
  struct span *span = pagemap_span((uintptr_t)object);

  if (span->live != 0)
    CHECK(live_begin(span, (uintptr_t)object));
}

void
tcmi_raw_begin_use(void *object)
{
  tcmi_mark_take(object);
  if (unlikely(live_is_on()))
    begin_live(object);
}

/* For an object out of its span. */
static void
begin_new_use(void *object)
{
  mark_clear(object);
  if (unlikely(live_is_on()))
    begin_live(object);
}

static void *
object_get(unsigned class_id)
{
  void *object;
  bool zero;

  stats_count_slow_malloc();
  if (unlikely(!thread_has_cache())) {
    object = tcmi_central_extract_one(class_id, &zero);
    if (likely(object != NULL))
      begin_new_use(object);
    return object;
  }
  object = tcmi_thread_cache_refill(tcmi_thread_cache, class_id);
  if (likely(object != NULL))
    tcmi_raw_begin_use(object);
  return object;
}

/* False if the object is not in use. */
static bool
end_use(unsigned class_id, void *object)
{
  struct span **place, *span;

  if (likely(!live_is_on()))
    return likely(mark_set(object, atomic_load_relaxed(&tcmi_free_mark))) ||
           !tcmi_object_is_free(class_id, object);
  place = pagemap_span_place((uintptr_t)object);
  span = atomic_load_relaxed(place);
  if (span == NULL || span->class_id != class_id)
    return false;
  if (span->live != 0 && !live_end(place, span, (uintptr_t)object))
    return false;
  mark_write(object, atomic_load_relaxed(&tcmi_free_mark));
  tcmi_thread_cache_move_view(tcmi_thread_cache, object);
  return true;
}

void *
tcmi_raw_allocate_small(unsigned class_id)
{
  struct bin *bin = thread_cache_bin(tcmi_thread_cache, 2 * (size_t)class_id);
  void *object;

  if (thread_has_cache() && !bin_is_empty(bin) &&
      thread_cache_has_allocated(tcmi_thread_cache, class_id)) {
    object = *--bin->top;
    tcmi_raw_begin_use(object);
    return object;
  }
  object = object_get(class_id);
  if (unlikely(object == NULL) && tcmi_make_room())
    object = object_get(class_id);
  return object;
}

/* The block freed last, if it has exactly this size. */
static void *
large_from_cache(size_t size, size_t align, bool zero)
{
  struct span *span;

  if (!thread_has_cache() || align > PAGE_SIZE)
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

  if (!thread_has_cache() || bin_is_empty(bin)) {
    stats_count_slow_malloc();
    object = tcmi_central_extract_one(class_id, &zero);
  }
  if (object == NULL)
    object = tcmi_raw_allocate_small(class_id);
  else if (!zero)
    begin_new_use(object);
  else if (live_is_on())
    begin_live(object);
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

/* @align is not above PTRDIFF_MAX. */
static void *
slab_get(struct tcm_heap *heap, size_t align, size_t size, bool zero)
{
  unsigned class_id = raw_class(align, size);
  void *block;

  if (class_id == 0) {
    stats_count_own(large_mallocs);
    return tcmi_slab_allocate_large(heap, size, max_size(align, PAGE_SIZE),
                                    zero);
  }
  block = tcmi_slab_allocate(heap, class_id);
  return block == NULL || !zero ? block
                                : memset(block, 0, size_class_size(class_id));
}

void *
tcmi_raw_allocate_in(struct tcm_heap *heap, size_t align, size_t size,
                     bool zero)
{
  void *block;

  if (heap == NULL)
    return tcmi_raw_allocate(align, size, zero);
  if (align > PTRDIFF_MAX || size > PTRDIFF_MAX - align)
    return NULL;
  block = slab_get(heap, align, size, zero);
  if (unlikely(block == NULL) && tcmi_make_room())
    block = slab_get(heap, align, size, zero);
  return block;
}

bool
tcmi_raw_resize_large(struct span *span, size_t size)
{
  size_t npages = span->npages;

  if (!tcmi_large_resize(span, size))
    return false;
  if (unlikely(span->slab))
    tcmi_slab_resized(span, npages);
  return true;
}

bool
tcmi_raw_move_large(struct span *span, size_t size)
{
  size_t npages = span->npages;

  if (!tcmi_large_move(span, size))
    return false;
  if (unlikely(span->slab))
    tcmi_slab_resized(span, npages);
  return true;
}

void
tcmi_raw_free_small(struct call call, unsigned class_id, void *object)
{
  stats_count_own(slow_frees);
  check_block_start(call, class_id, (uintptr_t)object);
  if (unlikely(!end_use(class_id, object)))
    tcmi_misuse(call, "double free", (uintptr_t)object);
  if (unlikely(!thread_has_cache()))
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
  else if (unlikely(!span->mapped && tcmi_closed_wants(span_bytes(span))))
    tcmi_large_close(span, call.from);
  else if (thread_has_cache() && !span->mapped && !profile_counts() &&
           !thread_counts() &&
           tcmi_thread_cache_keep_large(tcmi_thread_cache, span))
    pagemap_unclaim(address, span);
  else
    tcmi_large_free(span);
}

void
tcmi_raw_free_slab(struct call call, uintptr_t address, struct span *span)
{
  bool gone;

  if (unlikely(tcmi_slab_free(span, address, &gone) != BLOCK_VALID))
    tcmi_refuse(call, (void *)address, "double free");
  if (unlikely(gone))
    background_poll();
}

void
tcmi_raw_free(void *block)
{
  struct call call = call_unknown("free");
  struct span *span = pagemap_span((uintptr_t)block);

  if (span->slab)
    tcmi_raw_free_slab(call, (uintptr_t)block, span);
  else if (span->class_id != 0)
    tcmi_raw_free_small(call, span->class_id, block);
  else
    tcmi_raw_free_large(call, (uintptr_t)block, span);
}
