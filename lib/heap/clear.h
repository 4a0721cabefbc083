/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * clear.h - clears large blocks whose memory was used before.
 *
 *     block:   | set | probe: set | the rest: returned to the OS |
 *
 * Setting a block to zero wastes work and makes memory resident if the user
 * hardly touches the block.  Returning it costs a page fault per page if the
 * user fills it.  A sample of a few places suggests which of the two is better,
 * and a probe corrects the guess: in one block of many, some pages are set
 * instead of returned.  When that block is cleared again, those of the probed
 * pages that are not zero were used.
 *
 * Invariants
 *   K1  what was learned decides only how memory becomes zero, never whether.
 *   K2  blocks of similar size share what was learned.
 *
 * Locking: none.  A thread may overwrite what another learned, see K1.
 */
#ifndef TCM_HEAP_CLEAR_H
#define TCM_HEAP_CLEAR_H

#include "base/compiler.h"

/* Clears a block if it seems best to return most of it to the OS.  If false,
 * nothing changed, and the caller must clear it.  The start is aligned to 64
 * bytes. */
MUST_CHECK bool tcmi_clear_sparse(void *start, size_t size);

/* Whether each of @size bytes, whole system pages, is zero. */
bool tcmi_page_is_zero(const char *start, size_t size);

#endif /* TCM_HEAP_CLEAR_H */
