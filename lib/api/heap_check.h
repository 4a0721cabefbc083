/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * heap_check.h - a walk of the whole heap against every numbered invariant.
 *
 * Aborts with the broken invariant.  Meant for tests and debug builds: it
 * takes each lock for as long as its structure is walked.
 */
#ifndef TCM_API_HEAP_CHECK_H
#define TCM_API_HEAP_CHECK_H

#include "base/compiler.h"

/* A debug library exports it, for a test to walk the heap of a program that
 * knows nothing of it. */
#ifdef TCM_DEBUG
EXPORT
#endif
void tcmi_heap_check(void);

#endif /* TCM_API_HEAP_CHECK_H */
