/* SPDX-License-Identifier: BSD-2-Clause */
/* An address at which nothing is mapped. */
#include "misuse.h"

int
main(int argc, char **argv)
{
  free(get_block(SMALL_SIZE));
  misuse(argc, argv, (void *)(uintptr_t)0x123456789000);
  return flush();
}
