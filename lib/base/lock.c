/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rejected: pthread mutexes.  They take 40 bytes, may call malloc in some
 * libcs, and do not record their holder at the instant they are taken.
 */
#include "config.h"

#include "base/lock.h"

#include <limits.h>
#include <stdlib.h>

#include "base/report.h"
#include "base/system.h"

#define WAITERS ((uint32_t)1 << 31)
#define SPINS 100
/* A report tries to take a lock this often, and pauses this long between two
 * tries. */
#define BOUNDED_TRIES 100
#define BOUNDED_PAUSE_NS 1000000

#ifdef TCM_DEBUG
uint64_t tcmi_shared_additions;
#endif
struct lock_counts tcmi_lock_counts[LOCK_RANKS];
const char tcmi_lock_names[LOCK_RANKS][10] = {
    "INIT", "TRIM",     "REGISTRY", "GUARD",     "PROFILE",
    "SLAB", "TRANSFER", "CENTRAL",  "PAGE_HEAP", "METADATA"};

__thread uint32_t tcmi_lock_self;
uint32_t tcmi_lock_forking;

/* The locks that this thread holds, in the order it took them; debug builds. */
#define HELD_MAX 8
static __thread struct {
  const struct lock *locks[HELD_MAX]; /* [owner thread] */
  unsigned count;                     /* [owner thread] */
} held;

uint32_t
tcmi_lock_self_slow(void)
{
  return tcmi_lock_self = tcmi_system_thread_id();
}

static bool
lock_spin(struct lock *lock, uint32_t self)
{
  for (unsigned i = 0; i < SPINS; i++) {
    uint32_t free_word = 0;
    if (atomic_load_relaxed(&lock->word) == 0 &&
        atomic_cas_acquire(&lock->word, &free_word, self))
      return true;
    cpu_relax();
  }
  return false;
}

/* The thread would wait for itself.  No path of tcm takes a lock twice, so the
 * cause is a signal handler that allocates.  Its stack may have no room for the
 * buffer of a line. */
static COLD void
report_nesting(void)
{
  static const char text[] =
      "tcm: an allocation or free interrupted another one of this thread: "
      "called from a signal handler?\n";

  tcmi_report_write(text, sizeof text - 1);
  abort();
}

void
tcmi_lock_acquire_slow(struct lock *lock, uint32_t self)
{
  if ((atomic_load_relaxed(&lock->word) & ~WAITERS) == self) {
    /* A forking thread holds all locks. */
    if (atomic_load_relaxed(&tcmi_lock_forking) != self)
      report_nesting();
    return;
  }
  if (config_debug)
    (void)__atomic_fetch_add(&tcmi_lock_counts[lock->rank].waited, 1,
                             __ATOMIC_RELAXED);
  if (lock_spin(lock, self))
    return;
  for (;;) {
    uint32_t seen = atomic_load_relaxed(&lock->word);
    if (seen == 0) {
      /* Other threads may still sleep, so keep the waiters bit. */
      if (atomic_cas_acquire(&lock->word, &seen, self | WAITERS))
        return;
      continue;
    }
    if (!(seen & WAITERS) &&
        !atomic_cas_relaxed(&lock->word, &seen, seen | WAITERS))
      continue;
    tcmi_system_wait(&lock->word, seen | WAITERS);
  }
}

/* The waiters bit was set: a thread is waiting. */
void
tcmi_lock_release_slow(struct lock *lock)
{
  tcmi_system_wake(&lock->word, 1);
}

/* A signal handler may fork in between; then both values are the child's. */
bool
tcmi_lock_is_held(const struct lock *lock)
{
  uint32_t self, holder;

  do {
    self = lock_self();
    SIGNAL_FENCE();
    holder = atomic_load_relaxed(&lock->word) & ~WAITERS;
    SIGNAL_FENCE();
  } while (unlikely(self != lock_self()));
  return holder == self;
}

void
tcmi_lock_debug_acquired(const struct lock *lock)
{
  if (atomic_load_relaxed(&tcmi_lock_forking) == lock_self())
    return;
  (void)__atomic_fetch_add(&tcmi_lock_counts[lock->rank].taken, 1,
                           __ATOMIC_RELAXED);
  CHECK(held.count < HELD_MAX);
  if (held.count > 0)
    CHECK(held.locks[held.count - 1]->rank < lock->rank);
  held.locks[held.count++] = lock;
}

void
tcmi_lock_debug_released(const struct lock *lock)
{
  if (atomic_load_relaxed(&tcmi_lock_forking) == lock_self())
    return;
  CHECK(tcmi_lock_is_held(lock));
  for (unsigned i = held.count; i-- > 0;) {
    if (held.locks[i] == lock) {
      held.locks[i] = held.locks[--held.count];
      return;
    }
  }
  CHECK(!"released a lock that was not taken");
}

/* The lock order does not apply: the caller takes no other lock meanwhile. */
enum acquire_result
tcmi_lock_acquire_bounded(struct lock *lock)
{
  uint32_t self = lock_self();

  for (unsigned tries = 0; tries < BOUNDED_TRIES; tries++) {
    if (tcmi_lock_is_held(lock))
      return ACQUIRE_HELD;
    if (lock_spin(lock, self))
      return ACQUIRE_TAKEN;
    tcmi_system_pause(BOUNDED_PAUSE_NS);
  }
  return ACQUIRE_BUSY;
}

void
tcmi_lock_release_bounded(struct lock *lock)
{
  tcmi_lock_release_after_fork(lock);
}

bool
tcmi_lock_acquire_for_fork(struct lock *lock)
{
  uint32_t self = lock_self(), free_word = 0;

  if (tcmi_lock_is_held(lock))
    return false;
  if (!atomic_cas_acquire(&lock->word, &free_word, self))
    tcmi_lock_acquire_slow(lock, self);
  return true;
}

void
tcmi_lock_release_after_fork(struct lock *lock)
{
  if (atomic_exchange_release(&lock->word, 0) & WAITERS)
    tcmi_system_wake(&lock->word, INT_MAX);
}

void
tcmi_lock_inherit(struct lock *lock)
{
  atomic_store_relaxed(&lock->word, lock_self());
}
