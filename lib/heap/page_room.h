/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * page_room.h - unmaps unused address space near a limit of the process.
 *
 *     | in use | empty end |     | empty arena |
 *                unmapped          unmapped
 *
 * Invariants: those of arena.h.
 *
 * Locking: LOCK_PAGE_HEAP, even while the memory is unmapped: no other thread
 * may take the address space meanwhile.
 */
#ifndef TCM_HEAP_PAGE_ROOM_H
#define TCM_HEAP_PAGE_ROOM_H

#include "base/compiler.h"

/* Unmaps unused address space, after the OS refused more; returns whether
 * there was any. */
bool tcmi_page_heap_give_space(void);
/* The same for a caller that holds LOCK_PAGE_HEAP. */
bool tcmi_page_heap_give_space_locked(void);

#endif /* TCM_HEAP_PAGE_ROOM_H */
