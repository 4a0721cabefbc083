/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lifecycle.h - the start and the end of the process and its threads.
 *
 *     CACHE_NONE --first slow path--> CACHE_STARTING --> CACHE_OPEN
 *                                           |            or CACHE_CHECKED
 *                                    check from 2 on        |
 *                                           |           thread exit
 *                                           v               v
 *                                     CACHE_CLOSED     CACHE_GONE
 *
 * With TCM_CHECK=1 the state is CACHE_CHECKED instead of CACHE_OPEN.
 *
 * Nothing is mapped or read before the first allocation; a constructor only
 * remembers which file standard error is, creates a key of thread-specific
 * data, and keeps a module that tcm is linked into from being unloaded.  A call
 * from inside libc while the thread starts is served without a cache.
 *
 * Locking: LOCK_INIT around the start of the process.
 */
#ifndef TCM_PROCESS_LIFECYCLE_H
#define TCM_PROCESS_LIFECYCLE_H

#include "base/compiler.h"

/* The call that starts a thread.  libc may call calloc and free while it works
 * on thread-specific data; the start of a thread works on it too. */
enum start_from { START_MAYBE_TSD, START_OTHER };

/* Starts the process if needed, and then the calling thread if possible. */
COLD void tcmi_thread_start(enum start_from from);
/* Starts only the process; when it returns, the options have been read. */
void tcmi_process_start(void);

#endif /* TCM_PROCESS_LIFECYCLE_H */
