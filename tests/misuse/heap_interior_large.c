/* SPDX-License-Identifier: BSD-2-Clause */
/* A pointer to a later page of a large block of a heap. */
#include "heap.h"

int
main(int argc, char **argv)
{
  char *block = (char *)heap_block(heap_new(), LARGE_SIZE);

  misuse(argc, argv, block + LARGE_SIZE / 4);
  return flush();
}
