/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "heap/arena.h"

#include <string.h>

#include "base/atomics.h"
#include "base/bits.h"
#include "base/metadata.h"
#include "base/params.h"
#include "base/report.h"
#include "base/system.h"
#include "heap/page_heap_lock.h"
#include "heap/pagemap.h"

/* Reserves @size bytes of address space, aligned to a huge page. */
static bool
reserve_aligned(size_t size, uintptr_t hint, uintptr_t *start)
{
  size_t padded = size + HUGE_PAGE_SIZE, head;
  void *memory;

  if (tcmi_system_reserve(size, (void *)hint, &memory) != 0)
    return false;
  if ((uintptr_t)memory % HUGE_PAGE_SIZE == 0) {
    *start = (uintptr_t)memory;
    return true;
  }
  if (tcmi_system_release(memory, size) != 0 || padded < size ||
      tcmi_system_reserve(padded, NULL, &memory) != 0)
    return false;
  *start = round_up((uintptr_t)memory, HUGE_PAGE_SIZE);
  head = *start - (uintptr_t)memory;
  /* If the kernel refuses to unmap the ends, they stay unused. */
  if (head > 0)
    (void)!tcmi_system_release(memory, head);
  if (HUGE_PAGE_SIZE - head > 0)
    (void)!tcmi_system_release((void *)(*start + size), HUGE_PAGE_SIZE - head);
  return true;
}

static size_t
bitmap_bytes(size_t nhuge)
{
  return (nhuge + 63) / 64 * sizeof(uint64_t);
}

/* Allocates the structure and, after it, its tables in one block. */
static struct arena *
arena_describe(uintptr_t start, size_t nhuge)
{
  size_t tables = sizeof(struct arena) + 6 * bitmap_bytes(nhuge) +
                  round_up(nhuge * sizeof(uint16_t), sizeof(uint64_t));
  size_t bytes = tables + nhuge * sizeof(struct huge_page);
  struct arena *arena = tcmi_metadata_alloc_zeroed(bytes);
  char *next;

  if (arena == NULL)
    return NULL;
  next = (char *)arena + sizeof *arena;
  arena->start = start;
  arena->nhuge = nhuge;
  arena->bytes = bytes;
  arena->busy = (uint64_t *)(void *)next;
  arena->whole = (uint64_t *)(void *)(next + bitmap_bytes(nhuge));
  arena->warm = (uint64_t *)(void *)(next + 2 * bitmap_bytes(nhuge));
  arena->advised = (uint64_t *)(void *)(next + 3 * bitmap_bytes(nhuge));
  arena->broken = (uint64_t *)(void *)(next + 4 * bitmap_bytes(nhuge));
  arena->refilled = (uint64_t *)(void *)(next + 5 * bitmap_bytes(nhuge));
  arena->committed = (uint16_t *)(void *)(next + 6 * bitmap_bytes(nhuge));
  arena->huge_pages = (struct huge_page *)(void *)((char *)arena + tables);
  return arena;
}

struct arena *
tcmi_arena_new_locked(size_t size, uintptr_t hint)
{
  struct arena *arena;
  uintptr_t start;

  lock_assert_held(&tcmi_page_heap_lock);
  size = round_up(size, HUGE_PAGE_SIZE);
  if (size == 0 || !reserve_aligned(size, hint, &start))
    return NULL;
  arena = arena_describe(start, size >> HUGE_PAGE_SHIFT);
  tcmi_arena_counts.commit_refused = false;
  if (arena == NULL || !tcmi_pagemap_reserve_locked(start, size, arena)) {
    tcmi_pagemap_forget_locked(start, size);
    (void)!tcmi_system_release((void *)start, size);
    if (arena != NULL)
      tcmi_metadata_free(arena, arena->bytes);
    tcmi_arena_counts.commit_refused = true;
    return NULL;
  }
  /* Whatever the system's huge page setting is, the first page of a small
   * process must not cost 2 MiB. */
  (void)!tcmi_system_advise_huge((void *)start, size, /*want=*/false);
  counter_add(&tcmi_arena_counts.reserved_bytes, size);
  return arena;
}

static size_t
committed_pages_locked(const struct arena *arena, size_t first)
{
  size_t n = 0;

  lock_assert_held(&tcmi_page_heap_lock);
  for (size_t h = first; h < arena->nhuge; h++)
    n += arena->committed[h];
  return n;
}

void
tcmi_arena_forget_locked(struct arena *arena, size_t keep)
{
  size_t size = (arena->nhuge - keep) << HUGE_PAGE_SHIFT;

  lock_assert_held(&tcmi_page_heap_lock);
  tcmi_pagemap_forget_locked(arena->start + (keep << HUGE_PAGE_SHIFT), size);
  counter_sub(&tcmi_arena_counts.reserved_bytes, size);
  counter_sub(&tcmi_arena_counts.committed_bytes,
              committed_pages_locked(arena, keep) << PAGE_SHIFT);
  arena->nhuge = keep;
  if (keep == 0)
    tcmi_metadata_free(arena, arena->bytes);
}

