/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The budget of the caches: a share for each, and one pool for what exceeds it.
 *
 *     | share | share | share | ..., one per cache |  pool  |
 *      CACHE_SHARE each, or less, see option        for caches beyond a share
 *
 * Thousands of threads can grow their caches to a share without writing any
 * shared word.  The pool is one shared word.  It is written only when a cache
 * beyond its share changes the capacity of a bin, which is rare.
 *
 * Rejected: charging contents instead of capacity.  Only slow paths can measure
 * what a cache holds.  If it is empty at that time, its thread can fill all
 * slots with frees on the fast path, and then sleep.  So contents measured on
 * slow paths bound nothing.
 *
 * Rejected: one budget of capacity without shares.  The first threads use it
 * up: with a thousand threads, 58 % of the mallocs were slow.
 */
#include "config.h"

#include "base/atomics.h"
#include "base/bits.h"
#include "base/options.h"
#include "base/params.h"
#include "cache/cache_owner.h"
#include "heap/arena_counts.h"

/* The most that a cache may hold without the pool. */
static size_t
cache_share(void)
{
  size_t n = atomic_load_relaxed(&tcmi_cache_registry.sharers);
  uint64_t each = tcmi_option(OPTION_cache_total_bytes) / max_size(n, 1);

  return each < CACHE_SHARE ? (size_t)each : CACHE_SHARE;
}

static size_t
beyond(size_t bytes, size_t limit)
{
  return bytes > limit ? bytes - limit : 0;
}

/* Whether the pool has room for @bytes more.  In a large heap, the pool is a
 * sixteenth of it: otherwise exchange@64 with 16,000 blocks moves batches twice
 * as often. */
static bool
pool_allows(size_t bytes)
{
  uint64_t total = tcmi_option(OPTION_cache_total_bytes);
  size_t pool = total < CACHE_POOL ? (size_t)total : CACHE_POOL;
  size_t used = atomic_load_relaxed(&tcmi_cache_registry.pool_bytes) + bytes;

  return used <= pool || used <= arena_committed_bytes() / 16;
}

bool
tcmi_cache_allows(const struct cache_owner *owner, size_t bytes)
{
  size_t need = beyond(cache_charge(owner) + bytes, cache_share());

  return need <= owner->pooled || pool_allows(need - owner->pooled);
}

void
tcmi_cache_recharge(struct cache_owner *owner)
{
  size_t now = beyond(cache_charge(owner), cache_share());

  if (now == owner->pooled)
    return;
  atomic_add_relaxed(&tcmi_cache_registry.pool_bytes, now - owner->pooled);
  owner->pooled = now;
}

bool
tcmi_cache_is_over(struct cache_owner *owner)
{
  tcmi_cache_recharge(owner);
  return owner->pooled > 0 && !pool_allows(0);
}
