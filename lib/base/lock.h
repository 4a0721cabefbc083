/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lock.h - the locks of tcm, and the only definition of their order.
 *
 *     INIT < TRIM < REGISTRY < GUARD < PROFILE < SLAB[i] < TRANSFER[c]
 *          < CENTRAL[c] < PAGE_HEAP < METADATA
 *
 * A thread takes locks in this order, left to right.  It releases TRANSFER
 * before it takes CENTRAL.  It holds two locks of one rank only across a fork,
 * in ascending order of their number.  It holds TRIM, and no other lock, during
 * the few system calls that return memory: a fork waits for these calls, so no
 * child has pages that are half returned.  Debug builds check all of this.
 *
 *     word:  | waiters: bit 31 | thread id of the holder: bits 0..30 |
 *
 * Invariants
 *   L1  word is 0 exactly while the lock is free.
 *   L2  the word contains the holder's thread id from the instant it is taken,
 *       so that fork in a signal handler knows which locks its thread holds.
 *   L3  a thread holds every lock while it forks; taking or releasing one of
 *       them again then has no effect.
 *
 * A waiter spins briefly and then sleeps in futex(2): with more threads than
 * processors, a spinning waiter would keep the holder from running.
 */
#ifndef TCM_BASE_LOCK_H
#define TCM_BASE_LOCK_H

#include "base/atomics.h"
#include "base/compiler.h"
#include "base/report.h"

enum lock_rank {
  LOCK_INIT,
  LOCK_TRIM,
  LOCK_REGISTRY,
  LOCK_GUARD,
  LOCK_PROFILE,
  LOCK_SLAB,
  LOCK_TRANSFER,
  LOCK_CENTRAL,
  LOCK_PAGE_HEAP,
  LOCK_METADATA,
  LOCK_RANKS
};

struct lock {
  uint32_t word; /* [atomic: acquire and release] see above */
  uint32_t rank; /* [const] enum lock_rank; 0 except in debug builds */
};

/* All zero in release builds, which do not check the order: a structure with
 * many locks then takes no space in the library's file. */
#ifdef TCM_DEBUG
#define LOCK_INITIALIZER(lock_rank) \
  {                                 \
    .rank = (lock_rank)             \
  }
#else
#define LOCK_INITIALIZER(lock_rank) \
  {                                 \
    .rank = 0                       \
  }
#endif

/* The calling thread's id; 0 until it is first needed. [owner thread] */
extern __thread uint32_t tcmi_lock_self;
/* The thread that is forking now, or 0. [atomic: relaxed] */
extern uint32_t tcmi_lock_forking;

/* Counts of all locks of a rank, in debug builds.
 * All fields: [atomic: relaxed] */
struct lock_counts {
  uint64_t taken;  /* acquisitions */
  uint64_t waited; /* of them, those that waited for another thread */
};
extern struct lock_counts tcmi_lock_counts[LOCK_RANKS];
extern const char tcmi_lock_names[LOCK_RANKS][10];

uint32_t tcmi_lock_self_slow(void);
void tcmi_lock_acquire_slow(struct lock *lock, uint32_t self);
void tcmi_lock_release_slow(struct lock *lock);
void tcmi_lock_debug_acquired(const struct lock *lock);
void tcmi_lock_debug_released(const struct lock *lock);
bool tcmi_lock_is_held(const struct lock *lock);

/* For fork.c only.  Takes @lock unless this thread already holds it.  Returns
 * whether it took it. */
bool tcmi_lock_acquire_for_fork(struct lock *lock);
/* Releases a lock that tcmi_lock_acquire_for_fork() took. */
void tcmi_lock_release_after_fork(struct lock *lock);
/* In the child: the forking thread keeps a lock that it held before, under its
 * new thread id. */
void tcmi_lock_inherit(struct lock *lock);

/* For a report, which may run in a signal handler, or in a process in which a
 * thread died while it held a lock: waits at most a tenth of a second. */
enum acquire_result {
  ACQUIRE_BUSY,  /* another thread holds it and did not release it */
  ACQUIRE_HELD,  /* this thread already held it */
  ACQUIRE_TAKEN, /* this call took it; the caller must release it */
};
enum acquire_result tcmi_lock_acquire_bounded(struct lock *lock);
void tcmi_lock_release_bounded(struct lock *lock);

static inline uint32_t
lock_self(void)
{
  uint32_t self = tcmi_lock_self;
  return likely(self != 0) ? self : tcmi_lock_self_slow();
}

/* A signal handler may have forked after the caller read @self and before it
 * took the lock: the thread of the child has another id. */
static inline void
lock_confirm(struct lock *lock, uint32_t self)
{
  if (unlikely(tcmi_lock_self != self))
    tcmi_lock_inherit(lock);
}

static inline void
lock_acquire(struct lock *lock)
{
  uint32_t self = lock_self(), free_word = 0;

  if (unlikely(!atomic_cas_acquire(&lock->word, &free_word, self)))
    tcmi_lock_acquire_slow(lock, self);
  lock_confirm(lock, self);
  if (config_debug)
    tcmi_lock_debug_acquired(lock);
}

/* Takes @lock if it is free; returns whether it was.  Never waits. */
static inline bool
lock_try_acquire(struct lock *lock)
{
  uint32_t self = lock_self(), free_word = 0;

  if (!atomic_cas_acquire(&lock->word, &free_word, self))
    return false;
  lock_confirm(lock, self);
  if (config_debug)
    tcmi_lock_debug_acquired(lock);
  return true;
}

static inline void
lock_release(struct lock *lock)
{
  uint32_t self = lock_self();

  if (config_debug)
    tcmi_lock_debug_released(lock);
  /* Releases pair with the acquire in lock_acquire(). */
  if (unlikely(atomic_load_relaxed(&tcmi_lock_forking) == self))
    return;
  if (unlikely(atomic_exchange_release(&lock->word, 0) != self))
    tcmi_lock_release_slow(lock);
}

#define lock_assert_held(lock) ASSERT(tcmi_lock_is_held(lock))

#endif /* TCM_BASE_LOCK_H */
