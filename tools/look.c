/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a target completely: its numbers several times, then once its pages and
 * its surroundings.
 */
#include "look.h"

#include <string.h>
#include <time.h>

/* Readings after the first, to see whether use ever fell. */
#define STEPS 5
/* look_watch() reads ten times a second, but at most this often in all. */
#define STEPS_MAX 120

double
seconds_now(void)
{
  struct timespec time;

  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

void
sleep_seconds(double seconds)
{
  struct timespec time = {
      .tv_sec = (time_t)seconds,
      .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};

  nanosleep(&time, NULL);
}

/* Takes the further readings; look->now is the last. */
static enum status
read_again(struct target *target, double seconds, struct look *look,
           reading_sink *add, void *to)
{
  double start = seconds_now(), steps = STEPS;
  enum status status = STATUS_OK;
  uint64_t last = look->before.stats.in_use_bytes;

  if (add != NULL && seconds * 10 > STEPS)
    steps = seconds * 10 > STEPS_MAX ? STEPS_MAX : (int)(seconds * 10);
  look->rises = true;
  for (int i = 1; i <= (int)steps && status == STATUS_OK; i++) {
    sleep_seconds(seconds / steps);
    view_free(&look->now);
    status = view_read(target, &look->now);
    look->rises = look->rises && look->now.stats.in_use_bytes >= last;
    last = look->now.stats.in_use_bytes;
    if (add != NULL && status == STATUS_OK)
      add(to, seconds_now() - start, &look->now);
  }
  look->seconds = seconds_now() - start;
  return status;
}

enum status
look_watch(struct target *target, double seconds, struct look *look,
           reading_sink *add, void *to)
{
  enum status status;
  int error;

  memset(look, 0, sizeof *look);
  if (target->core != NULL)
    seconds = 0;
  status = view_read(target, &look->before);
  if (add != NULL && status == STATUS_OK)
    add(to, 0, &look->before);
  if (status == STATUS_OK && seconds > 0) {
    status = heap_read(target, &look->heap);
    if (status == STATUS_OK)
      outside_read(target, &look->heap, &look->outside_before);
    heap_free(&look->heap);
    if (status == STATUS_OK)
      status = read_again(target, seconds, look, add, to);
  } else if (status == STATUS_OK) {
    status = view_read(target, &look->now);
  }
  if (status == STATUS_OK)
    status = heap_read(target, &look->heap);
  if (status == STATUS_OK && target->shapes == NULL) {
    error = pages_read(target, &look->heap, &look->pages, NULL, NULL);
    if (error != 0)
      status = target_failed(target, error);
  } else if (status == STATUS_OK) {
    look->pages.count[PAGE_IDLE] =
        look->now.stats.page_heap_bytes >> PAGE_SHIFT;
  }
  if (status == STATUS_OK && target->core == NULL)
    outside_read(target, &look->heap, &look->outside);
  if (status == STATUS_OK)
    limits_read(target, &look->now, look->limits);
  else
    look_free(look);
  return status;
}

enum status
look_read(struct target *target, double seconds, struct look *look)
{
  return look_watch(target, seconds, look, NULL, NULL);
}

void
look_free(struct look *look)
{
  view_free(&look->before);
  view_free(&look->now);
  heap_free(&look->heap);
}
