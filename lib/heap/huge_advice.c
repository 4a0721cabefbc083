/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "heap/huge_advice.h"

#include <errno.h>

#include "base/atomics.h"
#include "base/bits.h"
#include "base/lock.h"
#include "base/options.h"
#include "base/params.h"
#include "base/system.h"
#include "heap/clear.h"
#include "heap/page_account.h"
#include "heap/page_heap_state.h"
#include "heap/page_range.h"
#include "heap/pagemap.h"

/* In a heap of this size, the free part of a half-filled huge page is 6 %.
 * With 24 MiB no benchmark had a lower peak, and a heap of 55 MiB still took
 * half of its page faults, instead of a third. */
#define HEAP_MIN ((size_t)16 << 20)
/* Each border between advised and other memory splits a mapping; Linux allows a
 * process 65,530 mappings. */
#define BORDERS_MAX 8192
/* The fewest idle pages for which a huge page may be broken: an eighth of
 * it. */
#define IDLE_MIN (HUGE_PAGE_PAGES / 8)
/* How many advised huge pages the policy remembers. */
#define MEMORY 64
/* Spans of objects larger than this may stay mostly untouched. */
#define OBJECT_MAX (2 * PAGE_SIZE)
/* How many pages of spans it remembers: the smallest heap that tcm advises. */
#define RECENT_PAGES 4096
/* A block of this many pages contains a whole huge page wherever it begins. */
#define BLOCK_MIN (2 * HUGE_PAGE_PAGES)
/* How many places of a block show whether it was filled. */
#define PLACES 16
/* If a program stops filling its blocks, the heap grows by at most this
 * fraction until tcm detects it.  With an eighth, blocks of 5 to 25 MiB take
 * 42,900 page faults instead of 38,300; 72,700 without huge pages. */
#define CREDIT_SHARE 4

size_t tcmi_huge_broken;

/* All fields: [lock: page heap] */
static struct {
  size_t asked;    /* advised recently */
  size_t unfilled; /* those that broke before they were filled */
  size_t borders;  /* between advised huge pages and others, at present */
  size_t spans;    /* pages taken for spans recently */
  size_t sparse;   /* those with objects larger than OBJECT_MAX */
  size_t credit;   /* bytes of large blocks that may still be advised */
} advice;

void
tcmi_huge_count_span_locked(size_t npages, size_t object_size)
{
  lock_assert_held(&tcmi_page_heap_lock);
  if (advice.spans >= RECENT_PAGES) {
    advice.spans /= 2;
    advice.sparse /= 2;
  }
  advice.spans += npages;
  if (object_size > OBJECT_MAX)
    advice.sparse += npages;
}

bool
tcmi_huge_is_fresh_locked(const struct arena *arena, size_t first, size_t n)
{
  size_t h = first / HUGE_PAGE_PAGES;

  lock_assert_held(&tcmi_page_heap_lock);
  return n < HUGE_PAGE_PAGES && (first + n - 1) / HUGE_PAGE_PAGES == h &&
         !bit_get(arena->busy, h) && !bit_get(arena->warm, h);
}

/* Whether tcm may advise at all; sets *@always if it may wherever possible. */
static bool
is_allowed_locked(bool *always)
{
  uint64_t option = tcmi_option(OPTION_huge_pages);

  lock_assert_held(&tcmi_page_heap_lock);
  *always = option == 2;
  return option != 0 && advice.borders < BORDERS_MAX &&
         (option == 2 || tcmi_page_heap_held_bytes() >= HEAP_MIN);
}

static bool
is_wanted_for_spans_locked(void)
{
  bool always;

  lock_assert_held(&tcmi_page_heap_lock);
  return is_allowed_locked(&always) &&
         (always || (2 * advice.unfilled <= advice.asked + MEMORY / 8 &&
                     8 * advice.sparse <= advice.spans));
}

static bool
is_wanted_for_block_locked(size_t bytes)
{
  bool always;

  lock_assert_held(&tcmi_page_heap_lock);
  return is_allowed_locked(&always) && (always || bytes <= advice.credit);
}

