/* SPDX-License-Identifier: BSD-2-Clause */
/* A byte is written after the last byte of a large block. */
#include "misuse.h"

int
main(int argc, char **argv)
{
  char *block = get_block_at(EDGE_END, LARGE_SIZE);

  say_address(block);
  block[LARGE_SIZE] = 'x';
  misuse(argc, argv, block);
  return flush();
}
