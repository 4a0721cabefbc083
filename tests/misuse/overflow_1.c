/* SPDX-License-Identifier: BSD-2-Clause */
/* A zero byte is written after the last byte of a small block. */
#include "misuse.h"

int
main(int argc, char **argv)
{
  char *block = get_block_at(EDGE_END, SMALL_SIZE);

  say_address(block);
  block[SMALL_SIZE] = '\0';
  misuse(argc, argv, block);
  return flush();
}
