/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <signal.h>

#include "base/lock.h"
#include "base/metadata.h"
#include "cache/central_list.h"
#include "cache/thread_cache.h"
#include "cache/transfer_cache.h"
#include "front/allocate.h"
#include "front/heap_check.h"
#include "heap/page_heap.h"
#include "observe/stats.h"
#include "process/cgroup_policy.h"
#include "process/fork.h"
#include "process/lifecycle.h"
#include "profile/guard_records.h"
#include "profile/guarded.h"

/* A child cannot report through Check; it exits with a status that depends on
 * the line. */
#define child_must(condition)    \
  do {                           \
    if (!(condition))            \
      _exit(1 + __LINE__ % 200); \
  } while (0)

static void
use(void)
{
  void *blocks[60];
  int i;

  for (i = 0; i < 60; i++) {
    size_t size = (size_t)i * (size_t)i * 20;
    blocks[i] = tcmi_allocate(size);
    child_must(blocks[i] != NULL);
    memset(blocks[i], i, size);
  }
  for (i = 0; i < 60; i++)
    tcmi_free(blocks[i]);
}

static void
expect_child(pid_t child)
{
  int status;

  ck_assert_int_gt(child, 0);
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert_msg(status == 0, "a child ended with %#x", (unsigned)status);
}

static void
expect_free(const struct lock *lock)
{
  child_must(lock->word == 0);
}

/* These locks of the heap are free, and no fork is in progress. */
static void
expect_all_free(void)
{
  unsigned c;

  expect_free(&tcmi_init_lock);
  expect_free(&tcmi_trim_lock);
  expect_free(&tcmi_registry_lock);
  expect_free(&tcmi_guard_lock);
  expect_free(&tcmi_profile_lock);
  expect_free(&tcmi_page_heap_lock);
  expect_free(&tcmi_metadata_lock);
  for (c = 1; c < SIZE_CLASS_COUNT; c++) {
    expect_free(&tcmi_transfer_caches[c].lock);
    expect_free(&tcmi_central_lists[c].lock);
  }
  child_must(tcmi_lock_forking == 0);
}

START_TEST(child_of_a_single_thread)
{
  pid_t child;

  use();
  child = fork();
  if (child == 0) {
    expect_all_free();
    use();
    child_must(tcmi_lock_self == tcmi_system_thread_id());
    tcmi_heap_check();
    _exit(0);
  }
  expect_child(child);
  expect_all_free();
  ck_assert_uint_eq(tcmi_stats_page.forks, 1);
  use();
  tcmi_heap_check();
}
END_TEST

START_TEST(blocks_are_copied)
{
  unsigned char *block;
  pid_t child;

  block = tcmi_allocate(100000);
  memory_fill(block, 100000, 1);
  child = fork();
  if (child == 0) {
    child_must(memory_holds(block, 100000, 1));
    block = tcm_realloc(block, 200000);
    child_must(block != NULL && memory_holds(block, 100000, 1));
    memset(block, 0, 200000);
    tcmi_free(block);
    _exit(0);
  }
  expect_child(child);
  ck_assert(memory_holds(block, 100000, 1));
  tcmi_free(block);
}
END_TEST

static int stop; /* [atomic: relaxed] */

static void *
churn(void *seed)
{
  uint64_t state = (uint64_t)(uintptr_t)seed;
  void *own[100] = {NULL};
  int i;

  while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
    size_t slot = unit_below(&state, 100);
    tcmi_free(own[slot]);
    own[slot] = tcmi_allocate(unit_below(&state, slot ? 3000 : 300000));
    must(own[slot] != NULL);
    if (slot == 50)
      (void)tcm_release_free_memory();
  }
  for (i = 0; i < 100; i++)
    tcmi_free(own[i]);
  return NULL;
}

/* Each child finds a consistent heap, whatever the other threads were doing. */
START_TEST(fork_among_threads)
{
  pthread_t threads[4];
  uintptr_t i;
  int round;

  use();
  for (i = 0; i < 4; i++)
    unit_thread(&threads[i], churn, (void *)(i + 1));
  for (round = 0; round < 60; round++) {
    pid_t child = fork();
    if (child == 0) {
      alarm(60);
      expect_all_free();
      use();
      tcmi_heap_check();
      _exit(0);
    }
    expect_child(child);
  }
  __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
  for (i = 0; i < 4; i++)
    unit_join(threads[i]);
  ck_assert_uint_eq(tcmi_stats_page.forks, 60);
  tcmi_heap_check();
}
END_TEST

