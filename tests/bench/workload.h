/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * workload.h - shared by the benchmark workloads.
 *
 * A workload is one function that does a fixed amount of work, not work for a
 * fixed time.  It allocates the same blocks in the same order under every
 * allocator, so that seconds, page faults and peak memory can be compared.  It
 * calls plain malloc and free, so that any preloaded allocator serves it.
 *
 *   W1  Operations are counted over all threads and split among them; with one
 *       thread the work runs in the main thread of a process that never
 *       starts another.
 *   W2  Random numbers come from generators with fixed seeds.
 *   W3  A workload maps the arrays of its blocks and does not allocate them:
 *       the allocator under test serves only the workload's blocks.
 *   W4  Every block is written after it is allocated and, except in the tight
 *       loops, read back before it is freed; a block that changed in between
 *       ends the process with status 1.
 */
#ifndef TCM_TESTS_BENCH_WORKLOAD_H
#define TCM_TESTS_BENCH_WORKLOAD_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)
#define CACHE_LINE 64

/* The parameters of one run. */
struct work {
  uint64_t ops;     /* over all threads, rounded up to what a shape does at
                        once; the shape says what one operation is */
  unsigned threads; /* threads at a time, at least 1 */
  uint64_t param;   /* of the shape: a size in bytes or a number of blocks */
};

/* One workload. */
struct shape {
  const char *name;
  void (*run)(const struct work *work);
  const char *about; /* one operation, and what the parameter means */
};

struct rng {
  uint64_t state;
};

/* One thread's share of a run. */
struct worker {
  const struct work *work;
  void *shared;   /* what the shape passes to all its threads */
  uint64_t ops;   /* this thread's share of work->ops */
  unsigned index; /* 0 .. work->threads - 1 */
  struct rng rng;
};

void die(const char *what) __attribute__((noreturn, cold));

/* Zeroed memory from the OS, not from the allocator under test. */
void *table_new(size_t count, size_t size_bytes);
void table_free(void *table, size_t count, size_t size_bytes);

/* Share number `index` of `total` among `parts`; the shares add up to it. */
uint64_t share_of(uint64_t total, unsigned index, unsigned parts);

/* Runs `body` in work->threads threads that start their work together, and
 * waits for them. */
void run_threads(const struct work *work, void *shared,
                 void (*body)(struct worker *worker));

extern const struct shape pairs_shapes[], replace_shapes[], server_shapes[],
    pipeline_shapes[], batches_shapes[], stress_shapes[], exchange_shapes[],
    sharing_shapes[], churn_shapes[], crowd_shapes[], large_shapes[],
    growth_shapes[], zeroed_shapes[], heaps_shapes[];

static inline void
rng_seed(struct rng *rng, uint64_t seed)
{
  rng->state = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

/* 31 random bits, from a linear congruential generator without its weak low
 * half; it costs less than the calls that it drives. */
static inline uint32_t
rng_next(struct rng *rng)
{
  rng->state = rng->state * UINT64_C(0xd1342543de82ef95) + 0xdeadb;
  return (uint32_t)(rng->state >> 33);
}

static inline uint32_t
rng_below(struct rng *rng, uint32_t limit)
{
  return (uint32_t)(((uint64_t)rng_next(rng) * limit) >> 31);
}

/* A size in [2^low, 2^high) bytes; each power of two has the same probability,
 * since programs allocate many small blocks and few large ones. */
static inline size_t
rng_size(struct rng *rng, unsigned low, unsigned high)
{
  unsigned shift = low + rng_below(rng, high - low);
  return ((size_t)1 << shift) + (rng_next(rng) & (((size_t)1 << shift) - 1));
}

/* Hides from the compiler that *p is never read. */
static inline void
escape(void *p)
{
  __asm__ volatile("" : : "g"(p) : "memory");
}

/* Stores the size of a block of at least 16 bytes in it, so that block_check()
 * can detect whether the block changed since block_new(). */
static inline void *
block_label(void *p, size_t size_bytes)
{
  if (p == NULL)
    die("out of memory");
  ((uint64_t *)p)[0] = size_bytes ^ (uintptr_t)p;
  ((unsigned char *)p)[size_bytes - 1] = (unsigned char)size_bytes;
  return p;
}

static inline void *
block_new(size_t size_bytes)
{
  return block_label(malloc(size_bytes), size_bytes);
}

static inline void
block_check(void *p)
{
  uint64_t size_bytes = ((uint64_t *)p)[0] ^ (uintptr_t)p;
  if (size_bytes - 16 > 64 * MIB ||
      ((unsigned char *)p)[size_bytes - 1] != (unsigned char)size_bytes)
    die("a block changed while it was in use");
}

static inline void
block_free(void *p)
{
  if (p == NULL)
    return;
  block_check(p);
  free(p);
}

/* A thread's whole work in many shapes: replaces a random one of `count` blocks
 * by one from make().  Always inline, so that make() is inlined too. */
static inline __attribute__((always_inline)) void
replace_at_random(struct worker *worker, uint32_t count,
                  void *(*make)(struct rng *rng))
{
  void **slots = table_new(count, sizeof *slots);
  for (uint64_t i = 0; i < worker->ops; i++) {
    uint32_t slot = rng_below(&worker->rng, count);
    block_free(slots[slot]);
    slots[slot] = make(&worker->rng);
  }
  for (uint32_t i = 0; i < count; i++)
    block_free(slots[i]);
}

#endif /* TCM_TESTS_BENCH_WORKLOAD_H */
