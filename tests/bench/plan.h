/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * plan.h - places for the objects of a trace, planned in advance.
 *
 * An address then costs nothing: the replayer reads the next one from a table.
 * An arena holds the small objects of one thread at a time.  Objects of the
 * same rounded size are adjacent; the place freed last is reused first, since
 * it is in the nearest cache.  Large objects of all threads take whole pages,
 * from the smallest hole that fits.
 */
#ifndef TCM_TESTS_BENCH_PLAN_H
#define TCM_TESTS_BENCH_PLAN_H

#include <stdint.h>

struct plan;

struct place {
  uint64_t offset;
  uint64_t size; /* rounded up */
  uint32_t arena;
  int fresh; /* no earlier object was planned here */
};

/* A plan with arenas 0 .. narenas - 1. */
struct plan *plan_new(uint32_t narenas);
struct place plan_take(struct plan *plan, uint32_t arena, uint64_t size,
                       unsigned align_log);

/* Frees a place; its arena may reuse it immediately. */
void plan_free(struct plan *plan, const struct place *place);

/* The bytes of address space that the plan needs. */
uint64_t plan_bytes(const struct plan *plan);

#endif /* TCM_TESTS_BENCH_PLAN_H */
