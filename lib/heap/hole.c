/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "heap/hole.h"

#include "base/atomics.h"
#include "base/list.h"
#include "base/lock.h"
#include "base/system.h"
#include "heap/huge_advice.h"
#include "heap/page_account.h"
#include "heap/page_range.h"
#include "heap/pagemap.h"

/* Attempts per call of tcmi_holes_close(): each is a system call. */
#define ATTEMPTS_MAX 8

/* All fields: [lock: page heap]; tcmi_holes_close() also reads count without
 * it. */
static struct {
  struct list spans; /* all holes, the last one tried at the end */
  size_t count;      /* length of the list */
} holes;

static void
add(struct span *hole)
{
  lock_acquire(&tcmi_page_heap_lock);
  range_set_aside_locked(hole->npages);
  list_push_back(&holes.spans, &hole->link);
  counter_add(&holes.count, 1);
  lock_release(&tcmi_page_heap_lock);
}

/* Takes the first hole from the list; its pages then count as used.  NULL if
 * there is none. */
static struct span *
take(void)
{
  struct list *first;
  struct span *hole = NULL;

  lock_acquire(&tcmi_page_heap_lock);
  first = list_first(&holes.spans);
  if (first != NULL) {
    hole = list_entry(first, struct span, link);
    list_remove(first);
    counter_sub(&holes.count, 1);
    range_set_back_locked(hole->npages);
  }
  lock_release(&tcmi_page_heap_lock);
  return hole;
}

void
tcmi_hole_close(struct span *spare, uintptr_t start, size_t npages)
{
  struct arena *arena = pagemap_arena(start);
  size_t first;

  spare->start = start;
  spare->npages = npages;
  if (tcmi_system_refill((void *)start, span_bytes(spare)) != 0) {
    add(spare);
    return;
  }
  first = arena_page(arena, start);
  lock_acquire(&tcmi_page_heap_lock);
  tcmi_huge_forget_locked(arena, huge_range_inside(first, npages));
  tcmi_range_give_locked(arena, first, npages, RESIDENCY_NONE);
  lock_release(&tcmi_page_heap_lock);
  tcmi_span_delete(spare);
}

void
tcmi_holes_close(void)
{
  size_t n = atomic_load_relaxed(&holes.count);
  struct span *hole;

  for (n = n < ATTEMPTS_MAX ? n : ATTEMPTS_MAX; n > 0; n--)
    if ((hole = take()) != NULL)
      tcmi_hole_close(hole, hole->start, hole->npages);
}
