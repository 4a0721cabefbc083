/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * huge_advice.h - which huge pages of the arenas the kernel shall back by one
 * page of 2 MiB.
 *
 *     arena:     | small pages | advised | advised | small pages | advised | ..
 *     filled by    a small heap  spans     spans     large blocks  spans
 *
 * A page fault for 2 MiB costs as much as some forty for 4 KiB, but makes 2 MiB
 * resident.  So only the growth of a heap that is not small asks for one: spans of
 * small objects found no room in the huge pages that are there, and fill the
 * fresh one before they need the next.
 *
 * Returning memory breaks a huge page.  From then on its memory is in small
 * pages, so that the kernel does not fill it again.  If too many break before
 * they are full, tcm asks for no more until this changes.  The number of borders
 * between advised and other memory is bounded, because each border splits a
 * mapping; at the bound, a huge page that breaks stays advised.
 *
 * Invariants
 *   V1  the kernel may put a huge page only where the advised bit is 1, or where
 *       a program asked for it in its own block.
 *   V2  all pages of an advised huge page count as resident from the first use
 *       on: there is no telling which part of it was touched.
 *
 * Locking: LOCK_PAGE_HEAP.  No system call but the advice itself, some
 * microseconds for one in 512 pages, is made under it.
 */
#ifndef TCM_HEAP_HUGE_ADVICE_H
#define TCM_HEAP_HUGE_ADVICE_H

#include "base/compiler.h"
#include "heap/arena.h"

/* Whether a run of @n pages from page @first on is a part of one huge page that
 * is empty and holds no memory. */
bool tcmi_huge_is_fresh_locked(const struct arena *arena, size_t first,
                               size_t n);

/* Asks for a huge page at @h, which was fresh until its first run was taken and
 * made accessible, if the heap's growth will fill it. */
void tcmi_huge_advise_locked(struct arena *arena, size_t h);

/* Returns pages inside one huge page to the system, as tcmi_system_discard();
 * the huge page that they are part of is broken.  Caller holds LOCK_TRIM, so that
 * nobody else breaks it. */
MUST_CHECK int tcmi_huge_discard(struct arena *arena, uintptr_t start,
                                 size_t size);

/* Forgets the advice for the huge pages from @first on, which are no more. */
void tcmi_huge_forget_locked(struct arena *arena, size_t first);

/* Whether so few idle pages of huge page @h are worth more than their memory. */
bool tcmi_huge_is_worth_keeping_locked(const struct arena *arena, size_t h,
                                       size_t idle);

#endif /* TCM_HEAP_HUGE_ADVICE_H */
