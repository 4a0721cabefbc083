/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "api/fork.h"

#include <pthread.h>

#include "api/lifecycle.h"
#include "base/bits.h"
#include "base/lock.h"
#include "base/metadata.h"
#include "cache/central_list.h"
#include "cache/thread_cache.h"
#include "cache/transfer_cache.h"
#include "heap/page_heap.h"
#include "observe/stats.h"

/* The lock of glibc's list of open streams; it is recursive.  Absent in other
 * libcs. */
extern void _IO_list_lock(void) WEAK;
extern void _IO_list_unlock(void) WEAK;
extern void _IO_list_resetlock(void) WEAK;

#define NLOCKS (2 * (SIZE_CLASS_COUNT - 1) + 4)

/* [lock: every one of them] bit per lock: this fork took it */
static uint64_t taken[(NLOCKS + 63) / 64];

/* The locks in their order, see lock.h. */
static struct lock *
nth_lock(unsigned i)
{
  const unsigned classes = SIZE_CLASS_COUNT - 1;

  if (i == 0)
    return &tcmi_init_lock;
  if (i == 1)
    return &tcmi_registry_lock;
  i -= 2;
  if (i < classes)
    return &tcmi_transfer_caches[i + 1].lock;
  i -= classes;
  if (i < classes)
    return &tcmi_central_lists[i + 1].lock;
  return i == classes ? &tcmi_page_heap_lock : &tcmi_metadata_lock;
}

static void
fork_prepare(void)
{
  if (_IO_list_lock != NULL)
    _IO_list_lock();
  for (unsigned i = 0; i < NLOCKS; i++) {
    if (tcmi_lock_acquire_for_fork(nth_lock(i)))
      bit_set(taken, i);
    else
      bit_clear(taken, i);
  }
  atomic_store_relaxed(&tcmi_lock_forking, lock_self());
}

static void
fork_parent(void)
{
  stats_count(forks);
  atomic_store_relaxed(&tcmi_lock_forking, 0);
  for (unsigned i = NLOCKS; i-- > 0;)
    if (bit_get(taken, i))
      tcmi_lock_release_after_fork(nth_lock(i));
  if (_IO_list_unlock != NULL)
    _IO_list_unlock();
}

static void
fork_child(void)
{
  tcmi_lock_self = 0;
  atomic_store_relaxed(&tcmi_lock_forking, 0);
  for (unsigned i = NLOCKS; i-- > 0;) {
    if (bit_get(taken, i))
      nth_lock(i)->word = 0;
    else
      tcmi_lock_inherit(nth_lock(i));
  }
  tcmi_thread_cache_after_fork();
  /* libc has done so already where it saw threads; twice does no harm. */
  if (_IO_list_resetlock != NULL)
    _IO_list_resetlock();
}

void
tcmi_fork_init(void)
{
  (void)pthread_atfork(fork_prepare, fork_parent, fork_child);
}
