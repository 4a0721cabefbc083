/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * counting.h - counts the blocks of a thread that asked for it.
 *
 * tcm_count_thread_bytes() starts it; thread_bytes.h has the sums.
 *
 *     malloc -> slow path -> tcmi_counting_pop()  or  tcmi_count_allocated()
 *     free   -> slow path -> tcmi_counting_push() or  tcmi_count_freed()
 *
 * Each block counts with its usable size when a call of the program gets it and
 * when a call frees it.  Blocks of the heaps of the program do not count: those
 * that are freed with their heap are not freed one by one.
 *
 * No locking, except LOCK_GUARD for the sizes of blocks from TCM_CHECK=2 on.
 */
#ifndef TCM_FRONT_COUNTING_H
#define TCM_FRONT_COUNTING_H

#include "base/compiler.h"
#include "cache/thread_bytes.h"

/* Starts or stops counting for the calling thread, after
 * tcmi_enter_allocation(); false if there is no memory for its cache. */
MUST_CHECK bool tcmi_counting_set(bool on);

/* The bytes that a block counts with; 0 if it does not count.  Any pointer is
 * allowed. */
size_t tcmi_counted_bytes(const void *block);
void tcmi_count_allocated(const void *block);
void tcmi_count_freed(const void *block);
/* The first steps of the slow path in a thread that counts, which work on the
 * bins instead of the fast path, and count.  NULL or false: continue with the
 * next step. */
void *tcmi_counting_pop(size_t size);
bool tcmi_counting_push(void *object);
/* A block that had @before bytes was resized without being copied. */
void tcmi_count_resized(size_t before, const void *block);

#endif /* TCM_FRONT_COUNTING_H */
