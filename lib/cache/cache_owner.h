/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cache_owner.h - the slow side of a thread cache, shared by three files.
 *
 *     thread_cache.c      refills, flushes, grows and shrinks bins
 *     cache_budget.c      limits one cache, and all of them together
 *     thread_registry.c   creates, orphans, adopts and counts caches
 *
 *     struct cache_owner: | struct thread_cache | states, budget, links |
 *                           ^ the pointer in thread-local storage
 *
 * Invariants: T1 to T4 of thread_cache.h.
 */
#ifndef TCM_CACHE_CACHE_OWNER_H
#define TCM_CACHE_CACHE_OWNER_H

#include "base/atomics.h"
#include "base/compiler.h"
#include "base/list.h"
#include "cache/thread_cache.h"
#include "heap/span.h"

/* Orphaned caches that are kept for new threads; slow paths flush the rest. */
#define ORPHANS_MAX 4

/* Caches that one call diverts, under the lock. */
#define DIVERT_STEP 32

/* After this many overflows without a miss, a bin keeps only a few objects: the
 * thread has stopped allocating this class.  High enough that freeing one large
 * structure does not trigger it.  A new bin starts in this state. */
#define OVERFLOWS_MAX 128

/* The slow side of a bin.  All fields: [owner thread] */
struct bin_state {
  void **base;          /* first slot; other threads read it for statistics */
  uint16_t cap;         /* usable slots */
  uint16_t slots;       /* allocated slots, without the one below */
  uint16_t seen;        /* objects at the last idle check */
  uint16_t seen_shared; /* objects in the transfer cache at that check */
  uint16_t inherited;   /* objects left from the previous owner */
  uint8_t overflows;    /* since it ran empty; at most OVERFLOWS_MAX */
};

/* What the profile keeps of a thread's last stack walk. */
#define CACHE_PAST_BYTES (130 * sizeof(uintptr_t))

struct cache_owner {
  struct thread_cache hot; /* [owner thread] must be first, see owner_of() */
  struct bin_state states[SIZE_CLASS_COUNT]; /* [owner thread] */
  struct list link;                          /* [lock: registry] all caches */
  struct cache_owner *next_orphan;           /* [lock: registry] */
  size_t capacity_bytes; /* [owner thread] sum of cap * size */
  size_t pooled;         /* [owner thread] part of its charge in the pool */
  unsigned last_checked; /* [owner thread] the last class checked */
  unsigned ticks;        /* [owner thread] slow paths taken */
  unsigned large_frees;  /* [owner thread] with no large malloc in between */
  uint32_t thread;       /* [atomic: relaxed] thread id; 0: orphaned */
  struct cache_traffic traffic; /* [owner thread] other threads read it */
  uint64_t sample_random;       /* [owner thread] random state for samples */
  uint64_t order_random; /* [owner thread] the same for TCM_RANDOM_ORDER */
  uint64_t sample_mean;  /* [owner thread] mean bytes to the next sample */
  uint64_t *objects;     /* [owner thread] room for hot.objects_left, once the
                            thread took samples; or NULL */
  void *past;   /* [owner thread] CACHE_PAST_BYTES for the profile, once
                            the thread took samples; or NULL */
  bool is_told; /* [owner thread] see stats_count_slow_malloc() */
};

struct cache_registry {
  struct list caches;          /* [lock: registry] all, orphaned ones too */
  struct cache_owner *orphans; /* [lock: registry] newest first */
  struct list *divert_next;    /* [lock: registry] see
                                  tcmi_thread_cache_divert_some(); or NULL */
  size_t ncaches;              /* [lock: registry] */
  size_t norphans;             /* [atomic: relaxed] written under the lock */
  size_t sharers;              /* [atomic: relaxed] caches that have a share,
                                  written under the lock */
  /* On a separate cache line, because all slow paths read norphans. */
  size_t pool_bytes CACHE_ALIGNED; /* [atomic: relaxed] charges beyond shares */
  struct cache_traffic ended;      /* [lock: registry] of deleted caches */
};

extern struct cache_registry tcmi_cache_registry;

static inline struct cache_owner *
owner_of(struct thread_cache *cache)
{
  return (struct cache_owner *)(void *)cache;
}

/* Bytes that count against the budget: capacity of bins, and the held block. */
static inline size_t
cache_charge(const struct cache_owner *owner)
{
  return owner->capacity_bytes + owner->hot.large_charge;
}

/* Whether the cache may hold @bytes more. */
bool tcmi_cache_allows(const struct cache_owner *owner, size_t bytes);
/* Call it after the charge has changed. */
void tcmi_cache_recharge(struct cache_owner *owner);
/* Whether the cache must shrink: it exceeds its share, and all caches together
 * exceed the pool. */
bool tcmi_cache_is_over(struct cache_owner *owner);

/* Whether hot.objects_left may be written. */
static inline bool
owner_counts_objects(const struct cache_owner *owner)
{
  return owner->hot.objects_left == owner->objects;
}

static inline unsigned
bin_count(struct cache_owner *owner, unsigned c)
{
  return (unsigned)(owner->hot.bins[c].top - owner->states[c].base);
}

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

/* Bytes of an array of @slots slots and the one below them. */
static inline size_t
slots_bytes(unsigned slots)
{
  return (slots + 1) * sizeof(void *);
}

#endif /* TCM_CACHE_CACHE_OWNER_H */
