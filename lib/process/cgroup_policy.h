/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cgroup_policy.h - applies cgroup limits and memory pressure to the heap.
 *
 *     limits of the control groups --> soft limit, size of the caches
 *     memory pressure              --> all free memory is returned
 *
 * Options that the user or the program has set take precedence.
 *
 * Locking: LOCK_INIT; the caller of the first function holds it.
 */
#ifndef TCM_PROCESS_CGROUP_POLICY_H
#define TCM_PROCESS_CGROUP_POLICY_H

#include "base/compiler.h"
#include "base/lock.h"

/* Held while the process starts, and while the limits are applied again. */
extern struct lock tcmi_init_lock;

/* At the start of the process. */
void tcmi_cgroup_policy_apply_locked(void);
/* The same again, if the option container asks for it. */
void tcmi_cgroup_policy_apply_again(void);
/* The file that reports how long tasks wait for memory, or NULL if the option
 * pressure is 0. */
const char *tcmi_pressure_file(void);
/* Whether tasks wait for memory at least the percentage of time in the option
 * pressure.  @file is a descriptor of that file, or -1. */
bool tcmi_pressure_is_high(int file);

#endif /* TCM_PROCESS_CGROUP_POLICY_H */
