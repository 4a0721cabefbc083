/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cache/cached_set.h"

#include "base/bits.h"
#include "base/metadata.h"
#include "cache/thread_cache.h"
#include "cache/transfer_cache.h"

/* Objects that the caches may gain between the count and the copy. */
#define SPARE 1024

/* A copy of the addresses, in any order.  All fields: [owner thread] */
struct copy {
  uintptr_t *objects;
  size_t count;
  size_t room;
};

/* The slot of the object, or the empty slot where it belongs. */
static uintptr_t *
slot_of(const struct cached_set *set, uintptr_t object)
{
  uint64_t mixed = (uint64_t)(object >> 4) * 0x9e3779b97f4a7c15u;
  size_t slot = (size_t)(mixed >> 20) & (set->length - 1);

  while (set->slots[slot] != 0 && set->slots[slot] != object)
    slot = (slot + 1) & (set->length - 1);
  return &set->slots[slot];
}

/* Not inlined, so that the walk does not hold the statistics on its stack. */
static NOINLINE size_t
count_objects(void)
{
  struct thread_cache_stats stats;
  size_t count = 0;

  tcmi_thread_cache_stats(&stats);
  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++)
    count += (size_t)stats.objects[c] +
             atomic_load_relaxed(&tcmi_transfer_caches[c].count);
  return count;
}

/* The thread caches first: most objects move from them to the others. */
static void
copy_objects(struct copy *copy)
{
  size_t n;

  copy->count = 0;
  for (size_t i = 0; tcmi_thread_cache_copy(i, copy->objects + copy->count,
                                            copy->room - copy->count, &n);
       i++)
    copy->count += n;
  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++)
    copy->count += tcmi_transfer_copy(c, copy->objects + copy->count,
                                      copy->room - copy->count);
}

static void
copy_free(struct copy *copy)
{
  tcmi_metadata_free(copy->objects, copy->room * sizeof *copy->objects);
}

/* Copies all addresses, with more room if the first array was too small; false
 * when there is no memory. */
static bool
copy_make(struct copy *copy)
{
  copy->room = count_objects() + SPARE;
  for (;;) {
    copy->objects =
        tcmi_metadata_alloc_zeroed(copy->room * sizeof *copy->objects);
    if (copy->objects == NULL)
      return false;
    copy_objects(copy);
    if (copy->count < copy->room)
      return true;
    copy_free(copy);
    copy->room *= 2;
  }
}

bool
tcmi_cached_set_make(struct cached_set *set)
{
  struct copy copy;

  if (!copy_make(&copy))
    return false;
  set->length = (size_t)2 << bit_width(copy.count);
  set->slots = tcmi_metadata_alloc_zeroed(set->length * sizeof *set->slots);
  for (size_t i = 0; set->slots != NULL && i < copy.count; i++)
    *slot_of(set, copy.objects[i]) = copy.objects[i];
  copy_free(&copy);
  return set->slots != NULL;
}

void
tcmi_cached_set_free(struct cached_set *set)
{
  tcmi_metadata_free(set->slots, set->length * sizeof *set->slots);
}

bool
tcmi_cached_set_holds(const struct cached_set *set, uintptr_t object)
{
  return *slot_of(set, object) == object;
}
