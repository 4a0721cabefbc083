/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pipeline.c - producers allocate, consumers free (xmalloc's shape).
 *
 * Half of the threads fill batches of blocks, one size per batch, and put them
 * into a bounded queue; the other half take them out and free them.  No thread
 * ever frees a block that it allocated, and blocks flow one way only.  The
 * batch itself is a large block that goes the same way.
 */
#include "workload.h"

#include <pthread.h>

#define BATCH 4000
#define QUEUE 64

struct batch {
  uint32_t count;
  void *blocks[BATCH];
};

struct queue {
  pthread_mutex_t lock;
  pthread_cond_t not_empty, not_full;
  struct batch *batches[QUEUE]; /* a ring; all fields under the lock */
  unsigned first, count;
  unsigned producers; /* that are not done yet */
};

static void
queue_put(struct queue *queue, struct batch *batch)
{
  pthread_mutex_lock(&queue->lock);
  while (queue->count == QUEUE)
    pthread_cond_wait(&queue->not_full, &queue->lock);
  queue->batches[(queue->first + queue->count++) % QUEUE] = batch;
  pthread_mutex_unlock(&queue->lock);
  pthread_cond_signal(&queue->not_empty);
}

/* The next batch; NULL once all producers are done and the queue is empty. */
static struct batch *
queue_take(struct queue *queue)
{
  struct batch *batch = NULL;
  pthread_mutex_lock(&queue->lock);
  while (queue->count == 0 && queue->producers > 0)
    pthread_cond_wait(&queue->not_empty, &queue->lock);
  if (queue->count > 0) {
    batch = queue->batches[queue->first];
    queue->first = (queue->first + 1) % QUEUE;
    queue->count--;
  }
  pthread_mutex_unlock(&queue->lock);
  pthread_cond_signal(&queue->not_full);
  return batch;
}

static void
produce(struct worker *worker, struct queue *queue, uint64_t ops)
{
  while (ops > 0) {
    struct batch *batch = malloc(sizeof *batch);
    size_t size_bytes = 32 * (1 + (size_t)rng_below(&worker->rng, 4));
    if (batch == NULL)
      die("out of memory");
    batch->count = ops < BATCH ? (uint32_t)ops : BATCH;
    for (uint32_t i = 0; i < batch->count; i++)
      batch->blocks[i] = block_new(size_bytes);
    ops -= batch->count;
    queue_put(queue, batch);
  }
  pthread_mutex_lock(&queue->lock);
  queue->producers--;
  pthread_mutex_unlock(&queue->lock);
  pthread_cond_broadcast(&queue->not_empty);
}

static void
consume(struct queue *queue)
{
  struct batch *batch;
  while ((batch = queue_take(queue)) != NULL) {
    for (uint32_t i = 0; i < batch->count; i++)
      block_free(batch->blocks[i]);
    free(batch);
  }
}

static void
pipeline_body(struct worker *worker)
{
  unsigned producers = worker->work->threads / 2;
  if (worker->index < producers)
    produce(worker, worker->shared,
            share_of(worker->work->ops, worker->index, producers));
  else
    consume(worker->shared);
}

static void
pipeline_run(const struct work *work)
{
  struct queue *queue = table_new(1, sizeof *queue);
  if (work->threads < 2)
    die("pipeline needs a producer and a consumer");
  pthread_mutex_init(&queue->lock, NULL);
  pthread_cond_init(&queue->not_empty, NULL);
  pthread_cond_init(&queue->not_full, NULL);
  queue->producers = work->threads / 2;
  run_threads(work, queue, pipeline_body);
}

const struct shape pipeline_shapes[] = {
    {"pipeline", pipeline_run, "one block from a producer to a consumer"}, {0}};
