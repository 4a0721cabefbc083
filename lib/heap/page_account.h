/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * page_account.h - the lock of the page heap, and what it counts.
 *
 *     held = used pages + idle pages + tcm's own structures   <= hard limit
 *              |             |
 *     runs in arenas,     free and
 *     mapped blocks       resident
 *
 * Invariants
 *   N1  used pages are those of runs in the arenas and of mapped blocks.
 *   N2  held stays below the hard limit, unless the limit was lowered below it.
 *
 * Locking: the functions take LOCK_PAGE_HEAP, except those that only read.
 */
#ifndef TCM_HEAP_PAGE_ACCOUNT_H
#define TCM_HEAP_PAGE_ACCOUNT_H

#include "base/compiler.h"
#include "heap/page_heap_lock.h"

/* Bytes that the heap holds, as the limits count them: allocated runs in full,
 * idle pages, and tcm's own structures.  Reads without the lock. */
size_t tcmi_page_heap_held_bytes(void);
/* Counts that the soft limit was reached. */
void tcmi_page_heap_count_soft_hit(void);
/* Counts pages that come into use without memory, other than by the allocation
 * of a run. */
void tcmi_page_heap_count_faulted(size_t npages);
/* Bytes ever returned to the OS; reads without the lock. */
size_t tcmi_page_heap_released_bytes(void);
/* Counts bytes that another module returned. */
void tcmi_page_heap_count_released(size_t bytes);
/* Bytes in allocated runs; reads without the lock. */
size_t tcmi_page_heap_used_bytes(void);

/* Whether @bytes more would put the heap over its hard limit. */
bool tcmi_over_hard_limit(size_t bytes);
/* Counts pages that are mapped outside the arenas as used; false when the hard
 * limit refuses them.  The second function undoes it. */
MUST_CHECK bool tcmi_page_heap_charge(size_t npages);
void tcmi_page_heap_uncharge(size_t npages);

#endif /* TCM_HEAP_PAGE_ACCOUNT_H */
