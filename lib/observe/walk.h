/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * walk.h - a walk over the blocks in use, for tools.
 *
 *     pagemap -> page with a span -> a copy of its bits -> callback per block
 *                                    (block_run.h)
 *
 * Invariants
 *   K1  a block that is in use during the whole walk is reported once.
 *   K2  if no other thread allocates or frees during the walk, the only other
 *       blocks reported are those that the callback allocates.
 *   K3  no lock is held during the callback.
 *
 * Locking: those of block_run.h and cached_set.h, and LOCK_PROFILE and
 * LOCK_GUARD for the sizes of blocks; each for one span at most.
 */
#ifndef TCM_OBSERVE_WALK_H
#define TCM_OBSERVE_WALK_H

#include "base/compiler.h"

typedef int walk_callback(void *block, size_t size, void *arg);

/* Calls @callback for each block in use until it returns a value other than 0;
 * *@result is its last value, or 0.  False when there is no memory. */
MUST_CHECK bool tcmi_walk_blocks(walk_callback *callback, void *arg,
                                 int *result);

#endif /* TCM_OBSERVE_WALK_H */
