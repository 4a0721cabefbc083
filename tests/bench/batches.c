/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * batches.c - batches freed in a different order than they were allocated
 * (the shapes of sh6 and sh8).
 *
 * A thread fills batch after batch and keeps the last PARAM of them.  It frees
 * the oldest one forward, backward, in strides or every second block first,
 * in turn.  In the exchanged variant, it first swaps that batch on a board for
 * a batch that another thread gave up.
 */
#include "workload.h"

#include <stdatomic.h>

#define BATCH 2000
#define BOARD 16
#define STRIDE 757 /* shares no factor with BATCH: visits each block once */

struct batch {
  uint32_t count;
  void *blocks[BATCH];
};

struct board {
  _Atomic(struct batch *) places[BOARD];
};

static void
batch_fill(struct batch *batch, uint32_t count, struct rng *rng)
{
  size_t common = rng_size(rng, 4, 9);
  batch->count = count;
  for (uint32_t i = 0; i < count; i++)
    batch->blocks[i] = block_new(i % 4 != 3 ? common : rng_size(rng, 4, 10));
}

static void
batch_free(struct batch *batch, uint64_t turn)
{
  uint32_t count = batch->count;
  uint32_t order = turn % 4;
  for (uint32_t i = 0, at = 0; i < BATCH; i++) {
    if (order == 0)
      at = i;
    else if (order == 1)
      at = BATCH - 1 - i;
    else if (order == 2)
      at = (at + STRIDE) % BATCH;
    else
      at = i < BATCH / 2 ? 2 * i : 2 * i - BATCH + 1;
    if (at < count)
      block_free(batch->blocks[at]);
  }
  batch->count = 0;
}

static void
batches_body(struct worker *worker)
{
  struct board *board = worker->shared;
  uint64_t turn = 0, kept = worker->work->param;
  struct batch **held = table_new(kept, sizeof *held);
  for (uint64_t i = 0; i < kept; i++)
    held[i] = table_new(1, sizeof **held);
  for (uint64_t left = worker->ops; left > 0; turn++) {
    struct batch **place = &held[turn % kept];
    uint32_t count = left < BATCH ? (uint32_t)left : BATCH;
    if (board != NULL)
      *place = atomic_exchange(&board->places[rng_below(&worker->rng, BOARD)],
                               *place);
    batch_free(*place, turn);
    batch_fill(*place, count, &worker->rng);
    left -= count;
  }
  for (uint64_t i = 0; i < kept; i++)
    batch_free(held[i], turn + i);
}

static void
batches_run(const struct work *work)
{
  run_threads(work, NULL, batches_body);
}

static void
exchanged_run(const struct work *work)
{
  struct board *board = table_new(1, sizeof *board);
  for (unsigned i = 0; i < BOARD; i++)
    atomic_init(&board->places[i], table_new(1, sizeof(struct batch)));
  run_threads(work, board, batches_body);
  for (unsigned i = 0; i < BOARD; i++)
    batch_free(atomic_load(&board->places[i]), i);
}

const struct shape batches_shapes[] = {
    {"batches", batches_run, "one block of a batch, PARAM batches kept"},
    {"batches-exchanged", exchanged_run, "the same, freed by other threads"},
    {0}};
