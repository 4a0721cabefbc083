/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way of idle pages back to the system, and what is known of those that
 * nobody needs.
 */
#include "config.h"

#include <string.h>

#include "base/bits.h"
#include "base/params.h"
#include "base/system.h"
#include "heap/arena.h"
#include "heap/page_heap.h"
#include "heap/page_heap_state.h"
#include "heap/page_range.h"

struct lock tcmi_trim_lock = LOCK_INITIALIZER(LOCK_TRIM);

/* The idle pages of a huge page that make up whole system pages. */
static void
releasable(const struct huge_page *huge, uint64_t *target)
{
  size_t group = tcmi_system_page_size() >> PAGE_SHIFT;

  if (group == 1) {
    for (size_t i = 0; i < HUGE_PAGE_WORDS; i++)
      target[i] = huge->resident[i] & ~huge->used[i];
    return;
  }
  memset(target, 0, HUGE_PAGE_WORDS * sizeof *target);
  for (size_t page = 0; page < HUGE_PAGE_PAGES; page += group)
    if (bits_count_range(huge->used, page, group) == 0 &&
        bits_count_range(huge->resident, page, group) > 0)
      bits_set_range(target, page, group);
}

/* Returns pages [first, end) of huge page @h, which are marked as in use. */
static size_t
release_run(struct arena *arena, size_t h, size_t first, size_t end)
{
  size_t page = h * HUGE_PAGE_PAGES + first, bytes = (end - first)
                                                     << PAGE_SHIFT;
  bool done =
      tcmi_system_discard((void *)arena_address(arena, page), bytes) == 0;

  lock_acquire(&tcmi_page_heap_lock);
  tcmi_range_give(arena, page, end - first,
                  done ? RESIDENCY_NONE : RESIDENCY_KEPT);
  if (done)
    tcmi_page_heap.released_bytes += bytes;
  lock_release(&tcmi_page_heap_lock);
  return done ? bytes : 0;
}

/* The pages are marked as in use while the lock is dropped: nobody may take
 * them, and nobody need wait for the system. */
static size_t
release_pages(struct arena *arena, size_t h, bool empty)
{
  struct huge_page *huge = &arena->huge_pages[h];
  uint64_t target[HUGE_PAGE_WORDS];
  size_t first, bytes = 0;
  size_t next;

  lock_acquire(&tcmi_page_heap_lock);
  if (bit_get(arena->whole, h) ||
      !(bit_get(arena->warm, h) || (!empty && bit_get(arena->busy, h)))) {
    lock_release(&tcmi_page_heap_lock);
    return 0;
  }
  releasable(huge, target);
  for (first = bits_find(target, 0, HUGE_PAGE_PAGES, true);
       first < HUGE_PAGE_PAGES;
       first = bits_find(target, next, HUGE_PAGE_PAGES, true)) {
    next = bits_find(target, first, HUGE_PAGE_PAGES, false);
    tcmi_range_take(arena, h * HUGE_PAGE_PAGES + first, next - first,
                    RUN_LARGE);
  }
  lock_release(&tcmi_page_heap_lock);
  for (first = bits_find(target, 0, HUGE_PAGE_PAGES, true);
       first < HUGE_PAGE_PAGES;
       first = bits_find(target, next, HUGE_PAGE_PAGES, true)) {
    next = bits_find(target, first, HUGE_PAGE_PAGES, false);
    bytes += release_run(arena, h, first, next);
  }
  return bytes;
}

static size_t
release_huge_page(struct arena *arena, size_t h, bool empty)
{
  size_t bytes;

  lock_acquire(&tcmi_trim_lock);
  bytes = release_pages(arena, h, empty);
  lock_release(&tcmi_trim_lock);
  return bytes;
}

/* Arenas, none of which is taken away from here to walk_end(), though no lock
 * is held in between. */
static unsigned
walk_begin(void)
{
  unsigned n = 0;

  lock_acquire(&tcmi_page_heap_lock);
  tcmi_page_heap.walkers++;
  for (struct arena *arena = tcmi_page_heap.first; arena != NULL;
       arena = arena->next)
    n++;
  lock_release(&tcmi_page_heap_lock);
  return n;
}

static void
walk_end(void)
{
  lock_acquire(&tcmi_page_heap_lock);
  tcmi_page_heap.walkers--;
  lock_release(&tcmi_page_heap_lock);
}

static struct arena *
nth_arena(unsigned n)
{
  struct arena *arena;

  lock_acquire(&tcmi_page_heap_lock);
  arena = tcmi_page_heap.first;
  while (n-- > 0)
    arena = arena->next;
  lock_release(&tcmi_page_heap_lock);
  return arena;
}

/* Until @most bytes are returned, from the end of the last arena on, where what
 * is allocated next goes last; with @empty only huge pages that nothing uses. */
static size_t
release_walk(size_t most, bool empty)
{
  size_t bytes = 0;

  for (unsigned n = walk_begin(); n-- > 0;) {
    struct arena *arena = nth_arena(n);
    for (size_t h = arena->nhuge; h-- > 0 && bytes < most;)
      bytes += release_huge_page(arena, h, empty);
  }
  walk_end();
  return bytes;
}

size_t
tcmi_page_heap_release(size_t most)
{
  size_t bytes = release_walk(most, /*empty=*/true);

  return bytes < most ? bytes + release_walk(most - bytes, /*empty=*/false)
                      : bytes;
}

size_t
tcmi_page_heap_unneeded(void)
{
  size_t pages;

  lock_acquire(&tcmi_page_heap_lock);
  pages = tcmi_page_counts.least_idle;
  tcmi_page_counts.least_idle = tcmi_page_counts.idle;
  lock_release(&tcmi_page_heap_lock);
  return pages << PAGE_SHIFT;
}
