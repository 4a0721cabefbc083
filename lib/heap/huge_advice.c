/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "heap/huge_advice.h"

#include "base/atomics.h"
#include "base/bits.h"
#include "base/lock.h"
#include "base/options.h"
#include "base/params.h"
#include "base/system.h"
#include "heap/page_heap.h"
#include "heap/page_heap_state.h"
#include "heap/page_range.h"

/* In a heap of this size, the free part of a half-filled huge page is 6 %.
 * With 24 MiB no benchmark had a lower peak, and a heap of 55 MiB took half of
 * its page faults instead of a third. */
#define HEAP_MIN ((size_t)16 << 20)
/* Each border between advised and other memory splits a mapping; Linux allows a
 * process 65,530 mappings. */
#define BORDERS_MAX 8192
/* Fewer idle pages than this do not break a huge page: an eighth of it. */
#define IDLE_MIN (HUGE_PAGE_PAGES / 8)
/* How many advised huge pages the policy remembers. */
#define MEMORY 64
/* Spans of objects larger than this may stay mostly untouched. */
#define OBJECT_MAX (2 * PAGE_SIZE)
/* How many pages of spans it remembers: the smallest heap that asks. */
#define RECENT_PAGES 4096

/* All fields: [lock: page heap] */
static struct {
  size_t asked;    /* advised recently */
  size_t unfilled; /* those that broke before they were filled */
  size_t borders;  /* between advised huge pages and others, at present */
  size_t spans;    /* pages taken for spans recently */
  size_t sparse;   /* those with objects larger than OBJECT_MAX */
} advice;

void
tcmi_huge_count_span_locked(size_t npages, size_t object_size)
{
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

  return n < HUGE_PAGE_PAGES && (first + n - 1) / HUGE_PAGE_PAGES == h &&
         !bit_get(arena->busy, h) && !bit_get(arena->warm, h);
}

static bool
is_wanted(void)
{
  uint64_t option = tcmi_option(OPTION_huge_pages);

  if (option == 0 || advice.borders >= BORDERS_MAX)
    return false;
  return option == 2 || (tcmi_page_heap_held_bytes() >= HEAP_MIN &&
                         2 * advice.unfilled <= advice.asked + MEMORY / 8 &&
                         8 * advice.sparse <= advice.spans);
}

/* How many of its two neighbors have a different advised bit. */
static size_t
borders_of(const struct arena *arena, size_t h)
{
  bool own = bit_get(arena->advised, h);

  return (h > 0 && bit_get(arena->advised, h - 1) != own) +
         (size_t)(h + 1 < arena->nhuge &&
                  bit_get(arena->advised, h + 1) != own);
}

static void
mark(struct arena *arena, size_t h, bool advised)
{
  advice.borders -= borders_of(arena, h);
  if (advised)
    bit_set(arena->advised, h);
  else
    bit_clear(arena->advised, h);
  advice.borders += borders_of(arena, h);
}

/* Counts an advised huge page.  Halves the counts when they are full, so that
 * older ones weigh less. */
static void
note_asked(void)
{
  if (++advice.asked < MEMORY)
    return;
  advice.asked /= 2;
  advice.unfilled /= 2;
}

void
tcmi_huge_advise_locked(struct arena *arena, size_t h)
{
  struct huge_page *huge = &arena->huge_pages[h];
  size_t first = h * HUGE_PAGE_PAGES;

  if (!is_wanted() || tcmi_over_hard_limit(HUGE_PAGE_SIZE) ||
      !tcmi_arena_commit_locked(arena, first, HUGE_PAGE_PAGES) ||
      tcmi_system_advise_huge((void *)arena_address(arena, first),
                              HUGE_PAGE_SIZE, /*want=*/true) != 0)
    return;
  note_asked();
  mark(arena, h, true);
  bits_set_range(huge->resident, 0, HUGE_PAGE_PAGES);
  counter_add(&tcmi_page_counts.idle, HUGE_PAGE_PAGES - huge->nused);
  counter_add(&tcmi_page_counts.faulted, HUGE_PAGE_PAGES - huge->nused);
}

/* Marks an advised huge page as not advised, unless there are too many borders.
 * Returns whether it did. */
static bool
break_up(struct arena *arena, size_t h)
{
  const struct huge_page *huge = &arena->huge_pages[h];
  bool advised;

  lock_acquire(&tcmi_page_heap_lock);
  advised = bit_get(arena->advised, h) && advice.borders < BORDERS_MAX;
  if (advised) {
    mark(arena, h, false);
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
  return bit_get(arena->advised, h) && bit_get(arena->busy, h) &&
         idle < IDLE_MIN;
}

void
tcmi_huge_forget_locked(struct arena *arena, size_t first)
{
  for (size_t h = first; h < arena->nhuge; h++)
    if (bit_get(arena->advised, h))
      mark(arena, h, false);
}
