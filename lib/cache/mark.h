/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mark.h - how malloc() and free() recognize an object that is free.
 *
 *     in use:   | word 0 | word 1: the program's | ...
 *     free:     | word 0 | word 1: the mark      | ...
 *
 *                malloc                      free
 *     cached  ---- mark -> 0 --->  in use  ---- -> mark --->  cached
 *              no mark: changed            mark: free already
 *
 * The mark is one random number per process.  free() writes it, and takes the
 * slow path if it is already there.  A second free is therefore detected in the
 * call, whichever thread or cache has the object.  malloc() clears the mark,
 * and takes the slow path if it is not there.  So if a second free was not
 * detected and two caches have the object, it is still not allocated twice.
 *
 * Invariants
 *   M1  an object that malloc() returns does not have the mark.
 *   M2  an object in a thread cache or transfer cache has the mark, unless the
 *       program has written to it.  So has a free object in a span, unless it
 *       was never used or its page was returned to the OS.  The central list
 *       marks those: the first when it hands them out, and all free objects
 *       that begin on a page when it uses the page again.
 *
 * In free(), the mark alone proves nothing: a program that copied out of a free
 * object may have written it to a block in use.  When free() finds it,
 * tcmi_object_is_free() looks for the object in all caches.  In malloc(), a
 * missing mark proves that the program freed the object twice, or wrote to it
 * while it was free.
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

/* What an empty bin has instead of an object: it never has the mark, which is
 * odd or, before tcmi_mark_init(), 0. */
extern const uintptr_t tcmi_no_object[2];
#define NO_OBJECT ((void *)(uintptr_t)tcmi_no_object)

/* Marks objects as free.  Their pages may not be resident, so the caller holds
 * no lock. */
void tcmi_mark_objects(void *const *objects, unsigned n);
/* Clears the mark of a free object that the program gets; aborts if the object
 * has none. */
void tcmi_mark_take(void *object);

/* Call it before the first free; several threads may do so at once. */
void tcmi_mark_init(void);

static ALWAYS_INLINE void
mark_write(void *object, uintptr_t mark)
{
  ((word_of_block *)object)[1] = mark;
}

static ALWAYS_INLINE void
mark_clear(void *object)
{
  mark_write(object, 0);
}

static ALWAYS_INLINE bool
mark_is_set(const void *object, uintptr_t mark)
{
  return ((const word_of_block *)object)[1] == mark;
}

/* Clears the mark of a free object; false if it has none. */
static ALWAYS_INLINE bool
mark_take(void *object, uintptr_t mark)
{
  if (unlikely(!mark_is_set(object, mark)))
    return false;
  mark_clear(object);
  return true;
}

/* Marks an object as free; false if it has the mark already. */
static ALWAYS_INLINE bool
mark_set(void *object, uintptr_t mark)
{
  if (unlikely(mark_is_set(object, mark)))
    return false;
  mark_write(object, mark);
  return true;
}

#endif /* TCM_CACHE_MARK_H */
