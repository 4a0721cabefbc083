/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rejected: an array for each processor, the own one first.  With two
 * processors and one last-level cache, server@2 and server@8 take .95 of the
 * time, but pipeline@8 1.09, exchange@8 1.13 and batches-exchanged@8 1.06.
 *
 * Rejected: no array while the process has one thread.  Of 17 rows, crowd@1
 * takes 1.9 times as long, and no row less time or memory beyond its spread.
 */
#include "config.h"

#include "cache/transfer_cache.h"

#include <string.h>

#include "base/bits.h"
#include "base/metadata.h"
#include "cache/central_list.h"

struct transfer_cache tcmi_transfer_caches[SIZE_CLASS_COUNT] = {
    [0 ... SIZE_CLASS_COUNT - 1] = {.lock = LOCK_INITIALIZER(LOCK_TRANSFER)}};

static unsigned
capacity_of(unsigned class_id)
{
  return TRANSFER_BATCHES * tcmi_size_classes[class_id].batch;
}

unsigned
tcmi_transfer_remove(unsigned class_id, void **out, unsigned n)
{
  struct transfer_cache *transfer = &tcmi_transfer_caches[class_id];
  unsigned taken;

  /* Read without the lock: a stale value costs one call of the central list. */
  if (atomic_load_relaxed(&transfer->count) == 0)
    return tcmi_central_extract(class_id, out, n);
  lock_acquire(&transfer->lock);
  taken = (unsigned)min_size(n, transfer->count);
  atomic_store_relaxed(&transfer->count, transfer->count - taken);
  memcpy(out, transfer->slots + transfer->count, taken * sizeof *out);
  lock_release(&transfer->lock);
  return taken > 0 ? taken : tcmi_central_extract(class_id, out, n);
}

static void
transfer_open(unsigned class_id)
{
  struct transfer_cache *transfer = &tcmi_transfer_caches[class_id];
  size_t bytes = capacity_of(class_id) * sizeof(void *);
  void **slots = tcmi_metadata_alloc(bytes);

  if (slots == NULL)
    return;
  lock_acquire(&transfer->lock);
  if (transfer->slots == NULL) {
    transfer->slots = slots;
    atomic_store_relaxed(&transfer->capacity, capacity_of(class_id));
    slots = NULL;
  }
  lock_release(&transfer->lock);
  if (slots != NULL)
    tcmi_metadata_free(slots, bytes);
}

void
tcmi_transfer_insert(unsigned class_id, void *const *objects, unsigned n)
{
  struct transfer_cache *transfer = &tcmi_transfer_caches[class_id];
  unsigned kept;

  if (unlikely(atomic_load_relaxed(&transfer->capacity) == 0))
    transfer_open(class_id);
  lock_acquire(&transfer->lock);
  kept = (unsigned)min_size(n, transfer->capacity - transfer->count);
  if (kept > 0)
    memcpy(transfer->slots + transfer->count, objects, kept * sizeof *objects);
  atomic_store_relaxed(&transfer->count, transfer->count + kept);
  lock_release(&transfer->lock);
  if (kept < n)
    tcmi_central_insert(class_id, objects + kept, n - kept);
}

bool
tcmi_transfer_holds(unsigned class_id, const void *object)
{
  struct transfer_cache *transfer = &tcmi_transfer_caches[class_id];
  bool found = false;

  lock_acquire(&transfer->lock);
  for (unsigned i = 0; i < transfer->count && !found; i++)
    found = transfer->slots[i] == object;
  lock_release(&transfer->lock);
  return found;
}

size_t
tcmi_transfer_copy(unsigned class_id, uintptr_t *out, size_t room)
{
  struct transfer_cache *transfer = &tcmi_transfer_caches[class_id];
  size_t n;

  lock_acquire(&transfer->lock);
  n = min_size(transfer->count, room);
  for (size_t i = 0; i < n; i++)
    out[i] = (uintptr_t)transfer->slots[i];
  lock_release(&transfer->lock);
  return n;
}

unsigned
tcmi_transfer_flush(unsigned class_id)
{
  struct transfer_cache *transfer = &tcmi_transfer_caches[class_id];
  void *batch[SIZE_CLASS_BATCH_MAX];
  unsigned n, moved = 0;

  if (atomic_load_relaxed(&transfer->count) == 0)
    return 0;
  do {
    lock_acquire(&transfer->lock);
    n = (unsigned)min_size(transfer->count, SIZE_CLASS_BATCH_MAX);
    atomic_store_relaxed(&transfer->count, transfer->count - n);
    if (n > 0)
      memcpy(batch, transfer->slots + transfer->count, n * sizeof *batch);
    lock_release(&transfer->lock);
    if (n > 0)
      tcmi_central_insert(class_id, batch, n);
    moved += n;
  } while (n > 0);
  return moved;
}
