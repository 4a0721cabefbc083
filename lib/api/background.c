/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "api/background.h"

#include "api/release.h"
#include "api/request.h"
#include "api/surroundings.h"
#include "base/bits.h"
#include "base/options.h"
#include "base/system.h"
#include "cache/central_list.h"
#include "cache/thread_cache.h"
#include "cache/transfer_cache.h"
#include "heap/page_heap.h"
#include "observe/stats.h"

/* While the thread is about to be started. */
#define CLAIMED UINT32_MAX

uint32_t tcmi_background_thread;
uint64_t tcmi_background_frees;

static struct {
  uint32_t never;      /* [atomic: relaxed] nobody ever waits on it */
  bool forbidden;      /* [atomic: relaxed] for good */
  uint64_t next_count; /* [atomic: relaxed] slow frees before which the central
                          lists are not counted again */
} background;

/* Begins a period: forgets what was free before. */
static void
begin_period(void)
{
  (void)tcmi_page_heap_unneeded();
  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++)
    (void)tcmi_central_unneeded(c);
}

/* The order matters little: what comes free in a class becomes idle in the page
 * heap, and is looked at in the next round. */
size_t
tcmi_background_round(void)
{
  size_t bytes;

  tcmi_surroundings_heed_again();
  if (tcmi_surroundings_are_short())
    return tcmi_release_all();
  (void)tcmi_settle_all();
  bytes = tcmi_page_heap_unneeded();
  if (bytes > 0)
    bytes = tcmi_page_heap_release(bytes);
  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++) {
    size_t unneeded = tcmi_central_unneeded(c);
    if (unneeded >= PAGE_SIZE)
      bytes += tcmi_central_release(c, unneeded);
  }
  if (bytes > 0)
    stats_count(releases);
  return bytes;
}

static bool
much_is_idle(void)
{
  return atomic_load_relaxed(&tcmi_page_counts.idle) >= BACKGROUND_LEAST >>
         PAGE_SHIFT;
}

static bool
is_wanted(void)
{
  return tcmi_option(OPTION_background) != 0 &&
         !atomic_load_relaxed(&background.forbidden);
}

/* What the thread runs. */
static void
run(void)
{
  /* There is nothing thread-local here but zeroes. */
  tcmi_thread_cache_detach(CACHE_GONE);
  begin_period();
  do {
    tcmi_system_wait_for(&background.never, 0, BACKGROUND_PERIOD_MS);
    request_look();
  } while (is_wanted() && (tcmi_background_round() > 0 || much_is_idle()));
}

/* Whether single pages of spans make up enough.  They are counted when enough
 * objects are free, and not often: it takes a look at each span. */
static bool
many_pages_are_free(void)
{
  uint64_t frees = atomic_load_relaxed(&tcmi_background_frees);
  size_t bytes = 0, spans = 0;

  if (frees < atomic_load_relaxed(&background.next_count))
    return false;
  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++) {
    bytes += tcmi_central_idle_bytes(c);
    spans += (size_t)atomic_load_relaxed(&tcmi_central_lists[c].spans);
  }
  if (bytes < BACKGROUND_LEAST)
    return false;
  atomic_store_relaxed(&background.next_count,
                       frees +
                           max_size(spans / 4, (size_t)4 * BACKGROUND_EVERY));
  bytes = 0;
  for (unsigned c = 1; c < SIZE_CLASS_COUNT && bytes < BACKGROUND_LEAST; c++)
    if (tcmi_central_idle_bytes(c) >= PAGE_SIZE)
      bytes += tcmi_central_returnable(c, BACKGROUND_LEAST - bytes);
  return bytes >= BACKGROUND_LEAST;
}

void
tcmi_background_consider(void)
{
  uint32_t none = 0;

  if (!is_wanted() || (!much_is_idle() && !many_pages_are_free()))
    return;
  /* Pairs with nothing: what the thread reads is under locks. */
  if (!atomic_cas_acquire(&tcmi_background_thread, &none, CLAIMED))
    return;
  if (tcmi_system_start_thread(run, &tcmi_background_thread,
                               &tcmi_thread_cache_state))
    return;
  /* Whoever tried in vain need not try again at each free. */
  tcmi_background_forbid();
  atomic_store_relaxed(&tcmi_background_thread, 0);
}

void
tcmi_background_forbid(void)
{
  atomic_store_relaxed(&background.forbidden, true);
}

void
tcmi_background_after_fork(void)
{
  atomic_store_relaxed(&tcmi_background_thread, 0);
}
