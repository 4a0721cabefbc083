/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "observe/stats.h"

#include <string.h>

#include "base/bits.h"
#include "base/metadata.h"
#include "base/params.h"
#include "base/system.h"
#include "cache/central_list.h"
#include "cache/thread_cache.h"
#include "cache/transfer_cache.h"
#include "heap/arena_counts.h"
#include "heap/closed.h"
#include "heap/large.h"
#include "heap/mapped.h"
#include "heap/page_heap.h"
#include "heap/page_range.h"
#include "observe/layout.h"
#include "observe/shapes.h"
#include "observe/stats_room.h"
#include "profile/guarded.h"
#include "profile/profile.h"

/* The numbers are read at most this many times, see stats_raw.h. */
#define READS_MAX 8

#define PLACE(object) ((uintptr_t) & (object))

/* Aligned to the smallest page, so that a reader must look only at page
 * boundaries. */
struct stats_page tcmi_stats_page __attribute__((aligned(4096))) = {
    .magic = TCM_STATS_PAGE_MAGIC,
    .version = TCM_STATS_PAGE_VERSION,
    .size = sizeof(struct stats_page),
    .layout = STATS_LAYOUT,
    .self = PLACE(tcmi_stats_page),
    .library = PACKAGE_VERSION,
    .shapes = PLACE(tcmi_stats_shapes),
    .places =
        {
            .central_lists = PLACE(tcmi_central_lists),
            .transfer_caches = PLACE(tcmi_transfer_caches),
            .cache_registry = PLACE(tcmi_cache_registry),
            .page_counts = PLACE(tcmi_page_counts),
            .page_heap_view = PLACE(tcmi_page_heap_view),
            .arena_counts = PLACE(tcmi_arena_counts),
            .large_stats = PLACE(tcmi_large_stats),
            .metadata_counts = PLACE(tcmi_metadata_counts),
            .pagemap_root = PLACE(tcmi_pagemap_root),
            .open_values = PLACE(tcmi_open_values),
            .fixed_values = PLACE(tcmi_fixed_values),
            .profile = PLACE(tcmi_profile),
            .guarded = PLACE(tcmi_guarded),
            .closed = PLACE(tcmi_closed),
        },
};

_Static_assert(sizeof(struct stats_page) <= 4096, "a page holds it");

/* Other threads write meanwhile, under their locks: each number was true a
 * moment ago.  The loads are volatile, not atomic: clang's thread sanitizer
 * reports an atomic load that races with a plain store even in a function that
 * it must not check. */
#define SEEN(object) (*(const volatile __typeof__(object) *)&(object))

__attribute__((no_sanitize("thread"))) static void
read_class(unsigned c, struct raw_class *class)
{
  const struct central_list *list = &tcmi_central_lists[c];

  class->spans = SEEN(list->spans);
  class->free_objects = SEEN(list->free_objects);
  class->clean_pages = SEEN(list->clean_pages);
  class->transfer = SEEN(tcmi_transfer_caches[c].count);
}

__attribute__((no_sanitize("thread"))) static void
read_shared(struct raw_shared *shared)
{
  *shared = (struct raw_shared){
      .used_pages = SEEN(tcmi_page_counts.used),
      .idle_pages = SEEN(tcmi_page_counts.idle),
      .faulted_pages = SEEN(tcmi_page_counts.faulted),
      .committed_bytes = SEEN(tcmi_arena_counts.committed_bytes),
      .reserved_bytes = SEEN(tcmi_arena_counts.reserved_bytes),
      .most_bytes = SEEN(tcmi_arena_counts.most_mapped_bytes),
      .metadata_bytes = SEEN(tcmi_metadata_counts.mapped_bytes),
      .released_bytes = SEEN(*tcmi_page_heap_view.released_bytes),
      .large_count = SEEN(tcmi_large_stats.count),
      .large_bytes = SEEN(tcmi_large_stats.bytes),
      .slack_bytes = SEEN(tcmi_large_stats.slack),
      .soft_hits = SEEN(tcmi_page_counts.soft_hits),
      .hard_hits = SEEN(tcmi_page_counts.hard_hits),
  };
  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++)
    read_class(c, &shared->classes[c]);
}

static bool
read_threads(struct raw_threads *threads)
{
  struct thread_cache_stats stats;

  tcmi_thread_cache_stats(&stats);
  *threads = (struct raw_threads){
      .bytes = stats.bytes,
      .caches = stats.caches,
      .orphans = stats.orphans,
      .held_bytes = stats.large_bytes,
      .held_blocks = stats.large_blocks,
      .traffic = stats.traffic,
  };
  memcpy(threads->objects, stats.objects, sizeof threads->objects);
  return stats.complete;
}

