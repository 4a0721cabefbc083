/* SPDX-License-Identifier: BSD-2-Clause */
/* A large block, which has its own pages, is freed twice. */
#include "misuse.h"

int
main(int argc, char **argv)
{
  void *block = get_block(LARGE_SIZE);

  free(block);
  misuse(argc, argv, block);
  return flush();
}
