/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "api/allocate.h"

#include <errno.h>
#include <string.h>

#include "api/background.h"
#include "api/guard.h"
#include "api/lifecycle.h"
#include "api/release.h"
#include "api/request.h"
#include "base/bits.h"
#include "base/params.h"
#include "base/system.h"
#include "cache/central_list.h"
#include "cache/mark.h"
#include "heap/clear.h"
#include "heap/large.h"
#include "heap/pagemap.h"
#include "observe/stats.h"
#include "profile/guarded.h"
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

static void *
object_get(unsigned class_id)
{
  bool zero;

  stats_count_slow_malloc();
  if (likely(tcmi_thread_cache_state == CACHE_OPEN))
    return tcmi_thread_cache_refill(tcmi_thread_cache, class_id);
  return tcmi_central_extract_one(class_id, &zero);
}

/* An object of the class, from the thread cache if it has one. */
static void *
class_allocate(unsigned class_id)
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

static void *
large_allocate(size_t size, size_t align, bool zero)
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

static void *
or_enomem(void *block)
{
  if (unlikely(block == NULL))
    errno = ENOMEM;
  return block;
}

/* The class for an alignment and a size, or 0 for a large block. */
static unsigned
class_for(size_t align, size_t size)
{
  if (align > PAGE_SIZE || size > SIZE_CLASS_MAX)
    return 0;
  if (align <= BLOCK_ALIGN)
    return size_class_of(size);
  return tcmi_size_class_aligned(size, align);
}

/* The block, if this allocation is sampled; else NULL. */
static NOINLINE void *
allocate_sampled(size_t align, size_t size, bool zero)
{
  unsigned class_id;
  void *block;

  if (align > PTRDIFF_MAX || size > PTRDIFF_MAX - align)
    return NULL;
  class_id = class_for(align, size);
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

  tcmi_enter_allocation();
  if (guard_is_on())
    return or_enomem(tcmi_guard_allocate(from, 1, size, /*zero=*/false));
  if (profile_counts() &&
      (block = allocate_sampled(1, size, /*zero=*/false)) != NULL)
    return block;
  if (likely(size <= SIZE_CLASS_MAX))
    return or_enomem(class_allocate(size_class_of(size)));
  return or_enomem(large_allocate(size, PAGE_SIZE, /*zero=*/false));
}

NOINLINE void *
tcmi_allocate_slow(size_t size)
{
  void *block = size > SIZE_CLASS_MAX ? thread_cache_pop_large(size)
                                      : thread_cache_pop_counted(size);

  return likely(block != NULL)
             ? block
             : allocate_slower(size, __builtin_return_address(0));
}

/* A zeroed object of a page or more.  One that is still zero is not written to;
 * the span knows whether it is, the thread cache does not. */
static void *
paged_zeroed(unsigned class_id)
{
  struct bin *bin = thread_cache_bin(tcmi_thread_cache, 2 * (size_t)class_id);
  bool zero = false;
  void *object = NULL;

  if (tcmi_thread_cache_state != CACHE_OPEN || bin->top[-1] == NULL) {
    stats_count_slow_malloc();
    object = tcmi_central_extract_one(class_id, &zero);
  }
  if (object == NULL)
    object = class_allocate(class_id);
  return object == NULL || zero ? object
                                : memset(object, 0, size_class_size(class_id));
}

static NOINLINE void *
allocate_zeroed_slow(size_t bytes)
{
  unsigned class_id;
  void *block;

  if (bytes < PAGE_SIZE && (block = thread_cache_pop_counted(bytes)) != NULL)
    return memset(block, 0, size_class_size(size_class_of(bytes)));
  enter_allocation(START_MAYBE_TSD);
  if (guard_is_on())
    return or_enomem(tcmi_guard_allocate(__builtin_return_address(0), 1, bytes,
                                         /*zero=*/true));
  if (profile_counts() &&
      (block = allocate_sampled(1, bytes, /*zero=*/true)) != NULL)
    return block;
  if (bytes > SIZE_CLASS_MAX)
    return or_enomem(large_allocate(bytes, PAGE_SIZE, /*zero=*/true));
  if (bytes >= PAGE_SIZE)
    return or_enomem(paged_zeroed(size_class_of(bytes)));
  class_id = size_class_of(bytes);
  block = or_enomem(class_allocate(class_id));
  return unlikely(block == NULL) ? NULL
                                 : memset(block, 0, size_class_size(class_id));
}

/* Like the fast path, but zeroes the whole object: programs use all the bytes
 * that malloc_usable_size() reports, and expect zeros there. */
void *
tcmi_allocate_zeroed(size_t count, size_t size)
{
  size_t bytes, tag;
  void *block;

  if (unlikely(__builtin_mul_overflow(count, size, &bytes)))
    return or_enomem(NULL);
  if (likely(bytes < PAGE_SIZE) &&
      likely((block = thread_cache_pop_tagged(bytes, &tag)) != NULL))
    return memset(block, 0, thread_cache_tag_size(tag));
  return allocate_zeroed_slow(bytes);
}

void *
tcmi_raw_allocate(size_t align, size_t size, bool zero)
{
  unsigned class_id = class_for(align, size);

  if (class_id != 0)
    return zero ? paged_zeroed(class_id) : class_allocate(class_id);
  if (align > PTRDIFF_MAX)
    return NULL;
  return large_allocate(size, max_size(align, PAGE_SIZE), zero);
}

