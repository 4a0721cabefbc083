/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "profile/profile.h"

#include <string.h>

#include "base/bits.h"
#include "base/metadata.h"
#include "base/options.h"
#include "base/params.h"
#include "base/probes.h"
#include "base/random.h"
#include "base/report.h"
#include "base/system.h"
#include "cache/cache_owner.h"
#include "cache/thread_bytes.h"
#include "cache/thread_cache_large.h"
#include "heap/large.h"
#include "heap/pagemap.h"
#include "profile/guarded.h"
#include "profile/sample_math.h"
#include "profile/unwind.h"

uint32_t tcmi_profile_epoch;

/* A copy of tcmi_profile.mean; reading it touches no page of tcmi_profile.
 * [atomic: relaxed] */
static uint64_t mean_in_force;

void
tcmi_profile_apply(void)
{
  uint64_t mean = tcmi_option(OPTION_profile_bytes);

  if (atomic_load_relaxed(&mean_in_force) == mean)
    return;
  lock_acquire(&tcmi_profile_lock);
  if (mean != 0)
    tcmi_profile.metadata_bytes += tcmi_unwind_cache_make();
  atomic_store_relaxed(&mean_in_force, mean);
  atomic_store_relaxed(&tcmi_profile.mean, mean);
  atomic_add_relaxed(&tcmi_profile_epoch, 1);
  lock_release(&tcmi_profile_lock);
  /* Threads that take samples notice by themselves when sampling stops. */
  if (mean != 0)
    tcmi_thread_cache_close_all_tags();
}

static size_t
draw_distance(struct cache_owner *owner)
{
  return tcmi_sample_distance(owner->sample_mean,
                              tcmi_random_next(&owner->sample_random));
}

/* If the mean changes again in the meantime, the epoch changes too. */
void
tcmi_profile_follow(void)
{
  struct thread_cache *cache = tcmi_thread_cache;
  struct cache_owner *owner = owner_of(cache);

  if (tcmi_thread_cache_state != CACHE_OPEN)
    return;
  cache->sample_epoch = atomic_load_relaxed(&tcmi_profile_epoch);
  owner->sample_mean = atomic_load_relaxed(&tcmi_profile.mean);
  tcmi_thread_cache_count_objects(cache,
                                  owner->sample_mean != 0 && !thread_counts());
  if (owner->sample_mean == 0) {
    cache->sample_left = 0;
    tcmi_thread_cache_open_tags(cache);
    return;
  }
  if (owner->sample_random == 0)
    owner->sample_random = tcmi_random(RANDOM_SAMPLES) +
                           ((uint64_t)lock_self() << 32) + (uintptr_t)owner;
  if (owner->past == NULL)
    owner->past = tcmi_metadata_alloc_zeroed(CACHE_PAST_BYTES);
  cache->sample_left = draw_distance(owner);
  tcmi_thread_cache_close_tags(cache);
  /* Cached large blocks would not be counted. */
  tcmi_thread_cache_flush_large(cache);
}

/* Counts a large block of @usable bytes; whether a sample begins in it. */
static bool
count_large(struct cache_owner *owner, size_t usable)
{
  if (usable < owner->hot.sample_left) {
    owner->hot.sample_left -= usable;
    return false;
  }
  owner->hot.sample_left = draw_distance(owner);
  return true;
}

/* The same for an object.  Drawing a distance again does no harm: the rest of a
 * distance has the same distribution as a new one. */
static bool
count_object(struct cache_owner *owner, unsigned class_id)
{
  uint64_t left = owner->hot.objects_left[class_id];

  if (left == 0)
    left = (draw_distance(owner) - 1) / size_class_size(class_id) + 1;
  if (owner_counts_objects(owner))
    owner->objects[class_id] =
        thread_cache_has_allocated(&owner->hot, class_id) ? left - 1 : 0;
  return left == 1;
}

/* Counts a block, and says whether to sample it.  @usable are its bytes if it
 * is a large one. */
static bool
is_due(struct cache_owner *owner, unsigned class_id, size_t usable)
{
  bool due = class_id != 0 ? count_object(owner, class_id)
                           : count_large(owner, usable);

  /* Not in a signal handler that interrupted its thread in this file. */
  return due && (atomic_load_relaxed(&tcmi_profile_lock.word) & 0x7fffffff) !=
                    lock_self();
}

_Static_assert(sizeof(struct unwind_past) <= CACHE_PAST_BYTES,
               "a cache has room for it");

/* Returns the number of a record, or 0.  Not inlined, so that callers do not
 * hold the array on their stack. */
