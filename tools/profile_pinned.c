/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Estimates which stacks pin free memory: unused bytes that cannot be returned
 * to the OS, because blocks on the same pages are in use.
 *
 *     page:    |used|    free    |used| free |used|     free    |
 *               A                 B           A
 *              A has two of the three objects, and so pins two thirds of the
 *              free bytes
 *
 * A sampled block represents many similar blocks.  Its home is the place that
 * it would have had among other objects, and it counts as in use there.  The
 * free bytes on each page of the home are divided by the objects in use on the
 * page.  Their sum, times the number of blocks represented, is what all these
 * blocks pin.  The total over all samples is all pinned memory.
 *
 * If the span of the home is gone, the sample would have been its last object.
 * The blocks that it represents then count as alone on their pages.
 */
#include "survey.h"
#include "profile.h"

#include <errno.h>
#include <stdlib.h>

struct guests {
  struct guest *list;
  size_t n;
};

static int
compare_place(const void *key, const void *member)
{
  uint64_t place = *(const uint64_t *)key;
  const struct stack_view *stack = member;

  return (place > stack->place) - (place < stack->place);
}

/* The stack at a place, or NULL. */
static struct stack_view *
stack_at(const struct profile_view *view, uint64_t place)
{
  return bsearch(&place, view->stacks, view->nstacks, sizeof *view->stacks,
                 compare_place);
}

/* The class whose objects have exactly that size, or 0. */
static unsigned
class_of_size(size_t size)
{
  unsigned class_id = size <= SIZE_CLASS_MAX ? size_class_of(size) : 0;

  return class_id != 0 && size_class_size(class_id) == size ? class_id : 0;
}

static void
add_record(struct guests *guests, const struct profile_view *view,
           const struct profile_record *record)
{
  unsigned class_id = class_of_size(record->size);
  const struct stack_view *stack;

  if (record->block == 0 || record->home == 0 || class_id == 0)
    return;
  stack = stack_at(view, (uint64_t)record->stack * PROFILE_UNIT);
  if (stack == NULL)
    return;
  guests->list[guests->n++] = (struct guest){
      .at = record->home,
      .class_id = class_id,
      .owner = (size_t)(stack - view->stacks),
      .weight = (double)record->blocks / PROFILE_BLOCK,
  };
}

static int
records_read(const struct target *target, const struct profile_view *view,
             struct guests *guests)
{
  struct profile_record *records = malloc(PROFILE_CHUNK);
  struct profile profile;
  int error = target_read(target, target->page.places.profile, &profile,
                          sizeof profile);

  *guests = (struct guests){.list = NULL};
  if (error == 0 && profile.nrecords <= PROFILE_CHUNKS * PROFILE_RECORDS)
    guests->list = calloc(profile.nrecords + 1, sizeof *guests->list);
  if (error == 0 && (guests->list == NULL || records == NULL))
    error = -ENOMEM;
  for (size_t at = 0; error == 0 && at < profile.nrecords;
       at += PROFILE_RECORDS) {
    size_t n = profile.nrecords - at;
    n = n < PROFILE_RECORDS ? n : PROFILE_RECORDS;
    error =
        target_read(target, (uintptr_t)profile.records[at / PROFILE_RECORDS],
                    records, n * sizeof *records);
    for (size_t i = 0; error == 0 && i < n; i++)
      add_record(guests, view, &records[i]);
  }
  free(records);
  return error;
}

enum status
profile_pin(const struct target *target, struct profile_view *view)
{
  struct heap_view heap;
  struct page_view pages;
  struct guests guests;
  enum status status = heap_read(target, &heap);
  int error;

  if (status != STATUS_OK)
    return status;
  error = records_read(target, view, &guests);
  if (error == 0)
    error = pages_read(target, &heap, &pages, NULL, NULL);
  if (error == 0)
    error = pages_read_guests(target, &heap, guests.list, guests.n);
  for (size_t i = 0; i < guests.n && error == 0; i++)
    view->stacks[guests.list[i].owner].pinned +=
        guests.list[i].weight * guests.list[i].share;
  for (unsigned c = 1; c < SIZE_CLASS_COUNT && error == 0; c++)
    view->pinned += pages.partly_free[c];
  free(guests.list);
  heap_free(&heap);
  return error == 0 ? STATUS_OK : target_failed(target, error);
}
