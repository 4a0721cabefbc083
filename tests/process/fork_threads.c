/* SPDX-License-Identifier: BSD-2-Clause */
/* fork() from a process whose threads allocate all the time.  Every child must
 * be able to use the heap at once, including its parent's blocks. */
#include "../support/child.h"
#include "../support/churn.h"

enum { PARENT_BLOCKS = 300 };
static void *parent_block[PARENT_BLOCKS];
static size_t parent_size[PARENT_BLOCKS];

static void
fill_parent_blocks(void)
{
  uint64_t state = harness.seed;
  size_t i;

  for (i = 0; i < PARENT_BLOCKS; i++) {
    parent_size[i] = churn_size(harness_random(&state));
    parent_block[i] = malloc(parent_size[i]);
    REQUIRE(parent_block[i] != NULL);
    memory_fill(parent_block[i], parent_size[i], i);
  }
}

static void
free_parent_blocks(void)
{
  size_t i;

  for (i = 0; i < PARENT_BLOCKS; i++) {
    EXPECT(memory_holds(parent_block[i], parent_size[i], i));
    free(parent_block[i]);
  }
}

/* What each child does: allocate, free blocks of the parent, allocate. */
static void
use_heap_in_child(uint64_t seed)
{
  struct churn_slot slots[100];
  size_t i;
  int turn;

  memset(slots, 0, sizeof slots);
  for (turn = 0; turn < 200; turn++)
    churn_step(slots, 100, &seed);
  for (i = 0; i < PARENT_BLOCKS; i += 3) {
    CHILD_EXPECT(memory_holds(parent_block[i], parent_size[i], i));
    free(parent_block[i]);
  }
  for (turn = 0; turn < 200; turn++)
    churn_step(slots, 100, &seed);
  churn_clear(slots, 100);
  CHILD_EXPECT(harness.failures == 0);
}

/* Every other child ends with exit(), which runs handlers and destructors. */
static void
storm(void)
{
  long forks = harness_count(500, 10000), i, bad = 0;

  fill_parent_blocks();
  churn_begin();
  for (i = 0; i < forks && bad < 5; i++) {
    pid_t child;
    churn_resume();
    child = child_fork();
    if (child == 0) {
      use_heap_in_child((uint64_t)i);
      if (i % 2 == 0)
        _exit(0);
      exit(0);
    }
    churn_pause();
    bad += !child_succeeded(child);
  }
  EXPECT_FOR(bad == 0, "%ld of %ld children", bad, i);
  churn_end();
  free_parent_blocks();
  harness_say("  %ld forks", i);
}

/* Each child forks again, five levels down. */
static void
fork_down(int level)
{
  pid_t child;

  use_heap_in_child((uint64_t)level);
  fill_parent_blocks();
  if (level == 0)
    return;
  child = child_fork();
  if (child == 0) {
    fork_down(level - 1);
    _exit(0);
  }
  CHILD_EXPECT(child_succeeded(child));
}

static void
nested(void)
{
  long round;

  fill_parent_blocks();
  churn_begin();
  for (round = 0; round < harness_count(20, 200); round++) {
    pid_t child;
    churn_resume();
    child = child_fork();
    if (child == 0) {
      fork_down(5);
      _exit(0);
    }
    churn_pause();
    EXPECT(child_succeeded(child));
  }
  churn_end();
  free_parent_blocks();
}

/* The child starts its own threads, which end in the child. */
static void
child_makes_threads(void)
{
  long round;

  fill_parent_blocks();
  churn_begin();
  for (round = 0; round < harness_count(50, 500); round++) {
    pid_t child;
    churn_resume();
    child = child_fork();
    if (child == 0) {
      churn_rounds = 0;
      churn_begin();
      use_heap_in_child((uint64_t)round);
      while (__atomic_load_n(&churn_rounds, __ATOMIC_RELAXED) < 1000)
        usleep(100);
      churn_end();
      CHILD_EXPECT(harness.failures == 0);
      _exit(0);
    }
    churn_pause();
    EXPECT(child_succeeded(child));
  }
  churn_end();
  free_parent_blocks();
}

/* Several threads fork at once. */
static void *
fork_in_a_thread(void *seed)
{
  long i;

  for (i = 0; i < harness_count(40, 500); i++) {
    pid_t child = child_fork();
    if (child == 0) {
      use_heap_in_child((uint64_t)(uintptr_t)seed);
      _exit(0);
    }
    EXPECT(child_succeeded(child));
  }
  return NULL;
}

static void
threads_fork_at_once(void)
{
  pthread_t thread[3];
  int i;

  fill_parent_blocks();
  churn_begin();
  for (i = 0; i < 3; i++)
    REQUIRE(pthread_create(&thread[i], NULL, fork_in_a_thread,
                           (void *)(uintptr_t)(i + 50)) == 0);
  for (i = 0; i < 3; i++)
    pthread_join(thread[i], NULL);
  churn_end();
  free_parent_blocks();
}

static const struct harness_case cases[] = {
    {"storm", storm},
    {"nested", nested},
    {"child-makes-threads", child_makes_threads},
    {"threads-fork-at-once", threads_fork_at_once},
};

HARNESS_MAIN(cases)
