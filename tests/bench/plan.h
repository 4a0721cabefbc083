/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * plan.h - where the objects of a trace lie if the future is known.
 *
 * An address costs its user nothing then: the replayer reads the next one from
 * a table.  An arena has the small places of one thread at a time; those of the
 * same rounded size follow one another, the one that was freed last first,
 * since it is in the nearest cache.  Large objects of all threads take whole
 * pages, from the smallest hole that fits.
 */
#ifndef TCM_TESTS_BENCH_PLAN_H
#define TCM_TESTS_BENCH_PLAN_H

#include <stdint.h>

struct plan;

struct place {
  uint64_t offset;
  uint64_t size; /* rounded up */
  uint32_t arena;
  int fresh; /* nothing was planned here before */
};

/* A plan with arenas 0 .. narenas - 1. */
struct plan *plan_new(uint32_t narenas);
struct place plan_take(struct plan *plan, uint32_t arena, uint64_t size,
                       unsigned align_log);

/* The place is free for its arena at once. */
void plan_give(struct plan *plan, const struct place *place);

/* Bytes that the plan spans. */
uint64_t plan_bytes(const struct plan *plan);

#endif /* TCM_TESTS_BENCH_PLAN_H */
