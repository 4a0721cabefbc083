/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * surroundings.h - what the machine and the container mean for the heap.
 *
 *     limits of the control groups --> soft limit, size of the caches
 *     pressure of memory           --> all that is free is returned
 *
 * Options that somebody has set take precedence.
 *
 * Locking: LOCK_INIT, which the first function wants held.
 */
#ifndef TCM_API_SURROUNDINGS_H
#define TCM_API_SURROUNDINGS_H

#include "base/compiler.h"

/* At the start of the process. */
void tcmi_surroundings_apply_locked(void);
/* The same again, if the option container asks for it. */
void tcmi_surroundings_apply_again(void);
/* The file that says how long tasks wait for memory, or NULL if the option
 * pressure does not ask for it. */
const char *tcmi_surroundings_file(void);
/* Whether tasks wait for memory for as long as the option says; by @file, which
 * is a descriptor of that file, or -1. */
bool tcmi_surroundings_are_short(int file);

#endif /* TCM_API_SURROUNDINGS_H */
