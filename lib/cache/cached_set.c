/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cache/cached_set.h"

#include "base/bits.h"
#include "base/metadata.h"
#include "cache/thread_cache.h"
#include "cache/transfer_cache.h"

/* Objects that the caches may gain between the count and the copy. */
#define SPARE 1024

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

static void
count_object(void *object, void *count)
{
  (void)object;
  ++*(size_t *)count;
}

/* A slot stays empty, so that each search ends. */
static void
add_object(void *object, void *to)
{
  struct cached_set *set = to;
  uintptr_t *slot = slot_of(set, (uintptr_t)object);

  if (*slot != 0 || set->count >= set->length - 1)
    return;
  *slot = (uintptr_t)object;
  set->count++;
}

/* The thread caches first: most objects move from them to the others. */
static void
see_all(object_visitor *see, void *to)
{
  tcmi_thread_cache_see_objects(see, to);
  tcmi_transfer_see_objects(see, to);
}

bool
tcmi_cached_set_make(struct cached_set *set)
{
  size_t count = SPARE;

  see_all(count_object, &count);
  set->count = 0;
  set->length = (size_t)2 << bit_width(count);
  set->slots = tcmi_metadata_alloc_zeroed(set->length * sizeof *set->slots);
  if (set->slots == NULL)
    return false;
  see_all(add_object, set);
  return true;
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
