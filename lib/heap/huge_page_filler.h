/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * huge_page_filler.h - finds the huge page that a run of pages should fill.
 *
 *     lists[kind][bucket]:  huge pages whose longest free run is
 *       bucket  1   2  ...  31   32        40        48 ...
 *       pages   1   2  ...  31   32..35    64..71    128..143  (8 a doubling)
 *
 * A run goes to the huge page with the least room that still fits it.  So the
 * emptiest ones drain and can be returned to the OS whole.
 *
 * Invariants
 *   F1  huge page h is in list bucket_of(h.longest) of its kind, unless it has
 *       no page in use or no free page.
 *   F2  bit b of nonempty[kind] is 1 exactly while list b has a member.
 *
 * Locking: LOCK_PAGE_HEAP.  Cost: a few loads.  A search tries several members
 * only of lists whose members may be too small.
 */
#ifndef TCM_HEAP_HUGE_PAGE_FILLER_H
#define TCM_HEAP_HUGE_PAGE_FILLER_H

#include "base/compiler.h"
#include "heap/huge_page.h"

/* Returns a huge page of @kind that has a free run of @n pages aligned to
 * @align, and sets *@first to the first page of the run; NULL if none. */
struct huge_page *tcmi_filler_find_locked(enum run_kind kind, size_t n,
                                          size_t align, size_t *first);

/* Moves the huge page to the list for its state, or to none.  Must be called
 * after every change of its used bits. */
void tcmi_filler_update_locked(struct huge_page *huge);

/* Removes the huge page from its list. */
void tcmi_filler_remove_locked(struct huge_page *huge);

#endif /* TCM_HEAP_HUGE_PAGE_FILLER_H */
