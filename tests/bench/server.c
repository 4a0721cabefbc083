/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * server.c - a server whose objects outlive its threads (larson's shape).
 *
 * There are THREADS chains of threads; each chain owns PARAM blocks.  A thread
 * replaces blocks at random for one generation, starts its successor, which
 * inherits the blocks, and ends.  So most blocks are freed by another thread,
 * after the thread that allocated them is dead.
 */
#include "workload.h"

#include <pthread.h>
#include <semaphore.h>

#define GENERATION_OPS 20000
#define OBJECT_MIN 16
#define OBJECT_MAX 1000

struct line {
  void **slots;
  uint64_t ops_left;
  uint32_t count;
  struct rng rng;
  sem_t *ended; /* posted when the last generation has done its work */
};

static size_t
object_size(struct rng *rng)
{
  return OBJECT_MIN + rng_below(rng, OBJECT_MAX - OBJECT_MIN + 1);
}

static void start_generation(struct line *line);

static void *
generation_main(void *arg)
{
  struct line *line = arg;
  uint64_t ops =
      line->ops_left < GENERATION_OPS ? line->ops_left : GENERATION_OPS;
  for (uint64_t i = 0; i < ops; i++) {
    uint32_t slot = rng_below(&line->rng, line->count);
    block_free(line->slots[slot]);
    line->slots[slot] = block_new(object_size(&line->rng));
  }
  line->ops_left -= ops;
  if (line->ops_left > 0)
    start_generation(line);
  else
    sem_post(line->ended);
  return NULL;
}

static void
start_generation(struct line *line)
{
  pthread_t id;
  if (pthread_create(&id, NULL, generation_main, line) != 0)
    die("cannot start a thread");
  pthread_detach(id);
}

static void
server_run(const struct work *work)
{
  struct line *lines = table_new(work->threads, sizeof *lines);
  sem_t ended;
  sem_init(&ended, 0, 0);
  for (unsigned i = 0; i < work->threads; i++) {
    struct line *line = &lines[i];
    line->count = (uint32_t)work->param;
    line->slots = table_new(line->count, sizeof *line->slots);
    line->ops_left = share_of(work->ops, i, work->threads);
    line->ended = &ended;
    rng_seed(&line->rng, i);
    for (uint32_t slot = 0; slot < line->count; slot++)
      line->slots[slot] = block_new(object_size(&line->rng));
  }
  for (unsigned i = 0; i < work->threads; i++)
    start_generation(&lines[i]);
  for (unsigned i = 0; i < work->threads; i++)
    sem_wait(&ended);
  for (unsigned i = 0; i < work->threads; i++)
    for (uint32_t slot = 0; slot < lines[i].count; slot++)
      block_free(lines[i].slots[slot]);
}

const struct shape server_shapes[] = {
    {"server", server_run, "one of PARAM blocks a line of threads replaced"},
    {0}};
