/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * layout.h - one number for the layout of all that a tool reads from outside.
 *
 * The library and the tool each compute it when they are compiled.  They match
 * if and only if both numbers are equal.  The number changes when a field is
 * added, moved or widened, and when the size classes or the options change.
 */
#ifndef TCM_OBSERVE_LAYOUT_H
#define TCM_OBSERVE_LAYOUT_H

#include "base/metadata.h"
#include "base/options.h"
#include "base/params.h"
#include "cache/cache_owner.h"
#include "cache/central_list.h"
#include "cache/transfer_cache.h"
#include "heap/arena.h"
#include "heap/closed.h"
#include "heap/large.h"
#include "heap/mapped.h"
#include "heap/page_heap.h"
#include "heap/page_range.h"
#include "heap/pagemap.h"
#include "observe/stats_page.h"
#include "profile/guarded.h"
#include "profile/profile.h"

/* A sum over the options: how many there are, and which values they allow. */
enum {
  LAYOUT_OPTIONS = (0
#define OPTION(name, default_value, min, max, fixed, help)                \
  +((uint64_t)(OPTION_##name + 1) *                                       \
    (sizeof #name + 3 * (uint64_t)(default_value) + 5 * (uint64_t)(min) + \
     7 * (uint64_t)(max) + 11 * (fixed)))
#include "base/options.def"
                    ) &
                   0x7fffffff
};

#define LAYOUT_MIX(sum, value) \
  (((uint64_t)(sum) ^ (uint64_t)(value)) * (uint64_t)0x100000001b3)
#define LAYOUT_MIX2(sum, a, b) LAYOUT_MIX(LAYOUT_MIX(sum, a), b)
#define LAYOUT_MIX4(sum, a, b, c, d) LAYOUT_MIX2(LAYOUT_MIX2(sum, a, b), c, d)
/* Mixes in the size of a struct, and the offsets of four of its fields. */
#define LAYOUT_STRUCT(sum, type, a, b, c, d)                        \
  LAYOUT_MIX(LAYOUT_MIX4(sum, offsetof(type, a), offsetof(type, b), \
                         offsetof(type, c), offsetof(type, d)),     \
             sizeof(type))

#define LAYOUT_CUT(sum) ((sum)&0x7fffffff)

/* In steps, because compilers limit how deep an expression may nest. */
enum {
  LAYOUT_0 = LAYOUT_CUT(
      LAYOUT_MIX4((uint64_t)TCM_STATS_PAGE_VERSION, SIZE_CLASS_COUNT,
                  SIZE_CLASS_MAX, SIZE_CLASS_SMALL_MAX, SIZE_CLASS_BATCH_MAX)),
  LAYOUT_1 = LAYOUT_CUT(LAYOUT_MIX4(LAYOUT_0, PAGE_SHIFT, HUGE_PAGE_SHIFT,
                                    LEAF_SHIFT, ADDRESS_BITS)),
  LAYOUT_2 = LAYOUT_CUT(LAYOUT_STRUCT(LAYOUT_MIX(LAYOUT_1, LAYOUT_OPTIONS),
                                      struct stats_page, layout, self, places,
                                      request)),
  LAYOUT_3 = LAYOUT_CUT(LAYOUT_STRUCT(LAYOUT_2, struct central_list, spans,
                                      free_objects, clean_pages, buckets)),
  LAYOUT_4 = LAYOUT_CUT(LAYOUT_STRUCT(LAYOUT_3, struct transfer_cache, lock,
                                      count, capacity, slots)),
  LAYOUT_5 = LAYOUT_CUT(LAYOUT_STRUCT(LAYOUT_4, struct cache_registry, caches,
                                      ncaches, norphans, ended)),
  LAYOUT_6 = LAYOUT_CUT(
      LAYOUT_STRUCT(LAYOUT_5, struct cache_owner, states, link, hot, traffic)),
  LAYOUT_OWNER =
      LAYOUT_CUT(LAYOUT_STRUCT(LAYOUT_6, struct cache_owner, thread,
                               capacity_bytes, last_checked, next_orphan)),
  LAYOUT_7 = LAYOUT_CUT(LAYOUT_STRUCT(LAYOUT_OWNER, struct thread_cache, bins,
                                      window, large, large_charge)),
  LAYOUT_8 = LAYOUT_CUT(
      LAYOUT_STRUCT(LAYOUT_7, struct bin_state, base, cap, slots, seen)),
  LAYOUT_9 = LAYOUT_CUT(LAYOUT_STRUCT(LAYOUT_8, struct arena, next, start,
                                      committed, huge_pages)),
  LAYOUT_10 = LAYOUT_CUT(
      LAYOUT_STRUCT(LAYOUT_9, struct arena, nhuge, bytes, whole, busy)),
  LAYOUT_11 = LAYOUT_CUT(
      LAYOUT_STRUCT(LAYOUT_10, struct huge_page, used, resident, nused, kind)),
  LAYOUT_12 = LAYOUT_CUT(LAYOUT_STRUCT(LAYOUT_11, struct arena_counts,
                                       committed_bytes, reserved_bytes,
                                       most_mapped_bytes, committed_bytes)),
  LAYOUT_13 = LAYOUT_CUT(LAYOUT_STRUCT(LAYOUT_12, struct page_counts, used,
                                       idle, faulted, hard_hits)),
  LAYOUT_14 =
      LAYOUT_CUT(LAYOUT_STRUCT(LAYOUT_13, struct metadata_counts, mapped_bytes,
                               regions, mapped_bytes, regions)),
  LAYOUT_15 = LAYOUT_CUT(LAYOUT_STRUCT(LAYOUT_14, struct page_heap_view, first,
                                       released_bytes, mapped, released_bytes)),
  LAYOUT_16 = LAYOUT_CUT(
      LAYOUT_STRUCT(LAYOUT_15, struct span, start, npages, mapped, slab)),
  LAYOUT_17 = LAYOUT_CUT(
      LAYOUT_STRUCT(LAYOUT_16, struct profile, mean, samples, records, stacks)),
  LAYOUT_RECORD = LAYOUT_CUT(LAYOUT_STRUCT(LAYOUT_17, struct profile_record,
                                           block, blocks, home, stack)),
  LAYOUT_LARGE = LAYOUT_CUT(LAYOUT_STRUCT(LAYOUT_RECORD, struct large_stats,
                                          count, bytes, slack, slack)),
  LAYOUT_18 = LAYOUT_CUT(LAYOUT_STRUCT(LAYOUT_LARGE, struct profile_stack,
                                       depth, peak, lifetimes, pcs)),
  LAYOUT_SLOT = LAYOUT_CUT(LAYOUT_STRUCT(LAYOUT_18, struct guarded_slot, block,
                                         size, allocated, freed)),
  LAYOUT_POOL = LAYOUT_CUT(LAYOUT_STRUCT(LAYOUT_SLOT, struct guarded_pool,
                                         start, slots, blocks, fault)),
  LAYOUT_CLOSED = LAYOUT_CUT(LAYOUT_STRUCT(LAYOUT_POOL, struct closed_block,
                                           start, from, thread, npages)),
};

#define STATS_LAYOUT                                                         \
  LAYOUT_STRUCT((uint64_t)LAYOUT_CLOSED, struct pagemap_leaf, words, chunks, \
                arenas, covers)

#endif /* TCM_OBSERVE_LAYOUT_H */
