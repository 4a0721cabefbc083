/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stats.h - one set of numbers, collected from the lower layers on request.
 *
 * The parts add up to the whole by construction:
 *
 *     committed = used + idle + returned           (page heap)
 *     used      = large + spans of objects
 *     spans     = live + cached + transfer + free and tail + clean pages
 *
 * Nothing is counted on the fast path: live bytes are the remainder.
 *
 * Locking: numbers are read as stats_raw.h says.  The only lock is that of the
 * registry of thread caches, with a limited wait.  Nothing is allocated.  So a
 * report also works in a signal handler, and in a process in which a thread
 * died while it held a lock.
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
/* The same for an event that is counted per thread: in the field of that name
 * of its cache, or in the page if the thread has no cache. */
#define stats_count_own(field)                                               \
  do {                                                                       \
    if (likely(thread_has_cache()))                                          \
      counter_add(&owner_of(tcmi_thread_cache)->traffic.field, (uint64_t)1); \
    else                                                                     \
      stats_count(field);                                                    \
  } while (0)

/* A cache adds its slow mallocs to the page after this many, in one locked
 * addition. */
#define STATS_EVERY 32

/* Counts a slow malloc.  The first one of a thread, and of the child of a fork,
 * goes to the page at once, so that a reader of only the page can tell that the
 * process uses tcm. */
static inline void
stats_count_slow_malloc(void)
{
  struct cache_owner *owner = owner_of(tcmi_thread_cache);
  uint64_t n;

  if (unlikely(!thread_has_cache())) {
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

/* All numbers are 0 if there is no room for them, see stats_room.h. */
void tcmi_stats_read(struct stats_raw *raw);
void tcmi_stats_collect(struct tcm_stats *stats);
void tcmi_stats_class(unsigned class_id, struct class_stats *stats);

/* How many of mapped_bytes are resident, according to the OS.  Makes system
 * calls: about a millisecond per GiB. */
uint64_t tcmi_stats_resident_bytes(void);

/* Receives the lines of a report. */
typedef void tcmi_stats_sink(void *to, const char *text, size_t length);
/* The report of malloc_stats(3), as text. */
void tcmi_stats_print_text(tcmi_stats_sink *sink, void *to);
/* The report of malloc_info(3), as XML. */
void tcmi_stats_print_xml(tcmi_stats_sink *sink, void *to);
/* The same numbers as a JSON object. */
void tcmi_stats_print_json(tcmi_stats_sink *sink, void *to);

#endif /* TCM_OBSERVE_STATS_H */
