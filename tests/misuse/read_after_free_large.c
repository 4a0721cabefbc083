/* SPDX-License-Identifier: BSD-2-Clause */
/* A byte of a freed large block is read. */
#include "misuse.h"

int
main(void)
{
  volatile char *block = (volatile char *)get_block(LARGE_SIZE);

  free((void *)block);
  say_address((void *)block);
  (void)((volatile char *)hidden((void *)block))[LARGE_SIZE / 2];
  say("after the call\n");
  return flush();
}
