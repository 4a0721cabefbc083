/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "base/metadata.h"

#include <string.h>

#include "base/bits.h"
#include "base/params.h"
#include "base/report.h"
#include "base/system.h"

#define GRANULE 64
/* One free list for each size, in granules, of a block without its own
 * mapping. */
#define NLISTS (METADATA_OWN_MAPPING / GRANULE + 1)
/* The unused rest of a region is cut into pieces of this many granules. */
#define PIECE_MAX 128

struct free_block {
  struct free_block *next; /* [lock: metadata] */
  size_t granules;         /* [lock: metadata] its size */
};

struct lock tcmi_metadata_lock = LOCK_INITIALIZER(LOCK_METADATA);

/* All fields: [lock: metadata] */
static struct {
  char *bump, *end; /* the unused part of the last region */
  size_t nfree;     /* blocks on the free lists: while there are none, no page
                       of the heads is read */
  struct free_block *free[NLISTS]; /* by granules */
  struct free_block *runs[64];     /* by log2 of their length, while sorting */
} metadata;

struct metadata_counts tcmi_metadata_counts;

static size_t
granules_of(size_t bytes)
{
  return (max_size(bytes, 1) + GRANULE - 1) / GRANULE;
}

static void
block_put_locked(void *start, size_t n)
{
  struct free_block *block = start;

  lock_assert_held(&tcmi_metadata_lock);
  block->granules = n;
  block->next = metadata.free[n];
  metadata.free[n] = block;
  metadata.nfree++;
}

/* Puts the unused rest of the last region on the free lists; a new region
 * follows. */
static void
region_retire_locked(void)
{
  size_t left = (size_t)(metadata.end - metadata.bump) / GRANULE;

  lock_assert_held(&tcmi_metadata_lock);
  while (left > 0) {
    size_t n = min_size(left, PIECE_MAX);
    block_put_locked(metadata.bump, n);
    metadata.bump += n * GRANULE;
    left -= n;
  }
}

static void
region_open_locked(void *start, size_t size)
{
  struct metadata_region *region = start;

  lock_assert_held(&tcmi_metadata_lock);
  region->next = tcmi_metadata_counts.regions;
  region->bytes = size;
  atomic_store_release(&tcmi_metadata_counts.regions, region);
  metadata.bump = (char *)start + GRANULE;
  metadata.end = (char *)start + size;
  counter_add(&tcmi_metadata_counts.mapped_bytes, size);
}

static bool
region_grow_locked(size_t bytes)
{
  size_t size =
      metadata.end == NULL ? METADATA_REGION_FIRST : METADATA_REGION_SIZE;
  void *start;

  lock_assert_held(&tcmi_metadata_lock);
  size = round_up(size, tcmi_system_page_size());
  /* A process at its limit may still have room for one page. */
  if (tcmi_system_map_guarded(size, &start) != 0) {
    size = round_up(bytes + GRANULE, tcmi_system_page_size());
    if (tcmi_system_map(size, &start) != 0)
      return false;
  }
  region_retire_locked();
  region_open_locked(start, size);
  return true;
}

/* Takes @n granules from the smallest free block that has them. */
static void *
block_get_locked(size_t n)
{
  lock_assert_held(&tcmi_metadata_lock);
  for (size_t m = n; m < NLISTS && metadata.nfree > 0; m++) {
    struct free_block *block = metadata.free[m];
    if (block == NULL)
      continue;
    metadata.free[m] = block->next;
    metadata.nfree--;
    if (m > n)
      block_put_locked((char *)block + n * GRANULE, m - n);
    return block;
  }
  return NULL;
}

static void *
bump_get_locked(size_t n)
{
  char *start = metadata.bump;

  lock_assert_held(&tcmi_metadata_lock);
  if ((size_t)(metadata.end - start) < n * GRANULE)
    return NULL;
  metadata.bump += n * GRANULE;
  return start;
}

/* Merges two lists that are sorted by address. */
static struct free_block *
merge_lists(struct free_block *a, struct free_block *b)
{
  struct free_block *head = NULL, **tail = &head;

  while (a != NULL && b != NULL) {
    struct free_block **least = a < b ? &a : &b;
    *tail = *least;
    tail = &(*least)->next;
    *least = *tail;
  }
  *tail = a != NULL ? a : b;
  return head;
}