/* A hash that changes if any shared number changes, except with a probability
 * of 2^-64.  A copy of the numbers is too large for a small stack. */
static uint64_t
digest(const struct raw_shared *shared)
{
  const uint64_t *word = (const uint64_t *)(const void *)shared;
  uint64_t sum = 0;

  for (size_t i = 0; i < sizeof *shared / sizeof *word; i++) {
    sum = (sum ^ word[i]) * 0x9e3779b97f4a7c15u;
    sum ^= sum >> 32;
  }
  return sum;
}
_Static_assert(sizeof(struct raw_shared) % sizeof(uint64_t) == 0,
               "words without gaps");

void
tcmi_stats_read(struct stats_raw *raw)
{
  bool complete, consistent;
  uint64_t before;

  raw->sizes = tcmi_size_classes;
  read_shared(&raw->shared);
  for (unsigned reads = 0; reads < READS_MAX; reads++) {
    before = digest(&raw->shared);
    consistent = tcmi_stats_is_consistent(raw);
    complete = read_threads(&raw->threads);
    read_shared(&raw->shared);
    raw->exact = complete && consistent && digest(&raw->shared) == before;
    if (raw->exact || !complete)
      return;
  }
}

void
tcmi_stats_class(unsigned c, struct class_stats *stats)
{
  struct stats_room *room = tcmi_stats_room();

  *stats = (struct class_stats){0};
  if (room == NULL)
    return;
  tcmi_stats_read(&room->raw);
  tcmi_stats_sum_class(&room->raw, c, stats);
  tcmi_stats_room_end(room);
}

void
tcmi_stats_collect(struct tcm_stats *stats)
{
  struct stats_room *room = tcmi_stats_room();

  *stats = (struct tcm_stats){0};
  if (room == NULL)
    return;
  tcmi_stats_read(&room->raw);
  (void)tcmi_stats_sum(&room->raw, stats);
  tcmi_stats_room_end(room);
}

/* Resident bytes of the whole system pages around a range. */
static uint64_t
resident_around(uintptr_t start, size_t size)
{
  size_t page = tcmi_system_page_size();
  uintptr_t first = round_down(start, page);

  return tcmi_system_resident(first, round_up(start + size, page) - first);
}

static uint64_t
resident_mapped(void)
{
  struct mapped_range ranges[64];
  size_t n, first = 0;
  uint64_t bytes = 0;

  do {
    n = tcmi_mapped_read(first, ranges, sizeof ranges / sizeof *ranges);
    for (size_t i = 0; i < n; i++)
      bytes += resident_around(ranges[i].start, ranges[i].size);
    first += n;
  } while (n == sizeof ranges / sizeof *ranges);
  return bytes;
}

static uint64_t
resident_leaf(const struct pagemap_leaf *leaf)
{
  uint64_t bytes = resident_around((uintptr_t)leaf, sizeof *leaf) +
                   resident_around((uintptr_t)leaf->words,
                                   LEAF_PAGES * sizeof leaf->words[0]);

  for (size_t i = 0; i < LEAF_CHUNKS; i++) {
    struct pagemap_chunk *chunk = atomic_load_acquire(&leaf->chunks[i]);
    if (chunk != NULL)
      bytes += resident_around((uintptr_t)chunk, sizeof *chunk);
  }
  return bytes;
}

uint64_t
tcmi_stats_resident_bytes(void)
{
  struct metadata_region *region =
      atomic_load_acquire(&tcmi_metadata_counts.regions);
  struct arena_range range;
  uint64_t bytes = resident_mapped();

  for (; region != NULL; region = region->next)
    bytes += resident_around((uintptr_t)region, region->bytes);
  for (size_t i = 0; tcmi_page_heap_arena(i, &range); i++) {
    bytes += resident_around(range.start, range.size);
    if (range.description_size >= METADATA_OWN_MAPPING)
      bytes += resident_around(range.description, range.description_size);
  }
  for (size_t i = 0; i < ROOT_LENGTH; i++) {
    struct pagemap_leaf *leaf = atomic_load_acquire(&tcmi_pagemap_root[i]);
    if (leaf != NULL)
      bytes += resident_leaf(leaf);
  }
  return bytes;
}
