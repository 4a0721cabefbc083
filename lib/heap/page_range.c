/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "heap/page_range.h"

#include "base/atomics.h"
#include "base/bits.h"
#include "heap/huge_page_filler.h"

struct page_counts tcmi_page_counts;

static void
warm_set_locked(struct arena *arena, size_t h, bool warm)
{
  lock_assert_held(&tcmi_page_heap_lock);
  if (bit_get(arena->warm, h) == warm)
    return;
  if (warm) {
    bit_set(arena->warm, h);
    arena->nwarm++;
  } else {
    bit_clear(arena->warm, h);
    arena->nwarm--;
  }
}

/* Marks a huge page as having pages in use. */
static void
huge_page_enter_locked(struct arena *arena, size_t h)
{
  lock_assert_held(&tcmi_page_heap_lock);
  if (bit_get(arena->busy, h))
    return;
  bit_set(arena->busy, h);
  arena->nbusy++;
  warm_set_locked(arena, h, false);
}

/* Marks a huge page as empty. */
static void
huge_page_leave_locked(struct arena *arena, size_t h)
{
  struct huge_page *huge = &arena->huge_pages[h];

  lock_assert_held(&tcmi_page_heap_lock);
  bit_clear(arena->busy, h);
  arena->nbusy--;
  warm_set_locked(arena, h,
                  bits_find(huge->resident, 0, HUGE_PAGE_PAGES, true) <
                      HUGE_PAGE_PAGES);
}

static void
count_taken_locked(size_t n, size_t resident)
{
  lock_assert_held(&tcmi_page_heap_lock);
  counter_sub(&tcmi_page_counts.idle, resident);
  if (tcmi_page_counts.idle < tcmi_page_counts.least_idle)
    tcmi_page_counts.least_idle = tcmi_page_counts.idle;
  counter_add(&tcmi_page_counts.faulted, n - resident);
}

/* A run that fills a huge page leaves its descriptor untouched, see A4. */
static void
whole_take_locked(struct arena *arena, size_t h)
{
  size_t idle = 0;

  lock_assert_held(&tcmi_page_heap_lock);
  if (bit_get(arena->warm, h))
    idle = tcmi_huge_page_idle_pages(&arena->huge_pages[h]);
  count_taken_locked(HUGE_PAGE_PAGES, idle);
  huge_page_enter_locked(arena, h);
  bit_set(arena->whole, h);
}

static void
part_take_locked(struct arena *arena, struct page_part part, enum run_kind kind)
{
  struct huge_page *huge = &arena->huge_pages[part.h];
  bool empty = !bit_get(arena->busy, part.h);

  lock_assert_held(&tcmi_page_heap_lock);
  counter_add(&tcmi_page_counts.used, part.n);
  if (empty && part.n == HUGE_PAGE_PAGES) {
    whole_take_locked(arena, part.h);
    return;
  }
  if (empty) {
    huge->arena = arena;
    huge->kind = (uint8_t)kind;
    huge_page_enter_locked(arena, part.h);
  }
  count_taken_locked(part.n,
                     bits_count_range(huge->resident, part.first, part.n));
  tcmi_huge_page_take(huge, part.first, part.n);
  tcmi_filler_update_locked(huge);
}

/* Clears the whole bit of a huge page that one run fills, and sets all its used
 * bits instead. */
static void
whole_split_locked(struct arena *arena, size_t h)
{
  struct huge_page *huge = &arena->huge_pages[h];

  lock_assert_held(&tcmi_page_heap_lock);
  bit_clear(arena->whole, h);
  huge->arena = arena;
  huge->kind = RUN_LARGE;
  tcmi_huge_page_take(huge, 0, HUGE_PAGE_PAGES);
}

static void
resident_update_locked(struct huge_page *huge, struct page_part part,
                       enum residency residency)
{
  lock_assert_held(&tcmi_page_heap_lock);
  if (residency == RESIDENCY_FULL)
    bits_set_range(huge->resident, part.first, part.n);
  else if (residency == RESIDENCY_NONE &&
           bits_count_range(huge->resident, part.first, part.n) > 0)
    bits_clear_range(huge->resident, part.first, part.n);
  counter_add(&tcmi_page_counts.idle,
              bits_count_range(huge->resident, part.first, part.n));
}

static void
part_give_locked(struct arena *arena, struct page_part part,
                 enum residency residency)
{
  struct huge_page *huge = &arena->huge_pages[part.h];

  lock_assert_held(&tcmi_page_heap_lock);
  counter_sub(&tcmi_page_counts.used, part.n);
  resident_update_locked(huge, part, residency);
  if (bit_get(arena->whole, part.h)) {
    if (part.n == HUGE_PAGE_PAGES) {
      bit_clear(arena->whole, part.h);
      huge_page_leave_locked(arena, part.h);
      return;
    }
    whole_split_locked(arena, part.h);
  }
  tcmi_huge_page_give(huge, part.first, part.n);
  tcmi_filler_update_locked(huge);
  if (huge->nused == 0)
    huge_page_leave_locked(arena, part.h);
}

void
tcmi_range_take_locked(struct arena *arena, size_t first, size_t n,
                       enum run_kind kind)
{
  lock_assert_held(&tcmi_page_heap_lock);
  for (size_t end = first + n; first < end;) {
    struct page_part part = page_part_at(first, end);
    part_take_locked(arena, part, kind);
    first += part.n;
  }
}

void
tcmi_range_give_locked(struct arena *arena, size_t first, size_t n,
                       enum residency residency)
{
  lock_assert_held(&tcmi_page_heap_lock);
  for (size_t end = first + n; first < end;) {
    struct page_part part = page_part_at(first, end);
    part_give_locked(arena, part, residency);
    first += part.n;
  }
}

bool
tcmi_range_is_free_locked(const struct arena *arena, size_t first, size_t n)
{
  size_t end = first + n;

  lock_assert_held(&tcmi_page_heap_lock);
  if (end > arena->nhuge * HUGE_PAGE_PAGES)
    return false;
  while (first < end) {
    struct page_part part = page_part_at(first, end);
    if (bit_get(arena->whole, part.h))
      return false;
    if (bit_get(arena->busy, part.h) &&
        bits_count_range(arena->huge_pages[part.h].used, part.first, part.n))
      return false;
    first += part.n;
  }
  return true;
}
