/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guard.h - red zones and quarantine: TCM_CHECK=2 and 3.
 *
 *     2   | the bytes asked for, junk at first | red zone | object ends here
 *                                              ^ size
 *     3   freed blocks in quarantine, filled with junk: oldest <- ... <- newest
 *         large ones are closed, so that a read or a write of them faults;
 *         those of a heap of the program never come here
 *
 * guard_records.h has the requested size of each block.  tcm checks a red zone
 * when its block, or the block after it, is freed or resized, when all free
 * memory is released, and when the process exits.  It checks a block in
 * quarantine when the block leaves; the last two events empty the quarantine.
 *
 * Invariants
 *   G1  a red zone starts after the last requested byte and holds its pattern.
 *       It has at least RED_ZONE_MIN bytes, and reaches to the end of a small
 *       object.
 *   G2  the usable size of a block is its requested size.
 *   G3  quarantine holds at most QUARANTINE_BYTES and QUARANTINE_BLOCKS.
 *   G4  a block that leaves quarantine is reopened before it is free.
 *   G5  with TCM_CHECK=3, a block of zero bytes is a closed page, while there
 *       are not too many of them; it has no red zone.
 *
 * Locking: LOCK_GUARD inside; reports are written after it is released.
 */
#ifndef TCM_FRONT_GUARD_H
#define TCM_FRONT_GUARD_H

#include "base/compiler.h"
#include "base/options.h"
#include "cache/misuse.h"
#include "cache/slab.h"
#include "cache/thread_cache.h"

/* Whether blocks have red zones.  The first test is enough for a thread that
 * works unchecked. */
static inline bool
guard_is_on(void)
{
  return unlikely(tcmi_thread_cache_state != CACHE_OPEN) &&
         tcmi_option(OPTION_check) >= CHECK_BOUNDS;
}

/* As in allocate.h; @from is the return address of the caller.  The block is of
 * the heap of the program, or of the whole heap if that is NULL.  NULL if there
 * is no memory; errno is not set. */
MUST_CHECK void *tcmi_guard_allocate(const void *from, struct tcm_heap *heap,
                                     size_t align, size_t size, bool zero);
void tcmi_guard_free(struct call call, void *block);
MUST_CHECK void *tcmi_guard_reallocate(struct call call, void *block,
                                       size_t size);
/* Whether the block was made to hold @size bytes without a move. */
bool tcmi_guard_expand(struct call call, void *block, size_t size);
size_t tcmi_guard_usable_size(struct call call, void *block);
/* Aborts if the block was not allocated with this size and, unless @align is 0,
 * this alignment. */
void tcmi_guard_check_size(struct call call, void *block, size_t size,
                           size_t align);

/* Forgets the blocks of a heap that is about to be deleted; checks their red
 * zones. */
void tcmi_guard_forget_heap(struct call call, const struct tcm_heap *heap);

/* Empties the quarantine and checks every block; reports name @function. */
void tcmi_guard_verify(const char *function);

#endif /* TCM_FRONT_GUARD_H */
