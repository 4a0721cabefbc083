/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unmaps unused address space when the OS refuses more: the process is near a
 * limit such as RLIMIT_AS.
 *
 * Rejected: unmapping each empty arena immediately.  A heap that grows and
 * shrinks would reserve and describe it again and again.  Only a process near a
 * limit would gain.
 */
#include "config.h"

#include "heap/page_room.h"

#include "base/atomics.h"
#include "base/bits.h"
#include "base/report.h"
#include "base/system.h"
#include "heap/arena.h"
#include "heap/huge_advice.h"
#include "heap/page_account.h"
#include "heap/page_heap_state.h"
#include "heap/page_range.h"
#include "heap/pagemap.h"

/* Stops counting the idle pages of the huge pages from @first on, which are no
 * longer mapped. */
static void
forget_idle_locked(struct arena *arena, size_t first)
{
  size_t idle = 0;

  lock_assert_held(&tcmi_page_heap_lock);
  for (size_t h = bits_find(arena->warm, first, arena->nhuge, true);
       h < arena->nhuge; h = bits_find(arena->warm, h, arena->nhuge, true)) {
    idle += tcmi_huge_page_idle_pages(&arena->huge_pages[h]);
    bit_clear(arena->warm, h);
    arena->nwarm--;
  }
  counter_sub(&tcmi_page_counts.idle, idle);
  if (tcmi_page_counts.idle < tcmi_page_counts.least_idle)
    tcmi_page_counts.least_idle = tcmi_page_counts.idle;
  tcmi_page_heap.released_bytes += idle << PAGE_SHIFT;
}

/* Unmaps the empty huge pages at the end of an arena that stays. */
static bool
cut_end_locked(struct arena *arena)
{
  size_t used = bits_end_before(arena->busy, arena->nhuge);
  size_t keep = max_size(used, 1);

  lock_assert_held(&tcmi_page_heap_lock);
  if (keep >= arena->nhuge ||
      tcmi_system_release((void *)(arena->start + (keep << HUGE_PAGE_SHIFT)),
                          (arena->nhuge - keep) << HUGE_PAGE_SHIFT) != 0)
    return false;
  forget_idle_locked(arena, keep);
  tcmi_huge_forget_locked(arena, (struct huge_range){keep, arena->nhuge});
  tcmi_arena_forget_locked(arena, keep);
  return true;
}

/* Unmaps an empty arena; @before is the arena before it. */
static bool
drop_locked(struct arena *arena, struct arena *before)
{
  struct arena *next = arena->next;
  size_t bytes = arena->nhuge << HUGE_PAGE_SHIFT;

  lock_assert_held(&tcmi_page_heap_lock);
  if (tcmi_system_release((void *)arena->start, bytes) != 0)
    return false;
  before->next = next;
  if (tcmi_page_heap.last == arena)
    tcmi_page_heap.last = before;
  forget_idle_locked(arena, 0);
  tcmi_huge_forget_locked(arena, (struct huge_range){0, arena->nhuge});
  tcmi_arena_forget_locked(arena, 0);
  return true;
}

bool
tcmi_page_heap_give_space_locked(void)
{
  struct arena *before = tcmi_page_heap.first, *arena;
  bool gave;

  lock_assert_held(&tcmi_page_heap_lock);
  if (before == NULL)
    return false;
  gave = cut_end_locked(before);
  while ((arena = before->next) != NULL) {
    if (arena->nbusy == 0 && drop_locked(arena, before)) {
      gave = true;
      continue;
    }
    gave |= cut_end_locked(arena);
    before = arena;
  }
  return gave;
}

bool
tcmi_page_heap_give_space(void)
{
  bool gave;

  lock_acquire(&tcmi_page_heap_lock);
  gave = tcmi_page_heap_give_space_locked();
  lock_release(&tcmi_page_heap_lock);
  return gave;
}
