/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "heap/arena_counts.h"

#include "base/metadata.h"
#include "heap/page_heap_lock.h"

struct arena_counts tcmi_arena_counts;

void
tcmi_arena_count_committed_locked(size_t bytes)
{
  size_t mapped;

  lock_assert_held(&tcmi_page_heap_lock);
  counter_add(&tcmi_arena_counts.committed_bytes, bytes);
  mapped = tcmi_arena_counts.committed_bytes + tcmi_metadata_mapped_bytes();
  if (mapped > tcmi_arena_counts.most_mapped_bytes)
    atomic_store_relaxed(&tcmi_arena_counts.most_mapped_bytes, mapped);
}

void
tcmi_arena_count_mapped_locked(size_t bytes, bool born)
{
  lock_assert_held(&tcmi_page_heap_lock);
  if (born) {
    counter_add(&tcmi_arena_counts.reserved_bytes, bytes);
    tcmi_arena_count_committed_locked(bytes);
  } else {
    counter_sub(&tcmi_arena_counts.reserved_bytes, bytes);
    counter_sub(&tcmi_arena_counts.committed_bytes, bytes);
  }
}