static NOINLINE uint32_t
add_here(struct cache_owner *owner, size_t usable)
{
  uintptr_t pcs[UNWIND_FRAMES];
  bool whole;
  size_t depth = tcmi_unwind(owner->past, pcs, UNWIND_FRAMES, &whole);

  return tcmi_profile_add(pcs, depth, whole, usable, owner->sample_mean);
}

/* Completes a sample with the block of the span, which has @usable bytes. */
static void
place_sample(struct span *span, uint32_t number, uintptr_t home, size_t usable)
{
  const struct profile_record *record = tcmi_profile_record(number);

  tcmi_profile_place(number, span_block(span), home, usable,
                     span_bytes(span) - usable);
  span->sample = number;
  probe_sample(span_block(span), record->size, record->bytes);
}

/* Like add_here(), but also stores the stack in the slot. */
static NOINLINE uint32_t
add_guarded_here(struct cache_owner *owner, size_t usable, uint32_t slot)
{
  uintptr_t pcs[UNWIND_FRAMES];
  bool whole;
  size_t depth = tcmi_unwind(owner->past, pcs, UNWIND_FRAMES, &whole);

  tcmi_guarded_allocated(slot, pcs, depth);
  return tcmi_profile_add(pcs, depth, whole, usable, owner->sample_mean);
}

/* A sampled block in a slot; NULL if there is no room.  Not inlined, so that
 * stack walks read little of the caller's frame. */
static NOINLINE void *
allocate_guarded(struct cache_owner *owner, size_t align, size_t size,
                 size_t usable, bool zero)
{
  bool at_end = tcmi_random_next(&owner->sample_random) >> 63 != 0;
  uint32_t slot = tcmi_guarded_take(), number;
  struct span *span;

  if (slot == 0)
    return NULL;
  number = add_guarded_here(owner, usable, slot);
  if (number == 0) {
    tcmi_guarded_give_back(slot);
    return NULL;
  }
  span = tcmi_guarded_place(slot, align, size, zero, at_end);
  if (span == NULL) {
    tcmi_profile_cancel(number);
    return NULL;
  }
  place_sample(span, number, /*home=*/0, max_size(size, 1));
  return (void *)span_block(span);
}

/* The address of the next object of the class, or 0.  If the bin is empty, this
 * refills it and pushes the object back. */
static uintptr_t
place_of_next(struct thread_cache *cache, unsigned class_id)
{
  const struct bin *bin = &cache->bins[class_id];
  void *object;

  if (!bin_is_empty(bin))
    return (uintptr_t)bin->top[-1];
  object = tcmi_thread_cache_refill(cache, class_id);
  if (object != NULL)
    tcmi_thread_cache_push(cache, class_id, object);
  return (uintptr_t)object;
}

void *
tcmi_profile_allocate(size_t align, size_t size, unsigned class_id, bool zero)
{
  struct thread_cache *cache = tcmi_thread_cache;
  struct cache_owner *owner = owner_of(cache);
  size_t usable =
      class_id != 0 ? size_class_size(class_id) : tcmi_large_usable(size);
  struct span *span;
  uint32_t number;
  void *block;

  if (!is_due(owner, class_id, usable))
    return NULL;
  if (unlikely(tcmi_guarded_wants(align, size, &owner->sample_random)) &&
      (block = allocate_guarded(owner, align, size, usable, zero)) != NULL)
    return block;
  number = add_here(owner, usable);
  if (number == 0)
    return NULL;
  block = tcmi_large_alloc(max_size(size, usable), max_size(align, PAGE_SIZE),
                           zero);
  if (block == NULL) {
    tcmi_profile_cancel(number);
    return NULL;
  }
  span = pagemap_span((uintptr_t)block);
  CHECK(span != NULL);
  place_sample(span, number, class_id != 0 ? place_of_next(cache, class_id) : 0,
               usable);
  return block;
}

void
tcmi_profile_resized(struct span *span)
{
  struct cache_owner *owner = owner_of(tcmi_thread_cache);
  uint32_t number;

  if (span->sample != 0)
    tcmi_profile_freed(span);
  if (!profile_counts() || !is_due(owner, 0, span_bytes(span)))
    return;
  number = add_here(owner, span_bytes(span));
  if (number != 0)
    place_sample(span, number, /*home=*/0, span_bytes(span));
}

void
tcmi_profile_freed(struct span *span)
{
  probe_sample_freed(span_block(span));
  tcmi_profile_remove(span->sample);
  span->sample = 0;
}

size_t
tcmi_profile_usable(const struct span *span)
{
  return tcmi_profile_record(span->sample)->size;
}
