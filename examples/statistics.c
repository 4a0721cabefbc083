/* SPDX-License-Identifier: BSD-2-Clause */
/* Allocate a batch of blocks, look at the heap, and return free memory:
 *   cc statistics.c $(pkg-config --cflags --libs tcm) && ./a.out */
#include <stdio.h>
#include <tcm.h>

int
main(void)
{
  void *blocks[64];
  size_t count = tcm_malloc_batch(100, blocks, 64);

  printf("tcm %s: %zu blocks of %zu bytes\n", tcm_version(), count,
         tcm_good_size(100));
  fflush(stdout);
  tcm_stats_print(1, TCM_STATS_TEXT);
  tcm_free_batch(blocks, count);
  tcm_release_free_memory();
  return 0;
}
