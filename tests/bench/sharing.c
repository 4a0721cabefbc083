/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sharing.c - false sharing: threads that write to their own small blocks
 * (the shapes of cache-scratch and cache-thrash).
 *
 * active: threads allocate at the same time.  If an allocator gives neighbors
 *     in one cache line to two threads, they contend for the line.
 * passive: the main thread allocates adjacent blocks, the cards, and deals them
 *     out to the threads in turn.  A thread that frees its cards may get them
 *     back, and then shares cache lines with its neighbors for the rest of the
 *     run.
 *
 * PARAM is the number of writes to each block.
 */
#include "workload.h"

#define HAND 32 /* blocks a thread has at a time */
#define BLOCK_SIZE 8

static void
write_and_free(void **hand, uint64_t writes)
{
  for (unsigned i = 0; i < HAND; i++)
    if ((hand[i] = malloc(BLOCK_SIZE)) == NULL)
      die("out of memory");
  for (uint64_t turn = 0; turn < writes; turn++)
    for (unsigned i = 0; i < HAND; i++)
      ++*(volatile char *)hand[i];
  for (unsigned i = 0; i < HAND; i++)
    free(hand[i]);
}

static void
sharing_body(struct worker *worker)
{
  void **cards = worker->shared;
  void *hand[HAND];
  if (cards != NULL)
    for (unsigned i = 0; i < HAND; i++)
      free(cards[i * worker->work->threads + worker->index]);
  for (uint64_t done = 0; done < worker->ops; done += HAND)
    write_and_free(hand, worker->work->param);
}

static void
active_run(const struct work *work)
{
  run_threads(work, NULL, sharing_body);
}

static void
passive_run(const struct work *work)
{
  size_t count = (size_t)work->threads * HAND;
  void **cards = table_new(count, sizeof *cards);
  for (size_t i = 0; i < count; i++)
    if ((cards[i] = malloc(BLOCK_SIZE)) == NULL)
      die("out of memory");
  run_threads(work, cards, sharing_body);
}

const struct shape sharing_shapes[] = {
    {"sharing-active", active_run, "one block of 8 B, written PARAM times"},
    {"sharing-passive", passive_run, "the same after freeing neighbours"},
    {0}};