bool
tcmi_arena_delete_locked(struct arena *arena)
{
  lock_assert_held(&tcmi_page_heap_lock);
  ASSERT(arena->nbusy == 0);
  if (tcmi_system_release((void *)arena->start,
                          arena->nhuge << HUGE_PAGE_SHIFT) != 0)
    return false;
  tcmi_arena_forget_locked(arena, 0);
  return true;
}

/* How many pages to commit ahead: a share of what is committed already. */
static size_t
commit_step_pages_locked(void)
{
  size_t share =
      max_size(tcmi_arena_counts.committed_bytes / 8, COMMIT_STEP_MIN);
  size_t step = (size_t)1 << (bit_width(share) - 1);

  lock_assert_held(&tcmi_page_heap_lock);
  return min_size(step, COMMIT_STEP_MAX) >> PAGE_SHIFT;
}

/* Commits the pages that are not committed yet, from the huge page of page
 * @first up to page @end. */
static bool
commit_to_locked(struct arena *arena, size_t first, size_t end)
{
  size_t first_huge = first / HUGE_PAGE_PAGES;
  size_t last_huge = (end - 1) / HUGE_PAGE_PAGES;
  size_t begin, added = 0;

  lock_assert_held(&tcmi_page_heap_lock);
  while (first_huge < last_huge &&
         arena->committed[first_huge] == HUGE_PAGE_PAGES)
    first_huge++;
  begin = first_huge * HUGE_PAGE_PAGES + arena->committed[first_huge];
  if (begin >= end)
    return true;
  if (tcmi_system_commit((void *)arena_address(arena, begin),
                         (end - begin) << PAGE_SHIFT) != 0)
    return false;
  for (size_t h = first_huge; h <= last_huge; h++) {
    size_t reach = min_size(end - h * HUGE_PAGE_PAGES, HUGE_PAGE_PAGES);
    if (reach > arena->committed[h]) {
      added += reach - arena->committed[h];
      arena->committed[h] = (uint16_t)reach;
    }
  }
  tcmi_arena_count_committed_locked(added << PAGE_SHIFT);
  return true;
}

bool
tcmi_arena_commit_locked(struct arena *arena, size_t first, size_t n)
{
  size_t end = first + n;
  size_t last_huge = (end - 1) / HUGE_PAGE_PAGES;
  size_t limit = (last_huge + 1) * HUGE_PAGE_PAGES;
  size_t stepped = round_up(end, commit_step_pages_locked());

  lock_assert_held(&tcmi_page_heap_lock);
  if (first / HUGE_PAGE_PAGES == last_huge &&
      end - last_huge * HUGE_PAGE_PAGES <= arena->committed[last_huge])
    return true;
  end = round_up(end, tcmi_system_page_size() >> PAGE_SHIFT);
  if (!tcmi_arena_counts.commit_refused &&
      commit_to_locked(arena, first, min_size(stepped, limit)))
    return true;
  tcmi_arena_counts.commit_refused = !commit_to_locked(arena, first, end);
  return !tcmi_arena_counts.commit_refused;
}

/* Whether huge page h may hold a part of a run for a large block. */
static bool
takes_large_locked(const struct arena *arena, size_t h)
{
  const struct huge_page *huge = &arena->huge_pages[h];

  lock_assert_held(&tcmi_page_heap_lock);
  return !bit_get(arena->busy, h) ||
         (!bit_get(arena->whole, h) && huge->kind == RUN_LARGE &&
          huge->longest > 0);
}

size_t
tcmi_arena_find_run_locked(const struct arena *arena, size_t n, size_t *most)
{
  size_t run = 0; /* free pages before huge page h */

  lock_assert_held(&tcmi_page_heap_lock);
  for (size_t h = 0; h<arena->nhuge && * most> 0; h++, (*most)--) {
    const uint64_t *used = arena->huge_pages[h].used;
    size_t base = h * HUGE_PAGE_PAGES, head;
    if (!takes_large_locked(arena, h)) {
      run = 0;
      continue;
    }
    head = bits_find(used, 0, HUGE_PAGE_PAGES, true);
    if (run + head >= n)
      return base - run;
    if (arena->huge_pages[h].nused > 0 && arena->huge_pages[h].longest >= n)
      return base + tcmi_huge_page_find(&arena->huge_pages[h], n, 1);
    run = head == HUGE_PAGE_PAGES
              ? run + HUGE_PAGE_PAGES
              : HUGE_PAGE_PAGES - bits_end_before(used, HUGE_PAGE_PAGES);
  }
  return NO_PAGE;
}
