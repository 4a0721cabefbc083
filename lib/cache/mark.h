/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mark.h - what tells a free object from one in use, in the object itself.
 *
 *     in use:   | word 0 | word 1: the program's | ...
 *     free:     | word 0 | word 1: the mark      | ...
 *
 * The mark is a random number of the process.  free() writes it, and takes the
 * slow path where it is already there; malloc() clears it.  So a second free is
 * noticed in the call, whichever thread or cache has the object meanwhile.
 *
 * Invariants
 *   M1  an object that is handed to the program does not bear the mark.
 *   M2  an object bears it from the moment of its free, as long as nobody writes
 *       to it; the page under it may be returned, and read as zero then.
 *
 * So the mark alone proves nothing: a program that wrote to a free object took
 * it away, one that copied out of it may have put it elsewhere.  Where it stands
 * in an object that is freed, tcmi_object_is_free() decides.
 *
 * Rejected: the first word, which programs write last before they free: reading
 * a word of which a part was just written stalls, and a pair of malloc and free
 * takes a fifth longer.  A mark that anybody can know: who may choose what lies
 * in a block could make each free slow.
 *
 * No locking: the words are the program's before free() and after malloc().
 */
#ifndef TCM_CACHE_MARK_H
#define TCM_CACHE_MARK_H

#include "base/atomics.h"
#include "base/compiler.h"

/* [atomic: relaxed] 0 before tcmi_mark_init(), then one value for ever. */
extern uintptr_t tcmi_free_mark;

/* What lies in a block is of any type. */
typedef uintptr_t __attribute__((may_alias)) word_of_block;

/* Before the first free.  Any thread may do so, also at once with others. */
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

/* Marks an object as free; false if it is marked already. */
static ALWAYS_INLINE bool
mark_set(void *object, uintptr_t mark)
{
  if (unlikely(mark_is_set(object, mark)))
    return false;
  ((word_of_block *)object)[1] = mark;
  return true;
}

#endif /* TCM_CACHE_MARK_H */
