/* SPDX-License-Identifier: BSD-2-Clause */
/* A small block is freed, its page is returned to the OS, and the block is
 * freed again.  Another block of the span stays in use. */
#include "misuse.h"

/* More than a page of them, and at most a span. */
#define COUNT 100
#define RETURNED 80

int
main(int argc, char **argv)
{
  static void *blocks[COUNT];
  int i;

  for (i = 0; i < COUNT; i++)
    blocks[i] = hidden(malloc(SMALL_SIZE));
  for (i = 1; i < COUNT; i++)
    free(blocks[i]);
  malloc_trim(0);
  misuse(argc, argv, blocks[RETURNED]);
  return flush();
}
