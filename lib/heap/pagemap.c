/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rejected: a flat map of the whole address space, which saves one load but
 * does not start under a tight RLIMIT_AS; three levels, which need one more
 * load and save nothing, since address space is not memory.
 */
#include "config.h"

#include "heap/pagemap.h"

#include "base/bits.h"
#include "base/lock.h"
#include "base/metadata.h"
#include "base/system.h"

struct pagemap_leaf *tcmi_pagemap_root[ROOT_LENGTH];

/* Makes the system pages under the @n bytes at @field writable. */
static bool
plane_commit(void *field, size_t n)
{
  size_t page = tcmi_system_page_size();
  uintptr_t first = round_down((uintptr_t)field, page);
  uintptr_t end = round_up((uintptr_t)field + n, page);

  return tcmi_system_commit((void *)first, end - first) == 0;
}

/* What the map holds for @nhuge huge pages, in bytes: counted while an arena
 * lies there, so that one that comes and goes is not counted each time. */
static size_t
entry_bytes(size_t nhuge)
{
  const struct pagemap_leaf *leaf = NULL;

  return nhuge *
         (HUGE_PAGE_PAGES * (sizeof leaf->tags[0] + sizeof leaf->spans[0]) +
          sizeof leaf->arenas[0]);
}

static struct pagemap_leaf *
leaf_ensure_locked(uintptr_t address)
{
  struct pagemap_leaf *leaf = pagemap_leaf_of(address);
  void *memory;

  if (leaf != NULL || address >> LEAF_SHIFT >= ROOT_LENGTH)
    return leaf;
  if (tcmi_system_map_readable(round_up(sizeof *leaf, tcmi_system_page_size()),
                               &memory) != 0)
    return NULL;
  leaf = memory;
  /* Pairs with the acquire in pagemap_leaf_of(). */
  atomic_store_release(&tcmi_pagemap_root[address >> LEAF_SHIFT], leaf);
  return leaf;
}

/* The part of [start, start + size) that lies in one leaf. */
static bool
reserve_in_leaf_locked(uintptr_t start, size_t size, struct arena *arena)
{
  struct pagemap_leaf *leaf = leaf_ensure_locked(start);
  size_t page = pagemap_page_index(start);
  size_t huge = page / HUGE_PAGE_PAGES;
  size_t npages = size >> PAGE_SHIFT, nhuge = size >> HUGE_PAGE_SHIFT;

  if (leaf == NULL || !plane_commit(&leaf->tags[page], npages) ||
      !plane_commit(&leaf->spans[page], npages * sizeof leaf->spans[0]) ||
      !plane_commit(&leaf->arenas[huge], nhuge * sizeof leaf->arenas[0]))
    return false;
  for (size_t i = 0; i < nhuge; i++)
    atomic_store_relaxed(&leaf->arenas[huge + i], arena);
  tcmi_metadata_count(entry_bytes(nhuge));
  return true;
}

/* The bytes from @start to the end of its leaf or of the range. */
static size_t
part_in_leaf(uintptr_t start, size_t size)
{
  return min_size(size, LEAF_SIZE - (start & (LEAF_SIZE - 1)));
}

bool
tcmi_pagemap_reserve_locked(uintptr_t start, size_t size, struct arena *arena)
{
  while (size > 0) {
    size_t part = part_in_leaf(start, size);
    if (!reserve_in_leaf_locked(start, part, arena))
      return false;
    start += part;
    size -= part;
  }
  return true;
}

void
tcmi_pagemap_forget_locked(uintptr_t start, size_t size)
{
  size_t forgotten = 0;

  for (size_t done = 0; done < size; done += HUGE_PAGE_SIZE) {
    struct pagemap_leaf *leaf = pagemap_leaf_of(start + done);
    size_t i = pagemap_page_index(start + done) / HUGE_PAGE_PAGES;
    if (leaf != NULL && atomic_load_relaxed(&leaf->arenas[i]) != NULL) {
      atomic_store_relaxed(&leaf->arenas[i], NULL);
      forgotten++;
    }
  }
  tcmi_metadata_count((size_t)0 - entry_bytes(forgotten));
}

static void
page_store(uintptr_t address, struct span *span, unsigned tag)
{
  struct pagemap_leaf *leaf = pagemap_leaf_of(address);
  size_t i = pagemap_page_index(address);

  atomic_store_relaxed(&leaf->spans[i], span);
  atomic_store_relaxed(&leaf->tags[i], (uint8_t)tag);
}

/* Pages whose entry names the span, see Contents. */
static size_t
entries_of(const struct span *span)
{
  return span->class_id == 0 ? 1 : span->npages;
}

void
tcmi_pagemap_set(struct span *span)
{
  for (size_t i = 0; i < entries_of(span); i++)
    page_store(span->start + (i << PAGE_SHIFT), span, 2u * span->class_id);
}

void
tcmi_pagemap_clear(const struct span *span)
{
  for (size_t i = 0; i < entries_of(span); i++)
    page_store(span->start + (i << PAGE_SHIFT), NULL, 0);
}

struct span *
tcmi_pagemap_find(uintptr_t address)
{
  const struct arena *arena = pagemap_arena(address);
  uintptr_t page = round_down(address, PAGE_SIZE);

  while (arena != NULL && pagemap_arena(page) == arena) {
    struct span *span = pagemap_span(page);
    if (span != NULL)
      return address < span_end(span) ? span : NULL;
    page -= PAGE_SIZE;
  }
  return NULL;
}
