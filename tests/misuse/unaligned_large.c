/* SPDX-License-Identifier: BSD-2-Clause */
/* A pointer that is not aligned, one byte into a large block. */
#include "misuse.h"

int
main(int argc, char **argv)
{
  char *block = (char *)get_block(LARGE_SIZE);

  misuse(argc, argv, block + 1);
  return flush();
}
