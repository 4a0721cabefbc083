/* SPDX-License-Identifier: BSD-2-Clause */
/* A small block is freed, then another one, then the first again. */
#include "misuse.h"

int
main(int argc, char **argv)
{
  void *block = get_block(SMALL_SIZE);
  void *other = get_block(SMALL_SIZE);

  free(block);
  free(other);
  misuse(argc, argv, block);
  return flush();
}
