/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * crowd.c - many threads alive at once, each with a small steady load.
 *
 * A thread allocates 100 blocks of each power of two from 64 B to 4 KiB, frees
 * them, and continues with the next size.  Between two rounds it has about 800
 * KiB of free blocks that it will need again, and a thousand threads take turns
 * on the processors.
 */
#include "workload.h"

#define BURST 100
#define BLOCK_MIN 64
#define BLOCK_MAX (4 * KIB)

static void
crowd_body(struct worker *worker)
{
  void *blocks[BURST];
  size_t size_bytes = BLOCK_MIN;
  for (uint64_t done = 0; done < worker->ops; done += BURST) {
    for (unsigned i = 0; i < BURST; i++)
      blocks[i] = block_new(size_bytes);
    for (unsigned i = 0; i < BURST; i++)
      block_free(blocks[i]);
    size_bytes = size_bytes < BLOCK_MAX ? 2 * size_bytes : BLOCK_MIN;
  }
}

static void
crowd_run(const struct work *work)
{
  run_threads(work, NULL, crowd_body);
}

const struct shape crowd_shapes[] = {
    {"crowd", crowd_run, "one of 100 blocks of 64 B to 4 KiB, and its free"},
    {0}};
