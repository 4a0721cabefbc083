/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cache/thread_cache_large.h"

#include "base/options.h"
#include "base/system.h"
#include "cache/cache_owner.h"
#include "heap/large.h"

/* After this many frees of large blocks in a row, a thread holds none: it has
 * stopped allocating them, and may sleep with the block that it holds. */
#define LARGE_FREES 4

/* Gives the held block to the page heap. */
static void
drop_large(struct cache_owner *owner)
{
  struct span *span = owner->hot.large;

  if (span == NULL)
    return;
  atomic_store_relaxed(&owner->hot.large, NULL);
  tcmi_large_free(span);
}

/* Charges @bytes for the held block, if allowed.  The charge does not change
 * while blocks of one size come and go. */
static bool
charge_large(struct cache_owner *owner, size_t bytes)
{
  bool allowed;

  if (owner->hot.large_charge == bytes)
    return true;
  atomic_store_relaxed(&owner->hot.large_charge, 0);
  allowed = bytes <= tcmi_option(OPTION_thread_cache_bytes) &&
            tcmi_cache_allows(owner, bytes);
  if (allowed) {
    atomic_store_relaxed(&owner->hot.large_charge, bytes);
    owner->hot.large_step = tcmi_system_page_size();
  }
  tcmi_cache_recharge(owner);
  return allowed;
}

bool
tcmi_thread_cache_keep_large(struct thread_cache *cache, struct span *span)
{
  struct cache_owner *owner = owner_of(cache);

  if (owner->hot.large != NULL)
    owner->large_frees++;
  else if (owner->hot.large_charge != 0)
    owner->large_frees = 0;
  drop_large(owner);
  if (owner->large_frees >= LARGE_FREES) {
    owner->large_frees = LARGE_FREES;
    (void)charge_large(owner, 0);
    return false;
  }
  if (!charge_large(owner, span_bytes(span)))
    return false;
  span->held = true;
  atomic_store_relaxed(&owner->hot.large, span);
  return true;
}

struct span *
tcmi_thread_cache_take_large(struct thread_cache *cache, size_t npages)
{
  struct cache_owner *owner = owner_of(cache);
  struct span *span = owner->hot.large;

  owner->large_frees = 0;
  if (span == NULL)
    return NULL;
  if (span->npages != npages) {
    drop_large(owner);
    return NULL;
  }
  atomic_store_relaxed(&owner->hot.large, NULL);
  span->held = false;
  return span;
}

void
tcmi_thread_cache_flush_large(struct thread_cache *cache)
{
  struct cache_owner *owner = owner_of(cache);

  drop_large(owner);
  (void)charge_large(owner, 0);
}
