/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that the program mapped itself. */
#include "misuse.h"

#include <sys/mman.h>

int
main(int argc, char **argv)
{
  void *mapping = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  free(get_block(SMALL_SIZE));
  if (mapping == MAP_FAILED)
    return 99;
  misuse(argc, argv, mapping);
  return flush();
}
