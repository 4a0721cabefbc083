/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * clear.h - large blocks of zeroes out of memory that was used before.
 *
 *     block:   | set | probe: set | the rest: returned to the system |
 *
 * To set all of a block that its user hardly touches is wasted work and makes
 * memory resident.  To return a block that its user fills costs a page fault for
 * each page of it.  A look at a few places guesses which of both it is, and a
 * probe corrects the guess: of one block in many, some pages are set instead of
 * returned.  When that block is cleared again, those of the pages that are not
 * zero were used.
 *
 * Invariants
 *   K1  what was learned decides only how memory becomes zero, never whether.
 *   K2  blocks of about one size share what was learned.
 *
 * Locking: none.  Threads may overwrite what each other learned, see K1.
 */
#ifndef TCM_HEAP_CLEAR_H
#define TCM_HEAP_CLEAR_H

#include "base/compiler.h"

/* Makes a block zero if it seems best to return most of it to the system.
 * False: nothing changed, and the caller should set it.  The start is aligned to
 * 64 bytes. */
MUST_CHECK bool tcmi_clear_sparse(void *start, size_t size);

#endif /* TCM_HEAP_CLEAR_H */
