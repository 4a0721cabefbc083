/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * transfer_cache.h - an array of free objects in front of each central list.
 *
 *     thread caches   ->  | o | o | o | o | . | . |  ->  thread caches
 *      (flush a batch)          count ^       ^ capacity   (refill a batch)
 *
 * A batch that one thread frees and another allocates moves as an array of
 * pointers, under a short lock, without touching an object or a span.
 *
 * Invariants
 *   T1  slots[0 .. count) are free objects of the class, each once.
 *   T2  capacity is 0 until the first batch comes, then TRANSFER_BATCHES
 *       batches; objects that do not fit go to the central list.
 *
 * Locking: functions take LOCK_TRANSFER of the class, and drop it before they
 * call the central list.  Cost: one lock pair and a copy of the pointers.
 */
#ifndef TCM_CACHE_TRANSFER_CACHE_H
#define TCM_CACHE_TRANSFER_CACHE_H

#include "base/compiler.h"
#include "base/lock.h"
#include "cache/size_class.h"

#define TRANSFER_BATCHES 4

struct transfer_cache {
  struct lock lock;
  uint32_t count;    /* [lock: transfer] objects in slots */
  uint32_t capacity; /* [lock: transfer] slots */
  void **slots;      /* [lock: transfer] array of capacity, in metadata */
} CACHE_ALIGNED;     /* two classes share no cache line */

extern struct transfer_cache tcmi_transfer_caches[SIZE_CLASS_COUNT];

/* Takes up to @n objects into @out, from the array or, if that is empty, from
 * the central list.  Returns how many; 0 when the OS gives no memory. */
unsigned tcmi_transfer_remove(unsigned class_id, void **out, unsigned n);
/* Gives @n objects back. */
void tcmi_transfer_insert(unsigned class_id, void *const *objects, unsigned n);
/* Whether an object is in the array. */
bool tcmi_transfer_holds(unsigned class_id, const void *object);
/* Copies up to @room objects of the array to @out; returns how many. */
size_t tcmi_transfer_copy(unsigned class_id, uintptr_t *out, size_t room);
/* Flushes the array to the central list; returns how many objects. */
unsigned tcmi_transfer_flush(unsigned class_id);

#endif /* TCM_CACHE_TRANSFER_CACHE_H */
