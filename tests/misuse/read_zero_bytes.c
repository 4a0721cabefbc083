/* SPDX-License-Identifier: BSD-2-Clause */
/* The first byte of a block of zero bytes is read. */
#include "misuse.h"

int
main(void)
{
  volatile char *block = (volatile char *)get_block(0);

  say_address((void *)block);
  (void)*(volatile char *)hidden((void *)block);
  say("after the call\n");
  return flush();
}
