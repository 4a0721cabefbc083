/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * replace.c - a set of small blocks of steady size, renewed in three orders.
 *
 * PARAM is the number of live blocks over all threads.  A few hundred stay in
 * the processor's nearest cache; hundreds of thousands do not.  Then what
 * matters is how many cache lines and pages an allocator touches, and how
 * closely it packs blocks.
 */
#include "workload.h"

#define SIZE_LOW 4   /* blocks of 2^4 .. */
#define SIZE_HIGH 10 /* .. to 2^10 bytes */

static uint32_t
slots_of(const struct worker *worker)
{
  uint64_t count =
      share_of(worker->work->param, worker->index, worker->work->threads);
  return count > 0 ? (uint32_t)count : 1;
}

static inline void *
small_new(struct rng *rng)
{
  return block_new(rng_size(rng, SIZE_LOW, SIZE_HIGH));
}

/* The set grows to its full size and shrinks to nothing, over and over. */
static void
lifo_body(struct worker *worker)
{
  uint32_t count = slots_of(worker);
  void **slots = table_new(count, sizeof *slots);
  for (uint64_t done = 0; done < worker->ops;) {
    uint64_t left = worker->ops - done;
    uint32_t depth = left < count ? (uint32_t)left : count;
    for (uint32_t i = 0; i < depth; i++)
      slots[i] = small_new(&worker->rng);
    for (uint32_t i = depth; i-- > 0;)
      block_free(slots[i]);
    done += depth;
  }
}

/* A new block replaces the oldest one. */
static void
fifo_body(struct worker *worker)
{
  uint32_t count = slots_of(worker), next = 0;
  void **slots = table_new(count, sizeof *slots);
  for (uint64_t i = 0; i < worker->ops; i++) {
    block_free(slots[next]);
    slots[next] = small_new(&worker->rng);
    next = next + 1 == count ? 0 : next + 1;
  }
  for (uint32_t i = 0; i < count; i++)
    block_free(slots[i]);
}

/* A new block replaces a random one. */
static void
random_body(struct worker *worker)
{
  replace_at_random(worker, slots_of(worker), small_new);
}

static void
lifo_run(const struct work *work)
{
  run_threads(work, NULL, lifo_body);
}

static void
fifo_run(const struct work *work)
{
  run_threads(work, NULL, fifo_body);
}

static void
random_run(const struct work *work)
{
  run_threads(work, NULL, random_body);
}

const struct shape replace_shapes[] = {
    {"lifo", lifo_run, "one of PARAM blocks allocated, freed last first"},
    {"fifo", fifo_run, "the oldest of PARAM blocks replaced"},
    {"random", random_run, "any of PARAM blocks replaced"},
    {0}};
