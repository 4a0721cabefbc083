/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "heap/page_range.h"

#include "base/atomics.h"
#include "base/bits.h"
#include "heap/huge_page_filler.h"

struct page_counts tcmi_page_counts;

static void
warm_set(struct arena *arena, size_t h, bool warm)
{
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
huge_page_enter(struct arena *arena, size_t h)
{
  if (bit_get(arena->busy, h))
    return;
  bit_set(arena->busy, h);
  arena->nbusy++;
  warm_set(arena, h, false);
}

/* Marks a huge page as empty. */
static void
huge_page_leave(struct arena *arena, size_t h)
{
  struct huge_page *huge = &arena->huge_pages[h];

  bit_clear(arena->busy, h);
  arena->nbusy--;
  warm_set(arena, h,
           bits_find(huge->resident, 0, HUGE_PAGE_PAGES, true) <
               HUGE_PAGE_PAGES);
}

static void
count_taken(size_t n, size_t resident)
{
  counter_sub(&tcmi_page_counts.idle, resident);
  if (tcmi_page_counts.idle < tcmi_page_counts.least_idle)
    tcmi_page_counts.least_idle = tcmi_page_counts.idle;
  counter_add(&tcmi_page_counts.faulted, n - resident);
}

/* A run that fills a huge page leaves its descriptor untouched, see A4. */
static void
whole_take(struct arena *arena, size_t h)
{
  size_t idle = 0;

  if (bit_get(arena->warm, h))
    idle = tcmi_huge_page_idle_pages(&arena->huge_pages[h]);
  count_taken(HUGE_PAGE_PAGES, idle);
  huge_page_enter(arena, h);
  bit_set(arena->whole, h);
}

static void
part_take(struct arena *arena, struct page_part part, enum run_kind kind)
{
  struct huge_page *huge = &arena->huge_pages[part.h];
  bool empty = !bit_get(arena->busy, part.h);

  counter_add(&tcmi_page_counts.used, part.n);
  if (empty && part.n == HUGE_PAGE_PAGES) {
    whole_take(arena, part.h);
    return;
  }
  if (empty) {
    huge->arena = arena;
    huge->kind = (uint8_t)kind;
    huge_page_enter(arena, part.h);
  }
  count_taken(part.n, bits_count_range(huge->resident, part.first, part.n));
  tcmi_huge_page_take(huge, part.first, part.n);
  tcmi_filler_update_locked(huge);
}

/* Clears the whole bit of a huge page that one run fills, and sets all its used
 * bits instead. */
static void
whole_split(struct arena *arena, size_t h)
{
  struct huge_page *huge = &arena->huge_pages[h];

  bit_clear(arena->whole, h);
  huge->arena = arena;
  huge->kind = RUN_LARGE;
  tcmi_huge_page_take(huge, 0, HUGE_PAGE_PAGES);
}

static void
resident_update(struct huge_page *huge, struct page_part part,
                enum residency residency)
{
  if (residency == RESIDENCY_FULL)
    bits_set_range(huge->resident, part.first, part.n);
  else if (residency == RESIDENCY_NONE &&
           bits_count_range(huge->resident, part.first, part.n) > 0)
    bits_clear_range(huge->resident, part.first, part.n);
  counter_add(&tcmi_page_counts.idle,
              bits_count_range(huge->resident, part.first, part.n));
}

static void
part_give(struct arena *arena, struct page_part part, enum residency residency)
{
  struct huge_page *huge = &arena->huge_pages[part.h];

  counter_sub(&tcmi_page_counts.used, part.n);
  resident_update(huge, part, residency);
  if (bit_get(arena->whole, part.h)) {
    if (part.n == HUGE_PAGE_PAGES) {
      bit_clear(arena->whole, part.h);
      huge_page_leave(arena, part.h);
      return;
    }
    whole_split(arena, part.h);
  }
  tcmi_huge_page_give(huge, part.first, part.n);
  tcmi_filler_update_locked(huge);
  if (huge->nused == 0)
    huge_page_leave(arena, part.h);
}

void
tcmi_range_take(struct arena *arena, size_t first, size_t n, enum run_kind kind)
{
  for (size_t end = first + n; first < end;) {
    struct page_part part = page_part_at(first, end);
    part_take(arena, part, kind);
    first += part.n;
  }
}

void
tcmi_range_give(struct arena *arena, size_t first, size_t n,
                enum residency residency)
{
  for (size_t end = first + n; first < end;) {
    struct page_part part = page_part_at(first, end);
    part_give(arena, part, residency);
    first += part.n;
  }
}

bool
tcmi_range_is_free(const struct arena *arena, size_t first, size_t n)
{
  size_t end = first + n;

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
