/* SPDX-License-Identifier: BSD-2-Clause */
/* A pointer to a static object of the program. */
#include "misuse.h"

int
main(int argc, char **argv)
{
  static _Alignas(16) char object[64];

  free(get_block(SMALL_SIZE));
  misuse(argc, argv, object);
  return flush();
}
