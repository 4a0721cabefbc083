/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * page_heap_lock.h - the lock of everything in this folder.
 *
 *     LOCK_PAGE_HEAP:  arenas, huge pages, counts, pagemap rows, mapped blocks
 *
 * It has its own header, because modules that do not include each other assert
 * that it is held.
 *
 * Invariants: the order of locks is in lock.h.
 */
#ifndef TCM_HEAP_PAGE_HEAP_LOCK_H
#define TCM_HEAP_PAGE_HEAP_LOCK_H

#include "base/lock.h"

extern struct lock tcmi_page_heap_lock;

#endif /* TCM_HEAP_PAGE_HEAP_LOCK_H */
