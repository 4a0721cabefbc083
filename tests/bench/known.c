/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * known.c - allocations whose sums are known, to test the tracer.
 *
 *     known           in one thread
 *     known threads   another thread frees what the main thread allocates
 *
 * Live at the peak, rounded up to 16 bytes: 1000 blocks of 24 bytes (32), 10 of
 * 5000 from calloc (5008), one of 100 at an alignment of 4096 (112), and one
 * that grew from 16 to 100 000 bytes: 32 000 + 50 080 + 112 + 100 000 =
 * 182 192.  One of the blocks of 24 bytes is never freed.  The program uses no
 * stdio, which would allocate more.
 */
#define _GNU_SOURCE 1
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SMALL 1000
#define ZEROED 10

static void *small[SMALL], *zeroed[ZEROED], *placed, *grown;

static void *
free_all(void *arg)
{
  for (unsigned i = 1; i < SMALL; i++)
    free(small[i]);
  for (unsigned i = 0; i < ZEROED; i++)
    free(zeroed[i]);
  free(placed);
  grown = realloc(grown, 40);
  free(grown);
  return arg;
}

int
main(int argc, char **argv)
{
  int threads = argc > 1 && strcmp(argv[1], "threads") == 0;
  pthread_t id;
  for (unsigned i = 0; i < SMALL; i++)
    small[i] = malloc(24);
  for (unsigned i = 0; i < ZEROED; i++)
    zeroed[i] = calloc(10, 500);
  if (posix_memalign(&placed, 4096, 100) != 0)
    return 1;
  grown = malloc(16);
  for (size_t size = 50; size <= 100000; size += 50)
    if ((grown = realloc(grown, size)) == NULL)
      return 1;
  if (threads && pthread_create(&id, NULL, free_all, NULL) != 0)
    return 1;
  if (threads)
    pthread_join(id, NULL);
  else
    free_all(NULL);
  return 0;
}
