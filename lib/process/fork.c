/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "process/fork.h"

#include <pthread.h>

#include "base/atomics.h"
#include "base/bits.h"
#include "base/lock.h"
#include "base/metadata.h"
#include "cache/central_list.h"
#include "cache/slab.h"
#include "cache/thread_cache.h"
#include "cache/transfer_cache.h"
#include "heap/page_heap.h"
#include "observe/stats.h"
#include "process/background.h"
#include "process/cgroup_policy.h"
#include "process/profile_files.h"
#include "profile/guard_records.h"
#include "profile/guarded.h"

/* glibc's list of open streams has a lock.  In a process with threads, fork
 * takes it after the handlers here.  But a thread inside fclose holds it and
 * frees, so the handler takes it before tcm's locks.  A process with one thread
 * does not need it, and a signal handler that forks could find it half taken.
 * Absent in other libcs. */
extern void _IO_list_lock(void) WEAK;
extern void _IO_list_unlock(void) WEAK;
extern void _IO_list_resetlock(void) WEAK;
extern char __libc_single_threaded WEAK;

#define NLOCKS (2 * (SIZE_CLASS_COUNT - 1) + SLAB_LOCKS + 7)

/* Nested forks: a signal handler may fork while its thread forks.  Deeper ones
 * find every lock held and take none. */
#define DEPTH_MAX 4

/* What a fork of this thread did, by depth.  All fields: [owner thread] */
struct fork_level {
  uint64_t taken[(NLOCKS + 63) / 64]; /* bit per lock: this fork took it */
  uint32_t outer;                     /* tcmi_lock_forking before */
  bool streams;                       /* it took the lock of the streams */
};

static __thread struct fork_level levels[DEPTH_MAX];
static __thread unsigned depth;

/* The locks in their order, see lock.h. */
static struct lock *
nth_lock(unsigned i)
{
  const unsigned classes = SIZE_CLASS_COUNT - 1;

  if (i == 0)
    return &tcmi_init_lock;
  if (i == 1)
    return &tcmi_trim_lock;
  if (i == 2)
    return &tcmi_registry_lock;
  if (i == 3)
    return &tcmi_guard_lock;
  if (i == 4)
    return &tcmi_profile_lock;
  i -= 5;
  if (i < SLAB_LOCKS)
    return &tcmi_slab_locks[i].lock;
  i -= SLAB_LOCKS;
  if (i < classes)
    return &tcmi_transfer_caches[i + 1].lock;
  i -= classes;
  if (i < classes)
    return &tcmi_central_lists[i + 1].lock;
  return i == classes ? &tcmi_page_heap_lock : &tcmi_metadata_lock;
}

/* Whether other threads may hold the lock of the streams. */
static bool
streams_need_lock(void)
{
  return _IO_list_lock != NULL &&
         (&__libc_single_threaded == NULL || !__libc_single_threaded);
}

static void
fork_prepare(void)
{
  struct fork_level *level = &levels[min_size(depth++, DEPTH_MAX - 1)];

  if (depth > DEPTH_MAX)
    return;
  /* The program must not see tcm's thread, nor must code that counts threads
   * after the fork. */
  if (depth == 1)
    tcmi_background_leave();
  level->streams = streams_need_lock();
  if (level->streams)
    _IO_list_lock();
  for (unsigned i = 0; i < NLOCKS; i++) {
    if (tcmi_lock_acquire_for_fork(nth_lock(i)))
      bit_set(level->taken, i);
    else
      bit_clear(level->taken, i);
  }
  level->outer = atomic_load_relaxed(&tcmi_lock_forking);
  atomic_store_relaxed(&tcmi_lock_forking, lock_self());
}

static void
fork_parent(void)
{
  struct fork_level *level = &levels[min_size(depth - 1, DEPTH_MAX - 1)];

  stats_count(forks);
  if (depth <= DEPTH_MAX) {
    atomic_store_relaxed(&tcmi_lock_forking, level->outer);
    for (unsigned i = NLOCKS; i-- > 0;)
      if (bit_get(level->taken, i))
        tcmi_lock_release_after_fork(nth_lock(i));
    if (level->streams)
      _IO_list_unlock();
  }
  /* Last: before this, a handler that forks must not use the same level. */
  SIGNAL_FENCE();
  depth--;
}

static void
fork_child(void)
{
  struct fork_level *level = &levels[min_size(depth - 1, DEPTH_MAX - 1)];

  tcmi_lock_self = 0;
  /* The same thread did the fork around this one, under its former id. */
  atomic_store_relaxed(&tcmi_lock_forking, level->outer == 0 ? 0 : lock_self());
  for (unsigned i = NLOCKS; i-- > 0;) {
    if (depth <= DEPTH_MAX && bit_get(level->taken, i))
      nth_lock(i)->word = 0;
    else
      tcmi_lock_inherit(nth_lock(i));
  }
  tcmi_thread_cache_after_fork();
  tcmi_background_after_fork();
  tcmi_profile_files_after_fork();
  /* libc has already done this if it saw threads; doing it twice does no
   * harm. */
  if (depth <= DEPTH_MAX && level->streams)
    _IO_list_resetlock();
  SIGNAL_FENCE();
  depth--;
}

void
tcmi_fork_init(void)
{
  (void)pthread_atfork(fork_prepare, fork_parent, fork_child);
}
