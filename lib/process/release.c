/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "process/release.h"

#include "base/atomics.h"
#include "base/bits.h"
#include "base/options.h"
#include "base/params.h"
#include "base/system.h"
#include "cache/central_list.h"
#include "cache/thread_cache_large.h"
#include "cache/transfer_cache.h"
#include "heap/closed.h"
#include "heap/hole.h"
#include "heap/page_heap.h"
#include "heap/page_range.h"
#include "heap/span.h"
#include "observe/stats.h"
#include "process/cgroup_policy.h"
#include "process/profile_files.h"
#include "process/rounds.h"

bool
tcmi_flush_all(void)
{
  bool moved = tcmi_closed_open_all();

  if (thread_has_cache()) {
    tcmi_thread_cache_flush(tcmi_thread_cache);
    moved = true;
  }
  while (tcmi_thread_cache_flush_orphan())
    moved = true;
  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++)
    moved |= tcmi_transfer_flush(c) > 0;
  return moved;
}

/* Used bytes at which the caches are flushed next. [atomic: relaxed] */
static size_t flush_mark = FLUSH_STEP_MIN;

/* Held bytes, above the soft limit, at which free memory is returned next.
 * [atomic: relaxed] */
static size_t soft_mark;

/* Writes a profile when the container's limit is near: the held bytes without
 * the idle ones exceed the soft limit that comes from the container. */
static void
check_container(size_t held, size_t limit)
{
  size_t idle = atomic_load_relaxed(&tcmi_page_counts.idle) << PAGE_SHIFT;

  if (held > idle && held - idle > limit &&
      tcmi_option_source(OPTION_soft_limit_bytes) == SOURCE_CONTAINER)
    tcmi_profile_at_limit();
}

/* Returns free memory, piece by piece, until the heap holds no more than
 * @limit.  A call makes up for its own growth, however slowly the OS takes
 * memory back.  It stops after a piece that found nothing to return, or if
 * another thread works.  True if nothing is left to return. */
static bool
return_growth(size_t limit)
{
  size_t held = tcmi_page_heap_held_bytes(), before;

  do {
    before = held;
    if (!tcmi_rounds_piece_of_all(ROUND_PIECE_PAGES))
      return true;
    held = tcmi_page_heap_held_bytes();
  } while (held > limit && held < before);
  return false;
}

/* Like Go's memory limit: near it, tcm returns memory sooner and the program
 * runs slower, but nothing fails.  A call returns as much as the heap grew
 * beyond the limit.  Well above it, where the kernel might kill the process, a
 * call returns all. */
static void
apply_soft_limit(size_t limit)
{
  size_t held = tcmi_page_heap_held_bytes();
  size_t step = max_size(limit / 64, SOFT_LIMIT_STEP_MIN);

  if (likely(held <= limit)) {
    if (atomic_load_relaxed(&soft_mark) != limit)
      atomic_store_relaxed(&soft_mark, limit);
    return;
  }
  check_container(held, limit);
  if (held <= atomic_load_relaxed(&soft_mark))
    return;
  tcmi_page_heap_count_soft_hit();
  tcmi_cgroup_policy_apply_again();
  if (held > limit + step)
    (void)tcmi_release_all();
  else if (!return_growth(limit))
    return;
  atomic_store_relaxed(&soft_mark,
                       max_size(tcmi_page_heap_held_bytes(), limit) + step);
}

/* What this thread flushes next: an orphan, then class by class; 0: nothing.
 * [owner thread] */
static __thread unsigned flushing;

/* A call stops after it moved this many objects to the central lists. */
#define FLUSH_PIECE 2048

static void
flush_piece(void)
{
  size_t moved = 0;

  if (flushing == 1 && tcmi_thread_cache_flush_orphan())
    return;
  while (flushing != 0 && moved < FLUSH_PIECE) {
    if (thread_has_cache())
      moved += tcmi_thread_cache_flush_class(tcmi_thread_cache, flushing);
    moved += tcmi_transfer_flush(flushing);
    flushing = (flushing + 1) % SIZE_CLASS_COUNT;
  }
}

bool
tcmi_make_room(void)
{
  bool moved = tcmi_flush_all();

  if (tcmi_option(OPTION_hard_limit_bytes) == 0)
    return moved;
  moved |= tcmi_release_all() > 0;
  if (atomic_load_relaxed(&tcmi_page_counts.hard_hits) != 0)
    tcmi_profile_at_limit();
  return moved;
}

void
tcmi_flush_if_grown(void)
{
  size_t limit = tcmi_option(OPTION_soft_limit_bytes);
  size_t used = tcmi_page_heap_used_bytes();

  if (unlikely(limit != 0))
    apply_soft_limit(limit);
  if (unlikely(flushing != 0))
    flush_piece();
  if (likely(used < atomic_load_relaxed(&flush_mark)))
    return;
  atomic_store_relaxed(&flush_mark,
                       min_size(used + max_size(used / 16, FLUSH_STEP_MIN),
                                tcmi_profile_next_step(used)));
  tcmi_profile_at_step(used);
  tcmi_cgroup_policy_apply_again();
  (void)tcmi_closed_open_all();
  if (thread_has_cache())
    tcmi_thread_cache_flush_large(tcmi_thread_cache);
  flushing = 1;
  flush_piece();
}

size_t
tcmi_release_all_but(size_t keep)
{
  size_t bytes = 0, idle;

  stats_count(releases);
  (void)tcmi_flush_all();
  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++)
    bytes += tcmi_central_release(c, SIZE_MAX);
  idle = atomic_load_relaxed(&tcmi_page_counts.idle) << PAGE_SHIFT;
  tcmi_holes_close();
  if (idle <= keep)
    return bytes;
  /* A returned system page of 64 KiB counts in full, but idle includes only its
   * idle part.  So a walk that returns everything has no byte limit. */
  return bytes + tcmi_page_heap_release(keep == 0 ? SIZE_MAX : idle - keep);
}

size_t
tcmi_release_all(void)
{
  return tcmi_release_all_but(0);
}

static size_t
release_pages(size_t most)
{
  struct page_walk walk = {0};
  size_t bytes = 0, work = 0;

  while (bytes < most && !walk.done)
    bytes += tcmi_page_heap_release_some(&walk, most - bytes, &work);
  return bytes;
}

#define SPAN_MAX_BYTES ((size_t)SPAN_MAX_PAGES << PAGE_SHIFT)

size_t
tcmi_release_at_most(size_t most)
{
  size_t bytes;

  stats_count(releases);
  (void)tcmi_flush_all();
  most = round_down(most, tcmi_system_page_size());
  bytes = release_pages(most);
  /* A step returns all idle pages of a span. */
  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++)
    if (most - bytes >= SPAN_MAX_BYTES)
      bytes += tcmi_central_release(c, most - bytes - SPAN_MAX_BYTES + 1);
  /* Spans that were empty went to the page heap meanwhile. */
  return bytes + release_pages(most - bytes);
}
