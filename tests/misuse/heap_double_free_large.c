/* SPDX-License-Identifier: BSD-2-Clause */
/* A large block of a heap is freed twice. */
#include "heap.h"

int
main(int argc, char **argv)
{
  void *block = heap_block(heap_new(), LARGE_SIZE);

  free(block);
  misuse(argc, argv, block);
  return flush();
}
