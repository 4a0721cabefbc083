/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * churn.c - threads that come and go (mleak's shape).
 *
 * THREADS threads run at a time.  Each allocates a few blocks, frees all but
 * one and ends.  The main thread frees that one.  The allocator must reuse the
 * memory of dead threads, or memory grows without end.
 */
#include "workload.h"

#include <pthread.h>

#define BLOCKS 10

static void *
visitor_main(void *arg)
{
  struct rng rng;
  void *blocks[BLOCKS];
  rng_seed(&rng, (uintptr_t)arg);
  for (unsigned i = 0; i < BLOCKS; i++) {
    size_t size_bytes = rng_size(&rng, 4, 12);
    blocks[i] = block_label(calloc(1, size_bytes), size_bytes);
  }
  for (unsigned i = 1; i < BLOCKS; i++)
    block_free(blocks[i]);
  return blocks[0];
}

static void
churn_run(const struct work *work)
{
  pthread_t *ids = table_new(work->threads, sizeof *ids);
  for (uint64_t done = 0; done < work->ops;) {
    uint64_t left = work->ops - done;
    unsigned count = left < work->threads ? (unsigned)left : work->threads;
    for (unsigned i = 0; i < count; i++)
      if (pthread_create(&ids[i], NULL, visitor_main, (void *)(done + i)) != 0)
        die("cannot start a thread");
    for (unsigned i = 0; i < count; i++) {
      void *left_over;
      pthread_join(ids[i], &left_over);
      block_free(left_over);
    }
    done += count;
  }
}

const struct shape churn_shapes[] = {
    {"churn", churn_run, "one thread with 10 blocks"}, {0}};
