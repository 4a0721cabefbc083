/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Records and stacks.  A place is the offset of a stack, counted over all
 * chunks in units of PROFILE_UNIT; 0 means none.
 */
#include "config.h"

#include <string.h>

#include "base/bits.h"
#include "base/metadata.h"
#include "base/report.h"
#include "base/system.h"
#include "heap/large.h"
#include "profile/guarded.h"
#include "profile/profile.h"
#include "profile/sample_math.h"

struct profile tcmi_profile;

static void *
metadata_locked(size_t bytes)
{
  void *memory = tcmi_metadata_alloc_zeroed(bytes);

  lock_assert_held(&tcmi_profile_lock);
  if (memory != NULL)
    tcmi_profile.metadata_bytes += bytes;
  return memory;
}

struct profile_record *
tcmi_profile_record(uint32_t number)
{
  uint32_t i = number - 1;

  return &tcmi_profile.records[i / PROFILE_RECORDS][i % PROFILE_RECORDS];
}

/* The number of a free record, or 0. */
static uint32_t
take_record_locked(void)
{
  uint32_t number = tcmi_profile.first_free;
  size_t chunk = tcmi_profile.nrecords / PROFILE_RECORDS;

  lock_assert_held(&tcmi_profile_lock);
  if (number != 0) {
    tcmi_profile.first_free = tcmi_profile_record(number)->stack;
    return number;
  }
  if (chunk == PROFILE_CHUNKS)
    return 0;
  if (tcmi_profile.records[chunk] == NULL &&
      (tcmi_profile.records[chunk] = metadata_locked(PROFILE_CHUNK)) == NULL)
    return 0;
  return ++tcmi_profile.nrecords;
}

static struct profile_stack *
stack_at(uint64_t place)
{
  uint64_t offset = place * PROFILE_UNIT;

  return (void *)(tcmi_profile.stacks[offset >> PROFILE_CHUNK_SHIFT] +
                  (offset & (PROFILE_CHUNK - 1)));
}

/* Never 0. */
static uint32_t
hash_of(const uintptr_t *pcs, size_t depth)
{
  uint64_t hash = depth;

  for (size_t i = 0; i < depth; i++)
    hash = (hash ^ pcs[i]) * 0x9e3779b97f4a7c15u ^ hash >> 29;
  return (uint32_t)(hash >> 32) | 0x80000000;
}

static size_t
stack_size(size_t depth)
{
  return round_up(sizeof(struct profile_stack) + depth * sizeof(uintptr_t),
                  PROFILE_UNIT);
}

/* Reserves room for a stack inside one chunk; returns its place, or 0. */
static uint64_t
new_place_locked(size_t depth)
{
  size_t size = stack_size(depth);
  uint64_t at =
      tcmi_profile.stack_bytes == 0 ? PROFILE_UNIT : tcmi_profile.stack_bytes;
  size_t chunk;

  lock_assert_held(&tcmi_profile_lock);
  if ((at & (PROFILE_CHUNK - 1)) + size > PROFILE_CHUNK)
    at = round_up((size_t)at, PROFILE_CHUNK);
  chunk = (size_t)(at >> PROFILE_CHUNK_SHIFT);
  if (chunk >= PROFILE_STACK_CHUNKS)
    return 0;
  if (tcmi_profile.stacks[chunk] == NULL &&
      (tcmi_profile.stacks[chunk] = metadata_locked(PROFILE_CHUNK)) == NULL)
    return 0;
  return at / PROFILE_UNIT;
}

/* The place of the stack, which is stored if it is new; 0 without room. */
static uint64_t
find_stack_locked(const uintptr_t *pcs, size_t depth, bool whole)
{
  uint32_t hash = hash_of(pcs, depth), *bucket;
  struct profile_stack *stack;
  uint64_t place;

  lock_assert_held(&tcmi_profile_lock);
  if (tcmi_profile.buckets == NULL &&
      (tcmi_profile.buckets =
           metadata_locked(PROFILE_BUCKETS * sizeof(uint32_t))) == NULL)
    return 0;
  bucket = &tcmi_profile.buckets[hash % PROFILE_BUCKETS];
  for (place = *bucket; place != 0; place = stack->next) {
    stack = stack_at(place);
    if (stack->hash == hash && stack->depth == depth &&
        memcmp(stack->pcs, pcs, depth * sizeof *pcs) == 0)
      return place;
  }
  place = new_place_locked(depth);
  if (place == 0)
    return 0;
  stack = stack_at(place);
  stack->hash = hash;
  stack->whole = whole;
  memcpy(stack->pcs, pcs, depth * sizeof *pcs);
  stack->depth = (uint32_t)depth;
  stack->next = *bucket;
  *bucket = (uint32_t)place;
  /* Readers that walk the stacks without the lock see this. */
  atomic_store_release(&tcmi_profile.stack_bytes,
                       place * PROFILE_UNIT + stack_size(depth));
  tcmi_profile.nstacks++;
  return place;
}

