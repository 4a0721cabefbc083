/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rounds.h - returns to the system what stayed free for a while.
 *
 *     |<-- period -->|<-- period -->|<-- period -->|
 *     begin          round          round          round
 *                    | piece | piece | ... |
 *
 * A round empties the orphaned caches and the transfer caches, and then returns
 * what was free during the whole period: the fewest pages of the page heap that
 * were idle at any time in it, and for each class the fewest bytes of objects.
 * So memory goes back one to two periods after its last use, and a load that
 * needs it again within a period never loses it.
 *
 * The period follows the load.  It doubles when the load faulted in again more
 * than half of the pages that the last round returned, and is halved when it
 * faulted in less.  It exceeds half of its maximum only while these faults take
 * one percent of a processor's time.
 *
 * Rejected: the maximum for every such load.  One whose sizes drift needs most
 * of the pages again, at other sizes and slowly: with 80 MiB live it held 149
 * MiB and not 128, with 6 % more faults.  Only the time that the faults take:
 * 123 MiB, but 18 % more faults, and a load that grows and shrinks slowly loses
 * its memory each time.  Idle pages before returned ones in all huge pages of a
 * kind: no fault less, 4 to 10 MiB more, since huge pages drain later.
 *
 * tcm's own thread does a round piece by piece.  Where there is no thread, the
 * program's slow paths do it, one piece a call; see background.h.
 *
 * Invariants
 *   O1  one thread at a time does a piece; another one that comes does nothing.
 *   O2  a piece returns at most as many pages as its caller allows, or one run
 *       of pages more, and does a bounded amount of other work.
 *   O3  a round never touches the cache of another live thread: the fast path
 *       has no atomics, so nobody can tell from outside that its owner is not
 *       in the middle of it.
 *
 * Locking: none is held between the steps of a piece; TRIM over each of them,
 * so that a fork waits for a step.
 */
#ifndef TCM_API_ROUNDS_H
#define TCM_API_ROUNDS_H

#include "base/compiler.h"

/* Starts a period, unless one has begun: forgets what was free before. */
void tcmi_rounds_begin(void);
/* Milliseconds until the next round is due; 0 if it is due, or not done. */
unsigned tcmi_rounds_wait(void);
/* Does a piece of the round that is due, of about @pages pages.  @file is that
 * of the thread, see tcmi_system_confine(), or -1.  False if the round is done
 * by it, or nothing was to do. */
bool tcmi_rounds_piece(size_t pages, int file);
/* The same of a round that returns all that is free, needed or not: begins one
 * unless it goes on.  False if it is done. */
bool tcmi_rounds_piece_of_all(size_t pages);
/* Whether the last round returned anything, or goes on. */
bool tcmi_rounds_find_more(void);
/* A whole round at once, due or not; bytes returned.  For tests. */
size_t tcmi_rounds_run(void);
/* In the child of a fork. */
void tcmi_rounds_after_fork(void);

#endif /* TCM_API_ROUNDS_H */
