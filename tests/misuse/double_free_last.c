/* SPDX-License-Identifier: BSD-2-Clause */
/* A small block is freed, and at once freed again. */
#include "misuse.h"

int
main(int argc, char **argv)
{
  void *block = get_block(SMALL_SIZE);

  free(block);
  misuse(argc, argv, block);
  return flush();
}
