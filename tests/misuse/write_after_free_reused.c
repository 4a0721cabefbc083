/* SPDX-License-Identifier: BSD-2-Clause */
/* The second word of a freed small block is written, then the program allocates
 * a block of that size. */
#include "misuse.h"

int
main(int argc, char **argv)
{
  char *block = get_block(SMALL_SIZE);

  say_address(block);
  free(block);
  memset(hidden(block + sizeof(void *)), 'x', sizeof(void *));
  misuse_late(argc, argv, block);
  return flush();
}
