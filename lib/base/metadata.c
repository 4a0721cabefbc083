/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "base/metadata.h"

#include <string.h>

#include "base/bits.h"
#include "base/params.h"
#include "base/report.h"
#include "base/system.h"

#define GRANULE 64
/* Free lists for blocks of every size that has no mapping of its own. */
#define NLISTS (METADATA_OWN_MAPPING / GRANULE + 1)
/* Granules of the pieces that the rest of a region is cut into. */
#define PIECE_MOST 128

struct free_block {
  struct free_block *next; /* [lock: metadata] */
};

struct lock tcmi_metadata_lock = LOCK_INITIALIZER(LOCK_METADATA);

/* All fields: [lock: metadata] */
static struct {
  char *bump, *end;                /* the unused part of the last region */
  struct free_block *free[NLISTS]; /* by granules */
  size_t mapped_bytes;             /* regions and own mappings; others read */
} metadata;

static size_t
granules_of(size_t bytes)
{
  return (max_size(bytes, 1) + GRANULE - 1) / GRANULE;
}

/* Puts what is left of a region on the free lists before leaving it. */
static void
region_retire_locked(void)
{
  size_t left = (size_t)(metadata.end - metadata.bump) / GRANULE;

  while (left > 0) {
    size_t n = min_size(left, PIECE_MOST);
    struct free_block *block = (struct free_block *)(void *)metadata.bump;
    block->next = metadata.free[n];
    metadata.free[n] = block;
    metadata.bump += n * GRANULE;
    left -= n;
  }
}

static bool
region_grow_locked(size_t bytes)
{
  size_t size =
      metadata.end == NULL ? METADATA_REGION_FIRST : METADATA_REGION_SIZE;
  void *start;

  size = round_up(size, tcmi_system_page_size());
  /* A process at its limit may still have room for a single page. */
  if (tcmi_system_map(size, &start) != 0) {
    size = round_up(bytes, tcmi_system_page_size());
    if (tcmi_system_map(size, &start) != 0)
      return false;
  }
  region_retire_locked();
  metadata.bump = start;
  metadata.end = metadata.bump + size;
  counter_add(&metadata.mapped_bytes, size);
  return true;
}

static void *
small_alloc_locked(size_t n)
{
  struct free_block *block;
  char *start;

  if ((block = metadata.free[n]) != NULL) {
    metadata.free[n] = block->next;
    return block;
  }
  if ((size_t)(metadata.end - metadata.bump) < n * GRANULE &&
      !region_grow_locked(n * GRANULE))
    return NULL;
  start = metadata.bump;
  metadata.bump += n * GRANULE;
  return start;
}

void *
tcmi_metadata_alloc(size_t bytes)
{
  void *block = NULL;

  if (bytes >= METADATA_OWN_MAPPING) {
    size_t size = round_up(bytes, tcmi_system_page_size());
    if (tcmi_system_map(size, &block) != 0)
      return NULL;
    tcmi_metadata_count(size);
    return block;
  }
  lock_acquire(&tcmi_metadata_lock);
  block = small_alloc_locked(granules_of(bytes));
  lock_release(&tcmi_metadata_lock);
  return block;
}

void *
tcmi_metadata_alloc_zeroed(size_t bytes)
{
  void *block = tcmi_metadata_alloc(bytes);

  if (block != NULL && bytes < METADATA_OWN_MAPPING)
    memset(block, 0, bytes);
  return block;
}

void
tcmi_metadata_free(void *pointer, size_t bytes)
{
  struct free_block *block = pointer;
  size_t n = granules_of(bytes);

  if (bytes >= METADATA_OWN_MAPPING) {
    size_t size = round_up(bytes, tcmi_system_page_size());
    if (tcmi_system_release(pointer, size) == 0)
      tcmi_metadata_count((size_t)0 - size);
    return;
  }
  lock_acquire(&tcmi_metadata_lock);
  block->next = metadata.free[n];
  metadata.free[n] = block;
  lock_release(&tcmi_metadata_lock);
}

size_t
tcmi_metadata_mapped_bytes(void)
{
  return atomic_load_relaxed(&metadata.mapped_bytes);
}

void
tcmi_metadata_count(size_t extra)
{
  lock_acquire(&tcmi_metadata_lock);
  counter_add(&metadata.mapped_bytes, extra);
  lock_release(&tcmi_metadata_lock);
}
