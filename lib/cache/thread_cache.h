/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * thread_cache.h - the free objects that one thread keeps for itself.
 *
 * Per size class an array of pointers, a stack that grows upwards:
 *
 *     base[-1]  base[0]                     top           lim
 *     | NULL  | object | object | ... | object |    |    |
 *                                        ^ next to be allocated
 *
 * malloc pops, free pushes; both write the object's mark, see mark.h.  The NULL below the
 * stack is what an empty one pops, so that "empty" needs no test of its own.
 * Bin 0 is a stack that is empty and full at once: a class that is 0 - memory
 * that is not the heap's, a large block, a closed cache - ends there and takes
 * the slow path without a test.
 *
 * The window is a row of leaves of the pagemap: that of the first arena at
 * first, then that of the last object that was freed outside it.  A free looks
 * its page up there without walking the tree; an address outside, or one that
 * is not a multiple of 16, fails one comparison:
 *
 *     (rotate(address, 4) - rotate(window, 4)) / (PAGE_SIZE / 16) < pages
 *
 * Invariants
 *   T1  base[-1] == NULL; base <= top <= lim; lim - base == cap.
 *   T2  an object in bin c is a free object of class c, and in no other bin:
 *       free() checks that an object begins there and is not marked as free.
 *   T3  the capacity of a bin is at most bin_most(c); the sum of capacity
 *       times size is at most the option thread_cache_bytes, and so is the
 *       held large block; both together are at most the share of the cache
 *       and what the pool allows, see cache_budget.c.  Each bin may always
 *       hold a kilobyte, or one object.
 *   T4  a cache is used by one thread, or waits as an orphan in the registry.
 *   T5  the tags of the classes up to LINE_CLASS_MAX are 0 until the thread has
 *       allocated of the class.
 *   T6  while sample_left is not 0 all tags are 0: each malloc takes the slow
 *       path, whose first step counts the bytes, see thread_cache_pop_counted().
 *       Another thread may set tags to 0 at any time, and nothing else.
 *
 * A cache is closed when its tags are all 0 and its window is empty: then each
 * operation takes the slow path.  That is the seam for checks, and the only
 * way in which the fast path ever learns of anything.
 *
 * Locking: none but for the registry.  Other threads read top and base for
 * statistics alone, with relaxed order.
 */
#ifndef TCM_CACHE_THREAD_CACHE_H
#define TCM_CACHE_THREAD_CACHE_H

#include "base/atomics.h"
#include "base/compiler.h"
#include "base/list.h"
#include "base/lock.h"
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
  uintptr_t mark;                    /* what free objects bear, see mark.h */
  uint8_t small_tags[SIZE_CLASS_SMALL_TAGS_LENGTH];
  uint8_t middle_tags[SIZE_CLASS_MIDDLE_TAGS_LENGTH];
  struct span *large;  /* a held large block, or NULL */
  size_t large_charge; /* its size, or that of the last one: what is charged */
  size_t large_step;   /* a request less than this below it fits, see pop */
  size_t sample_left;  /* bytes until the next sample; 0: none is taken */
  uint32_t sample_epoch; /* of the profile, when that was last looked at */
  uint8_t begun;         /* bit per class up to LINE_CLASS_MAX: allocated of */
};

enum cache_state {
  CACHE_NONE,     /* the thread has not allocated yet */
  CACHE_STARTING, /* it is getting its cache: operate without one */
  CACHE_OPEN,     /* it has one */
  CACHE_CLOSED,   /* it works without one: the option "check" */
  CACHE_GONE      /* it handed its cache on: operate without one */
};

/* Initially a cache that is closed; never NULL.  [owner thread] */
extern __thread struct thread_cache *tcmi_thread_cache;
extern __thread uint8_t tcmi_thread_cache_state;

extern struct lock tcmi_registry_lock;

/* Gives the calling thread a cache: an orphan's, or a new one.  False when the
 * system gives no memory. */
MUST_CHECK bool tcmi_thread_cache_open(void);
/* Hands the calling thread's cache on, in constant time. */
void tcmi_thread_cache_hand_on(void);
/* Detaches the calling thread from any cache, with the given state. */
void tcmi_thread_cache_detach(enum cache_state state);

