/* SPDX-License-Identifier: BSD-2-Clause */
/* A byte of a freed large block is written. */
#include "misuse.h"

int
main(int argc, char **argv)
{
  char *block = get_block(LARGE_SIZE);

  free(block);
  say_address(block);
  *(char *)hidden(block + LARGE_SIZE / 2) = 'x';
  misuse_late(argc, argv, block);
  return flush();
}
