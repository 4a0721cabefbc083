/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * huge_advice.h - advises the kernel which huge pages of the arenas to back
 * with one page of 2 MiB.
 *
 *     arena:     | small pages | advised | advised | small pages | advised | ..
 *     filled by    a small heap  spans     spans     large blocks  spans
 *
 * A page fault for 2 MiB costs as much as about forty for 4 KiB, but makes
 * 2 MiB resident.  So tcm advises only when a heap that is not small grows:
 * spans of small objects found no room in the existing huge pages, and fill the
 * fresh one before they need the next.  A program may touch only a part of an
 * object of several pages, so tcm does not advise while more than an eighth of
 * the new spans have such objects.
 *
 * A program may touch only a few pages of a large block, and often uses
 * calloc(3) for such blocks.  So tcm advises only as many bytes of blocks as it
 * has credit for.  A block that was filled adds twice its size, since a block
 * that grows by a copy is filled and then freed; a block with a gap resets the
 * credit to 0.
 *
 * Returning memory breaks a huge page.  From then on its memory is in small
 * pages, so that the kernel does not fill it again.  If too many break before
 * they are full, tcm advises no more until this changes.  The number of borders
 * between advised and other memory is bounded, because each border splits a
 * mapping; at the bound, a huge page that breaks stays advised.
 *
 *     fresh --> advised --> broken --> refilled --> advised
 *           grow      return     found full    found full again: collapse
 *
 * If a load fills a broken huge page again, tcm's thread collapses it: the
 * kernel copies it into one page of 2 MiB, in about half a millisecond.  Until
 * it does, a program that reads at random addresses takes up to 40 % more time.
 * See process/collapse.h.
 *
 * Invariants
 *   V1  the kernel may use a huge page only where the advised bit is 1, or
 *       where a program asked for it in its own block.
 *   V2  a block that is free, or untouched and zeroed, is not advised.
 *   V3  all pages of an advised huge page count as resident from the first use
 *       on: tcm cannot know which part of it was touched.
 *   V4  a broken bit is 1 only if tcm broke the huge page and did not advise it
 *       again; a refilled bit only if the broken bit is 1, and no memory of the
 *       huge page was returned since a pass found it full.
 *
 * Locking: LOCK_PAGE_HEAP, which the functions for large blocks take.  The only
 * system calls made under it commit and advise: a few microseconds for one in
 * 512 pages.  Cost: freeing a block of 4 MiB or more examines 4 to 16 of its
 * pages.
 */
#ifndef TCM_HEAP_HUGE_ADVICE_H
#define TCM_HEAP_HUGE_ADVICE_H

#include "base/compiler.h"
#include "heap/arena.h"
#include "heap/page_range.h"

/* Whether the @n pages from page @first on are a part of one huge page that is
 * empty and holds no memory. */
bool tcmi_huge_is_fresh_locked(const struct arena *arena, size_t first,
                               size_t n);

/* Counts a span whose objects have @object_size bytes. */
void tcmi_huge_count_span_locked(size_t npages, size_t object_size);

/* Advises huge page @h if the growth of the heap is likely to fill it.  It was
 * fresh until its first run was just taken and made accessible. */
void tcmi_huge_advise_locked(struct arena *arena, size_t h);

/* Returns pages inside one huge page to the OS, as tcmi_system_discard() does;
 * this breaks the huge page.  Caller holds LOCK_TRIM, so that no other thread
 * breaks it. */
MUST_CHECK int tcmi_huge_discard(struct arena *arena, uintptr_t start,
                                 size_t size);

/* Advises the huge pages inside a new large block that hold no memory. */
void tcmi_huge_advise_block(uintptr_t start, size_t npages);
/* Learns from a large block that is about to be freed or extended. */
void tcmi_huge_learn_from(uintptr_t start, size_t npages);
/* Withdraws from a block what tcm or the program advised. */
void tcmi_huge_withdraw_from(uintptr_t start, size_t npages);

/* Collapsing, by tcm's thread only.
 *
 * Broken huge pages; read without the lock. [lock: page heap] */
extern size_t tcmi_huge_broken;
/* The most pages without memory in a huge page that is collapsed. */
#define HUGE_GAPS_MAX 16
/* The address of the first broken huge page at or above @least, or 0.  Sets
 * *@full to whether spans of objects use nearly all of it. */
uintptr_t tcmi_huge_next_broken(uintptr_t least, bool *full);
/* Records that a pass found a broken huge page full; returns whether an earlier
 * pass did. */
bool tcmi_huge_note_refilled(uintptr_t start);
/* Advises and collapses a broken huge page.  A negative errno value if it could
 * not be; then it counts as broken no more.  Caller holds LOCK_TRIM, so that no
 * other thread breaks it. */
MUST_CHECK int tcmi_huge_collapse(uintptr_t start);

/* Forgets the advice for huge pages that were mapped again or unmapped. */
void tcmi_huge_forget_locked(struct arena *arena, struct huge_range range);

/* Whether keeping huge page @h unbroken is worth more than the memory of its
 * @idle idle pages. */
bool tcmi_huge_is_worth_keeping_locked(const struct arena *arena, size_t h,
                                       size_t idle);

#endif /* TCM_HEAP_HUGE_ADVICE_H */
