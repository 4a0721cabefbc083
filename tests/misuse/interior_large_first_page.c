/* SPDX-License-Identifier: BSD-2-Clause */
/* A well aligned pointer into the first page of a large block. */
#include "misuse.h"

int
main(int argc, char **argv)
{
  char *block = (char *)get_block(LARGE_SIZE);

  misuse(argc, argv, block + 32);
  return flush();
}
