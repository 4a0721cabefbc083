/* SPDX-License-Identifier: BSD-2-Clause */
/* A pointer before the first byte of a small block with a neighbour. */
#include "misuse.h"

/* The higher one of two neighbours. */
static char *
get_second(void)
{
  char *one = get_block(SMALL_SIZE), *other = get_block(SMALL_SIZE);

  return one > other ? one : other;
}

int
main(int argc, char **argv)
{
  char *block = get_second();
  void *pointer = &argc;

  memcpy(block - sizeof pointer, &pointer, sizeof pointer);
  misuse(argc, argv, block);
  return flush();
}
