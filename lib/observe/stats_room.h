/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stats_room.h - memory for the numbers of a report: three KiB, which a small
 * stack does not have.
 *
 *     first report          the static room
 *     another meanwhile     a mapping, until that report ends
 *
 * Another report may run in another thread, or in a signal handler that
 * interrupts this one; and a thread may have died in a report.  So no report
 * waits for another.
 *
 * Locking: one atomic flag.  Async-signal-safe.
 */
#ifndef TCM_OBSERVE_STATS_ROOM_H
#define TCM_OBSERVE_STATS_ROOM_H

#include "observe/stats_raw.h"

struct stats_room {
  struct stats_raw raw; /* [owner thread] for tcmi_stats_read() */
  struct tcm_stats sum; /* [owner thread] for tcmi_stats_sum() */
};

/* NULL if the static room is in use and nothing can be mapped. */
struct stats_room *tcmi_stats_room(void);
/* Accepts NULL. */
void tcmi_stats_room_end(struct stats_room *room);

#endif /* TCM_OBSERVE_STATS_ROOM_H */
