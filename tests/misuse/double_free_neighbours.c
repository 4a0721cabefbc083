/* SPDX-License-Identifier: BSD-2-Clause */
/* A large block is freed twice, after its pages were merged with others. */
#include "misuse.h"

int
main(int argc, char **argv)
{
  void *before = get_block(LARGE_SIZE);
  void *block = get_block(LARGE_SIZE);
  void *after = get_block(LARGE_SIZE);

  free(before);
  free(after);
  free(block);
  misuse(argc, argv, block);
  return flush();
}
