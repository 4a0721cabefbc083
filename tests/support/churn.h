/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * churn.h - threads that allocate and free continuously while a test does
 * something else.  The contents of every block are checked.
 *
 * A test that forks pauses them while it waits for the child: after a fork, the
 * kernel copies each page that they touch.
 */
#ifndef TCM_TESTS_SUPPORT_CHURN_H
#define TCM_TESTS_SUPPORT_CHURN_H

#include "memory.h"

#include <pthread.h>

#define CHURN_THREADS 4
#define CHURN_SLOTS 200

struct churn_slot {
  void *block;
  size_t size;
};

static int churn_stop;                        /* [atomic: relaxed] */
static int churn_paused;                      /* [atomic: relaxed] */
static long churn_rounds;                     /* [atomic: relaxed] */
static pthread_t churn_thread[CHURN_THREADS]; /* [main thread] */

/* Mostly small, sometimes medium, rarely large. */
static HARNESS_UNUSED size_t
churn_size(uint64_t r)
{
  if (r % 1000 == 0)
    return (size_t)(r >> 32) % 2000000;
  if (r % 50 == 0)
    return (size_t)(r >> 32) % 60000;
  return (size_t)(r >> 32) % 1200;
}

/* One free and one allocation in a random slot. */
static HARNESS_UNUSED void
churn_step(struct churn_slot *slots, size_t count, uint64_t *state)
{
  uint64_t r = harness_random(state);
  struct churn_slot *slot = &slots[(r >> 20) % count];
  size_t check = slot->size < 64 ? slot->size : 64;

  EXPECT(slot->block == NULL || memory_holds(slot->block, check, slot->size));
  free(slot->block);
  slot->size = churn_size(r);
  if (r % 16 == 0)
    slot->block = calloc(1, slot->size);
  else if (r % 16 == 1)
    slot->block = realloc(malloc(slot->size / 2 + 1), slot->size + 1);
  else
    slot->block = malloc(slot->size);
  if (slot->block == NULL)
    slot->size = 0;
  else
    memory_fill(slot->block, slot->size < 64 ? slot->size : 64, slot->size);
}

static HARNESS_UNUSED void
churn_clear(struct churn_slot *slots, size_t count)
{
  size_t i;

  for (i = 0; i < count; i++)
    free(slots[i].block);
  memset(slots, 0, count * sizeof *slots);
}

static HARNESS_UNUSED void *
churn_run(void *seed)
{
  struct churn_slot slots[CHURN_SLOTS];
  uint64_t state = harness.seed + (uint64_t)(uintptr_t)seed;

  memset(slots, 0, sizeof slots);
  while (!__atomic_load_n(&churn_stop, __ATOMIC_RELAXED)) {
    if (__atomic_load_n(&churn_paused, __ATOMIC_RELAXED)) {
      usleep(100);
      continue;
    }
    churn_step(slots, CHURN_SLOTS, &state);
    __atomic_add_fetch(&churn_rounds, 1, __ATOMIC_RELAXED);
  }
  churn_clear(slots, CHURN_SLOTS);
  return NULL;
}

static HARNESS_UNUSED void
churn_begin(void)
{
  int i;

  churn_stop = churn_paused = 0;
  for (i = 0; i < CHURN_THREADS; i++)
    REQUIRE(pthread_create(&churn_thread[i], NULL, churn_run,
                           (void *)(uintptr_t)(i + 1)) == 0);
}

static HARNESS_UNUSED void
churn_pause(void)
{
  __atomic_store_n(&churn_paused, 1, __ATOMIC_RELAXED);
}

/* Returns when the threads are in the middle of their work. */
static HARNESS_UNUSED void
churn_resume(void)
{
  long before = __atomic_load_n(&churn_rounds, __ATOMIC_RELAXED);

  __atomic_store_n(&churn_paused, 0, __ATOMIC_RELAXED);
  while (__atomic_load_n(&churn_rounds, __ATOMIC_RELAXED) <
         before + 4L * CHURN_THREADS)
    usleep(100);
}

/* Ends the threads; they must have done something meanwhile. */
static HARNESS_UNUSED void
churn_end(void)
{
  int i;

  __atomic_store_n(&churn_stop, 1, __ATOMIC_RELAXED);
  for (i = 0; i < CHURN_THREADS; i++)
    pthread_join(churn_thread[i], NULL);
  EXPECT(churn_rounds > 0);
}

#endif /* TCM_TESTS_SUPPORT_CHURN_H */
