/* SPDX-License-Identifier: BSD-2-Clause */
/* A small block is freed, written to, and freed again. */
#include "misuse.h"

int
main(int argc, char **argv)
{
  void *block = get_block(SMALL_SIZE);

  say_address(block);
  free(block);
  memset(hidden(block), 2, SMALL_SIZE);
  misuse(argc, argv, block);
  return flush();
}