/* Returns all free blocks in one list that is sorted by address.  Merges lists
 * of 2^i blocks, as in binary counting. */
static struct free_block *
sorted_blocks_locked(void)
{
  struct free_block **runs = metadata.runs, *all = NULL;

  lock_assert_held(&tcmi_metadata_lock);
  metadata.nfree = 0;
  for (size_t n = 1; n < NLISTS; n++) {
    while (metadata.free[n] != NULL) {
      struct free_block *block = metadata.free[n];
      unsigned i = 0;
      metadata.free[n] = block->next;
      block->next = NULL;
      for (; runs[i] != NULL; i++) {
        block = merge_lists(runs[i], block);
        runs[i] = NULL;
      }
      runs[i] = block;
    }
  }
  for (unsigned i = 0; i < 64; i++) {
    all = merge_lists(all, runs[i]);
    runs[i] = NULL;
  }
  return all;
}

/* Coalesces adjacent free blocks.  Called only when the OS has no memory left:
 * free descriptors of one size must not prevent the allocation of others. */
static void
coalesce_locked(void)
{
  struct free_block *block = sorted_blocks_locked();

  lock_assert_held(&tcmi_metadata_lock);
  while (block != NULL) {
    struct free_block *next = block->next;
    size_t n = block->granules;
    while (next != NULL && (char *)next == (char *)block + n * GRANULE &&
           n + next->granules < NLISTS) {
      n += next->granules;
      next = next->next;
    }
    block_put_locked(block, n);
    block = next;
  }
}

/* Sets *@is_zero if the block was never used, see M3. */
static void *
small_alloc_locked(size_t n, bool *is_zero)
{
  void *block = NULL;

  lock_assert_held(&tcmi_metadata_lock);
  if (metadata.nfree == 0 || metadata.free[n] == NULL)
    block = bump_get_locked(n);
  *is_zero = block != NULL;
  if (block == NULL)
    block = block_get_locked(n);
  if (block != NULL)
    return block;
  *is_zero = region_grow_locked(n * GRANULE);
  if (*is_zero)
    return bump_get_locked(n);
  coalesce_locked();
  return block_get_locked(n);
}

static void *
alloc(size_t bytes, bool *is_zero)
{
  void *block = NULL;

  if (bytes >= METADATA_OWN_MAPPING) {
    size_t size = round_up(bytes, tcmi_system_page_size());
    *is_zero = true;
    if (tcmi_system_map_guarded(size, &block) != 0)
      return NULL;
    tcmi_metadata_count(size);
    return block;
  }
  lock_acquire(&tcmi_metadata_lock);
  block = small_alloc_locked(granules_of(bytes), is_zero);
  lock_release(&tcmi_metadata_lock);
  return block;
}

void *
tcmi_metadata_alloc(size_t bytes)
{
  bool is_zero;

  return alloc(bytes, &is_zero);
}

/* Writes to no page of a block that is zero: its owner may never use all of
 * them. */
void *
tcmi_metadata_alloc_zeroed(size_t bytes)
{
  bool is_zero;
  void *block = alloc(bytes, &is_zero);

  return block == NULL || is_zero ? block : memset(block, 0, bytes);
}

void
tcmi_metadata_free(void *block, size_t bytes)
{
  if (bytes >= METADATA_OWN_MAPPING) {
    size_t size = round_up(bytes, tcmi_system_page_size());
    if (tcmi_system_release_guarded(block, size) == 0)
      tcmi_metadata_count((size_t)0 - size);
    return;
  }
  lock_acquire(&tcmi_metadata_lock);
  block_put_locked(block, granules_of(bytes));
  lock_release(&tcmi_metadata_lock);
}

void
tcmi_metadata_free_all(void *const *blocks, unsigned n, size_t bytes)
{
  lock_acquire(&tcmi_metadata_lock);
  for (unsigned i = 0; i < n; i++)
    block_put_locked(blocks[i], granules_of(bytes));
  lock_release(&tcmi_metadata_lock);
}

size_t
tcmi_metadata_mapped_bytes(void)
{
  return atomic_load_relaxed(&tcmi_metadata_counts.mapped_bytes);
}

void
tcmi_metadata_count(size_t extra)
{
  lock_acquire(&tcmi_metadata_lock);
  counter_add(&tcmi_metadata_counts.mapped_bytes, extra);
  lock_release(&tcmi_metadata_lock);
}
