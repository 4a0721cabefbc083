/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "observe/stats.h"

#include "base/metadata.h"
#include "base/params.h"
#include "cache/central_list.h"
#include "cache/thread_cache.h"
#include "cache/transfer_cache.h"
#include "heap/arena.h"
#include "heap/large.h"
#include "heap/page_heap.h"

/* Aligned to the smallest page, so that a reader knows where to look. */
struct stats_page tcmi_stats_page __attribute__((aligned(4096))) = {
    .magic = TCM_STATS_PAGE_MAGIC,
    .version = TCM_STATS_PAGE_VERSION,
    .size = sizeof(struct stats_page),
};

struct central_numbers {
  uint64_t spans;        /* [const] */
  uint64_t free_objects; /* [const] */
  uint64_t clean_bytes;  /* [const] pages of spans without memory */
};

static struct central_numbers
central_numbers(unsigned c)
{
  struct central_list *list = &tcmi_central_lists[c];
  struct central_numbers numbers;

  lock_acquire(&list->lock);
  numbers.spans = list->spans;
  numbers.free_objects = list->free_objects;
  numbers.clean_bytes = list->clean_pages << PAGE_SHIFT;
  lock_release(&list->lock);
  return numbers;
}

static uint64_t
transfer_objects(unsigned c)
{
  return atomic_load_relaxed(&tcmi_transfer_caches[c].count);
}

static uint64_t
minus(uint64_t a, uint64_t b)
{
  return a > b ? a - b : 0;
}

void
tcmi_stats_class(unsigned c, struct class_stats *stats)
{
  struct central_numbers central = central_numbers(c);
  uint64_t objects = central.spans * tcmi_size_classes[c].nobjs;

  stats->size = size_class_size(c);
  stats->spans = central.spans;
  stats->free_central = central.free_objects;
  stats->free_transfer = transfer_objects(c);
  stats->free_thread = tcmi_thread_cache_objects(c);
  stats->live = minus(objects, stats->free_central + stats->free_transfer +
                                   stats->free_thread);
}

/* Adds what the classes hold. */
static void
collect_classes(struct tcm_stats *stats)
{
  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++) {
    const struct size_class *class = &tcmi_size_classes[c];
    struct central_numbers central = central_numbers(c);
    uint64_t bytes = central.spans * class->pages << PAGE_SHIFT;
    uint64_t outstanding = central.spans * class->nobjs - central.free_objects;
    stats->span_count += central.spans;
    stats->central_list_bytes +=
        bytes - outstanding * class->size - central.clean_bytes;
    stats->returned_bytes += central.clean_bytes;
    stats->transfer_cache_bytes += transfer_objects(c) * class->size;
  }
}

void
tcmi_stats_collect(struct tcm_stats *stats)
{
  struct thread_cache_stats threads;
  struct page_heap_stats pages;

  *stats = (struct tcm_stats){0};
  tcmi_thread_cache_stats(&threads);
  collect_classes(stats);
  tcmi_page_heap_stats(&pages);
  stats->thread_cache_bytes = threads.bytes;
  stats->thread_cache_count = threads.caches;
  stats->page_heap_bytes = pages.idle_bytes;
  stats->returned_bytes += pages.returned_bytes;
  stats->released_total_bytes = pages.released_bytes;
  stats->metadata_bytes = tcmi_metadata_mapped_bytes();
  stats->mapped_bytes = pages.used_bytes + pages.idle_bytes +
                        pages.returned_bytes + stats->metadata_bytes;
  stats->reserved_bytes = tcmi_arena_reserved_bytes() + stats->metadata_bytes;
  stats->large_bytes =
      minus(atomic_load_relaxed(&tcmi_large_stats.bytes), threads.large_bytes);
  stats->large_count =
      minus(atomic_load_relaxed(&tcmi_large_stats.count), threads.large_blocks);
  stats->in_use_bytes =
      minus(stats->mapped_bytes,
            stats->thread_cache_bytes + stats->transfer_cache_bytes +
                stats->central_list_bytes + stats->page_heap_bytes +
                stats->returned_bytes + stats->metadata_bytes);
}
