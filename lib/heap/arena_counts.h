/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arena_counts.h - how much memory and address space the heap holds.
 *
 *     reserved_bytes    | arenas and blocks with their own mapping            |
 *     committed_bytes   | accessible part |
 *
 * The counts have their own file because the pagemap grows with the heap, and
 * arenas need the pagemap.
 *
 * Locking: LOCK_PAGE_HEAP to write; none to read.
 */
#ifndef TCM_HEAP_ARENA_COUNTS_H
#define TCM_HEAP_ARENA_COUNTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/atomics.h"

/* All fields: [lock: page heap]; any thread may read them without it. */
struct arena_counts {
  size_t committed_bytes;   /* accessible, in all arenas */
  size_t reserved_bytes;    /* address space of all arenas */
  size_t most_mapped_bytes; /* committed and metadata: high-water mark */
  bool commit_refused;      /* the last commit failed: do not commit ahead */
};

extern struct arena_counts tcmi_arena_counts;

/* Counts @bytes more as committed. */
void tcmi_arena_count_committed_locked(size_t bytes);
/* Counts @bytes that are mapped outside the arenas, or unmapped there if @born
 * is false. */
void tcmi_arena_count_mapped_locked(size_t bytes, bool born);

static inline size_t
arena_committed_bytes(void)
{
  return atomic_load_relaxed(&tcmi_arena_counts.committed_bytes);
}

static inline size_t
arena_reserved_bytes(void)
{
  return atomic_load_relaxed(&tcmi_arena_counts.reserved_bytes);
}

#endif /* TCM_HEAP_ARENA_COUNTS_H */
