/* SPDX-License-Identifier: BSD-2-Clause */
/* A byte before the first one of a small block with a neighbour. */
#include "misuse.h"

int
main(int argc, char **argv)
{
  char *block = get_upper_block(SMALL_SIZE);

  block[-1] = '\0';
  misuse(argc, argv, block);
  return flush();
}
