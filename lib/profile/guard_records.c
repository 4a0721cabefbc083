/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rejected: the size in the last bytes of the block, because an overflow hits
 * them first; a size per object in the descriptor of its span, because every
 * process would pay for the room and few would use it.
 */
#include "config.h"

#include "profile/guard_records.h"

#include "base/bits.h"
#include "base/metadata.h"
#include "base/report.h"

#define FIRST_SLOTS 4096

struct lock tcmi_guard_lock = LOCK_INITIALIZER(LOCK_GUARD);

/* All fields: [lock: guard] */
static struct {
  struct guard_record *slots;
  size_t length; /* a power of two, or 0 */
  size_t count;  /* records */
} table;

static size_t
home_of_locked(uintptr_t block)
{
  uint64_t mixed = (uint64_t)(block >> 3) * 0x9e3779b97f4a7c15u;

  lock_assert_held(&tcmi_guard_lock);
  return (size_t)(mixed >> 20) & (table.length - 1);
}

static size_t
slot_after_locked(size_t slot)
{
  lock_assert_held(&tcmi_guard_lock);
  return (slot + 1) & (table.length - 1);
}

/* The slot of the block's record, or the empty slot where it belongs. */
static struct guard_record *
slot_of_locked(uintptr_t block)
{
  size_t slot = home_of_locked(block);

  lock_assert_held(&tcmi_guard_lock);
  while (table.slots[slot].block != 0 && table.slots[slot].block != block)
    slot = slot_after_locked(slot);
  return &table.slots[slot];
}

struct guard_record *
tcmi_guard_find_locked(uintptr_t block)
{
  struct guard_record *record;

  lock_assert_held(&tcmi_guard_lock);
  if (table.length == 0)
    return NULL;
  record = slot_of_locked(block);
  return record->block == 0 ? NULL : record;
}

bool
tcmi_guard_is_in_use(uintptr_t block, size_t *size)
{
  const struct guard_record *record;
  bool in_use;

  lock_acquire(&tcmi_guard_lock);
  record = tcmi_guard_find_locked(block);
  in_use = record != NULL && record->state != GUARD_FREED;
  if (in_use)
    *size = record->size;
  lock_release(&tcmi_guard_lock);
  return in_use;
}

static bool
table_grow_locked(void)
{
  struct guard_record *old = table.slots, *slots;
  size_t old_length = table.length;
  size_t length = old_length == 0 ? FIRST_SLOTS : 2 * old_length;

  lock_assert_held(&tcmi_guard_lock);
  slots = tcmi_metadata_alloc_zeroed(length * sizeof *slots);
  if (slots == NULL)
    return false;
  table.slots = slots;
  table.length = length;
  for (size_t i = 0; i < old_length; i++)
    if (old[i].block != 0)
      *slot_of_locked(old[i].block) = old[i];
  if (old != NULL)
    tcmi_metadata_free(old, old_length * sizeof *old);
  return true;
}

struct guard_record *
tcmi_guard_add_locked(uintptr_t block)
{
  struct guard_record *record;

  lock_assert_held(&tcmi_guard_lock);
  if (table.count >= table.length / 4 * 3 && !table_grow_locked())
    return NULL;
  record = slot_of_locked(block);
  *record = (struct guard_record){.block = block};
  table.count++;
  return record;
}

/* Moves into the gap the records that come after it only because its slot was
 * taken. */
void
tcmi_guard_remove_locked(struct guard_record *record)
{
  size_t gap = (size_t)(record - table.slots);
  size_t slot = gap;

  lock_assert_held(&tcmi_guard_lock);
  table.count--;
  for (;;) {
    size_t home;
    slot = slot_after_locked(slot);
    if (table.slots[slot].block == 0)
      break;
    home = home_of_locked(table.slots[slot].block);
    if (((slot - home) & (table.length - 1)) <
        ((slot - gap) & (table.length - 1)))
      continue;
    table.slots[gap] = table.slots[slot];
    gap = slot;
  }
  table.slots[gap].block = 0;
}

struct guard_record *
tcmi_guard_next_locked(size_t *slot)
{
  lock_assert_held(&tcmi_guard_lock);
  for (; *slot < table.length; ++*slot)
    if (table.slots[*slot].block != 0)
      return &table.slots[(*slot)++];
  return NULL;
}
