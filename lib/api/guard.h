/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guard.h - blocks under guard: TCM_CHECK=2 and 3.
 *
 *     2   | the bytes asked for, junk at first | red zone | object ends here
 *                                              ^ size
 *     3   freed blocks wait, filled with junk:  oldest <- ... <- newest
 *         large ones are closed, so that a read or a write of them faults
 *
 * guard_records.h has the requested size of each block.  The red zone is
 * looked at when the block, or its neighbour behind, is freed or resized, when
 * all memory is released, and when the process exits; a block in quarantine
 * when it leaves, and with the others then.
 *
 * Invariants
 *   G1  behind the last byte asked for lie RED_ZONE_MIN bytes or more that
 *       hold their pattern, to the end of a small object.
 *   G2  the usable size of a block is what was asked for.
 *   G3  quarantine holds at most QUARANTINE_BYTES and QUARANTINE_BLOCKS.
 *   G4  a block that leaves quarantine is open again before it is free.
 *
 * Locking: LOCK_GUARD inside; what the program is told is told without it.
 */
#ifndef TCM_API_GUARD_H
#define TCM_API_GUARD_H

#include "base/compiler.h"
#include "base/options.h"
#include "cache/misuse.h"
#include "cache/thread_cache.h"

enum check_level {
  CHECK_NONE,      /* each thread has a cache */
  CHECK_FREES,     /* no cache: every wrong pointer is found at once */
  CHECK_BOUNDS,    /* and red zones, junk, the sizes of sized frees */
  CHECK_QUARANTINE /* and writes after free */
};

/* Whether blocks are guarded.  The first question decides it for a thread that
 * has a cache. */
static inline bool
guard_is_on(void)
{
  return unlikely(tcmi_thread_cache_state != CACHE_OPEN) &&
         tcmi_option(OPTION_check) >= CHECK_BOUNDS;
}

/* As in allocate.h; @from is the return address of the caller.  NULL without
 * memory, errno is not set. */
MUST_CHECK void *tcmi_guard_allocate(const void *from, size_t align,
                                     size_t size, bool zero);
void tcmi_guard_free(struct call call, void *block);
MUST_CHECK void *tcmi_guard_reallocate(struct call call, void *block,
                                       size_t size);
size_t tcmi_guard_usable_size(struct call call, void *block);
/* Aborts if the block was not asked for with this size and, unless @align is 0,
 * this alignment. */
void tcmi_guard_check_size(struct call call, void *block, size_t size,
                           size_t align);

/* Empties the quarantine and looks at every block; @function is the reason. */
void tcmi_guard_verify(const char *function);

#endif /* TCM_API_GUARD_H */
