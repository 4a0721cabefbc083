/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * heap_check.h - checks every numbered invariant of the whole heap.
 *
 * Aborts with the broken invariant.  Meant for tests and debug builds: it
 * holds each lock while it walks the lock's structure.
 */
#ifndef TCM_FRONT_HEAP_CHECK_H
#define TCM_FRONT_HEAP_CHECK_H

#include "base/compiler.h"

/* A debug library exports it, so that a test can check the heap of an
 * unmodified program. */
#ifdef TCM_DEBUG
EXPORT
#endif
void tcmi_heap_check(void);

#endif /* TCM_FRONT_HEAP_CHECK_H */
