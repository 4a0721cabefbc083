/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * system_linux.h - what the files that make system calls share.
 *
 *     system_linux.c         memory, files, the process
 *     system_move_linux.c    memory that is moved or made inaccessible
 *     system_thread_linux.c  a thread of tcm's own
 *     system_confine_linux.c what that thread can do
 *     system_fault_linux.c   the signals for inaccessible memory
 *     system_file_linux.c    files that tcm creates
 *     system_unwind_linux.c  code and stacks, for an unwinder
 *     system_wake_linux.c    what a tool runs in a thread of the program
 *
 * Invariants: S1 to S4 of system.h.
 */
#ifndef TCM_BASE_SYSTEM_LINUX_H
#define TCM_BASE_SYSTEM_LINUX_H

#include "base/compiler.h"
#include "base/system.h"

/* Debug: whether a call is to fail, see tcmi_system_fail(). */
bool tcmi_system_strikes(enum system_call call);
/* Names a mapping in /proc/PID/maps, if the option names is on. */
void tcmi_system_name(void *start, size_t size, const char *name);

#endif /* TCM_BASE_SYSTEM_LINUX_H */
