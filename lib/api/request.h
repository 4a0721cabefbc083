/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * request.h - what tcm-stat(1) asks the process to do, see stats_page.h.
 *
 *     tool: option, value, check, then id  -->  process: takes id, acts,
 *                                               stores result, then done
 *
 * Looked for on each slow path, and by whoever wakes up now and then.
 *
 * Locking: none; one thread takes a request.  Cost while there is none: the
 * load of a word that stays in everybody's cache.
 */
#ifndef TCM_API_REQUEST_H
#define TCM_API_REQUEST_H

#include "base/atomics.h"
#include "base/compiler.h"
#include "observe/stats.h"

/* Takes the request, if another thread has not, and does what it says.  Holds
 * no lock when it is called. */
COLD void tcmi_request_serve(void);

static inline void
request_poll(void)
{
  if (unlikely(atomic_load_relaxed(&tcmi_stats_page.request.id) != 0))
    tcmi_request_serve();
}

#endif /* TCM_API_REQUEST_H */
