/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pairs.c - tight loops on one block: the cost of a call with warm caches.
 *
 * A block is freed after a single write.  The instruction counts of
 * "make bench-instructions" are taken from these loops too.
 */
#include "workload.h"

#define BURST 1000
#define BURST_SIZE 64

static void
pair_body(struct worker *worker)
{
  size_t size_bytes = worker->work->param;
  for (uint64_t i = 0; i < worker->ops; i++) {
    char *p = malloc(size_bytes);
    if (p == NULL)
      die("out of memory");
    p[0] = 1;
    escape(p);
    free(p);
  }
}

static void
pair_run(const struct work *work)
{
  run_threads(work, NULL, pair_body);
}

static void
zero_pair_run(const struct work *work)
{
  for (uint64_t i = 0; i < work->ops; i++) {
    char *p = calloc(1, work->param);
    if (p == NULL)
      die("out of memory");
    escape(p);
    free(p);
  }
}

/* The size alternates by 8 bytes, within one size class of every allocator that
 * has size classes. */
static void
resize_run(const struct work *work)
{
  char *p = malloc(work->param);
  for (uint64_t i = 0; i < work->ops; i++) {
    char *q = realloc(p, work->param - (i & 1) * 8);
    if (q == NULL)
      die("out of memory");
    p = q;
    escape(p);
  }
  free(p);
}

static void
burst_run(const struct work *work)
{
  static void *blocks[BURST];
  for (uint64_t done = 0; done < work->ops; done += BURST) {
    for (unsigned i = 0; i < BURST; i++)
      if ((blocks[i] = malloc(BURST_SIZE)) == NULL)
        die("out of memory");
    escape(blocks);
    for (unsigned i = BURST; i-- > 0;)
      free(blocks[i]);
  }
}

/* The burst after allocating PARAM GiB in blocks of 2 MiB that are never
 * touched, so that small blocks lie in another part of the address space. */
static void
beyond_run(const struct work *work)
{
  size_t count = work->param * 1024 * MIB / (2 * MIB);
  void **held = table_new(count, sizeof *held);
  for (size_t i = 0; i < count; i++)
    if ((held[i] = malloc(2 * MIB)) == NULL)
      die("out of memory");
  burst_run(work);
  for (size_t i = 0; i < count; i++)
    free(held[i]);
  table_free(held, count, sizeof *held);
}

const struct shape pairs_shapes[] = {
    {"pair", pair_run, "one malloc and its free; PARAM is the size"},
    {"zero-pair", zero_pair_run, "one calloc and its free; PARAM is the size"},
    {"resize", resize_run, "one realloc in place; PARAM is the size"},
    {"burst", burst_run, "one of 1000 mallocs of 64 B, freed last first"},
    {"beyond-leaf", beyond_run, "a burst behind PARAM GiB of untouched blocks"},
    {0}};
