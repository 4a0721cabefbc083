/* SPDX-License-Identifier: BSD-2-Clause */
/* A byte of a freed small block is written. */
#include "misuse.h"

int
main(int argc, char **argv)
{
  char *block = get_block(SMALL_SIZE);

  say_address(block);
  free(block);
  *(char *)hidden(block + SMALL_SIZE / 2) = 'x';
  misuse_late(argc, argv, block);
  return flush();
}
