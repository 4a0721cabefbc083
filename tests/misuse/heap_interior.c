/* SPDX-License-Identifier: BSD-2-Clause */
/* A pointer into a block of a heap. */
#include "heap.h"

int
main(int argc, char **argv)
{
  char *block = (char *)heap_block(heap_new(), SMALL_SIZE);

  misuse(argc, argv, block + 16);
  return flush();
}
