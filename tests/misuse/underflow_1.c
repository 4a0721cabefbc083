/* SPDX-License-Identifier: BSD-2-Clause */
/* A byte before the first one of a small block with a neighbour. */
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

  block[-1] = '\0';
  misuse(argc, argv, block);
  return flush();
}
