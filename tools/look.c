/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a target completely: its numbers several times, then once its pages and
 * its surroundings.
 */
#include "look.h"
#include "profile.h"

#include <stdlib.h>
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

/* The profile, or NULL if no samples are taken. */
static struct profile_view *
samples_read(struct target *target)
{
  struct profile_view *profile;
  uint64_t mean;

  if (target->shapes != NULL || profile_mean(target, &mean) != 0 || mean == 0)
    return NULL;
  profile = calloc(1, sizeof *profile);
  if (profile == NULL || profile_read(target, profile) == STATUS_OK)
    return profile;
  free(profile);
  return NULL;
}

static void
samples_free(struct profile_view *profile)
{
  if (profile != NULL)
    profile_free(profile);
  free(profile);
}

/* The readings before and during the wait. */
static enum status
watch(struct target *target, double seconds, struct look *look,
      reading_sink *add, void *to, struct profile_view **before)
{
  enum status status = heap_read(target, &look->heap);

  if (status != STATUS_OK)
    return status;
  outside_read(target, &look->heap, &look->outside_before);
  heap_free(&look->heap);
  *before = samples_read(target);
  return read_again(target, seconds, look, add, to);
}

/* What is read once, at the end. */
static enum status
read_rest(struct target *target, struct look *look,
          const struct profile_view *before)
{
  enum status status = heap_read(target, &look->heap);
  int error = 0;

  if (status != STATUS_OK)
    return status;
  if (target->shapes == NULL)
    error = pages_read(target, &look->heap, &look->pages, NULL, NULL);
  else
    look->pages.count[PAGE_IDLE] =
        look->now.stats.page_heap_bytes >> PAGE_SHIFT;
  if (error != 0)
    return target_failed(target, error);
  if (target->core == NULL)
    outside_read(target, &look->heap, &look->outside);
  limits_read(target, &look->now, look->limits);
  look->profile = samples_read(target);
  if (look->profile != NULL && before != NULL) {
    profile_subtract(look->profile, before);
    look->profile->seconds = look->seconds;
  }
  return STATUS_OK;
}

enum status
look_watch(struct target *target, double seconds, struct look *look,
           reading_sink *add, void *to)
{
  struct profile_view *before = NULL;
  enum status status;

  memset(look, 0, sizeof *look);
  if (target->core != NULL)
    seconds = 0;
  status = view_read(target, &look->before);
  if (add != NULL && status == STATUS_OK)
    add(to, 0, &look->before);
  if (status == STATUS_OK)
    status = seconds > 0 ? watch(target, seconds, look, add, to, &before)
                         : view_read(target, &look->now);
  if (status == STATUS_OK)
    status = read_rest(target, look, before);
  samples_free(before);
  if (status != STATUS_OK)
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
  samples_free(look->profile);
}
