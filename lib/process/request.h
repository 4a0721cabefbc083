/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * request.h - what tcm-stat(1) asks the process to do, see stats_page.h.
 *
 *     tool: option, value, check, then id  -->  process: takes id, acts,
 *                                               stores result, then done
 *
 * Each slow path checks for a request, and so does tcm's own thread when it
 * wakes up.
 *
 * Locking: none; one thread takes a request.  Cost while there is none: the
 * load of a word that stays in every processor's cache.
 */
#ifndef TCM_PROCESS_REQUEST_H
#define TCM_PROCESS_REQUEST_H

#include "base/atomics.h"
#include "base/compiler.h"
#include "observe/stats.h"

/* Takes the request, if another thread has not, and executes it.  The caller
 * holds no lock. */
COLD void tcmi_request_serve(void);

static inline void
request_poll(void)
{
  if (unlikely(atomic_load_relaxed(&tcmi_stats_page.request.id) != 0))
    tcmi_request_serve();
}

#endif /* TCM_PROCESS_REQUEST_H */
