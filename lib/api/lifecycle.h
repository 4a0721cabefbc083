/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lifecycle.h - how the process and each thread of it begin and end.
 *
 *     CACHE_NONE --first slow path--> CACHE_STARTING --> CACHE_OPEN
 *                                           |               |
 *                                    option check     thread exit
 *                                           v               v
 *                                     CACHE_CLOSED     CACHE_GONE
 *
 * Nothing is mapped or read before the first allocation; a constructor only
 * remembers which file standard error is, creates a key of thread-specific
 * data, and keeps a module that tcm is linked into from being unloaded.  A call
 * that arrives while the thread starts, from inside libc, is served without a
 * cache.
 *
 * Locking: LOCK_INIT around the start of the process.
 */
#ifndef TCM_API_LIFECYCLE_H
#define TCM_API_LIFECYCLE_H

#include "base/compiler.h"
#include "base/lock.h"

extern struct lock tcmi_init_lock;

/* The call that starts a thread: calloc and free may come from libc's own work
 * on thread-specific data, which the start needs too. */
enum start_from { START_MAYBE_TSD, START_OTHER };

/* Starts the process if need be, and then the calling thread if it can. */
COLD void tcmi_thread_start(enum start_from from);
/* Starts the process alone: options are read from then on. */
void tcmi_process_start(void);

#endif /* TCM_API_LIFECYCLE_H */
