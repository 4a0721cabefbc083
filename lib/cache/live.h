/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * live.h - at TCM_CHECK=1, one bit per object: whether the program has it.
 *
 *                malloc                      free
 *     cached  ---- 0 -> 1 ---->  in use  ---- 1 -> 0 ---->  cached
 *                was 1: broken               was 0: invalid free
 *
 * The bits are in the descriptor of the span, after those of the free objects.
 * There is one for each place where a block can begin, so a pointer into an
 * object finds a 0 too, and the number of an object need not be known.  Each
 * change is one atomic operation on a word of the span: of two frees of an
 * object only one sees the 1, whichever threads call them.  No write of the
 * program to the object, and no return of its page, changes the bit.
 *
 * Invariants
 *   V1  the bit of an object is 1 from before malloc() returns it until free()
 *       accepts it; all other bits are 0: those of an object that is cached,
 *       free in its span, or was never handed out.
 *   V2  a span with live bits stays while one of them is 1.
 *
 * By V2, a free of an object in use finds the span in the pagemap both before
 * and after it clears the bit.  An invalid free may find a span that another
 * thread is deleting; the second lookup detects that.
 *
 * Rejected: the bits of the central list alone.  They change under its lock, so
 * no object could stay in a thread cache: 800 instructions a pair.
 * Rejected: a bit per object.  It takes less of the descriptor, but computing
 * the number of the object, and checking that one begins there, take a
 * multiplication each.
 * Rejected: the same bits in a plane of the pagemap.  They save the
 * access to the span, but take 8 MiB of address space per GiB, even where that
 * is limited.
 *
 * No locking.  Cost: one locked instruction for each malloc and each free.
 */
#ifndef TCM_CACHE_LIVE_H
#define TCM_CACHE_LIVE_H

#include "base/atomics.h"
#include "base/compiler.h"
#include "base/options.h"
#include "base/params.h"
#include "heap/pagemap.h"
#include "heap/span.h"

/* Whether new spans have live bits.  They do before the options are read, so
 * that with TCM_CHECK=1 all spans of small objects have them. */
static inline bool
spans_have_live(void)
{
  return tcmi_fixed_values == NULL || tcmi_option(OPTION_check) == CHECK_FREES;
}

/* The number of the bit for an address in the span. */
static ALWAYS_INLINE size_t
live_index(const struct span *span, uintptr_t address)
{
  return (address - span->start) / BLOCK_ALIGN;
}

static inline bool
live_get(const struct span *span, size_t i)
{
  uint64_t word = atomic_load_relaxed(&span->bits[span->live + i / 64]);

  return (word >> i % 64 & 1) != 0;
}

/* Whether the program has the object at @address. */
static inline bool
live_holds(uintptr_t address)
{
  struct span *span = pagemap_span(address);

  return span != NULL && span->live != 0 &&
         live_get(span, live_index(span, address));
}

/* Before malloc() returns the object; false if the program has it already. */
static ALWAYS_INLINE bool
live_begin(struct span *span, uintptr_t object)
{
  return !atomic_set_bit_relaxed(&span->bits[span->live],
                                 live_index(span, object));
}

/* In free(); false if the program has no object there.  @place is where the
 * caller found @span in the pagemap. */
static ALWAYS_INLINE bool
live_end(struct span *const *place, struct span *span, uintptr_t object)
{
  return atomic_clear_bit_relaxed(&span->bits[span->live],
                                  live_index(span, object)) &&
         likely(atomic_load_relaxed(place) == span);
}

#endif /* TCM_CACHE_LIVE_H */
