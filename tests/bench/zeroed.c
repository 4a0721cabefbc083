/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * zeroed.c - calloc.
 *
 * zeroed: small blocks replaced at random.  An allocator must clear memory that
 *     was used before, and should not clear memory that is still fresh.
 * zeroed-large: 64 KiB to 4 MiB with three writes each, as in sparse tables.
 *     Clearing or touching the rest is wasted work.
 */
#include "workload.h"

static void *
zeroed_new(size_t size_bytes)
{
  const uint64_t *p = calloc(1, size_bytes);
  if (p == NULL)
    die("out of memory");
  if (p[0] != 0 || p[1] != 0 || ((const char *)p)[size_bytes - 1] != 0)
    die("calloc gave a block that is not zero");
  return block_label((void *)p, size_bytes);
}

static inline void *
zeroed_small(struct rng *rng)
{
  return zeroed_new(rng_size(rng, 4, 9));
}

static inline void *
zeroed_large(struct rng *rng)
{
  size_t size_bytes = rng_size(rng, 16, 22);
  char *p = zeroed_new(size_bytes);
  p[size_bytes / 2] = 1;
  return p;
}

static void
zeroed_body(struct worker *worker)
{
  replace_at_random(worker, (uint32_t)worker->work->param, zeroed_small);
}

static void
zeroed_large_body(struct worker *worker)
{
  replace_at_random(worker, (uint32_t)worker->work->param, zeroed_large);
}

static void
zeroed_run(const struct work *work)
{
  run_threads(work, NULL, zeroed_body);
}

static void
zeroed_large_run(const struct work *work)
{
  run_threads(work, NULL, zeroed_large_body);
}

const struct shape zeroed_shapes[] = {
    {"zeroed", zeroed_run, "one of PARAM blocks a thread by calloc"},
    {"zeroed-large", zeroed_large_run, "the same, 64 KiB to 4 MiB"},
    {0}};
