/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <limits.h>
#include <sys/wait.h>

#include "base/atomics.h"
#include "base/metadata.h"
#include "base/options.h"
#include "cache/thread_cache.h"
#include "cache/thread_cache_fast.h"
#include "front/allocate.h"
#include "front/heap_check.h"
#include "heap/page_heap.h"
#include "observe/stats.h"
#include "process/lifecycle.h"
#include "process/release.h"

static struct thread_cache_stats
caches_now(void)
{
  struct thread_cache_stats stats;

  tcmi_thread_cache_stats(&stats);
  return stats;
}

static void
use(void)
{
  void *blocks[40];
  int i;

  for (i = 0; i < 40; i++) {
    blocks[i] = tcmi_allocate((size_t)i * 50);
    must(blocks[i] != NULL);
    memset(blocks[i], i, (size_t)i * 50);
  }
  for (i = 0; i < 40; i++)
    tcmi_free(blocks[i]);
}

START_TEST(nothing_happens_before_the_first_use)
{
  ck_assert_uint_eq(tcmi_metadata_mapped_bytes(), 0);
  ck_assert_int_eq(tcmi_thread_cache_state, CACHE_NONE);
  ck_assert_uint_eq(tcmi_stats_page.thread_starts, 0);
  tcmi_free(NULL);
  ck_assert_uint_eq(tcmi_good_size(100), 112);
  ck_assert_uint_eq(tcmi_metadata_mapped_bytes(), 0);
}
END_TEST

START_TEST(first_use_opens_a_cache)
{
  use();
  ck_assert_int_eq(tcmi_thread_cache_state, CACHE_OPEN);
  ck_assert_uint_eq(tcmi_stats_page.thread_starts, 1);
  ck_assert_uint_eq(caches_now().caches, 1);
  use();
  ck_assert_uint_eq(tcmi_stats_page.thread_starts, 1);
}
END_TEST

START_TEST(options_are_read_once)
{
  setenv("TCM_THREAD_CACHE_BYTES", "1M", 1);
  tcmi_process_start();
  ck_assert_uint_eq(tcmi_option(OPTION_thread_cache_bytes), 1 << 20);
  ck_assert_int_eq(tcmi_thread_cache_state, CACHE_NONE);
  setenv("TCM_THREAD_CACHE_BYTES", "2M", 1);
  tcmi_process_start();
  use();
  ck_assert_uint_eq(tcmi_option(OPTION_thread_cache_bytes), 1 << 20);
}
END_TEST

START_TEST(page_size_is_set_at_start)
{
  setenv("TCM_PAGE_SIZE", "65536", 1);
  use();
  ck_assert_uint_eq(tcmi_system_page_size(), 65536);
  tcmi_heap_check();
}
END_TEST

static pthread_barrier_t barrier;

static void *
start_together(void *unused)
{
  (void)unused;
  pthread_barrier_wait(&barrier);
  use();
  must(tcmi_thread_cache_state == CACHE_OPEN);
  pthread_barrier_wait(&barrier);
  return NULL;
}

/* Several threads first use the heap at once; one of them starts tcm. */
START_TEST(threads_start_at_once)
{
  pthread_t threads[8];
  int i;

  pthread_barrier_init(&barrier, NULL, 8);
  for (i = 0; i < 8; i++)
    unit_thread(&threads[i], start_together, NULL);
  for (i = 0; i < 8; i++)
    unit_join(threads[i]);
  ck_assert_uint_eq(tcmi_stats_page.thread_starts, 8);
  ck_assert_uint_eq(tcmi_stats_page.thread_ends, 8);
  ck_assert_uint_le(caches_now().caches, 8);
  ck_assert_uint_eq(caches_now().orphans, caches_now().caches);
}
END_TEST

static void *
use_and_end(void *unused)
{
  use();
  return unused;
}

START_TEST(threads_hand_their_caches_on)
{
  pthread_t thread;
  size_t metadata = 0;
  int i;

  use();
  for (i = 0; i < 500; i++) {
    unit_thread(&thread, use_and_end, NULL);
    unit_join(thread);
    if (i == 5)
      metadata = tcmi_metadata_mapped_bytes();
  }
  ck_assert_uint_eq(tcmi_stats_page.thread_ends, 500);
  ck_assert_uint_eq(caches_now().caches, 2);
  ck_assert_uint_eq(caches_now().orphans, 1);
  ck_assert_uint_eq(tcmi_metadata_mapped_bytes(), metadata);
}
END_TEST

/* ---- After the cache was orphaned ---------------------------------------- */

static pthread_key_t late_key;
static int late_runs;  /* [atomic: relaxed] */
static int late_state; /* [atomic: relaxed] cache state in the last round */

/* In the last round, the thread sanitizer ends its own part of the thread. */
#define ROUNDS (TCM_SANITIZED ? 3 : PTHREAD_DESTRUCTOR_ITERATIONS)

/* Asks to run again, as often as libc allows. */
static void
late_destructor(void *block)
{
  tcmi_free(block);
  use();
  atomic_add_relaxed(&late_runs, 1);
  atomic_store_relaxed(&late_state, tcmi_thread_cache_state);
  if (atomic_load_relaxed(&late_runs) < ROUNDS)
    (void)pthread_setspecific(late_key, tcmi_allocate(300));
}

