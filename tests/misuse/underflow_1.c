/* SPDX-License-Identifier: BSD-2-Clause */
/* A byte is written before the first byte of a small block with a neighbor. */
#include "misuse.h"

int
main(int argc, char **argv)
{
  char *block = get_upper_block(SMALL_SIZE);

  say_address(block);
  block[-1] = '\0';
  misuse(argc, argv, block);
  return flush();
}
