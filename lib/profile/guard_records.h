/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guard_records.h - a record of every block, from TCM_CHECK=2 on.
 *
 *     hash(address) -> | record | record |  --  | record |  --  |
 *                        an open-addressing table in metadata, by block address
 *
 * Invariants
 *   R1  every block in use has one record, and so has every block in
 *       quarantine; no other address has one.
 *   R2  the table is at most three quarters full; a record is found between the
 *       slot that its address hashes to and the next empty one.
 *
 * Locking: LOCK_GUARD for everything here; a pointer to a record is valid until
 * the lock is released or a record is added or removed.
 */
#ifndef TCM_PROFILE_GUARD_RECORDS_H
#define TCM_PROFILE_GUARD_RECORDS_H

#include "base/compiler.h"
#include "base/lock.h"

enum guard_state {
  GUARD_LIVE,  /* in use */
  GUARD_MOVED, /* a thread is resizing it in place */
  GUARD_FREED  /* in quarantine, or on its way out of it */
};

struct guard_record {
  uintptr_t block;  /* [lock: guard] its address; 0: an empty slot */
  size_t size;      /* [lock: guard] requested bytes */
  const void *from; /* [lock: guard] who allocated it, or freed it */
  uint8_t align;    /* [lock: guard] log2 of the requested alignment; 0: none */
  uint8_t state;    /* [lock: guard] enum guard_state */
  bool closed;      /* [lock: guard] zero bytes on a closed page */
};

extern struct lock tcmi_guard_lock;

/* The record of the block at @block, or NULL. */
struct guard_record *tcmi_guard_find_locked(uintptr_t block);
/* Whether the record of the block says that it is in use; sets *@size. */
bool tcmi_guard_is_in_use(uintptr_t block, size_t *size);
/* A new record for it, with all other fields zero; NULL if there is no
 * memory. */
MUST_CHECK struct guard_record *tcmi_guard_add_locked(uintptr_t block);
void tcmi_guard_remove_locked(struct guard_record *record);
/* The first record at or after slot *@slot; NULL at the end.  Sets *@slot to
 * the slot after it. */
struct guard_record *tcmi_guard_next_locked(size_t *slot);

#endif /* TCM_PROFILE_GUARD_RECORDS_H */
