/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rejected: the lists of spans.  A span without a free object is in none.
 */
#include "config.h"

#include "observe/walk.h"

#include "base/metadata.h"
#include "base/options.h"
#include "cache/block_run.h"
#include "cache/cached_set.h"
#include "cache/central_list.h"
#include "cache/slab.h"
#include "heap/pagemap.h"
#include "profile/guard_records.h"
#include "profile/guarded.h"
#include "profile/profile.h"

/* The first page from @at on that names a span; 0 if there is none. */
static uintptr_t
next_named(uintptr_t at)
{
  while (at != 0 && at >> LEAF_SHIFT < ROOT_LENGTH) {
    struct pagemap_leaf *leaf = pagemap_leaf_of(at);
    struct pagemap_chunk *chunk;
    if (leaf == NULL) {
      at = (at | (LEAF_SIZE - 1)) + 1;
      continue;
    }
    chunk = atomic_load_acquire(&leaf->chunks[pagemap_chunk_index(at)]);
    for (size_t i = pagemap_span_index(at); chunk != NULL && i < CHUNK_PAGES;
         i++, at += PAGE_SIZE)
      if (atomic_load_relaxed(&chunk->spans[i]) != NULL)
        return at;
    if (chunk == NULL)
      at = (at | (((uintptr_t)1 << CHUNK_SHIFT) - 1)) + 1;
  }
  return 0;
}

/* The usable bytes of a large block; its descriptor and its record do not go
 * away while the caller holds the locks. */
static size_t
large_size_locked(const struct span *span)
{
  const struct profile_record *record;

  lock_assert_held(&tcmi_profile_lock);
  if (span->sample == 0)
    return span_bytes(span) - span->offset;
  record = tcmi_profile_record(span->sample);
  return record->block == span_block(span) ? record->size : span_bytes(span);
}

/* Copies the descriptor of a large block.  The thread that owns the block may
 * resize or free it now, without a lock.  Then the size is the old or the new
 * one. */
__attribute__((no_sanitize("thread"))) static void
copy_large_locked(const struct span *span, struct span *copy)
{
  lock_assert_held(&tcmi_profile_lock);
  copy->start = span->start;
  copy->npages = span->npages;
  copy->sample = span->sample;
  copy->offset = span->offset;
  copy->class_id = span->class_id;
  copy->slab = span->slab;
  copy->held = span->held;
}

static void
large_blocks(uintptr_t start, struct block_run *run)
{
  const struct span *span;
  struct span copy = {.start = 0};

  lock_acquire(&tcmi_profile_lock);
  lock_acquire(&tcmi_metadata_lock);
  span = block_run_span_locked(start);
  if (span != NULL)
    copy_large_locked(span, &copy);
  if (copy.start == start && copy.class_id == 0 && !copy.slab && !copy.held) {
    run->start = span_block(&copy);
    run->end = span_end(&copy);
    run->size = large_size_locked(&copy);
    run->count = 1;
    run->taken[0] = 1;
  }
  lock_release(&tcmi_metadata_lock);
  lock_release(&tcmi_profile_lock);
}

/* Copies the span that begins at @start, if one does. */
static void
blocks_at(uintptr_t start, struct block_run *run)
{
  unsigned class_id = pagemap_tag(start) >> 1;

  run->count = 0;
  run->end = start + PAGE_SIZE;
  if (class_id != 0)
    tcmi_central_blocks(class_id, start, run);
  else if (!tcmi_slab_blocks(start, run))
    large_blocks(start, run);
}

static int
report_run(const struct block_run *run, const struct cached_set *cached,
           walk_callback *callback, void *arg)
{
  bool guarded = tcmi_option(OPTION_check) >= CHECK_BOUNDS;
  int result = 0;

  for (unsigned i = 0; i < run->count && result == 0; i++) {
    uintptr_t block = run->start + i * run->size;
    size_t size = run->size;
    if (bit_get(run->taken, i) && !tcmi_cached_set_holds(cached, block) &&
        (!guarded || tcmi_guard_is_in_use(block, &size)))
      result = callback((void *)block, size, arg);
  }
  return result;
}

bool
tcmi_walk_blocks(walk_callback *callback, void *arg, int *result)
{
  struct cached_set cached;
  struct block_run run;
  uintptr_t at = PAGE_SIZE;

  *result = 0;
  if (!tcmi_cached_set_make(&cached))
    return false;
  while (*result == 0 && (at = next_named(at)) != 0) {
    blocks_at(at, &run);
    *result = report_run(&run, &cached, callback, arg);
    at = run.end;
  }
  tcmi_cached_set_free(&cached);
  return true;
}