/* Gets objects of the class and returns one of them; NULL without memory. */
void *tcmi_thread_cache_refill(struct thread_cache *cache, unsigned class_id);
/* Makes room in the bin and puts @object there. */
void tcmi_thread_cache_overflow(struct thread_cache *cache, unsigned class_id,
                                void *object);

/* Puts @object in the bin of its class, with room made if need be. */
void tcmi_thread_cache_push(struct thread_cache *cache, unsigned class_id,
                            void *object);

/* Gives all objects of the cache to the transfer caches, and to the central
 * lists what has no room there. */
void tcmi_thread_cache_flush(struct thread_cache *cache);
/* The same for one class; how many objects that were. */
unsigned tcmi_thread_cache_flush_class(struct thread_cache *cache,
                                       unsigned class_id);
/* Whether an object of the class is in any cache or free in its span.  Called for
 * an object that has the mark.  Cost: a search through all caches. */
bool tcmi_object_is_free(unsigned class_id, void *object);
/* Makes the next free of the calling thread take the slow path. */
void tcmi_thread_cache_divert(struct thread_cache *cache);

/* Lets mallocs of the calling thread take the slow path, and count; and lets
 * them be fast again. */
void tcmi_thread_cache_close_tags(struct thread_cache *cache);
void tcmi_thread_cache_open_tags(struct thread_cache *cache);
/* The first for all caches, whoever uses them. */
void tcmi_thread_cache_close_all_tags(void);

/* Gives what one orphan holds to the transfer caches and deletes it; false if
 * there was none. */
bool tcmi_thread_cache_flush_orphan(void);

/* In the child of a fork: the caches of threads that are no more. */
void tcmi_thread_cache_after_fork(void);

/* What went through a cache, ever.  All fields: [owner thread], read by
 * anybody. */
struct cache_traffic {
  uint64_t refills;      /* bins filled from the floors below */
  uint64_t objects;      /* that came with them */
  uint64_t flushes;      /* bins emptied, or a part of one */
  uint64_t slow_mallocs; /* the next three as in struct stats_page */
  uint64_t slow_frees;
  uint64_t large_mallocs;
};

static inline void
traffic_add(struct cache_traffic *sum, const struct cache_traffic *more)
{
  sum->refills += atomic_load_relaxed(&more->refills);
  sum->objects += atomic_load_relaxed(&more->objects);
  sum->flushes += atomic_load_relaxed(&more->flushes);
  sum->slow_mallocs += atomic_load_relaxed(&more->slow_mallocs);
  sum->slow_frees += atomic_load_relaxed(&more->slow_frees);
  sum->large_mallocs += atomic_load_relaxed(&more->large_mallocs);
}

struct thread_cache_stats {
  uint64_t bytes;               /* [const] in all caches */
  uint64_t caches;              /* [const] */
  uint64_t orphans;             /* [const] of them */
  uint64_t large_bytes;         /* [const] of bytes, in held large blocks */
  uint64_t large_blocks;        /* [const] held large blocks */
  struct cache_traffic traffic; /* [const] of all, and of those that ended */
  bool complete;                /* [const] the registry could be read */
  uint64_t objects[SIZE_CLASS_COUNT]; /* [const] in the bins, by class */
};
/* Reads all caches.  Waits a moment for the registry, but not for ever: a
 * report must come also when the lock's holder is interrupted or dead. */
void tcmi_thread_cache_stats(struct thread_cache_stats *stats);

/* Objects in the bins of class @class_id of all caches. */
uint64_t tcmi_thread_cache_objects(unsigned class_id);

/* Debug: checks T1 and T2 of the calling thread's cache. */
void tcmi_thread_cache_verify(void);

/* The last class of objects up to a cache line: 64 bytes. */
#define LINE_CLASS_MAX 4

/* Whether the thread has allocated of the class.  For those up to a cache line
 * the tags that malloc looks at are 0 until then, so that it does not find what
 * the thread freed before: others' objects, between objects of theirs. */
static inline bool
thread_cache_has_allocated(const struct thread_cache *cache, unsigned class_id)
{
  return class_id > LINE_CLASS_MAX || (cache->begun >> class_id & 1) != 0;
}

static inline struct bin *
thread_cache_bin(struct thread_cache *cache, size_t tag)
{
  return (struct bin *)(void *)((char *)cache->bins +
                                tag * (sizeof(struct bin) / 2));
}

#endif /* TCM_CACHE_THREAD_CACHE_H */
