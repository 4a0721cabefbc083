/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * thread_cache.h - the free objects that one thread caches.
 *
 * Each size class has a bin, an array of pointers used as a stack that grows
 * upward:
 *
 *     base[-1]  base[0]                     top           lim
 *     | none  | object | object | ... | object |    |    |
 *                                        ^ next to be allocated
 *
 * malloc pops and free pushes; both check and write the object's mark, see
 * mark.h.  Below an empty bin is NO_OBJECT, which never has the mark, so that
 * "empty" needs no extra test.  Bin 0 is empty and full at once.  Class 0
 * (memory outside the heap, a large block, or a closed cache) leads there, and
 * takes the slow path without an extra test.
 *
 * The window is a row of pagemap leaves: first that of the first arena, later
 * that of the last object freed outside the window.  free() looks up a page
 * there without walking the tree.  An address outside the window, or one that
 * is not a multiple of 16, fails one comparison:
 *
 *     (rotate(address, 4) - rotate(window, 4)) / (PAGE_SIZE / 16) < pages
 *
 * Invariants
 *   T1  base[-1] == NO_OBJECT; base <= top <= lim; lim - base == cap.
 *   T2  an object in bin c is a free object of class c with the mark, and in no
 *       other bin: free() checks that an object begins there and has no mark.
 *       A program can break this, but then malloc() finds no mark.
 *   T3  the capacity of a bin is at most bin_most(c); the sum of capacity
 *       times size is at most the option thread_cache_bytes, and so is the
 *       size of the held large block; both together are at most the share of
 *       the cache plus what the pool allows, see cache_budget.c.  Each bin may
 *       always hold a kilobyte or one object.
 *   T4  a cache belongs to one thread, or is orphaned in the registry.
 *   T5  the tags of a class up to LINE_CLASS_MAX are 0 until the thread has
 *       allocated from the class.
 *   T6  while sample_left is not 0, all tags are 0: each malloc takes the slow
 *       path, whose first step, thread_cache_pop_counted(), counts the object.
 *       Another thread may close tags, window and view, and set diverted,
 *       but may change nothing else.  In objects_left, a class has 0 unless the
 *       thread takes samples, does not count, see T8, and has allocated from
 *       the class.  Nothing is written there unless owner_counts_objects().
 *   T7  in a checked thread, all tags are 0 and the window has no pages.  Each
 *       object leaves and enters the bins with its live bit, see live.h.
 *   T8  while its thread counts, see thread_bytes.h, all tags are 0, the window
 *       has no pages, no large block is held, and the view is a page where no
 *       block can be: the first steps of the slow path refuse each block too.
 *
 * A cache is closed when its tags are all 0 and its window is empty: each
 * operation then takes the slow path.  Checks hook in there: at TCM_CHECK=1 a
 * closed cache has bins, and thread_cache_checked.h works on them.  Nothing
 * else can change what the fast path does.
 *
 * Locking: none, except for the registry.  Other threads read top and base only
 * for statistics, in relaxed order.
 */
#ifndef TCM_CACHE_THREAD_CACHE_H
#define TCM_CACHE_THREAD_CACHE_H

#include "base/atomics.h"
#include "base/compiler.h"
#include "base/list.h"
#include "base/lock.h"
#include "cache/mark.h"
#include "cache/size_class.h"
#include "heap/pagemap.h"
#include "heap/span.h"

struct bin {
  void **top; /* [owner thread] first unused slot */
  void **lim; /* [owner thread] end of the usable slots */
};

/* What the fast paths read.  All fields: [owner thread] */
struct thread_cache {
  struct bin bins[SIZE_CLASS_COUNT]; /* by class; a tag is half an offset */
  struct pagemap_window window;      /* no pages: closed */
  uintptr_t mark;                    /* of free objects, see mark.h */
  uint8_t tags[SIZE_CLASS_TAGS_LENGTH];
  struct span *large;    /* a held large block, or NULL */
  size_t large_charge;   /* bytes charged: the size of it, or of the last one */
  size_t large_step;     /* a request fits if less than this below the charge */
  size_t sample_left;    /* bytes of large blocks until the next sample; 0: no
                            sampling */
  uint32_t sample_epoch; /* epoch of the profile when last checked */
  bool diverted; /* window and view stay closed; its slow frees check whether
                    they still must */
  uint8_t begun; /* one bit per class up to LINE_CLASS_MAX: has allocated */
  struct pagemap_view view; /* of a checked thread: thread_cache_checked.h works
                               on objects there; else no pages */
  uint64_t *objects_left;   /* up to and including the next sample, by class; 0:
                               not
                             known */
};

/* From CACHE_OPEN on, the thread has a cache. */
enum cache_state {
  CACHE_NONE,     /* the thread has not allocated yet */
  CACHE_STARTING, /* it is getting its cache: operate without one */
  CACHE_CLOSED,   /* it works without one: the option "check" from 2 on */
  CACHE_GONE,     /* its cache was orphaned: operate without one */
  CACHE_OPEN,     /* it has one */
  CACHE_CHECKED   /* it has a closed one, with live bits: check is 1 */
};

/* Initially a closed cache; never NULL.  [owner thread] */
extern __thread struct thread_cache *tcmi_thread_cache;
extern __thread uint8_t tcmi_thread_cache_state;

extern struct lock tcmi_registry_lock;

/* Adopts an orphaned cache for the calling thread, or creates one; the state of
 * the thread follows from the option "check".  False when the OS gives no
 * memory. */
MUST_CHECK bool tcmi_thread_cache_open(void);
/* Orphans the calling thread's cache, in constant time. */
void tcmi_thread_cache_orphan(void);
/* Detaches the calling thread from its cache, and sets its state. */
void tcmi_thread_cache_detach(enum cache_state state);

