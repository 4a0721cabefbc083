/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mark.h - how free() recognizes an object that is free already.
 *
 *     in use:   | word 0 | word 1: the program's | ...
 *     free:     | word 0 | word 1: the mark      | ...
 *
 * The mark is one random number per process.  free() writes it, and takes the
 * slow path if it is already there; malloc() clears it.  A second free is
 * therefore detected in the call, whichever thread or cache has the object.
 *
 * Invariants
 *   M1  an object that malloc() returns does not have the mark.
 *   M2  a free object has the mark until the program writes to it or its page
 *       is returned to the OS.
 *
 * The mark alone proves nothing: a program that copied out of a free object may
 * have written it to a block in use.  When free() finds it,
 * tcmi_object_is_free() looks for the object in all caches.
 *
 * Rejected: the first word.  Programs often write a part of it just before they
 * free the block.  A load of the whole word then stalls, and a pair of malloc
 * and free takes 20 % longer.
 * Rejected: a constant.  Whoever chooses the contents of a block could force
 * each free onto the slow path.
 *
 * No locking: the word belongs to the program before free() and after malloc().
 */
#ifndef TCM_CACHE_MARK_H
#define TCM_CACHE_MARK_H

#include "base/atomics.h"
#include "base/compiler.h"

/* [atomic: relaxed] 0 before tcmi_mark_init(), then constant. */
extern uintptr_t tcmi_free_mark;

/* A block can hold any type. */
typedef uintptr_t __attribute__((may_alias)) word_of_block;

/* Call it before the first free; several threads may do so at once. */
void tcmi_mark_init(void);

static ALWAYS_INLINE void
mark_clear(void *object)
{
  ((word_of_block *)object)[1] = 0;
}

static ALWAYS_INLINE bool
mark_is_set(const void *object, uintptr_t mark)
{
  return ((const word_of_block *)object)[1] == mark;
}

/* Marks an object as free; false if it has the mark already. */
static ALWAYS_INLINE bool
mark_set(void *object, uintptr_t mark)
{
  if (unlikely(mark_is_set(object, mark)))
    return false;
  ((word_of_block *)object)[1] = mark;
  return true;
}

#endif /* TCM_CACHE_MARK_H */
