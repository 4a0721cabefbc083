/* SPDX-License-Identifier: BSD-2-Clause */
/* A block is freed with the wrong alignment. */
#include "misuse.h"

int
main(int argc, char **argv)
{
  void *block = hidden(memalign(32, SMALL_SIZE));

  misuse_sized(argc, argv, block, SMALL_SIZE, 64);
  return flush();
}
