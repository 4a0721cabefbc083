/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * collapse.h - gives a heap that was returned and is in use again its huge
 * pages back.
 *
 *     due:   | fault fault fault ... |
 *     pass   | note   | note   | ... |  broken huge pages, in order of address;
 *     pass   | copy   |        | ... |  those full in two passes are collapsed
 *
 * Returning a part of a huge page breaks it, see heap/huge_advice.h.  When the
 * load needs the memory again, it faults in small pages one by one.  A pass is
 * due when the heap has faulted in as many pages as COLLAPSE_FAULTS for each
 * broken huge page since the last one, so an idle process does none.
 *
 * Reading 2,000,000 objects of 1 KiB in random order took 550 ns each before a
 * thousand huge pages broke, 770 after the load had filled them again, and 550
 * after they were collapsed; objects of 128 bytes, of whose huge pages half
 * broke, 510 and 480.
 *
 * Rejected: collapsing on slow paths of the program.  A collapse takes half a
 * millisecond, and several where the kernel must move other memory first.
 *
 * Invariants
 *   C1  only tcm's thread collapses, and not where the machine is set to never
 *       use huge pages.
 *   C2  a huge page was full for a period of the rounds before its collapse.
 *   C3  a pass checks no more than COLLAPSE_CHECKS huge pages a round, and
 *       collapses no more than COLLAPSE_MAX.
 *
 * Locking: none between two huge pages; see heap/huge_advice.h for one.
 */
#ifndef TCM_PROCESS_COLLAPSE_H
#define TCM_PROCESS_COLLAPSE_H

#include "base/compiler.h"

/* Reads whether the machine's administrator allows huge pages: the kernel
 * collapses whatever the setting is.  Until this was called, or if the file
 * cannot be read, nothing is collapsed. */
#define COLLAPSE_SETTING "/sys/kernel/mm/transparent_hugepage/enabled"
void tcmi_collapse_read_setting(const char *path);
/* Whether there is enough to collapse to start the thread. */
bool tcmi_collapse_is_due(void);
/* The part of a pass that follows a round; false if there is nothing more to
 * do.  Asks @must_stop before each huge page.  For tcm's thread. */
bool tcmi_collapse_some(bool (*must_stop)(void));
/* In the child of a fork. */
void tcmi_collapse_after_fork(void);

#endif /* TCM_PROCESS_COLLAPSE_H */
