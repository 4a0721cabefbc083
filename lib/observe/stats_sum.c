/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "base/bits.h"
#include "base/params.h"
#include "observe/stats_raw.h"

static uint64_t
minus(uint64_t a, uint64_t b)
{
  return a > b ? a - b : 0;
}

void
tcmi_stats_sum_class(const struct stats_raw *raw, unsigned c,
                     struct class_stats *stats)
{
  const struct raw_class *class = &raw->shared.classes[c];
  const struct size_class *shape = &raw->sizes[c];

  stats->size = shape->size;
  stats->spans = class->spans;
  stats->span_bytes = class->spans * shape->pages << PAGE_SHIFT;
  stats->free_central = class->free_objects;
  stats->free_transfer = class->transfer;
  stats->free_thread = raw->threads.objects[c];
  stats->clean_bytes = class->clean_pages << PAGE_SHIFT;
  stats->live =
      minus(class->spans * shape->nobjs,
            stats->free_central + stats->free_transfer + stats->free_thread);
}

bool
tcmi_stats_is_consistent(const struct stats_raw *raw)
{
  uint64_t pages = raw->shared.large_bytes >> PAGE_SHIFT;

  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++)
    pages += raw->shared.classes[c].spans * raw->sizes[c].pages;
  return pages == raw->shared.used_pages;
}

static bool
sum_classes(const struct stats_raw *raw, struct tcm_stats *stats)
{
  bool sound = true;

  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++) {
    const struct raw_class *class = &raw->shared.classes[c];
    const struct size_class *shape = &raw->sizes[c];
    uint64_t bytes = class->spans * shape->pages << PAGE_SHIFT;
    uint64_t objects = class->spans * shape->nobjs;
    uint64_t out = minus(objects, class->free_objects);
    uint64_t clean = class->clean_pages << PAGE_SHIFT;
    sound = sound && objects >= class->free_objects &&
            bytes >= out * shape->size + clean &&
            out >= class->transfer + raw->threads.objects[c];
    stats->span_count += class->spans;
    stats->central_list_bytes += minus(bytes, out * shape->size + clean);
    stats->returned_bytes += clean;
    stats->transfer_cache_bytes += class->transfer * shape->size;
  }
  return sound;
}

/* Reduces *@part by *@excess, or to 0, and *@excess by the same amount. */
static void
cut(uint64_t *part, uint64_t *excess)
{
  uint64_t most = *part < *excess ? *part : *excess;

  *part -= most;
  *excess -= most;
}

/* Bytes in use are the remainder.  False if the parts had to be cut. */
static bool
balance(struct tcm_stats *s)
{
  uint64_t parts = s->thread_cache_bytes + s->transfer_cache_bytes +
                   s->central_list_bytes + s->page_heap_bytes +
                   s->returned_bytes + s->metadata_bytes;
  uint64_t excess = minus(parts, s->mapped_bytes);

  s->in_use_bytes = minus(s->mapped_bytes, parts);
  if (excess == 0)
    return true;
  cut(&s->thread_cache_bytes, &excess);
  cut(&s->transfer_cache_bytes, &excess);
  cut(&s->central_list_bytes, &excess);
  cut(&s->returned_bytes, &excess);
  cut(&s->page_heap_bytes, &excess);
  return false;
}

bool
tcmi_stats_sum(const struct stats_raw *raw, struct tcm_stats *stats)
{
  const struct raw_shared *shared = &raw->shared;
  uint64_t pages = (shared->used_pages + shared->idle_pages) << PAGE_SHIFT;
  bool sound;

  *stats = (struct tcm_stats){0};
  sound = sum_classes(raw, stats) && shared->committed_bytes >= pages;
  stats->thread_cache_bytes = raw->threads.bytes;
  stats->thread_cache_count = raw->threads.caches;
  stats->page_heap_bytes = shared->idle_pages << PAGE_SHIFT;
  stats->returned_bytes += minus(shared->committed_bytes, pages);
  stats->released_total_bytes = shared->released_bytes;
  /* What a sample takes in addition to its block counts as metadata. */
  stats->metadata_bytes = shared->metadata_bytes + shared->slack_bytes;
  stats->mapped_bytes = shared->committed_bytes + shared->metadata_bytes;
  stats->most_mapped_bytes = max_size(shared->most_bytes, stats->mapped_bytes);
  stats->reserved_bytes = shared->reserved_bytes + shared->metadata_bytes;
  stats->large_bytes =
      minus(shared->large_bytes, raw->threads.held_bytes + shared->slack_bytes);
  stats->soft_limit_hits = shared->soft_hits;
  stats->hard_limit_hits = shared->hard_hits;
  stats->large_count = minus(shared->large_count, raw->threads.held_blocks);
  return balance(stats) && sound;
}
