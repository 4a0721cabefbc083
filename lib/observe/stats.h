/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stats.h - one set of numbers, pulled from the floors below when asked for.
 *
 * The parts add up to the whole by construction:
 *
 *     committed = used + idle + returned           (page heap)
 *     used      = large + spans of objects
 *     spans     = live + cached + transfer + free and tail + clean pages
 *
 * Nothing is counted on the fast path: what is live is what is left over.
 *
 * Locking: numbers are read as stats_raw.h says, without locks but that of the
 * registry of thread caches, which is not waited for for long; nothing is
 * allocated.  So a report comes also from a signal handler and from a process
 * one of whose threads died with a lock.
 */
#ifndef TCM_OBSERVE_STATS_H
#define TCM_OBSERVE_STATS_H

#include "base/atomics.h"
#include "base/compiler.h"
#include "cache/cache_owner.h"
#include "observe/stats_page.h"
#include "observe/stats_raw.h"
#include "tcm.h"

extern struct stats_page tcmi_stats_page;

/* Counts one event of the stats page. */
#define stats_count(field) atomic_add_relaxed(&tcmi_stats_page.field, 1)
/* The same for one that is counted by thread: its cache has a field of that
 * name, and the page counts for those that have no cache. */
#define stats_count_own(field)                                               \
  do {                                                                       \
    if (likely(tcmi_thread_cache_state == CACHE_OPEN))                       \
      counter_add(&owner_of(tcmi_thread_cache)->traffic.field, (uint64_t)1); \
    else                                                                     \
      stats_count(field);                                                    \
  } while (0)

/* Slow mallocs that a cache counts before it adds them to the page: one locked
 * addition for so many. */
#define STATS_EVERY 32

/* A slow malloc.  The first of a thread, and of the child of a fork, goes to the
 * page at once: who sees only that can tell that the process is served. */
static inline void
stats_count_slow_malloc(void)
{
  struct cache_owner *owner = owner_of(tcmi_thread_cache);
  uint64_t n;

  if (unlikely(tcmi_thread_cache_state != CACHE_OPEN)) {
    stats_count(slow_mallocs);
    return;
  }
  n = owner->traffic.slow_mallocs + 1;
  if (unlikely(!owner->is_told || n >= STATS_EVERY)) {
    owner->is_told = true;
    atomic_add_relaxed(&tcmi_stats_page.slow_mallocs, n);
    n = 0;
  }
  atomic_store_relaxed(&owner->traffic.slow_mallocs, n);
}

/* Without room for the numbers all are 0, see stats_room.h. */
void tcmi_stats_look(struct stats_raw *raw);
void tcmi_stats_collect(struct tcm_stats *stats);
void tcmi_stats_class(unsigned class_id, struct class_stats *stats);

/* Bytes of mapped_bytes that are resident, as the system says; system calls,
 * about a millisecond for each gibibyte. */
uint64_t tcmi_stats_resident_bytes(void);

/* Where the lines of a report go. */
typedef void tcmi_stats_sink(void *to, const char *text, size_t length);
/* The report of malloc_stats(3), some lines. */
void tcmi_stats_print_text(tcmi_stats_sink *sink, void *to);
/* The report of malloc_info(3), XML. */
void tcmi_stats_print_xml(tcmi_stats_sink *sink, void *to);
/* The same numbers as an object of JSON. */
void tcmi_stats_print_json(tcmi_stats_sink *sink, void *to);

#endif /* TCM_OBSERVE_STATS_H */
