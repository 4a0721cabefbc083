/* SPDX-License-Identifier: BSD-2-Clause */
/* A pointer is read from a freed small block, and followed. */
#include "misuse.h"

int
main(void)
{
  char **block = (char **)get_block(SMALL_SIZE);
  char target = 'x';

  block[4] = &target;
  free(block);
  say_address(block);
  (void)**(volatile char *volatile *)hidden(block + 4);
  say("after the call\n");
  return flush();
}
