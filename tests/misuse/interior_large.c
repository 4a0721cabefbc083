/* SPDX-License-Identifier: BSD-2-Clause */
/* A pointer to a later page of a large block. */
#include "misuse.h"

int
main(int argc, char **argv)
{
  char *block = (char *)get_block(LARGE_SIZE);

  misuse(argc, argv, block + LARGE_SIZE / 4);
  return flush();
}