/* Gets objects of the class and returns one of them; NULL without memory. */
void *tcmi_thread_cache_refill(struct thread_cache *cache, unsigned class_id);
/* Makes room in the bin and puts @object there. */
void tcmi_thread_cache_overflow(struct thread_cache *cache, unsigned class_id,
                                void *object);

/* Puts @object in the bin of its class; makes room if the bin is full. */
void tcmi_thread_cache_push(struct thread_cache *cache, unsigned class_id,
                            void *object);

/* Flushes all objects of the cache to the transfer caches, and those that do
 * not fit there to the central lists. */
void tcmi_thread_cache_flush(struct thread_cache *cache);
/* Flushes only the objects of one class; returns how many there were. */
unsigned tcmi_thread_cache_flush_class(struct thread_cache *cache,
                                       unsigned class_id);
/* Whether an object of the class is in any cache or free in its span.  Called
 * for an object that has the mark.  Cost: a search through all caches. */
bool tcmi_object_is_free(unsigned class_id, void *object);
/* Makes each free of the calling thread take the slow path, until the second
 * function is called. */
void tcmi_thread_cache_divert(struct thread_cache *cache);
void tcmi_thread_cache_rejoin(struct thread_cache *cache);
/* Moves the view of a checked thread to @object, which it frees. */
void tcmi_thread_cache_move_view(struct thread_cache *cache,
                                 const void *object);

/* The first makes mallocs of the calling thread take the slow path, where they
 * are counted; the second makes them fast again. */
void tcmi_thread_cache_close_tags(struct thread_cache *cache);
void tcmi_thread_cache_open_tags(struct thread_cache *cache);
/* Establishes and ends T8 for the calling thread. */
void tcmi_thread_cache_close(struct thread_cache *cache);
void tcmi_thread_cache_reopen(struct thread_cache *cache);
/* Sets objects_left to 0, and starts or stops counting in it. */
void tcmi_thread_cache_count_objects(struct thread_cache *cache, bool on);
/* Closes the tags of all caches, also those of other threads. */
void tcmi_thread_cache_close_all_tags(void);
/* Diverts some of the threads, and the next ones in the next call; false if
 * those were the last. */
bool tcmi_thread_cache_divert_some(void);

/* Flushes one orphaned cache to the transfer caches and deletes it; false if
 * there was none. */
bool tcmi_thread_cache_flush_orphan(void);

/* In the child of a fork: abandons the caches of threads that do not exist in
 * the child. */
void tcmi_thread_cache_after_fork(void);

/* Totals of what went through a cache.  All fields: [owner thread], read by any
 * thread. */
struct cache_traffic {
  uint64_t refills;      /* of bins, from the lower tiers */
  uint64_t objects;      /* that the refills moved */
  uint64_t flushes;      /* of bins, or of a part of one */
  uint64_t slow_mallocs; /* the next three as in struct stats_page */
  uint64_t slow_frees;
  uint64_t large_mallocs;
};

struct thread_cache_stats {
  uint64_t bytes;               /* [const] in all caches */
  uint64_t caches;              /* [const] */
  uint64_t orphans;             /* [const] of these, orphaned */
  uint64_t large_bytes;         /* [const] of bytes, in held large blocks */
  uint64_t large_blocks;        /* [const] held large blocks */
  struct cache_traffic traffic; /* [const] of all caches, deleted ones too */
  bool complete;                /* [const] the registry could be read */
  uint64_t objects[SIZE_CLASS_COUNT]; /* [const] in the bins, by class */
};
/* Reads all caches.  Waits only for a limited time for the registry: a report
 * must be possible even if the lock's holder is interrupted or dead. */
void tcmi_thread_cache_stats(struct thread_cache_stats *stats);

/* Objects in the bins of class @class_id of all caches. */
uint64_t tcmi_thread_cache_objects(unsigned class_id);

/* Copies up to @room objects in the bins of one cache to @out, and sets *@n.
 * Caches are numbered from the oldest; false if there is none with number @i.
 * While the owner works, an object may be missing. */
bool tcmi_thread_cache_copy(size_t i, uintptr_t *out, size_t room, size_t *n);

/* Debug: checks T1 and T2 of the calling thread's cache. */
void tcmi_thread_cache_verify(void);

/* The last class of objects up to a cache line: 64 bytes. */
#define LINE_CLASS_MAX 4

/* Whether the thread has allocated from the class.  Until then, the tags of a
 * class up to a cache line are 0, so that malloc does not find what the thread
 * has freed: objects of other threads, next to objects still in use there. */
static inline bool
thread_cache_has_allocated(const struct thread_cache *cache, unsigned class_id)
{
  return class_id > LINE_CLASS_MAX || (cache->begun >> class_id & 1) != 0;
}

static inline bool
bin_is_empty(const struct bin *bin)
{
  return bin->top[-1] == NO_OBJECT;
}

static inline bool
thread_has_cache(void)
{
  return tcmi_thread_cache_state >= CACHE_OPEN;
}

/* Of the class with that tag. */
static inline uint64_t *
thread_cache_objects_left(struct thread_cache *cache, size_t tag)
{
  return (uint64_t *)(void *)((char *)cache->objects_left +
                              tag * (sizeof(uint64_t) / 2));
}

static inline struct bin *
thread_cache_bin(struct thread_cache *cache, size_t tag)
{
  return (struct bin *)(void *)((char *)cache->bins +
                                tag * (sizeof(struct bin) / 2));
}

#endif /* TCM_CACHE_THREAD_CACHE_H */