static void *
end_with_destructor(void *unused)
{
  (void)pthread_setspecific(late_key, tcmi_allocate(300));
  return unused;
}

/* Destructors can allocate after the cache was orphaned, and get no new
 * cache. */
START_TEST(destructors_may_allocate)
{
  uint64_t caches;
  pthread_t thread;
  int i;

  use();
  ck_assert_int_eq(pthread_key_create(&late_key, late_destructor), 0);
  for (i = 0; i < 20; i++) {
    atomic_store_relaxed(&late_runs, 0);
    unit_thread(&thread, end_with_destructor, NULL);
    unit_join(thread);
    ck_assert_int_eq(atomic_load_relaxed(&late_runs), ROUNDS);
    ck_assert_int_eq(atomic_load_relaxed(&late_state), CACHE_GONE);
    if (i == 0)
      caches = caches_now().caches;
    ck_assert_uint_eq(caches_now().caches, caches);
  }
  tcmi_heap_check();
}
END_TEST

/* ---- Checks -------------------------------------------------------------- */

START_TEST(checked_threads_have_a_closed_cache)
{
  pthread_t thread;

  setenv("TCM_CHECK", "1", 1);
  use();
  ck_assert_int_eq(tcmi_thread_cache_state, CACHE_CHECKED);
  ck_assert_uint_eq(tcmi_thread_cache->window.npages, 0);
  ck_assert_uint_gt(tcmi_thread_cache->view.npages, 0);
  ck_assert_ptr_null(thread_cache_pop(100));
  unit_thread(&thread, use_and_end, NULL);
  unit_join(thread);
  ck_assert_uint_eq(caches_now().caches, 2);
  ck_assert_uint_eq(caches_now().orphans, 1);
  (void)tcmi_flush_all();
  ck_assert_uint_eq(tcmi_page_heap_used_bytes(), 0);
  tcmi_heap_check();
}
END_TEST

/* ---- Without a cache ----------------------------------------------------- */

START_TEST(threads_with_red_zones_have_none)
{
  pthread_t thread;

  setenv("TCM_CHECK", "2", 1);
  use();
  ck_assert_int_eq(tcmi_thread_cache_state, CACHE_CLOSED);
  unit_thread(&thread, use_and_end, NULL);
  unit_join(thread);
  ck_assert_uint_eq(caches_now().caches, 0);
  ck_assert_uint_eq(tcmi_page_heap_used_bytes(), 0);
}
END_TEST

START_TEST(no_memory_for_a_cache)
{
  unit_fail_all(1u << SYSTEM_MAP);
  ck_assert_ptr_null(tcmi_allocate(100));
  ck_assert_int_eq(tcmi_thread_cache_state, CACHE_NONE);
  ck_assert_uint_gt(unit_fail_none(), 0);
  /* The next use tries again. */
  use();
  ck_assert_int_eq(tcmi_thread_cache_state, CACHE_OPEN);
}
END_TEST

/* With --no-keys, uses up all keys before tcm's constructor runs. */
static void
use_up_keys(int argc, char **argv)
{
  pthread_key_t key;

  if (argc == 2 && strcmp(argv[1], "--no-keys") == 0)
    while (pthread_key_create(&key, NULL) == 0)
      ;
}

__attribute__((section(".preinit_array"),
               used)) static void (*const early)(int, char **) = use_up_keys;

/* Uses no checks of the unit tests, which work only inside a test. */
static int
run_without_keys(void)
{
  pthread_t thread;
  int i;

  if (pthread_key_create(&late_key, NULL) == 0)
    return 10;
  for (i = 0; i < 50; i++)
    if (pthread_create(&thread, NULL, use_and_end, NULL) != 0 ||
        pthread_join(thread, NULL) != 0)
      return 11;
  tcmi_heap_check();
  if (tcmi_stats_page.thread_starts != 0)
    return 12;
  return caches_now().caches <= 1 && caches_now().bytes == 0 ? 0 : 13;
}

/* If a program has used up all keys, tcm cannot detect the end of a thread, and
 * the objects in its cache would be stranded. */
START_TEST(no_key_no_stranded_caches)
{
  pid_t child = fork();
  int status;

  ck_assert_int_ge(child, 0);
  if (child == 0) {
    execl("/proc/self/exe", "test_lifecycle", "--no-keys", (char *)NULL);
    _exit(99);
  }
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert_int_eq(status, 0);
}
END_TEST

int
main(int argc, char **argv)
{
  TCase *tests;

  if (argc == 2 && strcmp(argv[1], "--no-keys") == 0)
    return run_without_keys();
  tests = unit_case("lifecycle");

  tcase_add_test(tests, nothing_happens_before_the_first_use);
  tcase_add_test(tests, first_use_opens_a_cache);
  tcase_add_test(tests, options_are_read_once);
  tcase_add_test(tests, page_size_is_set_at_start);
  tcase_add_test(tests, threads_start_at_once);
  tcase_add_test(tests, threads_hand_their_caches_on);
  tcase_add_test(tests, destructors_may_allocate);
  tcase_add_test(tests, checked_threads_have_a_closed_cache);
  tcase_add_test(tests, threads_with_red_zones_have_none);
  tcase_add_test(tests, no_memory_for_a_cache);
  tcase_add_test(tests, no_key_no_stranded_caches);
  return unit_run(tests);
}
