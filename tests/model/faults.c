/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every system call fails once.  For n = 1, 2, 3 ... a new process makes its
 * nth call of a kind fail, or all calls from the nth on, runs a scenario that
 * uses all of the heap, and walks the heap.  Then the same scenario must
 * succeed without a loss.  The loop ends when n is past the last call.
 */
#include "model.h"

#include <pthread.h>

#include "cache/size_class.h"
#include "front/heap_check.h"
#include "heap/page_heap.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

/* Exit statuses of a child in which no call failed, or one did. */
#define NOT_HIT 0
#define HIT 10

#define MOST 200

/* Tries only every third call if a child takes several times as long. */
#ifdef TCM_EMULATED
#define STEP 3
#else
#define STEP (TCM_SANITIZED ? 3 : 1)
#endif

struct block {
  unsigned char *start; /* NULL: the allocation failed */
  size_t size;
};

static struct block blocks[MOST];
static size_t nblocks;
static bool may_fail; /* system calls fail now */

static void *
checked(void *start)
{
  MUST(start != NULL || (may_fail && errno == ENOMEM));
  return start;
}

static void
enter(void *start, size_t size)
{
  struct block *block = &blocks[nblocks++];

  MUST(nblocks <= MOST);
  block->start = checked(start);
  block->size = size;
  if (start != NULL)
    model_mark(start, size, nblocks);
}

static void
expect_contents(void)
{
  size_t i;

  for (i = 0; i < nblocks; i++)
    MUST(blocks[i].start == NULL ||
         model_is_marked(blocks[i].start, blocks[i].size, blocks[i].size,
                         i + 1));
}

static void
resize(size_t i, size_t size)
{
  struct block *block = &blocks[i];
  unsigned char *start;

  if (block->start == NULL)
    return;
  start = checked(tcm_realloc(block->start, size));
  if (start == NULL)
    return;
  MUST(model_is_marked(start, block->size,
                       size < block->size ? size : block->size, i + 1));
  block->start = start;
  block->size = size;
  model_mark(start, size, i + 1);
}

static void
release_some(size_t step)
{
  size_t i;

  for (i = 0; i < nblocks; i += step) {
    tcm_free(blocks[i].start);
    blocks[i].start = NULL;
  }
}

static void
allocate_all_kinds(void)
{
  static const size_t sizes[] = {1, 100, 1000, 5000, 20000, 200 * KIB};
  size_t i, j;
  void *zero;

  for (j = 0; j < 2; j++)
    for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
      enter(tcm_malloc(sizes[i]), sizes[i]);
      zero = tcm_calloc(3, sizes[i]);
      MUST(zero == NULL || memory_is_zero(zero, 3 * sizes[i]));
      enter(zero, 3 * sizes[i]);
      enter(tcm_memalign(16 * KIB, sizes[i]), sizes[i]);
    }
}

/* Grows blocks that must move, since another block follows each. */
static void
grow(void)
{
  size_t first = nblocks, i;

  for (i = 0; i < 4; i++)
    enter(tcm_malloc(2 * MIB), 2 * MIB);
  for (i = 0; i < 4; i++)
    resize(first + i, 5 * MIB + i * KIB);
  resize(first, 50 * KIB);
  resize(first + 1, 100);
  resize(first + 2, 90 * MIB);
}

static void *
use_in_thread(void *unused)
{
  void *batch[60];
  size_t n = tcm_malloc_batch(700, batch, 60);

  MUST(n == 60 || may_fail);
  tcm_free_batch(batch, n);
  return unused;
}

static void
use_threads(void)
{
  pthread_t thread;
  int i;

  for (i = 0; i < 3; i++) {
    MUST(pthread_create(&thread, NULL, use_in_thread, NULL) == 0);
    MUST(pthread_join(thread, NULL) == 0);
  }
}

/* A block with its own arena, which is released with the block. */
static void
use_gigabytes(void)
{
  unsigned char *block = checked(tcm_calloc(1, 3 * GIB));

  if (block == NULL)
    return;
  block[0] = block[3 * GIB - 1] = 1;
  tcm_free(block);
}

static void
work(void)
{
  nblocks = 0;
  allocate_all_kinds();
  expect_contents();
  release_some(3);
  use_threads();
  grow();
  expect_contents();
  (void)tcm_release_free_memory();
  expect_contents();
  use_gigabytes();
  release_some(2);
  tcm_thread_idle();
  allocate_all_kinds();
  expect_contents();
  release_some(1);
  (void)tcm_release_free_memory();
}

static void
expect_nothing_out(void)
{
  struct tcm_stats stats;

  tcmi_heap_check();
  MUST(tcm_stats(&stats, sizeof stats) == 0);
  MUST(stats.in_use_bytes == 0 && stats.large_count == 0);
}

static void
run_in_child(unsigned mask, unsigned nth, unsigned count)
{
  unsigned failed;

  model.action = "with failures";
  alarm(600);
  /* A third of the blocks are sampled and guarded. */
  REQUIRE(setenv("TCM_PROFILE_BYTES", "32768", 1) == 0);
  REQUIRE(setenv("TCM_GUARD_SAMPLES", "1", 1) == 0);
  REQUIRE(setenv("TCM_GUARD_SLOTS", "8", 1) == 0);
  may_fail = true;
  (void)tcmi_system_fail(mask, nth, count);
  work();
  failed = model_disarm_faults();
  may_fail = false;
  expect_nothing_out();
  model.action = "without failures, after some";
  work();
  expect_nothing_out();
  MUST(tcm_release_free_memory() == 0);
  _exit(failed > 0 ? HIT : NOT_HIT);
}

/* Whether there was an nth call to fail.  If the child ends in any other way,
 * the test fails. */
static bool
was_hit(unsigned mask, unsigned nth, unsigned count)
{
  pid_t child = child_fork();
  int status;

  if (child == 0) {
    model.seed = mask;
    model.step = nth;
    run_in_child(mask, nth, count);
  }
  REQUIRE(waitpid(child, &status, 0) == child);
  EXPECT_FOR(WIFEXITED(status) &&
                 (WEXITSTATUS(status) == HIT || WEXITSTATUS(status) == NOT_HIT),
             "mask %#x, call %u and %u more: %#x", mask, nth, count - 1,
             (unsigned)status);
  return WIFEXITED(status) && WEXITSTATUS(status) == HIT;
}

static void
fail_each(const char *name, unsigned mask, unsigned count)
{
  unsigned n = 1, hits = 0;

  while (harness.failures < 5 && was_hit(mask, n, count)) {
    n += STEP;
    hits++;
  }
  harness_say("  %s: %u calls failed%s", name, hits,
              count > 1 ? ", each with all after it" : "");
  EXPECT_FOR(hits > 0, "%s", name);
}

static void
fail_each_kind(unsigned count)
{
  static const char *const names[SYSTEM_NCALLS] = {
      "reserve", "map",  "commit", "discard",
      "release", "move", "advise", "wall",
  };
  unsigned kind;

  for (kind = 0; kind < SYSTEM_NCALLS; kind++)
    fail_each(names[kind], 1u << kind, count);
  fail_each("any", ~0u, count);
}

static void
one_call_fails(void)
{
  fail_each_kind(1);
}

static void
all_fail_from_one_on(void)
{
  fail_each_kind(~0u);
}

static const struct harness_case cases[] = {
    {"one_call_fails", one_call_fails},
    {"all_fail_from_one_on", all_fail_from_one_on},
};

MODEL_MAIN(cases)
