/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a target completely: first its numbers, several times; then its pages
 * and the memory outside of the heap, once.
 */
#include "survey.h"
#include "profile.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* survey_watch() reads ten times a second, but at most this many times in
 * total. */
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

/* Takes the further readings; survey->now is the last. */
static enum status
read_again(struct target *target, double seconds, struct survey *survey,
           reading_sink *add, void *to)
{
  double start = seconds_now(), steps = GROWTH_STEPS;
  enum status status = STATUS_OK;
  uint64_t last = survey->before.stats.in_use_bytes;

  if (add != NULL && seconds * 10 > GROWTH_STEPS)
    steps = seconds * 10 > STEPS_MAX ? STEPS_MAX : (int)(seconds * 10);
  survey->rises = true;
  for (int i = 1; i <= (int)steps && status == STATUS_OK; i++) {
    sleep_seconds(seconds / steps);
    view_free(&survey->now);
    status = view_read(target, &survey->now);
    survey->rises = survey->rises && survey->now.stats.in_use_bytes >= last;
    last = survey->now.stats.in_use_bytes;
    if (add != NULL && status == STATUS_OK)
      add(to, seconds_now() - start, &survey->now);
  }
  survey->seconds = seconds_now() - start;
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
watch(struct target *target, double seconds, struct survey *survey,
      reading_sink *add, void *to, struct profile_view **before)
{
  enum status status = heap_read(target, &survey->heap);

  if (status != STATUS_OK)
    return status;
  outside_read(target, &survey->heap, &survey->outside_before);
  heap_free(&survey->heap);
  *before = samples_read(target);
  return read_again(target, seconds, survey, add, to);
}

/* What is read once, at the end. */
static enum status
read_rest(struct target *target, struct survey *survey,
          const struct profile_view *before)
{
  enum status status = heap_read(target, &survey->heap);
  int error = 0;

  if (status != STATUS_OK)
    return status;
  if (target->shapes == NULL)
    error = pages_read(target, &survey->heap, &survey->pages, NULL, NULL);
  else
    survey->pages.count[PAGE_IDLE] =
        survey->now.stats.page_heap_bytes >> PAGE_SHIFT;
  if (error != 0)
    return target_failed(target, error);
  if (target->core == NULL)
    outside_read(target, &survey->heap, &survey->outside);
  limits_read(target, &survey->now, survey->limits);
  survey->profile = samples_read(target);
  if (survey->profile != NULL && before != NULL) {
    profile_subtract(survey->profile, before);
    survey->profile->seconds = survey->seconds;
  }
  return STATUS_OK;
}

enum status
survey_watch(struct target *target, double seconds, struct survey *survey,
             reading_sink *add, void *to)
{
  struct profile_view *before = NULL;
  enum status status;

  memset(survey, 0, sizeof *survey);
  if (target->core != NULL)
    seconds = 0;
  status = view_read(target, &survey->before);
  if (add != NULL && status == STATUS_OK)
    add(to, 0, &survey->before);
  if (status == STATUS_OK)
    status = seconds > 0 ? watch(target, seconds, survey, add, to, &before)
                         : view_read(target, &survey->now);
  if (status == STATUS_OK)
    status = read_rest(target, survey, before);
  samples_free(before);
  if (status != STATUS_OK)
    survey_free(survey);
  return status;
}

enum status
survey_read(struct target *target, double seconds, struct survey *survey)
{
  return survey_watch(target, seconds, survey, NULL, NULL);
}

void
survey_free(struct survey *survey)
{
  view_free(&survey->before);
  view_free(&survey->now);
  heap_free(&survey->heap);
  samples_free(survey->profile);
}
