/* SPDX-License-Identifier: BSD-2-Clause */
/* A block of a heap is freed twice. */
#include "heap.h"

int
main(int argc, char **argv)
{
  void *block = heap_block(heap_new(), SMALL_SIZE);

  free(block);
  misuse(argc, argv, block);
  return flush();
}
