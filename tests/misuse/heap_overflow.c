/* SPDX-License-Identifier: BSD-2-Clause */
/* A write of one byte past the end of a block of a heap, which is then deleted
 * with the heap or freed. */
#include "heap.h"

int
main(int argc, char **argv)
{
  void *heap = heap_new();
  char *block = (char *)heap_block(heap, SMALL_SIZE);

  block[SMALL_SIZE] = 1;
  if (argc > 1 && strcmp(argv[1], "free") == 0) {
    misuse(argc, argv, block);
    return flush();
  }
  say_address(block);
  heap_delete(heap);
  say("after the call\n");
  return flush();
}
