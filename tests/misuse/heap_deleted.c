/* SPDX-License-Identifier: BSD-2-Clause */
/* A heap is used after it was deleted. */
#include "heap.h"

int
main(int argc, char **argv)
{
  void *heap = heap_new();

  (void)heap_block(heap, SMALL_SIZE);
  heap_delete(heap);
  misuse(argc, argv, heap);
  return flush();
}
