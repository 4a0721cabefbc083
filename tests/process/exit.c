/* SPDX-License-Identifier: BSD-2-Clause */
/* Allocation while the process exits: in atexit handlers, in destructors, in
 * threads that still run.  Children try each way to exit. */
#include "../support/child.h"
#include "../support/churn.h"

static void *early_block; /* made in main, freed by a destructor */

static void
use_heap(void)
{
  struct churn_slot slots[50];
  uint64_t state = harness.seed;
  int turn;

  memset(slots, 0, sizeof slots);
  for (turn = 0; turn < 300; turn++)
    churn_step(slots, 50, &state);
  churn_clear(slots, 50);
}

/* Runs when any process of this test exits. */
static __attribute__((destructor)) void
allocate_in_destructor(void)
{
  use_heap();
  if (early_block != NULL && !memory_holds(early_block, 5000, 3))
    _exit(HARNESS_FAIL);
  free(early_block);
  if (harness.failures != 0)
    _exit(HARNESS_FAIL);
}

static void
allocate_at_exit(void)
{
  use_heap();
  free(malloc(1 << 20));
}

static void
prepare(void)
{
  early_block = malloc(5000);
  REQUIRE(early_block != NULL);
  memory_fill(early_block, 5000, 3);
  REQUIRE(atexit(allocate_at_exit) == 0);
}

static void
many_children(void (*end)(void))
{
  long i;

  for (i = 0; i < harness_count(60, 1000); i++) {
    pid_t child = child_fork();
    if (child == 0) {
      prepare();
      end();
      _exit(HARNESS_ERROR);
    }
    EXPECT(child_succeeded(child));
  }
}

static void
end_by_exit(void)
{
  exit(0);
}

static void
handlers_and_destructors(void)
{
  many_children(end_by_exit);
}

static void
end_while_threads_run(void)
{
  churn_begin();
  usleep(500);
  exit(0);
}

static void
threads_still_run(void)
{
  many_children(end_while_threads_run);
}

/* Together they free faster than the exiting thread can: what it does at exit
 * must not wait until nothing is left.  With TCM_CHECK=3 it once emptied the
 * quarantine, which they filled again, without end. */
enum { FREEING_THREADS = 16 };

static void *
free_all_the_time(void *unused)
{
  (void)unused;
  for (;;)
    free(malloc(harness_size(100)));
  return NULL;
}

static void
end_while_threads_free(void)
{
  pthread_t thread;
  int i;

  for (i = 0; i < FREEING_THREADS; i++)
    REQUIRE(pthread_create(&thread, NULL, free_all_the_time, NULL) == 0);
  usleep(20000);
  exit(0);
}

static void
threads_free_all_the_time(void)
{
  long i;

  for (i = 0; i < harness_count(3, 30); i++) {
    pid_t child = child_fork();
    if (child == 0)
      end_while_threads_free();
    REQUIRE(child_succeeded(child));
  }
}

static void *
exit_in_a_thread(void *unused)
{
  (void)unused;
  use_heap();
  exit(0);
}

static void
end_in_a_thread(void)
{
  pthread_t thread;

  churn_begin();
  pthread_create(&thread, NULL, exit_in_a_thread, NULL);
  for (;;)
    use_heap();
}

static void
exit_from_a_thread(void)
{
  many_children(end_in_a_thread);
}

/* The first thread ends before the others, and its cache is orphaned. */
static void *
exit_later(void *unused)
{
  int i;

  (void)unused;
  for (i = 0; i < 20; i++)
    use_heap();
  exit(0);
}

static void
end_of_the_first_thread(void)
{
  pthread_t thread;

  use_heap();
  pthread_create(&thread, NULL, exit_later, NULL);
  pthread_exit(NULL);
}

static void
first_thread_ends_first(void)
{
  many_children(end_of_the_first_thread);
}

static void
end_quickly(void)
{
  at_quick_exit(allocate_at_exit);
  quick_exit(0);
}

static void
quick(void)
{
  many_children(end_quickly);
}

static const struct harness_case cases[] = {
    {"handlers-and-destructors", handlers_and_destructors},
    {"threads-still-run", threads_still_run},
    {"threads-free-all-the-time", threads_free_all_the_time},
    {"exit-from-a-thread", exit_from_a_thread},
    {"first-thread-ends-first", first_thread_ends_first},
    {"quick", quick},
};

HARNESS_MAIN(cases)
