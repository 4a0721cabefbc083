/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "front/heap_check.h"

#include "base/report.h"
#include "cache/central_list.h"
#include "cache/thread_cache.h"
#include "cache/transfer_cache.h"
#include "heap/page_heap.h"
#include "heap/pagemap.h"

static void
check_transfer(unsigned c)
{
  struct transfer_cache *transfer = &tcmi_transfer_caches[c];

  lock_acquire(&transfer->lock);
  CHECK(transfer->count <= transfer->capacity);
  for (unsigned i = 0; i < transfer->count; i++)
    CHECK(pagemap_tag((uintptr_t)transfer->slots[i]) == 2 * c);
  lock_release(&transfer->lock);
}

void
tcmi_heap_check(void)
{
  tcmi_thread_cache_verify();
  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++) {
    check_transfer(c);
    tcmi_central_verify(c);
  }
  tcmi_page_heap_verify();
}
