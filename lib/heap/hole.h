/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hole.h - places in arenas that are not reserved at the moment.
 *
 *     arena:   | run of pages | hole | run of pages |
 *
 * A block that grows may move its pages out of its arena, see mapped.h.  Then
 * the system is asked to reserve the place that they left.  It may refuse, and
 * another thread may have mapped something there meanwhile.  The place is then a
 * hole until a later attempt succeeds.
 *
 * Invariants
 *   O1  the pages of a hole are taken in the arena, and no span is entered for
 *       them: nothing uses them.
 *   O2  they are set aside, and do not count as used: there is no memory.
 *   O3  one thread at a time tries to reserve a hole; meanwhile it is in no
 *       list.
 *
 * Locking: LOCK_PAGE_HEAP inside; no system call is made under it.
 */
#ifndef TCM_HEAP_HOLE_H
#define TCM_HEAP_HOLE_H

#include "heap/span.h"

/* Takes back the place of @npages at @start, which counts as used.  @spare
 * describes it if it becomes a hole; otherwise the descriptor is deleted. */
void tcmi_hole_close(struct span *spare, uintptr_t start, size_t npages);

/* Tries again for the holes that there are, a bounded number of them. */
void tcmi_holes_close(void);

#endif /* TCM_HEAP_HOLE_H */
