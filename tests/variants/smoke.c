/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * smoke.c - the minimum that a build must do, in any configuration, on any
 * processor and with any libc: blocks of all sizes keep their contents, even
 * when another thread frees them, and the statistics add up at the end.
 *
 * With -DSMOKE_STANDARD_NAMES it calls malloc instead of tcm_malloc and checks,
 * instead of the statistics, that tcm serves malloc.  This form must have tcm
 * linked or preloaded.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef SMOKE_STANDARD_NAMES
#include <dlfcn.h>
#define smoke_malloc malloc
#define smoke_calloc calloc
#define smoke_realloc realloc
#define smoke_memalign aligned_alloc
#define smoke_free free
#else
#include "tcm.h"
#define smoke_malloc tcm_malloc
#define smoke_calloc tcm_calloc
#define smoke_realloc tcm_realloc
#define smoke_memalign tcm_aligned_alloc
#define smoke_free tcm_free
#endif

#define SLOTS 512
#define THREADS 4
#define ROUNDS 20000

struct slot {
  unsigned char *block; /* or NULL */
  size_t size;          /* bytes */
  unsigned char mark;   /* what every byte of the block holds */
};

/* Shared, so that a block is often freed by another thread. */
static struct {
  pthread_mutex_t lock;
  struct slot slot;
} table[SLOTS];

static void
fail(const char *what)
{
  fprintf(stderr, "smoke: %s\n", what);
  exit(1);
}

static uint64_t
next_random(uint64_t *state)
{
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

/* Mostly small, occasionally large. */
static size_t
random_size(uint64_t *state)
{
  uint64_t r = next_random(state);

  return (r & 255) == 0  ? (r >> 8) % (4u << 20)
         : (r & 15) == 0 ? (r >> 8) % (64u << 10)
                         : (r >> 8) % 600;
}

static void
check_slot(const struct slot *slot)
{
  size_t i;

  for (i = 0; i < slot->size; i += i < 64 ? 1 : 509)
    if (slot->block[i] != slot->mark)
      fail("a block lost its contents");
}

static unsigned char *
allocate(uint64_t *state, size_t size)
{
  size_t alignment = size <= 8 ? 8 : 16;
  unsigned char *block;
  unsigned kind = next_random(state) & 7;

  if (kind == 0)
    block = smoke_calloc(1, size);
  else if (kind == 1)
    block = smoke_memalign(alignment = 256, (size + 255) & ~(size_t)255);
  else
    block = smoke_malloc(size);
  if (block == NULL)
    fail("out of memory");
  if ((uintptr_t)block % alignment != 0)
    fail("a block is not aligned");
  if (kind == 0 && size != 0 && (block[0] != 0 || block[size - 1] != 0))
    fail("calloc's block is not zero");
  return block;
}

static void
replace(struct slot *slot, uint64_t *state)
{
  size_t size = random_size(state);
  size_t kept = size < slot->size ? size : slot->size;

  check_slot(slot);
  if (slot->block != NULL && size != 0 && (next_random(state) & 3) == 0) {
    slot->block = smoke_realloc(slot->block, size);
    if (slot->block == NULL)
      fail("out of memory");
    slot->size = kept;
    check_slot(slot);
  } else {
    smoke_free(slot->block);
    slot->block = allocate(state, size);
  }
  slot->size = size;
  slot->mark = (unsigned char)next_random(state);
  memset(slot->block, slot->mark, size);
}

static void *
work(void *seed)
{
  uint64_t state = *(uint64_t *)seed;
  int i;

  for (i = 0; i < ROUNDS; i++) {
    unsigned n = next_random(&state) % SLOTS;

    pthread_mutex_lock(&table[n].lock);
    replace(&table[n].slot, &state);
    pthread_mutex_unlock(&table[n].lock);
  }
  return NULL;
}

static void
run_threads(uint64_t seed)
{
  pthread_t threads[THREADS];
  uint64_t seeds[THREADS];
  int i;

  for (i = 0; i < SLOTS; i++)
    pthread_mutex_init(&table[i].lock, NULL);
  for (i = 0; i < THREADS; i++) {
    seeds[i] = seed * (uint64_t)(i + 1);
    if (pthread_create(&threads[i], NULL, work, &seeds[i]) != 0)
      fail("no thread");
  }
  for (i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
  for (i = 0; i < SLOTS; i++) {
    check_slot(&table[i].slot);
    smoke_free(table[i].slot.block);
  }
}

#ifdef SMOKE_STANDARD_NAMES
static void
check_heap(void)
{
  int (*owns)(const void *);
  void *block = smoke_malloc(100);
  void *symbol = dlsym(RTLD_DEFAULT, "tcm_owns");

  if (symbol == NULL)
    fail("tcm is not there");
  memcpy(&owns, &symbol, sizeof owns);
  if (!owns(block))
    fail("malloc is not tcm's");
  smoke_free(block);
}
#else
static void
check_heap(void)
{
  struct tcm_stats stats;

  tcm_release_free_memory();
  if (tcm_stats(&stats, sizeof stats) != 0)
    fail("no statistics");
  if (stats.in_use_bytes + stats.thread_cache_bytes +
          stats.transfer_cache_bytes + stats.central_list_bytes +
          stats.page_heap_bytes + stats.returned_bytes + stats.metadata_bytes !=
      stats.mapped_bytes)
    fail("the parts do not add up to the mapped bytes");
}
#endif

int
main(void)
{
  uint64_t seed = 0x9e3779b97f4a7c15u;

  printf("seed %llu\n", (unsigned long long)seed);
  run_threads(seed);
  check_heap();
  puts("smoke: passed");
  return 0;
}
