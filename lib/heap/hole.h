/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hole.h - ranges of arenas that are not reserved at the moment.
 *
 *     arena:   | run of pages | hole | run of pages |
 *
 * A block that grows may move its pages out of its arena, see mapped.h.  Then
 * tcm tries to reserve the vacated range again.  This fails if the OS refuses,
 * or if another thread has mapped something there meanwhile.  The range is then
 * a hole until a later attempt succeeds.
 *
 * Invariants
 *   O1  the pages of a hole are taken in the arena, and the pagemap has no span
 *       for them: nothing uses them.
 *   O2  they are set aside and do not count as used, because they have no
 *       memory.
 *   O3  one thread at a time tries to reserve a hole; meanwhile the hole is in
 *       no list.
 *
 * Locking: the functions take LOCK_PAGE_HEAP; no system call is made under it.
 */
#ifndef TCM_HEAP_HOLE_H
#define TCM_HEAP_HOLE_H

#include "heap/span.h"

/* Reserves the range of @npages at @start again; its pages count as used.  If
 * that fails, @spare becomes the descriptor of the hole; otherwise it is
 * deleted. */
void tcmi_hole_close(struct span *spare, uintptr_t start, size_t npages);

/* Tries again to reserve holes, a bounded number of them. */
void tcmi_holes_close(void);

#endif /* TCM_HEAP_HOLE_H */
