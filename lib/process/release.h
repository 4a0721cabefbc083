/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * release.h - moves free memory down the layers, and returns it to the OS.
 *
 *     thread cache -> transfer cache -> central list -> page heap -> system
 *
 * Locking: no lock is held between the steps.
 */
#ifndef TCM_PROCESS_RELEASE_H
#define TCM_PROCESS_RELEASE_H

#include "base/compiler.h"

/* Opens the closed blocks, see closed.h.  Flushes the calling thread's cache,
 * the orphaned caches and the transfer caches into the central lists, so that
 * whole spans can become free.  True if anything moved. */
bool tcmi_flush_all(void);
/* Flushes all when the heap has grown by a sixteenth since the last time, so
 * that cached memory does not raise the peak.  A call does a bounded piece of
 * it, and the next slow paths of the thread do the rest.  Above the soft limit,
 * it returns free memory.  At a step of profile_step_bytes, it writes a
 * profile.  Cheap when there is nothing to do. */
void tcmi_flush_if_grown(void);
/* After a failed allocation: flushes all, and under a hard limit returns all
 * free memory to make room for other uses.  The first time at the limit, it
 * writes a profile.  True if the caller should try the allocation again. */
bool tcmi_make_room(void);
/* Flushes all and returns every free page to the OS; the bytes returned.  The
 * second function keeps @keep bytes of free pages. */
size_t tcmi_release_all(void);
size_t tcmi_release_all_but(size_t keep);
/* The same, but stops before the bytes would exceed @most. */
size_t tcmi_release_at_most(size_t most);

#endif /* TCM_PROCESS_RELEASE_H */
