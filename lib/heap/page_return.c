/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Returns idle pages to the OS, and tracks how many idle pages are not needed.
 */
#include "config.h"

#include <string.h>

#include "base/atomics.h"
#include "base/bits.h"
#include "base/params.h"
#include "base/system.h"
#include "heap/arena.h"
#include "heap/huge_advice.h"
#include "heap/page_heap.h"
#include "heap/page_heap_state.h"
#include "heap/page_range.h"

struct lock tcmi_trim_lock = LOCK_INITIALIZER(LOCK_TRIM);

/* Huge pages examined while the lock is held once: a few microseconds. */
#define CHECKS_MAX 64

/* Sets in @target the idle pages of a huge page that form whole system
 * pages. */
static void
releasable_locked(const struct huge_page *huge, uint64_t *target)
{
  size_t group = tcmi_system_page_size() >> PAGE_SHIFT;

  lock_assert_held(&tcmi_page_heap_lock);
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

/* Idle pages of one huge page that are being returned.  They are marked as in
 * use, so that no thread takes them or waits for the system call. */
struct leaving {
  struct arena *arena;              /* [owner thread] NULL: there are none */
  size_t h;                         /* [owner thread] number of the huge page */
  uint64_t pages[HUGE_PAGE_WORDS];  /* [owner thread] bit per page */
  uint64_t failed[HUGE_PAGE_WORDS]; /* [owner thread] could not be returned */
};

/* Finds the next run of set pages, [*first, *end), from page *@end on; false
 * if there is none. */
static bool
next_run(const uint64_t *pages, size_t *first, size_t *end)
{
  *first = bits_find(pages, *end, HUGE_PAGE_PAGES, true);
  *end = bits_find(pages, *first, HUGE_PAGE_PAGES, false);
  return *first < HUGE_PAGE_PAGES;
}

static void
mark_leaving_locked(struct leaving *leaving)
{
  lock_assert_held(&tcmi_page_heap_lock);
  for (size_t first, end = 0; next_run(leaving->pages, &first, &end);) {
    tcmi_range_take_locked(leaving->arena, leaving->h * HUGE_PAGE_PAGES + first,
                           end - first, RUN_LARGE);
    range_set_aside_locked(end - first);
  }
}

/* Returns the pages to the OS.  Adds the cost to *@work; the result is the
 * bytes returned. */
static size_t
discard_leaving(struct leaving *leaving, size_t *work)
{
  size_t bytes = 0;

  for (size_t first, end = 0; next_run(leaving->pages, &first, &end);) {
    size_t page = leaving->h * HUGE_PAGE_PAGES + first;
    size_t size = (end - first) << PAGE_SHIFT;
    *work += WORK_OF_CALL;
    if (tcmi_huge_discard(leaving->arena, arena_address(leaving->arena, page),
                          size) == 0)
      bytes += size;
    else
      bits_set_range(leaving->failed, first, end - first);
  }
  return bytes;
}

static void
give_back_locked(struct leaving *leaving)
{
  lock_assert_held(&tcmi_page_heap_lock);
  for (size_t first, end = 0; next_run(leaving->pages, &first, &end);) {
    range_set_back_locked(end - first);
    tcmi_range_give_locked(
        leaving->arena, leaving->h * HUGE_PAGE_PAGES + first, end - first,
        bit_get(leaving->failed, first) ? RESIDENCY_KEPT : RESIDENCY_NONE);
  }
}

/* The arena made before @arena, or the last arena if @arena is NULL.  NULL if
 * there is none or @arena no longer exists. */
static struct arena *
arena_before_locked(const struct arena *arena)
{
  struct arena *before = tcmi_page_heap.first;

  lock_assert_held(&tcmi_page_heap_lock);
  while (before != NULL && before->next != arena)
    before = before->next;
  return before;
}

static bool
arena_exists_locked(const struct arena *arena)
{
  const struct arena *other = tcmi_page_heap.first;

  lock_assert_held(&tcmi_page_heap_lock);
  while (other != NULL && other != arena)
    other = other->next;
  return other != NULL;
}

/* Moves the walk to the previous arena.  The walk visits the empty huge pages
 * of all arenas first, then the others. */
static void
walk_turn_locked(struct page_walk *walk)
{
  lock_assert_held(&tcmi_page_heap_lock);
  walk->arena = arena_before_locked(walk->arena);
  if (walk->arena != NULL) {
    walk->h = walk->arena->nhuge;
  } else {
    walk->done = walk->past_empty;
    walk->past_empty = true;
  }
}

/* Whether the huge page has pages to return; puts them into @leaving. */
static bool
choose_locked(struct page_walk *walk, struct leaving *leaving)
{
  struct arena *arena = walk->arena;
  size_t h = walk->h;

  lock_assert_held(&tcmi_page_heap_lock);
  if (bit_get(arena->whole, h) ||
      !(bit_get(arena->warm, h) ||
        (walk->past_empty && bit_get(arena->busy, h))))
    return false;
  if (walk->keeps_huge &&
      tcmi_huge_is_worth_keeping_locked(
          arena, h, tcmi_huge_page_idle_pages(&arena->huge_pages[h])))
    return false;
  releasable_locked(&arena->huge_pages[h], leaving->pages);
  leaving->arena = arena;
  leaving->h = h;
  return bits_find(leaving->pages, 0, HUGE_PAGE_PAGES, true) < HUGE_PAGE_PAGES;
}

/* Finds the next huge page with pages to return.  The walk goes backward from
 * the end of the last arena, where the heap allocates last.  Looks at up to
 * @most huge pages; the result is how many it looked at. */
static size_t
walk_locked(struct page_walk *walk, size_t most, struct leaving *leaving,
            bool *found)
{
  size_t checks = 0;

  lock_assert_held(&tcmi_page_heap_lock);
  *found = false;
  if (walk->arena != NULL && !arena_exists_locked(walk->arena))
    *walk = (struct page_walk){.done = true};
  /* The arena may have shrunk. */
  if (walk->arena != NULL)
    walk->h = min_size(walk->h, walk->arena->nhuge);
  while (!*found && !walk->done && checks < most) {
    checks++;
    if (walk->h == 0) {
      walk_turn_locked(walk);
    } else {
      walk->h--;
      *found = choose_locked(walk, leaving);
    }
  }
  return checks;
}

/* Keeps the first @most pages of a set, in as many runs as @work allows, but at
 * least one; returns whether there were more. */
static bool
trim_set(uint64_t *pages, size_t most, size_t work)
{
  size_t runs = max_size(work / WORK_OF_CALL, 1);

  for (size_t first, end = 0; next_run(pages, &first, &end); runs--) {
    size_t kept = runs == 0 ? 0 : most;
    if (end - first > kept) {
      bits_clear_range(pages, first + kept, HUGE_PAGE_PAGES - first - kept);
      return true;
    }
    most -= end - first;
  }
  return false;
}

/* One step of a walk: returns pages of one huge page, or looks at many that
 * have none to return.  Adds its work to @*work, up to about @end. */
static size_t
release_step(struct page_walk *walk, size_t most, size_t *work, size_t end)
{
  struct leaving leaving = {.failed = {0}};
  bool found, trimmed = false;
  size_t bytes = 0;

  lock_acquire(&tcmi_trim_lock);
  lock_acquire(&tcmi_page_heap_lock);
  *work += WORK_OF_CHECK * walk_locked(walk, CHECKS_MAX, &leaving, &found);
  if (found) {
    trimmed = trim_set(leaving.pages, most, end - min_size(*work, end));
    mark_leaving_locked(&leaving);
  }
  lock_release(&tcmi_page_heap_lock);
  if (found) {
    bytes = discard_leaving(&leaving, work);
    /* Its other pages are next, unless the OS refused these. */
    if (trimmed && bytes > 0)
      walk->h++;
    lock_acquire(&tcmi_page_heap_lock);
    give_back_locked(&leaving);
    counter_add(&tcmi_page_heap.released_bytes, bytes);
    lock_release(&tcmi_page_heap_lock);
  }
  lock_release(&tcmi_trim_lock);
  return bytes;
}

size_t
tcmi_page_heap_release_some(struct page_walk *walk, size_t most, size_t *work)
{
  size_t bytes = 0, end = *work + (most >> PAGE_SHIFT);

  while (bytes < most && !walk->done && *work <= end)
    bytes += release_step(walk,
                          round_up(min_size(most - bytes, HUGE_PAGE_SIZE),
                                   tcmi_system_page_size()) >>
                              PAGE_SHIFT,
                          work, end);
  return bytes;
}

size_t
tcmi_page_heap_release(size_t most)
{
  struct page_walk walk = {0};
  size_t bytes = 0, work = 0;

  while (bytes < most && !walk.done)
    bytes += release_step(&walk, HUGE_PAGE_PAGES, &work, SIZE_MAX);
  return bytes;
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
