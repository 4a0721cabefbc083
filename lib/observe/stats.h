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
 * Locking: each lock once, for a moment; nothing is allocated.  While other
 * threads work the parts are each true, but of slightly different moments;
 * in_use_bytes takes the difference, so that the sum still holds.
 */
#ifndef TCM_OBSERVE_STATS_H
#define TCM_OBSERVE_STATS_H

#include "base/atomics.h"
#include "base/compiler.h"
#include "observe/stats_page.h"
#include "tcm.h"

extern struct stats_page tcmi_stats_page;

/* Counts one event of the stats page. */
#define stats_count(field) atomic_add_relaxed(&tcmi_stats_page.field, 1)

struct class_stats {
  uint64_t size;          /* [const] bytes of a block */
  uint64_t spans;         /* [const] spans of the class */
  uint64_t live;          /* [const] blocks in use by the application */
  uint64_t free_central;  /* [const] free blocks in spans */
  uint64_t free_transfer; /* [const] free blocks in the transfer cache */
  uint64_t free_thread;   /* [const] free blocks in thread caches */
};

void tcmi_stats_collect(struct tcm_stats *stats);
void tcmi_stats_class(unsigned class_id, struct class_stats *stats);

/* Where the lines of a report go. */
typedef void tcmi_stats_sink(void *to, const char *text, size_t length);
/* The report of malloc_stats(3), a few lines. */
void tcmi_stats_print_text(tcmi_stats_sink *sink, void *to);
/* The report of malloc_info(3), XML. */
void tcmi_stats_print_xml(tcmi_stats_sink *sink, void *to);

#endif /* TCM_OBSERVE_STATS_H */
