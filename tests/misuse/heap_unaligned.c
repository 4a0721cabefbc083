/* SPDX-License-Identifier: BSD-2-Clause */
/* An address inside a block of a heap that is not a multiple of 16. */
#include "heap.h"

int
main(int argc, char **argv)
{
  char *block = (char *)heap_block(heap_new(), SMALL_SIZE);

  misuse(argc, argv, block + 4);
  return flush();
}
