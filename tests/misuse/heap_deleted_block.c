/* SPDX-License-Identifier: BSD-2-Clause */
/* A block is freed after its heap was deleted. */
#include "heap.h"

int
main(int argc, char **argv)
{
  void *heap = heap_new(), *block = heap_block(heap, SMALL_SIZE);

  heap_delete(heap);
  misuse(argc, argv, block);
  return flush();
}
