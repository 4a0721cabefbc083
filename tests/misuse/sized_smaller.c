/* SPDX-License-Identifier: BSD-2-Clause */
/* A small block is freed with a smaller size of the same class. */
#include "misuse.h"

int
main(int argc, char **argv)
{
  void *block = get_block(SMALL_SIZE);

  misuse_sized(argc, argv, block, 60, 16);
  return flush();
}
