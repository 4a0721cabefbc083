/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "heap/page_account.h"

#include "base/atomics.h"
#include "base/metadata.h"
#include "base/options.h"
#include "base/params.h"
#include "heap/arena_counts.h"
#include "heap/page_heap_state.h"
#include "heap/page_range.h"

struct lock tcmi_page_heap_lock = LOCK_INITIALIZER(LOCK_PAGE_HEAP);

struct page_heap_state tcmi_page_heap;

size_t
tcmi_page_heap_held_bytes(void)
{
  return ((atomic_load_relaxed(&tcmi_page_counts.used) +
           atomic_load_relaxed(&tcmi_page_counts.idle))
          << PAGE_SHIFT) +
         tcmi_metadata_mapped_bytes();
}

/* Whether @bytes more would put the heap over its hard limit. */
bool
tcmi_over_hard_limit(size_t bytes)
{
  uint64_t limit = tcmi_option(OPTION_hard_limit_bytes);

  return limit != 0 && tcmi_page_heap_held_bytes() + bytes > limit;
}

bool
tcmi_page_heap_charge(size_t npages)
{
  bool allowed;

  lock_acquire(&tcmi_page_heap_lock);
  allowed = !tcmi_over_hard_limit(npages << PAGE_SHIFT);
  if (allowed) {
    counter_add(&tcmi_page_counts.used, npages);
    tcmi_page_heap.mapped_pages += npages;
    tcmi_arena_count_mapped_locked(npages << PAGE_SHIFT, /*born=*/true);
  } else {
    counter_add(&tcmi_page_counts.hard_hits, 1);
  }
  lock_release(&tcmi_page_heap_lock);
  return allowed;
}

void
tcmi_page_heap_uncharge(size_t npages)
{
  lock_acquire(&tcmi_page_heap_lock);
  counter_sub(&tcmi_page_counts.used, npages);
  tcmi_page_heap.mapped_pages -= npages;
  tcmi_arena_count_mapped_locked(npages << PAGE_SHIFT, /*born=*/false);
  lock_release(&tcmi_page_heap_lock);
}

void
tcmi_page_heap_count_soft_hit(void)
{
  lock_acquire(&tcmi_page_heap_lock);
  counter_add(&tcmi_page_counts.soft_hits, 1);
  lock_release(&tcmi_page_heap_lock);
}

void
tcmi_page_heap_count_faulted(size_t npages)
{
  lock_acquire(&tcmi_page_heap_lock);
  counter_add(&tcmi_page_counts.faulted, npages);
  lock_release(&tcmi_page_heap_lock);
}

void
tcmi_page_heap_count_released(size_t bytes)
{
  lock_acquire(&tcmi_page_heap_lock);
  counter_add(&tcmi_page_heap.released_bytes, bytes);
  lock_release(&tcmi_page_heap_lock);
}

size_t
tcmi_page_heap_used_bytes(void)
{
  return atomic_load_relaxed(&tcmi_page_counts.used) << PAGE_SHIFT;
}

size_t
tcmi_page_heap_released_bytes(void)
{
  return atomic_load_relaxed(&tcmi_page_heap.released_bytes);
}
