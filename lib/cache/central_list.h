/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * central_list.h - the spans of one size class, shared by all threads.
 *
 *     central list c:  buckets  1    2    3     4     5  ...      11
 *     objects out of the span   0    1   2..3  4..7  8..15   512..1023
 *                               |    |
 *                             span  span     a full span is in no list
 *
 * Objects are taken from the span with the most live ones, so that the others
 * become empty.  An empty span returns to the page heap at once.  The buckets
 * are narrow for sparse spans, where it matters which of them may drain.  If
 * pages of a span were returned to the OS, its objects on resident pages are
 * taken first.
 *
 * Invariants
 *   L1  a span with available objects is in the bucket for its number of live
 *       or cached objects.
 *   L2  a span without live or cached objects is in no list: it is deleted.
 *   L3  free_objects is the sum of the available objects of all spans.
 *   L4  clean_pages is the number of pages of all spans that hold no memory.
 *   L5  lengths has the number of spans in each bucket.
 *   L6  least_idle is at most the low-water mark of the bytes of free objects
 *       on pages that hold memory, since tcmi_central_unneeded() was last
 *       called.
 *
 * An insert checks each object: it must be the start of an object of its
 * class, handed out, and not free yet.  Otherwise the process aborts with a
 * line that says what is wrong.
 *
 * Locking: functions take LOCK_CENTRAL of the class, and drop it while they
 * call the page heap or the OS.  LOCK_TRIM is held while pages of a span are
 * returned.  Cost: 2 to 5 ns per object and one lock pair per batch.
 */
#ifndef TCM_CACHE_CENTRAL_LIST_H
#define TCM_CACHE_CENTRAL_LIST_H

#include "base/compiler.h"
#include "base/list.h"
#include "base/lock.h"
#include "cache/misuse.h"
#include "cache/size_class.h"
#include "heap/span.h"

#define CENTRAL_BUCKETS 13

struct central_list {
  struct lock lock;
  unsigned nonempty;                 /* [lock: central] bit per bucket */
  unsigned lengths[CENTRAL_BUCKETS]; /* [lock: central] spans in each */
  /* Any thread may read the next three without the lock. */
  uint64_t spans;                       /* [lock: central] spans of the class */
  uint64_t free_objects;                /* [lock: central] see L3 */
  uint64_t clean_pages;                 /* [lock: central] see L4 */
  size_t least_idle;                    /* [lock: central] see L6 */
  struct list buckets[CENTRAL_BUCKETS]; /* [lock: central] 0 stays empty */
  struct list held;                     /* [lock: central] see S5 of span.h */
  uint64_t random; /* [lock: central] state of the random order, or 0 */
} CACHE_ALIGNED;

extern struct central_list tcmi_central_lists[SIZE_CLASS_COUNT];

/* Takes up to @n objects of the class into @out, in ascending order within a
 * span, all with a mark, see mark.h.  Returns how many: fewer, down to 0, when
 * the OS gives no memory.  The second takes them from a new span, whose cache
 * lines no other thread uses. */
unsigned tcmi_central_extract(unsigned class_id, void **out, unsigned n);
unsigned tcmi_central_extract_new(unsigned class_id, void **out, unsigned n);
/* Takes one object for the program, without a mark; aborts if the object was
 * changed while it was free.  Sets *@zero to whether it is known to be all
 * zero. */
void *tcmi_central_extract_one(unsigned class_id, bool *zero);
/* Frees @n objects in their spans; takes the lock once per batch. */
void tcmi_central_insert(unsigned class_id, void *const *objects, unsigned n);
/* The same for one object that the program is freeing now: an error message
 * names @call. */
void tcmi_central_insert_one(struct call call, unsigned class_id, void *object);

/* Returns pages to the OS that hold no live or cached object, those of the
 * emptiest spans first, until @most bytes are returned.  The result is in
 * bytes. */
size_t tcmi_central_release(unsigned class_id, size_t most);
/* The same, continuing at @walk, with about as much work as returning @most
 * bytes in one run.  Adds that work to *@work, without the pages returned; see
 * WORK_OF_CHECK. */
struct span_walk {
  unsigned bucket; /* [owner thread] the list that is walked */
  unsigned left;   /* [owner thread] spans of it not visited yet */
  bool done;       /* [owner thread] all lists were walked */
};
void tcmi_central_walk_begin(struct span_walk *walk);
size_t tcmi_central_release_some(unsigned class_id, struct span_walk *walk,
                                 size_t most, size_t *work);
/* Estimates how many bytes that could return, from two spans of each list. */
size_t tcmi_central_returnable(unsigned class_id);
/* The bytes of free objects, on pages that hold memory, that no thread has
 * needed since the last call. */
size_t tcmi_central_unneeded(unsigned class_id);
/* The bytes of such objects now: approximate, without the lock. */
size_t tcmi_central_idle_bytes(unsigned class_id);

/* How many of the pages hold no memory although spans of objects have them;
 * with @fill, makes them resident.  Approximate: other threads use the spans
 * meanwhile. */
size_t tcmi_central_clean_pages(uintptr_t start, size_t npages, bool fill);

/* If a span of the class begins at @start, copies which of its objects are in
 * use or cached. */
struct block_run;
void tcmi_central_blocks(unsigned class_id, uintptr_t start,
                         struct block_run *run);

/* Debug: checks every invariant above and of span.h. */
void tcmi_central_verify(unsigned class_id);

/* Whether @object can be a block in use: the start of an object of @span that
 * was handed out and is not free in the span.  Takes the lock. */
enum block_verdict tcmi_central_judge(struct span *span, uintptr_t object);

#endif /* TCM_CACHE_CENTRAL_LIST_H */
