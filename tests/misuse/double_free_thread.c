/* SPDX-License-Identifier: BSD-2-Clause */
/* A thread frees a block and ends, then the allocating thread frees it too. */
#include "misuse.h"

#include <pthread.h>

static void *
free_it(void *block)
{
  free(block);
  return NULL;
}

int
main(int argc, char **argv)
{
  void *block = get_block(SMALL_SIZE);
  pthread_t thread;

  if (pthread_create(&thread, NULL, free_it, block) != 0 ||
      pthread_join(thread, NULL) != 0)
    return 99;
  misuse(argc, argv, block);
  return flush();
}
