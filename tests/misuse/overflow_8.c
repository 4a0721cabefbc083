/* SPDX-License-Identifier: BSD-2-Clause */
/* A pointer is written after the last byte of a small block. */
#include "misuse.h"

int
main(int argc, char **argv)
{
  char *block = get_block_at(EDGE_END, SMALL_SIZE);
  void *pointer = &argc;

  say_address(block);
  memcpy(block + SMALL_SIZE, &pointer, sizeof pointer);
  misuse(argc, argv, block);
  return flush();
}
