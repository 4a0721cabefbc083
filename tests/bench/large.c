/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * large.c - blocks that share no page with others.
 *
 * large: 5 to 25 MiB, filled; page faults and the fit of odd sizes decide.
 * medium: 32 KiB to 4 MiB, with one write to each page, as in a program that
 *     reads files or frames into its blocks.
 */
#include "workload.h"

#include <string.h>

#define PAGE 4096

static inline void *
large_new(struct rng *rng)
{
  size_t size_bytes = 5 * MIB + 8 * rng_below(rng, 20 * MIB / 8);
  void *p = malloc(size_bytes);
  if (p == NULL)
    die("out of memory");
  memset(p, 1, size_bytes);
  return block_label(p, size_bytes);
}

static inline void *
medium_new(struct rng *rng)
{
  size_t size_bytes = rng_size(rng, 15, 22);
  unsigned char *p = block_new(size_bytes);
  for (size_t at = PAGE; at < size_bytes - 1; at += PAGE)
    p[at] = 1;
  return p;
}

static void
large_body(struct worker *worker)
{
  replace_at_random(worker, (uint32_t)worker->work->param, large_new);
}

static void
medium_body(struct worker *worker)
{
  replace_at_random(worker, (uint32_t)worker->work->param, medium_new);
}

static void
large_run(const struct work *work)
{
  run_threads(work, NULL, large_body);
}

static void
medium_run(const struct work *work)
{
  run_threads(work, NULL, medium_body);
}

const struct shape large_shapes[] = {
    {"large", large_run, "one of PARAM blocks of 5 to 25 MiB a thread"},
    {"medium", medium_run, "one of PARAM blocks of 32 KiB to 4 MiB a thread"},
    {0}};
