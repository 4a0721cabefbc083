/* SPDX-License-Identifier: BSD-2-Clause */
/* A pointer to an object on the second page of a span.  No block of that page
 * was ever allocated, nor is one in a cache. */
#include "misuse.h"

int
main(int argc, char **argv)
{
  char *one = (char *)hidden(malloc(SMALL_SIZE));
  char *other = (char *)hidden(malloc(SMALL_SIZE));

  misuse(argc, argv, one + 100 * (other - one));
  return flush();
}