static void *
use_in_thread(void *unused)
{
  use();
  return unused;
}

START_TEST(child_starts_threads_and_forks_again)
{
  pthread_t thread;
  pid_t child, grandchild;
  int status;

  use();
  child = fork();
  if (child == 0) {
    child_must(pthread_create(&thread, NULL, use_in_thread, NULL) == 0);
    child_must(pthread_join(thread, NULL) == 0);
    grandchild = fork();
    if (grandchild == 0) {
      use();
      expect_all_free();
      _exit(0);
    }
    child_must(waitpid(grandchild, &status, 0) == grandchild && status == 0);
    use();
    tcmi_heap_check();
    _exit(0);
  }
  expect_child(child);
}
END_TEST

/* F2: as if a signal handler that interrupted the heap's code forked.  In both
 * processes, the interrupted code still holds its locks and releases them. */
static void
fork_holding(struct lock *outer, struct lock *inner)
{
  pid_t child;

  lock_acquire(outer);
  if (inner != NULL)
    lock_acquire(inner);
  child = fork();
  if (inner != NULL) {
    child_must(tcmi_lock_is_held(inner));
    lock_release(inner);
  }
  child_must(tcmi_lock_is_held(outer));
  lock_release(outer);
  if (child == 0) {
    expect_all_free();
    use();
    tcmi_heap_check();
    _exit(0);
  }
  expect_child(child);
  expect_all_free();
  use();
}

START_TEST(fork_with_a_lock_held)
{
  use();
  fork_holding(&tcmi_central_lists[5].lock, NULL);
  fork_holding(&tcmi_page_heap_lock, &tcmi_metadata_lock);
  fork_holding(&tcmi_transfer_caches[SIZE_CLASS_COUNT - 1].lock, NULL);
  fork_holding(&tcmi_registry_lock, &tcmi_metadata_lock);
}
END_TEST

static void
allocate_in_handler(void)
{
  /* Another library's handlers may do this while tcm holds all locks. */
  use();
}

/* Handlers registered before tcm's run while tcm holds every lock. */
START_TEST(handlers_may_allocate)
{
  pid_t child;

  ck_assert_int_eq(pthread_atfork(allocate_in_handler, allocate_in_handler,
                                  allocate_in_handler),
                   0);
  use();
  ck_assert_int_eq(pthread_atfork(allocate_in_handler, allocate_in_handler,
                                  allocate_in_handler),
                   0);
  child = fork();
  if (child == 0) {
    expect_all_free();
    use();
    _exit(0);
  }
  expect_child(child);
  expect_all_free();
  tcmi_heap_check();
}
END_TEST

/* The child abandons the caches of the other threads but keeps their counts, so
 * its statistics still add up. */
START_TEST(books_of_the_child)
{
  pthread_t threads[3];
  uintptr_t i;
  pid_t child;

  use();
  for (i = 0; i < 3; i++)
    unit_thread(&threads[i], churn, (void *)(i + 1));
  usleep(20000);
  child = fork();
  if (child == 0) {
    struct tcm_stats stats;
    child_must(tcm_stats(&stats, sizeof stats) == 0);
    child_must(stats.in_use_bytes + stats.thread_cache_bytes +
                   stats.transfer_cache_bytes + stats.central_list_bytes +
                   stats.page_heap_bytes + stats.returned_bytes +
                   stats.metadata_bytes ==
               stats.mapped_bytes);
    child_must(stats.in_use_bytes >= stats.large_bytes);
    _exit(0);
  }
  expect_child(child);
  __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
  for (i = 0; i < 3; i++)
    unit_join(threads[i]);
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("fork");

  tcase_add_test(tests, child_of_a_single_thread);
  tcase_add_test(tests, blocks_are_copied);
  tcase_add_test(tests, fork_among_threads);
  tcase_add_test(tests, child_starts_threads_and_forks_again);
  tcase_add_test(tests, fork_with_a_lock_held);
  tcase_add_test(tests, handlers_may_allocate);
  tcase_add_test(tests, books_of_the_child);
  return unit_run(tests);
}
