/* SPDX-License-Identifier: BSD-2-Clause */
/* A small integer in place of a pointer. */
#include "misuse.h"

int
main(int argc, char **argv)
{
  free(get_block(SMALL_SIZE));
  misuse(argc, argv, (void *)(uintptr_t)16);
  return flush();
}
