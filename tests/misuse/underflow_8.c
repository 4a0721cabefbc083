/* SPDX-License-Identifier: BSD-2-Clause */
/* A pointer is written before the first byte of a small block with a
 * neighbor. */
#include "misuse.h"

int
main(int argc, char **argv)
{
  char *block = get_upper_block(SMALL_SIZE);
  void *pointer = &argc;

  say_address(block);
  memcpy(block - sizeof pointer, &pointer, sizeof pointer);
  misuse(argc, argv, block);
  return flush();
}
