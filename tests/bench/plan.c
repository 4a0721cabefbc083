/* SPDX-License-Identifier: BSD-2-Clause */
/* plan.c - lays out the objects of a trace, see plan.h. */
#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 4096
#define SMALL_MAX 2048
#define NBINS (SMALL_MAX / 16 + 1)
#define SLAB (4 * PAGE)

/* A stack or a sorted list of offsets; `sizes` is NULL in a stack. */
struct bin {
  uint64_t *offsets, *sizes;
  size_t count, room;
};

struct arena {
  struct bin bins[NBINS];
  uint64_t slab, slab_end;
};

struct plan {
  uint64_t top;
  struct bin holes; /* whole pages, by offset; no two are adjacent */
  struct arena arenas[];
};

static void *
must(void *p)
{
  if (p == NULL) {
    fprintf(stderr, "pack: out of memory\n");
    exit(1);
  }
  return p;
}

struct plan *
plan_new(uint32_t narenas)
{
  return must(calloc(1, sizeof(struct plan) + narenas * sizeof(struct arena)));
}

uint64_t
plan_bytes(const struct plan *plan)
{
  return plan->top;
}

static void
bin_grow(struct bin *bin, int sized)
{
  if (bin->count < bin->room)
    return;
  bin->room = bin->room ? 2 * bin->room : 8;
  bin->offsets = must(realloc(bin->offsets, bin->room * sizeof(uint64_t)));
  if (sized)
    bin->sizes = must(realloc(bin->sizes, bin->room * sizeof(uint64_t)));
}

static void
hole_insert(struct bin *holes, size_t at, uint64_t offset, uint64_t size)
{
  size_t behind = (holes->count - at) * sizeof(uint64_t);
  bin_grow(holes, 1);
  memmove(holes->offsets + at + 1, holes->offsets + at, behind);
  memmove(holes->sizes + at + 1, holes->sizes + at, behind);
  holes->offsets[at] = offset;
  holes->sizes[at] = size;
  holes->count++;
}

static void
hole_remove(struct bin *holes, size_t at)
{
  size_t behind = (holes->count - at - 1) * sizeof(uint64_t);
  memmove(holes->offsets + at, holes->offsets + at + 1, behind);
  memmove(holes->sizes + at, holes->sizes + at + 1, behind);
  holes->count--;
}

/* The index of the first hole after `offset`. */
static size_t
hole_search(const struct bin *holes, uint64_t offset)
{
  size_t low = 0, high = holes->count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (holes->offsets[middle] < offset)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static void
hole_add(struct bin *holes, uint64_t offset, uint64_t size)
{
  size_t at = hole_search(holes, offset);
  if (at < holes->count && offset + size == holes->offsets[at]) {
    size += holes->sizes[at];
    hole_remove(holes, at);
  }
  if (at > 0 && holes->offsets[at - 1] + holes->sizes[at - 1] == offset)
    holes->sizes[at - 1] += size;
  else
    hole_insert(holes, at, offset, size);
}

static struct place
large_take(struct plan *plan, uint64_t size)
{
  struct bin *holes = &plan->holes;
  size_t best = holes->count;
  struct place place = {.size = (size + PAGE - 1) / PAGE * PAGE};
  for (size_t i = 0; i < holes->count; i++)
    if (holes->sizes[i] >= place.size &&
        (best == holes->count || holes->sizes[i] < holes->sizes[best]))
      best = i;
  if (best == holes->count) {
    place.fresh = 1;
    place.offset = plan->top;
    plan->top += place.size;
    return place;
  }
  place.offset = holes->offsets[best];
  holes->offsets[best] += place.size;
  holes->sizes[best] -= place.size;
  if (holes->sizes[best] == 0)
    hole_remove(holes, best);
  return place;
}

static struct place
small_take(struct plan *plan, struct arena *arena, uint64_t size)
{
  struct bin *bin = &arena->bins[size / 16];
  struct place place = {.size = size};
  if (bin->count > 0) {
    place.offset = bin->offsets[--bin->count];
    return place;
  }
  if (arena->slab + size > arena->slab_end) {
    arena->slab = plan->top;
    arena->slab_end = plan->top += SLAB;
  }
  place.fresh = 1;
  place.offset = arena->slab;
  arena->slab += size;
  return place;
}

struct place
plan_take(struct plan *plan, uint32_t number, uint64_t size, unsigned align_log)
{
  struct arena *arena = &plan->arenas[number];
  uint64_t rounded = size > 0 ? (size + 15) / 16 * 16 : 16;
  struct place place;
  if (align_log > 12) {
    uint64_t align = UINT64_C(1) << align_log;
    plan->top = (plan->top + align - 1) / align * align;
    place = (struct place){.offset = plan->top,
                           .size = (rounded + PAGE - 1) / PAGE * PAGE,
                           .fresh = 1};
    plan->top += place.size;
  } else if (align_log > 4 || rounded > SMALL_MAX) {
    place = large_take(plan, rounded);
  } else {
    place = small_take(plan, arena, rounded);
  }
  place.arena = number;
  return place;
}

void
plan_free(struct plan *plan, const struct place *place)
{
  struct arena *arena = &plan->arenas[place->arena];
  struct bin *bin = &arena->bins[place->size / 16];
  if (place->size > SMALL_MAX) {
    hole_add(&plan->holes, place->offset, place->size);
    return;
  }
  bin_grow(bin, 0);
  bin->offsets[bin->count++] = place->offset;
}
