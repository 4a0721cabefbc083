/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * exchange.c - mixed sizes with parcels of blocks sent to the next thread
 * (rptest's shape).
 *
 * A thread owns PARAM blocks of 16 B to 16 KiB.  In each turn it replaces some,
 * packs others into a parcel for its neighbor, and frees those sent to it.
 * The parcel is a block too.  Only a few parcels may wait at a time; otherwise
 * peak memory would depend on how the threads were scheduled.
 */
#include "workload.h"

#include <sched.h>
#include <stdatomic.h>

#define TURN 200   /* replacements between two parcels */
#define PARCEL 60  /* blocks in a parcel */
#define WAITING 16 /* parcels that may wait in one inbox */

struct parcel {
  struct parcel *next;
  uint32_t count;
  void *blocks[PARCEL];
};

struct inbox {
  _Alignas(CACHE_LINE) _Atomic(struct parcel *) first;
  atomic_uint waiting;
  atomic_bool closed; /* its owner takes no more parcels */
};

static void
parcel_free(struct parcel *parcel)
{
  for (uint32_t i = 0; i < parcel->count; i++)
    block_free(parcel->blocks[i]);
  free(parcel);
}

static void
inbox_empty(struct inbox *inbox)
{
  struct parcel *parcel = atomic_exchange(&inbox->first, NULL);
  while (parcel != NULL) {
    struct parcel *next = parcel->next;
    parcel_free(parcel);
    atomic_fetch_sub(&inbox->waiting, 1);
    parcel = next;
  }
}

/* Waits while the neighbor's inbox is full.  Meanwhile empties the sender's
 * own inbox, since another thread may be waiting for room there. */
static void
send_parcel(struct inbox *to, struct inbox *own, struct parcel *parcel)
{
  while (atomic_load(&to->waiting) >= WAITING && !atomic_load(&to->closed)) {
    inbox_empty(own);
    sched_yield();
  }
  if (atomic_load(&to->closed)) {
    parcel_free(parcel);
    return;
  }
  atomic_fetch_add(&to->waiting, 1);
  parcel->next = atomic_load(&to->first);
  while (!atomic_compare_exchange_weak(&to->first, &parcel->next, parcel))
    continue;
}

static struct parcel *
parcel_new(struct worker *worker, uint32_t count)
{
  struct parcel *parcel = malloc(sizeof *parcel);
  if (parcel == NULL)
    die("out of memory");
  parcel->count = count;
  for (uint32_t i = 0; i < count; i++)
    parcel->blocks[i] = block_new(rng_size(&worker->rng, 4, 12));
  return parcel;
}

static void
exchange_body(struct worker *worker)
{
  struct inbox *inboxes = worker->shared;
  struct inbox *own = &inboxes[worker->index];
  uint32_t count = (uint32_t)worker->work->param;
  unsigned next = (worker->index + 1) % worker->work->threads;
  void **slots = table_new(count, sizeof *slots);
  for (uint64_t left = worker->ops; left > 0;) {
    uint32_t replaced = left < TURN ? (uint32_t)left : TURN;
    uint32_t packed;
    left -= replaced;
    packed = left < PARCEL ? (uint32_t)left : PARCEL;
    left -= packed;
    for (uint32_t i = 0; i < replaced; i++) {
      uint32_t slot = rng_below(&worker->rng, count);
      block_free(slots[slot]);
      slots[slot] = block_new(rng_size(&worker->rng, 4, 14));
    }
    send_parcel(&inboxes[next], own, parcel_new(worker, packed));
    inbox_empty(own);
  }
  atomic_store(&own->closed, 1);
  for (uint32_t i = 0; i < count; i++)
    block_free(slots[i]);
}

static void
exchange_run(const struct work *work)
{
  struct inbox *inboxes = table_new(work->threads, sizeof *inboxes);
  run_threads(work, inboxes, exchange_body);
  for (unsigned i = 0; i < work->threads; i++)
    inbox_empty(&inboxes[i]);
}

const struct shape exchange_shapes[] = {
    {"exchange", exchange_run, "one block; PARAM are owned, some are sent on"},
    {0}};
