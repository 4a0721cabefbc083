/* SPDX-License-Identifier: BSD-2-Clause */
/* A well aligned pointer into the middle of a small block. */
#include "misuse.h"

int
main(int argc, char **argv)
{
  char *block = (char *)get_block(SMALL_SIZE);

  misuse(argc, argv, block + 16);
  return flush();
}