static uint32_t
add_locked(const uintptr_t *pcs, size_t depth, bool whole)
{
  uint64_t place = find_stack_locked(pcs, depth, whole);
  uint32_t number = place == 0 ? 0 : take_record_locked();

  lock_assert_held(&tcmi_profile_lock);
  if (number != 0)
    tcmi_profile_record(number)->stack = (uint32_t)place;
  return number;
}

/* Not the coarse clock: it lags by more than the lifetime of many blocks. */
static uint64_t
milliseconds(void)
{
  return tcmi_system_nanoseconds() / 1000000;
}

uint32_t
tcmi_profile_add(const uintptr_t *pcs, size_t depth, bool whole, size_t size,
                 uint64_t mean)
{
  double weight = tcmi_sample_weight(mean, size);
  struct profile_record *record;
  uint32_t number;

  lock_acquire(&tcmi_profile_lock);
  number = add_locked(pcs, depth, whole);
  if (number == 0) {
    tcmi_profile.lost++;
    lock_release(&tcmi_profile_lock);
    return 0;
  }
  record = tcmi_profile_record(number);
  record->size = size;
  record->bytes = (uint64_t)(weight * (double)size + 0.5);
  record->blocks = (uint64_t)(weight * PROFILE_BLOCK + 0.5);
  record->time = milliseconds();
  record->thread = lock_self();
  lock_release(&tcmi_profile_lock);
  return number;
}

/* Call before the stack changes: F5. */
static void
keep_peak_locked(struct profile_stack *stack)
{
  lock_assert_held(&tcmi_profile_lock);
  if (stack->peak_number == tcmi_profile.peak_number)
    return;
  stack->peak = stack->allocated - stack->freed;
  stack->peak_blocks = stack->allocated_blocks - stack->freed_blocks;
  stack->peak_number = tcmi_profile.peak_number;
}

static void
count_locked(const struct profile_record *record)
{
  struct profile_stack *stack = stack_at(record->stack);

  lock_assert_held(&tcmi_profile_lock);
  keep_peak_locked(stack);
  stack->samples++;
  stack->allocated += record->bytes;
  stack->allocated_blocks += record->blocks;
  tcmi_profile.samples++;
  tcmi_profile.live += record->bytes;
  if (tcmi_profile.live <= tcmi_profile.peak)
    return;
  tcmi_profile.peak = tcmi_profile.live;
  tcmi_profile.peak_time = record->time;
  tcmi_profile.peak_number++;
}

void
tcmi_profile_place(uint32_t number, uintptr_t block, uintptr_t home,
                   size_t usable, size_t slack)
{
  struct profile_record *record;

  lock_acquire(&tcmi_profile_lock);
  record = tcmi_profile_record(number);
  record->block = block;
  record->size = usable;
  record->home = home;
  record->slack = slack;
  atomic_add_relaxed(&tcmi_large_stats.slack, slack);
  count_locked(record);
  lock_release(&tcmi_profile_lock);
}

static void
give_back_locked(uint32_t number)
{
  struct profile_record *record = tcmi_profile_record(number);

  lock_assert_held(&tcmi_profile_lock);
  record->block = 0;
  record->slack = 0;
  record->stack = tcmi_profile.first_free;
  tcmi_profile.first_free = number;
}

void
tcmi_profile_remove(uint32_t number)
{
  uint64_t now = milliseconds();
  struct profile_record *record;
  struct profile_stack *stack;

  lock_acquire(&tcmi_profile_lock);
  record = tcmi_profile_record(number);
  stack = stack_at(record->stack);
  keep_peak_locked(stack);
  stack->freed += record->bytes;
  stack->freed_blocks += record->blocks;
  stack->lifetimes[min_size(bit_width(now - record->time),
                            PROFILE_LIFETIMES - 1)]++;
  tcmi_profile.live -= record->bytes;
  atomic_sub_relaxed(&tcmi_large_stats.slack, record->slack);
  give_back_locked(number);
  lock_release(&tcmi_profile_lock);
}

void
tcmi_profile_cancel(uint32_t number)
{
  lock_acquire(&tcmi_profile_lock);
  tcmi_profile.lost++;
  give_back_locked(number);
  lock_release(&tcmi_profile_lock);
}

/* The end of a chunk may be unused: the hash there is 0, or there is no room
 * for a stack. */
const struct profile_stack *
tcmi_profile_next_stack(uint64_t *place)
{
  const struct profile_stack *stack;
  uint64_t at = *place == 0 ? PROFILE_UNIT : *place * PROFILE_UNIT;

  for (;;) {
    size_t left = PROFILE_CHUNK - (size_t)(at & (PROFILE_CHUNK - 1));
    if (at >= atomic_load_acquire(&tcmi_profile.stack_bytes))
      return NULL;
    if (left >= sizeof(struct profile_stack)) {
      stack = stack_at(at / PROFILE_UNIT);
      if (stack->hash != 0)
        break;
    }
    at += left;
  }
  *place = (at + stack_size(stack->depth)) / PROFILE_UNIT;
  return stack;
}
