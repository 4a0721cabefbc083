/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many blocks at once.  They come from the thread cache until it is empty; the
 * rest come straight from the transfer cache, without passing through a bin.
 */
#include "config.h"

#include <errno.h>

#include "base/bits.h"
#include "cache/thread_bytes.h"
#include "cache/transfer_cache.h"
#include "front/allocate.h"
#include "front/raw.h"
#include "profile/profile.h"
#include "tcm.h"

EXPORT size_t
tcm_malloc_batch(size_t size, void **ptrs, size_t count) TCM_NOTHROW
{
  size_t n = 0;

  while (n < count && (ptrs[n] = thread_cache_pop(size)) != NULL)
    n++;
  while (n < count && size <= SIZE_CLASS_MAX) {
    unsigned want = (unsigned)min_size(count - n, SIZE_CLASS_BATCH_MAX);
    unsigned got = 0;
    tcmi_enter_allocation();
    if (tcmi_thread_cache_state == CACHE_OPEN && !profile_counts() &&
        !thread_counts())
      got = tcmi_transfer_remove(size_class_of(size), ptrs + n, want);
    if (got == 0)
      break;
    for (unsigned i = 0; i < got; i++)
      tcmi_raw_begin_use(ptrs[n + i]);
    n += got;
  }
  while (n < count && (ptrs[n] = tcmi_allocate(size)) != NULL)
    n++;
  return n;
}

EXPORT void
tcm_free_batch(void *const *ptrs, size_t count) TCM_NOTHROW
{
  for (size_t i = 0; i < count; i++)
    tcmi_free(ptrs[i]);
}
