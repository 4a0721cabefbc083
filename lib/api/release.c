/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "api/release.h"

#include "base/atomics.h"
#include "base/bits.h"
#include "base/params.h"
#include "cache/central_list.h"
#include "cache/thread_cache.h"
#include "cache/transfer_cache.h"
#include "heap/page_heap.h"
#include "observe/stats.h"

bool
tcmi_settle_all(void)
{
  bool moved = false;

  if (tcmi_thread_cache_state == CACHE_OPEN) {
    tcmi_thread_cache_flush(tcmi_thread_cache);
    moved = true;
  }
  while (tcmi_thread_cache_flush_orphan())
    moved = true;
  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++) {
    if (atomic_load_relaxed(&tcmi_transfer_caches[c].count) == 0)
      continue;
    tcmi_transfer_settle(c);
    moved = true;
  }
  return moved;
}

/* Used bytes at which the caches are settled next. [atomic: relaxed] */
static size_t settle_mark = SETTLE_STEP_MIN;

void
tcmi_settle_if_grown(void)
{
  size_t used = tcmi_page_heap_used_bytes();

  if (likely(used < atomic_load_relaxed(&settle_mark)))
    return;
  atomic_store_relaxed(&settle_mark,
                       used + max_size(used / 16, SETTLE_STEP_MIN));
  (void)tcmi_settle_all();
}

size_t
tcmi_release_all(void)
{
  size_t bytes = 0;

  stats_count(releases);
  (void)tcmi_settle_all();
  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++)
    bytes += tcmi_central_release(c);
  return bytes + tcmi_page_heap_release();
}