/* How many of its two neighbors have a different advised bit. */
static size_t
borders_of_locked(const struct arena *arena, size_t h)
{
  bool own = bit_get(arena->advised, h);

  lock_assert_held(&tcmi_page_heap_lock);
  return (h > 0 && bit_get(arena->advised, h - 1) != own) +
         (size_t)(h + 1 < arena->nhuge &&
                  bit_get(arena->advised, h + 1) != own);
}

static void
mark_locked(struct arena *arena, size_t h, bool advised)
{
  lock_assert_held(&tcmi_page_heap_lock);
  advice.borders -= borders_of_locked(arena, h);
  if (advised)
    bit_set(arena->advised, h);
  else
    bit_clear(arena->advised, h);
  advice.borders += borders_of_locked(arena, h);
}

static void
broken_set_locked(struct arena *arena, size_t h, bool broken)
{
  lock_assert_held(&tcmi_page_heap_lock);
  bit_clear(arena->refilled, h);
  if (bit_get(arena->broken, h) == broken)
    return;
  if (broken) {
    bit_set(arena->broken, h);
    counter_add(&tcmi_huge_broken, 1);
  } else {
    bit_clear(arena->broken, h);
    counter_sub(&tcmi_huge_broken, 1);
  }
}

/* Counts an advised huge page.  Halves the counts when they are full, so that
 * older ones weigh less. */
static void
note_asked_locked(void)
{
  lock_assert_held(&tcmi_page_heap_lock);
  if (++advice.asked < MEMORY)
    return;
  advice.asked /= 2;
  advice.unfilled /= 2;
}

/* Makes a huge page accessible, and advises it.  False if the hard limit or the
 * OS refuses. */
static bool
ask_for_locked(struct arena *arena, size_t h)
{
  struct huge_page *huge = &arena->huge_pages[h];
  size_t first = h * HUGE_PAGE_PAGES, more;

  lock_assert_held(&tcmi_page_heap_lock);
  if (tcmi_over_hard_limit(HUGE_PAGE_SIZE) ||
      !tcmi_arena_commit_locked(arena, first, HUGE_PAGE_PAGES) ||
      tcmi_system_advise_huge((void *)arena_address(arena, first),
                              HUGE_PAGE_SIZE, /*want=*/true) != 0)
    return false;
  mark_locked(arena, h, true);
  broken_set_locked(arena, h, false);
  more = HUGE_PAGE_PAGES - huge->nused - tcmi_huge_page_idle_pages(huge);
  bits_set_range(huge->resident, 0, HUGE_PAGE_PAGES);
  counter_add(&tcmi_page_counts.idle, more);
  counter_add(&tcmi_page_counts.faulted, more);
  return true;
}

void
tcmi_huge_advise_locked(struct arena *arena, size_t h)
{
  lock_assert_held(&tcmi_page_heap_lock);
  if (is_wanted_for_spans_locked() && ask_for_locked(arena, h))
    note_asked_locked();
}

/* Whether spans of objects use a part of the huge page, or all of it. */
static bool
is_partly_used_locked(const struct arena *arena, size_t h)
{
  lock_assert_held(&tcmi_page_heap_lock);
  return bit_get(arena->busy, h) && !bit_get(arena->whole, h) &&
         arena->huge_pages[h].kind == RUN_SMALL;
}

/* Marks an advised huge page as broken, unless there are too many borders.
 * Returns whether it did. */
static bool
break_up(struct arena *arena, size_t h)
{
  const struct huge_page *huge = &arena->huge_pages[h];
  bool advised;

  lock_acquire(&tcmi_page_heap_lock);
  bit_clear(arena->refilled, h);
  advised = bit_get(arena->advised, h) && advice.borders < BORDERS_MAX;
  if (advised) {
    mark_locked(arena, h, false);
    broken_set_locked(arena, h, is_partly_used_locked(arena, h));
    advice.unfilled +=
        bit_get(arena->busy, h) && huge->nused < HUGE_PAGE_PAGES / 2;
  }
  lock_release(&tcmi_page_heap_lock);
  return advised;
}

/* Withdraws the advice first.  Otherwise the kernel could make a huge page of
 * the rest, which would make the returned memory resident again. */