void *
tcmi_allocate_for(const void *from, size_t align, size_t size)
{
  void *block;

  if (align <= BLOCK_ALIGN) {
    block = thread_cache_pop(size);
    if (unlikely(block == NULL))
      block = thread_cache_pop_counted(size);
    return likely(block != NULL) ? block : allocate_slower(size, from);
  }
  tcmi_enter_allocation();
  if (guard_is_on())
    return or_enomem(tcmi_guard_allocate(from, align, size, /*zero=*/false));
  if (profile_counts() &&
      (block = allocate_sampled(align, size, /*zero=*/false)) != NULL)
    return block;
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

/* Reports an address among guarded blocks where no block is in use. */
static void __attribute__((noreturn))
refuse_guarded(struct call call, uintptr_t address, const char *gone)
{
  const struct guarded_slot *slot = tcmi_guarded_find(address);
  struct misuse_details details = {.past = NULL};

  if (address == slot->block && slot->freed.depth > 0) {
    details.past = "freed";
    details.past_from = (const void *)slot->freed.pcs[0];
  }
  tcmi_misuse_detailed(call, gone, address, &details);
}

/* The large span whose block starts at @address.  Aborts if there is none, with
 * the message @gone for a block that was freed. */
static struct span *
large_span(struct call call, uintptr_t address, const char *gone)
{
  struct span *span = pagemap_span(address);

  if (likely(span != NULL && span->class_id == 0 &&
             span_block(span) == address && !span->held))
    return span;
  if (span != NULL && span->class_id == 0 && span_block(span) == address)
    tcmi_misuse(call, gone, address);
  if (tcmi_pagemap_find(address) != NULL)
    tcmi_misuse(call, "pointer not at the start of a block", address);
  if (tcmi_guarded_find(address) != NULL)
    refuse_guarded(call, address, gone);
  if (pagemap_arena(address) == NULL)
    tcmi_misuse(call, "pointer not from this heap", address);
  tcmi_misuse(call, gone, address);
}

static void
check_alignment(struct call call, uintptr_t address)
{
  if (likely(address % BLOCK_ALIGN == 0))
    return;
  tcmi_misuse(call,
              tcmi_pagemap_find(address) != NULL ? "pointer not aligned"
                                                 : "pointer not from this heap",
              address);
}

static void
check_start(struct call call, unsigned class_id, uintptr_t address)
{
  struct span *span = pagemap_span(address);

  if (unlikely(span != NULL &&
               !size_class_is_start(class_id, address - span->start)))
    tcmi_misuse(call, "pointer not at the start of a block", address);
}

static void
object_free(struct call call, unsigned class_id, void *object)
{
  stats_count_own(slow_frees);
  check_start(call, class_id, (uintptr_t)object);
  if (unlikely(!mark_set(object, atomic_load_relaxed(&tcmi_free_mark))) &&
      tcmi_object_is_free(class_id, object))
    tcmi_misuse(call, "double free", (uintptr_t)object);
  if (unlikely(tcmi_thread_cache_state != CACHE_OPEN))
    tcmi_central_insert_one(call, class_id, object);
  else
    tcmi_thread_cache_push(tcmi_thread_cache, class_id, object);
}

/* If two threads free a block at once, only the first continues. */
static void
large_free(struct call call, uintptr_t address, struct span *span)
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
    object_free(call_unknown("free"), class_id, block);
  else
    large_free(call_unknown("free"), (uintptr_t)block,
               pagemap_span((uintptr_t)block));
}

void
tcmi_free_checked(struct call call, void *block)
{
  uintptr_t address = (uintptr_t)block;
  unsigned class_id = pagemap_tag(address) >> 1;

  if (block == NULL)
    return;
  enter_slow_path(START_MAYBE_TSD);
  if (guard_is_on()) {
    tcmi_guard_free(call, block);
    background_poll();
    return;
  }
  check_alignment(call, address);
  if (class_id != 0) {
    object_free(call, class_id, block);
    background_poll();
    return;
  }
  large_free(call, address, large_span(call, address, "double free"));
  background_poll();
}

/* A separate function, so that the steps before it need no stack frame. */
static NOINLINE void
free_slower(void *block)
{
  tcmi_free_checked(CALL_HERE("free"), block);
}

NOINLINE void
tcmi_free_slow(void *block)
{
  if (!thread_cache_try_push_outside(block) &&
      !thread_cache_try_push_large(block))
    free_slower(block);
}

/* Detects errors in a call that needs a block in use. */
static void
check_object(struct call call, unsigned class_id, uintptr_t address)
{
  check_start(call, class_id, address);
  if (unlikely(
          mark_is_set((void *)address, atomic_load_relaxed(&tcmi_free_mark))) &&
      tcmi_object_is_free(class_id, (void *)address))
    tcmi_misuse(call, "block is free", address);
  if (tcmi_thread_cache_state == CACHE_CLOSED &&
      tcmi_central_judge(pagemap_span(address), address) != CENTRAL_VALID)
    tcmi_misuse(call, "block is free", address);
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
  check_alignment(call, address);
  if (likely(class_id != 0)) {
    check_object(call, class_id, address);
    return size_class_size(class_id);
  }
  span = large_span(call, address, "block is free");
  return unlikely(span->sample != 0) ? tcmi_profile_usable(span)
                                     : span_bytes(span);
}

void
tcmi_refuse(struct call call, void *block, const char *gone)
{
  uintptr_t address = (uintptr_t)block;
  unsigned class_id = pagemap_tag(address) >> 1;

  check_alignment(call, address);
  if (class_id == 0)
    (void)large_span(call, address, gone);
  else if (tcmi_central_judge(pagemap_span(address), address) ==
           CENTRAL_INTERIOR)
    tcmi_misuse(call, "pointer not at the start of a block", address);
  tcmi_misuse(call, gone, address);
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
