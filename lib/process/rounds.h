/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rounds.h - returns memory to the OS after it stayed free for a while.
 *
 *     |<-- period -->|<-- period -->|<-- period -->|
 *     begin          round          round          round
 *                    | piece | piece | ... |
 *
 * A round flushes the orphaned caches and the transfer caches.  Then it returns
 * what was free during the whole period: the minimum of idle pages in the page
 * heap, and for each class the minimum of free object bytes.  So memory is
 * returned one to two periods after its last use, and a load that needs it
 * again within a period never loses it.
 *
 * The period adapts to the load.  It doubles when the load faulted in again
 * more than half of the pages that the last round returned, and halves when it
 * faulted in fewer.  It exceeds half of its maximum only while these faults
 * take one percent of a processor's time.
 *
 * Rejected: the maximum period for every such load.  A load whose sizes drift
 * needs most of the pages again, but slowly and at other sizes: with 80 MiB
 * live it held 149 MiB instead of 128, with 6 % more faults.  A rule that uses
 * only the time that the faults take: 123 MiB, but 18 % more faults, and a load
 * that grows and shrinks slowly loses its memory each time.  Allocating idle
 * pages before returned ones in all huge pages of a kind: no fewer faults, and
 * 4 to 10 MiB more, since huge pages drain later.
 *
 * tcm's own thread does a round piece by piece.  Where there is no thread, the
 * program's slow paths do it, one piece a call; see background.h.
 *
 * Invariants
 *   O1  one thread at a time does a piece; a second that tries does nothing.
 *   O2  a piece returns at most as many pages as its caller allows, plus one
 *       run of pages, and does a bounded amount of other work.
 *   O3  a round never touches the cache of another live thread: the fast path
 *       has no atomics, so no other thread can tell whether the owner is inside
 *       it.
 *
 * Locking: no lock is held between the steps of a piece.  Steps that return
 * memory hold TRIM, so that a fork waits for them.
 */
#ifndef TCM_PROCESS_ROUNDS_H
#define TCM_PROCESS_ROUNDS_H

#include "base/compiler.h"

/* Starts a period, unless one has begun: forgets what was free before. */
void tcmi_rounds_begin(void);
/* Milliseconds until the next round is due; 0 if it is due or in progress. */
unsigned tcmi_rounds_wait(void);
/* Does a piece, of about @pages pages, of the round that is due.  @file is the
 * thread's, see tcmi_system_confine(), or -1.  False if the piece finished the
 * round, or there was nothing to do. */
bool tcmi_rounds_piece(size_t pages, int file);
/* The same for a round that returns all that is free, needed or not; begins one
 * unless it is in progress.  False if it is finished. */
bool tcmi_rounds_piece_of_all(size_t pages);
/* Whether the last round returned anything, or one is in progress. */
bool tcmi_rounds_find_more(void);
/* Runs a whole round at once, due or not; the bytes it returned.  For tests. */
size_t tcmi_rounds_run(void);
/* In the child of a fork. */
void tcmi_rounds_after_fork(void);

#endif /* TCM_PROCESS_ROUNDS_H */
