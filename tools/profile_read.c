/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the stacks from the table of lib/profile/profile_table.c.  They never
 * move, and their sums only grow, so a copy made while they change is valid.
 */
#include "profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t
stack_size(size_t depth)
{
  return (sizeof(struct profile_stack) + depth * sizeof(uintptr_t) +
          PROFILE_UNIT - 1) /
         PROFILE_UNIT * PROFILE_UNIT;
}

static int
chunks_read(const struct target *target, const struct profile *profile,
            struct profile_view *view)
{
  size_t bytes = profile->stack_bytes;
  int error = 0;

  if (bytes > PROFILE_STACK_CHUNKS * PROFILE_CHUNK)
    return -EFAULT;
  view->memory = calloc(1, bytes + PROFILE_CHUNK);
  if (view->memory == NULL)
    return -ENOMEM;
  for (size_t at = 0; at < bytes && error == 0; at += PROFILE_CHUNK)
    if (profile->stacks[at >> PROFILE_CHUNK_SHIFT] != NULL)
      error = target_read(
          target, (uintptr_t)profile->stacks[at >> PROFILE_CHUNK_SHIFT],
          view->memory + at,
          bytes - at < PROFILE_CHUNK ? bytes - at : PROFILE_CHUNK);
  return error;
}

static uint64_t
less(uint64_t a, uint64_t b)
{
  return a > b ? a - b : 0;
}

static void
add_stack(struct profile_view *view, uint64_t place,
          const struct profile_stack *stack)
{
  uint64_t peak, peak_blocks;

  profile_at_peak(stack, view->peak_number, &peak, &peak_blocks);
  view->stacks[view->nstacks++] = (struct stack_view){
      .place = place,
      .live = less(stack->allocated, stack->freed),
      .live_blocks =
          less(stack->allocated_blocks, stack->freed_blocks) / PROFILE_BLOCK,
      .peak = peak,
      .peak_blocks = peak_blocks / PROFILE_BLOCK,
      .allocated = stack->allocated,
      .allocated_blocks = stack->allocated_blocks / PROFILE_BLOCK,
      .samples = stack->samples,
      .whole = stack->whole == 1,
      .depth = stack->depth,
      .pcs = stack->pcs,
      .freed = stack->freed,
  };
  memcpy(view->stacks[view->nstacks - 1].lifetimes, stack->lifetimes,
         sizeof stack->lifetimes);
}

/* Finds the stacks in the copied table; false if it is invalid. */
static bool
stacks_find(struct profile_view *view, size_t bytes)
{
  size_t most = bytes / sizeof(struct profile_stack) + 1;

  view->stacks = calloc(most, sizeof *view->stacks);
  if (view->stacks == NULL)
    return false;
  for (size_t at = PROFILE_UNIT; at < bytes;) {
    size_t left = PROFILE_CHUNK - (at & (PROFILE_CHUNK - 1));
    const struct profile_stack *stack = (const void *)(view->memory + at);
    if (left < sizeof *stack || stack->hash == 0) {
      at += left;
      continue;
    }
    if (stack_size(stack->depth) > left || view->nstacks == most)
      return false;
    add_stack(view, at, stack);
    at += stack_size(stack->depth);
  }
  return true;
}

enum status
profile_read(struct target *target, struct profile_view *view)
{
  struct profile profile, after = {0};
  int error = target_read(target, target->page.places.profile, &profile,
                          sizeof profile);

  *view = (struct profile_view){0};
  if (error == 0)
    error = chunks_read(target, &profile, view);
  /* If a peak follows the copy, the copied stacks are nearly as at the peak. */
  if (error == 0)
    error =
        target_read(target, target->page.places.profile, &after, sizeof after);
  view->peak_number = after.peak_number;
  if (error == 0 && !stacks_find(view, profile.stack_bytes))
    error = -EFAULT;
  if (error != 0) {
    profile_free(view);
    return target_failed(target, error);
  }
  view->peak = after.peak;
  view->peak_time = after.peak_time;
  view->mean = profile.mean;
  view->samples = profile.samples;
  view->lost = profile.lost;
  view->metadata = profile.metadata_bytes;
  return STATUS_OK;
}

void
profile_free(struct profile_view *view)
{
  free(view->memory);
  free(view->stacks);
  view->memory = NULL;
  view->stacks = NULL;
  view->nstacks = 0;
}

void
profile_turn_to_peak(struct profile_view *view)
{
  for (size_t i = 0; i < view->nstacks; i++) {
    view->stacks[i].live = view->stacks[i].peak;
    view->stacks[i].live_blocks = view->stacks[i].peak_blocks;
  }
}

/* Both views are sorted by place. */
void
profile_subtract(struct profile_view *now, const struct profile_view *before)
{
  size_t j = 0;

  for (size_t i = 0; i < now->nstacks; i++) {
    struct stack_view *stack = &now->stacks[i];
    const struct stack_view *old;
    stack->growth = (int64_t)stack->live;
    while (j < before->nstacks && before->stacks[j].place < stack->place)
      j++;
    if (j == before->nstacks || before->stacks[j].place != stack->place)
      continue;
    old = &before->stacks[j];
    stack->growth -= (int64_t)old->live;
    stack->allocated = less(stack->allocated, old->allocated);
    stack->allocated_blocks =
        less(stack->allocated_blocks, old->allocated_blocks);
    stack->freed = less(stack->freed, old->freed);
    for (unsigned k = 0; k < PROFILE_LIFETIMES; k++)
      stack->lifetimes[k] -= old->lifetimes[k];
  }
}

struct profile_sums
profile_sum(const struct profile_view *view)
{
  struct profile_sums sums = {0};

  for (size_t i = 0; i < view->nstacks; i++) {
    const struct stack_view *stack = &view->stacks[i];
    sums.live += stack->live;
    sums.live_blocks += stack->live_blocks;
    sums.allocated += stack->allocated;
    sums.samples += stack->samples;
    sums.whole += stack->whole ? stack->samples : 0;
    sums.growth += stack->growth;
  }
  return sums;
}

int64_t
profile_worst(const struct profile_view *view, struct symbols *symbols,
              char *text, size_t size)
{
  const struct stack_view *most = NULL;
  char other[512];
  int64_t sum = 0;

  for (size_t i = 0; i < view->nstacks; i++)
    if (most == NULL || view->stacks[i].growth > most->growth)
      most = &view->stacks[i];
  if (most == NULL || most->growth <= 0)
    return 0;
  symbols_culprit(symbols, most, text, size);
  for (size_t i = 0; i < view->nstacks; i++) {
    if (view->stacks[i].growth == 0)
      continue;
    symbols_culprit(symbols, &view->stacks[i], other, sizeof other);
    if (strcmp(other, text) == 0)
      sum += view->stacks[i].growth;
  }
  return sum;
}
