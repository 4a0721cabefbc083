/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * model.h - random operations on the real module and on a naive model of it,
 * which must agree after every step.
 *
 * A run has a seed and its own child process, so it begins with a heap that is
 * not initialized yet.  A failure is reported with the seed and the step;
 * TEST_SEED=seed repeats the run.
 */
#ifndef TCM_TESTS_MODEL_MODEL_H
#define TCM_TESTS_MODEL_MODEL_H

#include "config.h"

#define TEST_DIRECT 1
#include "../support/child.h"
#include "../support/memory.h"
#include "../support/sanitizers.h"

#include "base/report.h"
#include "base/system.h"

static struct {
  uint64_t seed;        /* of this run */
  uint64_t state;       /* of its random numbers */
  long step;            /* counted from 0 */
  const char *action;   /* what the step does */
  unsigned long failed; /* system calls that were made to fail */
} model;

#define MUST(condition) \
  ((condition) ? (void)0 : model_stop(__FILE__, __LINE__, #condition))

static void
model_stop(const char *file, int line, const char *condition)
{
  harness_say("  %s:%d: not true: %s (seed %llu, step %ld: %s)", file, line,
              condition, (unsigned long long)model.seed, model.step,
              model.action == NULL ? "none" : model.action);
  abort();
}

/* A random number below @limit. */
static HARNESS_UNUSED size_t
below(size_t limit)
{
  return (size_t)(harness_random(&model.state) >> 16) % limit;
}

static HARNESS_UNUSED bool
one_in(size_t n)
{
  return below(n) == 0;
}

/* With probability 1 / @one_of, makes one of the next system calls fail. */
static HARNESS_UNUSED void
model_arm_faults(size_t one_of)
{
  if (one_in(one_of))
    (void)tcmi_system_fail(one_in(2) ? ~0u : 1u << below(SYSTEM_NCALLS),
                           1 + (unsigned)below(4), 1 + (unsigned)below(3));
}

/* Ends the failures, and returns the number of calls that failed. */
static HARNESS_UNUSED unsigned
model_disarm_faults(void)
{
  unsigned failed = tcmi_system_fail(0, 0, 0);

  model.failed += failed;
  return failed;
}

/* Bytes between two marks of a block: a page, or more in a very large block. */
static HARNESS_UNUSED size_t
model_stride(size_t size)
{
  return size > (size_t)1 << 20 ? 65536 : 4096;
}

/* Marks a block of @size bytes at its start, at its end and in places between;
 * marks all of a small block. */
static HARNESS_UNUSED void
model_mark(void *block, size_t size, uint64_t seed)
{
  size_t whole = size < 512 ? size : 512, at;

  memory_fill(block, whole, seed);
  for (at = whole; at < size; at += model_stride(size))
    ((unsigned char *)block)[at] = (unsigned char)(seed + at / 4096);
  if (size > whole)
    ((unsigned char *)block)[size - 1] = (unsigned char)seed;
}

/* Whether the marks in the first @part bytes are intact. */
static HARNESS_UNUSED bool
model_is_marked(const void *block, size_t size, size_t part, uint64_t seed)
{
  const unsigned char *byte = (const unsigned char *)block;
  size_t whole = size < 512 ? size : 512, at;

  if (!memory_holds(block, part < whole ? part : whole, seed))
    return false;
  for (at = whole; at < part; at += model_stride(size))
    if (byte[at] != (unsigned char)(seed + at / 4096) && at != size - 1)
      return false;
  return size <= whole || part < size || byte[size - 1] == (unsigned char)seed;
}

static HARNESS_UNUSED void
model_child(uint64_t seed, void (*run)(long), long steps)
{
  model.seed = model.state = seed;
  alarm((unsigned)harness_count(600, 3600));
  run(steps);
  (void)model_disarm_faults();
  harness_say("  seed %llu: %ld steps, %lu system calls failed",
              (unsigned long long)seed, steps, model.failed);
  _exit(HARNESS_PASS);
}

/* Runs @run with each seed in a child. */
static HARNESS_UNUSED void
model_run(void (*run)(long), long seeds, long steps)
{
  long i;

  if (TCM_SANITIZED)
    steps /= 4;
  if (getenv("TEST_SEED") != NULL)
    seeds = 1;
  for (i = 0; i < harness_count(seeds, 20 * seeds); i++) {
    pid_t child = child_fork();
    if (child == 0)
      model_child(harness.seed + (uint64_t)i, run,
                  harness_count(steps, 5 * steps));
    EXPECT_FOR(child_succeeded(child), "seed %llu",
               (unsigned long long)harness.seed + (unsigned long long)i);
  }
}

/* A sanitizer or an emulator may make a test ten times slower. */
#define MODEL_MAIN(cases)                                                 \
  int main(int argc, char **argv)                                         \
  {                                                                       \
    setenv("TEST_TIMEOUT", harness_is_long() ? "20000" : "1200", 0);      \
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases); \
  }

#endif /* TCM_TESTS_MODEL_MODEL_H */
