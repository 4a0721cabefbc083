/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cache_owner.h - what the slow side knows of a thread cache, for the files that
 * work on it.
 *
 *     thread_cache.c      bins run empty and full, grow and shrink
 *     cache_budget.c      how much a cache, and all of them, may hold
 *     thread_registry.c   caches are made, orphaned, adopted, counted
 *
 *     struct cache_owner: | struct thread_cache | states, budget, links |
 *                           ^ the pointer in thread-local storage
 *
 * Invariants: T1 to T4 of thread_cache.h.
 */
#ifndef TCM_CACHE_CACHE_OWNER_H
#define TCM_CACHE_CACHE_OWNER_H

#include "base/compiler.h"
#include "base/list.h"
#include "cache/thread_cache.h"
#include "heap/span.h"

/* Orphans that wait for a thread; the others are flushed by slow paths. */
#define ORPHANS_MAX 4

/* After this many overflows without a miss, a bin keeps only a few objects: the
 * thread has stopped allocating this class.  High enough that freeing one large
 * structure does not trigger it.  A new bin starts in this state. */
#define OVERFLOWS_MAX 128

/* The slow side of a bin.  All fields: [owner thread] */
struct bin_state {
  void **base;          /* first slot; others read it for statistics */
  uint16_t cap;         /* usable slots */
  uint16_t slots;       /* allocated slots, without the NULL below */
  uint16_t seen;        /* objects at the last look, for idleness */
  uint16_t seen_shared; /* objects in the transfer cache at the last look */
  uint16_t inherited;   /* objects left of those it had for a former thread */
  uint8_t overflows;    /* since it ran empty; OVERFLOWS_MAX at most */
};

struct cache_owner {
  struct thread_cache hot; /* [owner thread] first: the two are one */
  struct bin_state states[SIZE_CLASS_COUNT]; /* [owner thread] */
  struct list link;                          /* [lock: registry] all caches */
  struct cache_owner *next_orphan;           /* [lock: registry] */
  size_t capacity_bytes; /* [owner thread] sum of cap * size */
  size_t pooled;         /* [owner thread] of its charge, in the pool */
  unsigned look;         /* [owner thread] next bin to look at */
  unsigned ticks;        /* [owner thread] slow paths taken */
  unsigned large_frees;  /* [owner thread] with no large allocation between */
  uint32_t thread;       /* [atomic: relaxed] id of the thread; 0: an orphan */
  struct cache_traffic traffic; /* [owner thread] others read it */
  uint64_t sample_random; /* [owner thread] where its random words stand */
  uint64_t order_random;  /* [owner thread] the same for TCM_RANDOM_ORDER */
  uint64_t sample_mean;   /* [owner thread] bytes, for the next sample */
  bool is_told;           /* [owner thread] see stats_count_slow_malloc() */
};

struct cache_registry {
  struct list caches;          /* [lock: registry] all, orphans too */
  struct cache_owner *orphans; /* [lock: registry] last handed on first */
  size_t ncaches;              /* [lock: registry] */
  size_t norphans;             /* [atomic: relaxed] written under the lock */
  size_t sharers;              /* [atomic: relaxed] caches that have a share,
                                  written under the lock */
  /* On a line of its own, since all slow paths read norphans. */
  size_t pool_bytes CACHE_ALIGNED; /* [atomic: relaxed] charges beyond shares */
  struct cache_traffic ended; /* [lock: registry] of caches that are no more */
};

extern struct cache_registry tcmi_cache_registry;

/* Gives all that the cache holds to the floors below. */
void tcmi_cache_owner_flush(struct cache_owner *owner);

static inline struct cache_owner *
owner_of(struct thread_cache *cache)
{
  return (struct cache_owner *)(void *)cache;
}

/* What counts against the budget: room in bins, and the held block. */
static inline size_t
cache_charge(const struct cache_owner *owner)
{
  return owner->capacity_bytes + owner->hot.large_charge;
}

/* Whether the cache may hold @bytes more. */
bool tcmi_cache_allows(const struct cache_owner *owner, size_t bytes);
/* After a change of its charge. */
void tcmi_cache_recharge(struct cache_owner *owner);
/* Whether the cache must give back: it is beyond its share and all together
 * are beyond the pool. */
bool tcmi_cache_is_over(struct cache_owner *owner);

static inline unsigned
bin_count(struct cache_owner *owner, unsigned c)
{
  return (unsigned)(owner->hot.bins[c].top - owner->states[c].base);
}

/* Bytes of an array of @slots slots and the NULL below them. */
static inline size_t
slots_bytes(unsigned slots)
{
  return (slots + 1) * sizeof(void *);
}

#endif /* TCM_CACHE_CACHE_OWNER_H */