int
tcmi_huge_discard(struct arena *arena, uintptr_t start, size_t size)
{
  size_t h = arena_page(arena, start) / HUGE_PAGE_PAGES;

  if (break_up(arena, h))
    (void)!tcmi_system_advise_huge(
        (void *)arena_address(arena, h * HUGE_PAGE_PAGES), HUGE_PAGE_SIZE,
        /*want=*/false);
  return tcmi_system_discard((void *)start, size);
}

bool
tcmi_huge_is_worth_keeping_locked(const struct arena *arena, size_t h,
                                  size_t idle)
{
  lock_assert_held(&tcmi_page_heap_lock);
  return bit_get(arena->advised, h) && bit_get(arena->busy, h) &&
         idle < IDLE_MIN;
}

void
tcmi_huge_forget_locked(struct arena *arena, struct huge_range range)
{
  lock_assert_held(&tcmi_page_heap_lock);
  for (size_t h = range.first; h < range.end; h++) {
    if (bit_get(arena->advised, h))
      mark_locked(arena, h, false);
    broken_set_locked(arena, h, false);
  }
}

/* A random page of part @i of the block. */
static const char *
place_in(const char *start, size_t size, size_t i)
{
  size_t page = tcmi_system_page_size(), part = size / PLACES;
  uint64_t random = (((uintptr_t)start >> PAGE_SHIFT) + i) * 0x9e3779b97f4a7c15;

  return start + round_down(i * part + (size_t)(random >> 32) % part, page);
}

/* Bytes of the block up to the last page that was used.  0 if none seems used;
 * SPARSE if pages before that were not.  If the first two places seem unused,
 * checks only two more: a block that grows by realloc(3) and is not filled
 * took twice as long with all of them. */
#define SPARSE SIZE_MAX
static size_t
filled_bytes(const char *start, size_t size)
{
  size_t page = tcmi_system_page_size(), filled = 0, gaps = 0, step = 1;

  for (size_t i = 0; i < PLACES; i += step) {
    if (tcmi_page_is_zero(place_in(start, size, i), page))
      gaps++;
    else if (gaps > 0)
      return SPARSE;
    else
      filled = (i + 1) * (size / PLACES);
    if (gaps == 2 && filled == 0)
      step = (PLACES - 2) / 2;
  }
  return filled;
}

void
tcmi_huge_learn_from(uintptr_t start, size_t npages)
{
  size_t filled;

  if (npages < BLOCK_MIN)
    return;
  filled = filled_bytes((const char *)start, npages << PAGE_SHIFT);
  lock_acquire(&tcmi_page_heap_lock);
  if (filled == SPARSE)
    advice.credit = 0;
  else
    advice.credit = min_size(advice.credit + 2 * filled,
                             tcmi_page_heap_held_bytes() / CREDIT_SHARE);
  lock_release(&tcmi_page_heap_lock);
}

static bool
holds_memory_locked(const struct arena *arena, size_t h)
{
  lock_assert_held(&tcmi_page_heap_lock);
  return bits_find(arena->huge_pages[h].resident, 0, HUGE_PAGE_PAGES, true) <
         HUGE_PAGE_PAGES;
}

void
tcmi_huge_advise_block(uintptr_t start, size_t npages)
{
  struct arena *arena = pagemap_arena(start);
  struct huge_range range = huge_range_inside(arena_page(arena, start), npages);
  size_t size;

  if (npages < BLOCK_MIN)
    return;
  lock_acquire(&tcmi_page_heap_lock);
  while (range.first < range.end && holds_memory_locked(arena, range.first))
    range.first++;
  size = (range.end - range.first) << HUGE_PAGE_SHIFT;
  if (size > 0 && is_wanted_for_block_locked(size) &&
      tcmi_system_advise_huge(
          (void *)arena_address(arena, range.first * HUGE_PAGE_PAGES), size,
          /*want=*/true) == 0) {
    advice.credit -= min_size(size, advice.credit);
    for (size_t h = range.first; h < range.end; h++)
      mark_locked(arena, h, true);
  }
  lock_release(&tcmi_page_heap_lock);
}

void
tcmi_huge_withdraw_from(uintptr_t start, size_t npages)
{
  struct arena *arena = pagemap_arena(start);
  size_t first = arena_page(arena, start);

  (void)!tcmi_system_advise_huge((void *)start, npages << PAGE_SHIFT,
                                 /*want=*/false);
  lock_acquire(&tcmi_page_heap_lock);
  tcmi_huge_forget_locked(arena, huge_range_inside(first, npages));
  lock_release(&tcmi_page_heap_lock);
}

