/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stress.c - mixed sizes, kept, swapped and dropped by short-lived threads
 * (mstress's shape).
 *
 * The work is done in rounds, each with new threads.  A thread keeps some of
 * its blocks until the end of the round, frees others soon, and swaps others
 * with a board that all threads share, where they outlive the round.  Few
 * blocks are large, but these hold most of the bytes.  After each round, the
 * main thread frees a third of the board.
 */
#include "workload.h"

#include <stdatomic.h>

#define ROUNDS 12
#define BOARD 4000
#define RECENT 128 /* blocks that a thread frees soon */

struct board {
  _Atomic(void *) places[BOARD];
};

static size_t
mixed_size(struct rng *rng)
{
  uint32_t dice = rng_below(rng, 1 << 14);
  if (dice == 0)
    return rng_size(rng, 18, 21);
  if (dice < 32)
    return rng_size(rng, 14, 17);
  return dice < 2048 ? rng_size(rng, 9, 12) : rng_size(rng, 4, 9);
}

static void
stress_body(struct worker *worker)
{
  struct board *board = worker->shared;
  struct rng *rng = &worker->rng;
  void **kept = table_new(worker->ops + 1, sizeof *kept);
  void *recent[RECENT] = {NULL};
  uint64_t nkept = 0;
  for (uint64_t i = 0; i < worker->ops; i++) {
    void *p = block_new(mixed_size(rng));
    uint32_t dice = rng_below(rng, 8);
    if (dice < 2) {
      kept[nkept++] = p;
    } else if (dice < 4) {
      block_free(atomic_exchange(&board->places[rng_below(rng, BOARD)], p));
    } else {
      void **place = &recent[rng_below(rng, RECENT)];
      block_free(*place);
      *place = p;
    }
  }
  for (unsigned i = 0; i < RECENT; i++)
    block_free(recent[i]);
  while (nkept > 0)
    block_free(kept[--nkept]);
  table_free(kept, worker->ops + 1, sizeof *kept);
}

static void
drop(struct board *board, unsigned first, unsigned step)
{
  for (unsigned i = first; i < BOARD; i += step)
    block_free(atomic_exchange(&board->places[i], NULL));
}

static void
stress_run(const struct work *work)
{
  struct board *board = table_new(1, sizeof *board);
  for (unsigned round = 0; round < ROUNDS; round++) {
    struct work part = *work;
    part.ops = share_of(work->ops, round, ROUNDS);
    run_threads(&part, board, stress_body);
    drop(board, round % 3, 3);
  }
  drop(board, 0, 1);
}

const struct shape stress_shapes[] = {
    {"stress", stress_run, "one block of mixed size by threads of 12 rounds"},
    {0}};
