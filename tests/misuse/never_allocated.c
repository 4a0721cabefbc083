/* SPDX-License-Identifier: BSD-2-Clause */
/* A pointer to the object after two small blocks, which the program never
 * allocated, but which is in its thread cache. */
#include "misuse.h"

int
main(int argc, char **argv)
{
  char *one = (char *)hidden(malloc(SMALL_SIZE));
  char *other = (char *)hidden(malloc(SMALL_SIZE));

  misuse(argc, argv, other + (other - one));
  return flush();
}