/* The first broken huge page of the arena at or after @least, or NO_PAGE. */
static size_t
broken_after_locked(const struct arena *arena, uintptr_t least)
{
  size_t from =
      least <= arena->start
          ? 0
          : (least - arena->start + HUGE_PAGE_SIZE - 1) >> HUGE_PAGE_SHIFT;
  size_t h = bits_find(arena->broken, from, arena->nhuge, true);

  lock_assert_held(&tcmi_page_heap_lock);
  return h < arena->nhuge ? h : NO_PAGE;
}

/* Whether spans use nearly all pages of a broken huge page. */
static bool
is_full_locked(const struct arena *arena, size_t h)
{
  lock_assert_held(&tcmi_page_heap_lock);
  return bit_get(arena->broken, h) && is_partly_used_locked(arena, h) &&
         arena->huge_pages[h].nused >= HUGE_PAGE_PAGES - HUGE_GAPS_MAX;
}

uintptr_t
tcmi_huge_next_broken(uintptr_t least, bool *full)
{
  struct arena *best = NULL;
  size_t at = 0;

  lock_acquire(&tcmi_page_heap_lock);
  for (struct arena *arena = tcmi_page_heap.first; arena != NULL;
       arena = arena->next) {
    size_t h =
        arena_end(arena) <= least ? NO_PAGE : broken_after_locked(arena, least);
    if (h == NO_PAGE || (best != NULL && best->start < arena->start))
      continue;
    best = arena;
    at = h;
  }
  *full = best != NULL && is_full_locked(best, at);
  if (best != NULL && !bit_get(best->busy, at))
    broken_set_locked(best, at, false);
  lock_release(&tcmi_page_heap_lock);
  return best == NULL ? 0 : arena_address(best, at * HUGE_PAGE_PAGES);
}

bool
tcmi_huge_note_refilled(uintptr_t start)
{
  struct arena *arena;
  bool before = false;
  size_t h;

  lock_acquire(&tcmi_page_heap_lock);
  arena = pagemap_arena(start);
  if (arena != NULL) {
    h = arena_page(arena, start) / HUGE_PAGE_PAGES;
    before = bit_get(arena->refilled, h);
    if (bit_get(arena->broken, h))
      bit_set(arena->refilled, h);
  }
  lock_release(&tcmi_page_heap_lock);
  return before;
}

/* Withdraws the advice for a huge page that the kernel did not collapse. */
static void
withdraw_from_one(uintptr_t start)
{
  struct arena *arena;
  size_t h;

  (void)!tcmi_system_advise_huge((void *)start, HUGE_PAGE_SIZE, /*want=*/false);
  lock_acquire(&tcmi_page_heap_lock);
  arena = pagemap_arena(start);
  if (arena != NULL) {
    h = arena_page(arena, start) / HUGE_PAGE_PAGES;
    tcmi_huge_forget_locked(arena, (struct huge_range){h, h + 1});
  }
  lock_release(&tcmi_page_heap_lock);
}

/* Advises a broken huge page that is full.  If that is refused, it no longer
 * counts as broken, so that no pass tries again. */
static bool
advise_again(uintptr_t start)
{
  bool advised = false, always;
  struct arena *arena;
  size_t h;

  lock_acquire(&tcmi_page_heap_lock);
  arena = pagemap_arena(start);
  h = arena == NULL ? 0 : arena_page(arena, start) / HUGE_PAGE_PAGES;
  if (arena != NULL && is_full_locked(arena, h)) {
    advised = is_allowed_locked(&always) && ask_for_locked(arena, h);
    broken_set_locked(arena, h, false);
  }
  lock_release(&tcmi_page_heap_lock);
  return advised;
}

int
tcmi_huge_collapse(uintptr_t start)
{
  int result;

  if (!advise_again(start))
    return -EAGAIN;
  result = tcmi_system_collapse((void *)start, HUGE_PAGE_SIZE);
  if (result != 0)
    withdraw_from_one(start);
  return result;
}
