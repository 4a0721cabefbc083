/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include "base/params.h"
#include "cache/central_list.h"
#include "cache/thread_cache.h"
#include "cache/transfer_cache.h"
#include "front/allocate.h"
#include "front/heap_check.h"
#include "heap/page_heap.h"
#include "process/release.h"

#define MIB ((size_t)1 << 20)
#define MOST 50000

static unsigned char *blocks[MOST];

static void
fill(size_t count, size_t size)
{
  size_t i;

  for (i = 0; i < count; i++) {
    blocks[i] = tcmi_allocate(size);
    must(blocks[i] != NULL);
    memory_fill(blocks[i], size, i);
  }
}

static void
free_all(size_t count)
{
  size_t i;

  for (i = 0; i < count; i++) {
    tcmi_free(blocks[i]);
    blocks[i] = NULL;
  }
}

static struct tcm_stats
stats_now(void)
{
  struct tcm_stats stats;

  ck_assert_int_eq(tcm_stats(&stats, sizeof stats), 0);
  return stats;
}

/* No tier has memory left to return. */
static void
expect_all_returned(void)
{
  struct tcm_stats stats = stats_now();

  tcmi_heap_check();
  ck_assert_uint_eq(stats.thread_cache_bytes, 0);
  ck_assert_uint_eq(stats.transfer_cache_bytes, 0);
  ck_assert_uint_eq(stats.page_heap_bytes, 0);
  ck_assert_uint_eq(tcmi_release_all(), 0);
}

START_TEST(release_before_anything)
{
  ck_assert_uint_eq(tcmi_release_all(), 0);
  ck_assert(!tcmi_flush_all());
  tcmi_flush_if_grown();
  tcmi_heap_check();
}
END_TEST

START_TEST(release_of_all)
{
  size_t used;

  fill(MOST, 400);
  used = tcmi_page_heap_used_bytes();
  free_all(MOST);
  ck_assert_uint_ge(tcmi_release_all(), 20 * MIB);
  ck_assert_uint_gt(used, 20 * MIB);
  ck_assert_uint_eq(tcmi_page_heap_used_bytes(), 0);
  expect_all_returned();
  ck_assert_uint_eq(stats_now().in_use_bytes, 0);
}
END_TEST

START_TEST(release_around_blocks_in_use)
{
  size_t i;

  fill(MOST, 400);
  for (i = 0; i < MOST; i++)
    if (i % 50 != 0) {
      tcmi_free(blocks[i]);
      blocks[i] = NULL;
    }
  /* One page in five holds a block that stays. */
  ck_assert_uint_ge(tcmi_release_all(), 14 * MIB);
  for (i = 0; i < MOST; i += 50)
    must(memory_holds(blocks[i], 400, i));
  expect_all_returned();
  fill(MOST, 400);
  tcmi_heap_check();
}
END_TEST

START_TEST(held_large_block_goes_too)
{
  void *block = tcmi_allocate(3 * MIB);

  memset(block, 1, 3 * MIB);
  tcmi_free(block);
  ck_assert_uint_ge(tcmi_release_all(), 3 * MIB);
  expect_all_returned();
}
END_TEST

static void *
use_and_end(void *unused)
{
  (void)unused;
  fill(5000, 200);
  free_all(5000);
  return NULL;
}

START_TEST(orphans_go_too)
{
  pthread_t thread;

  unit_thread(&thread, use_and_end, NULL);
  unit_join(thread);
  ck_assert_uint_gt(stats_now().thread_cache_bytes, 0);
  ck_assert_uint_gt(tcmi_release_all(), 0);
  ck_assert_uint_eq(stats_now().thread_cache_count, 0);
  expect_all_returned();
}
END_TEST

START_TEST(flush_completes_spans)
{
  unsigned c;

  fill(3000, 100);
  free_all(3000);
  ck_assert(tcmi_flush_all());
  for (c = 1; c < SIZE_CLASS_COUNT; c++) {
    ck_assert_uint_eq(tcmi_transfer_caches[c].count, 0);
    ck_assert_uint_eq(tcmi_central_lists[c].spans, 0);
  }
  ck_assert_uint_eq(tcmi_page_heap_used_bytes(), 0);
  tcmi_heap_check();
}
END_TEST

/* A program that frees its blocks and moves on to another size stays near its
 * peak: cached objects are flushed before the heap grows. */
START_TEST(phases_of_other_sizes_share_memory)
{
  static const size_t sizes[] = {48, 200, 700, 1500, 3000, 80};
  size_t i, peak = 0, used;

  for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    size_t count = 8 * MIB / sizes[i] < MOST ? 8 * MIB / sizes[i] : MOST;
    fill(count, sizes[i]);
    used = tcmi_page_heap_used_bytes();
    peak = used > peak ? used : peak;
    free_all(count);
  }
  ck_assert_uint_le(peak, 10 * MIB);
}
END_TEST

START_TEST(refused_return_is_no_loss)
{
  fill(MOST, 400);
  free_all(MOST);
  unit_fail_all(1u << SYSTEM_DISCARD);
  ck_assert_uint_eq(tcmi_release_all(), 0);
  ck_assert_uint_gt(unit_fail_none(), 0);
  tcmi_heap_check();
  fill(MOST, 400);
  free_all(MOST);
  ck_assert_uint_ge(tcmi_release_all(), 20 * MIB);
  expect_all_returned();
}
END_TEST

/* Only the nth return fails, and the counts are right. */
START_TEST(each_refused_return)
{
  unsigned n, failed;
  size_t i;

  for (n = 1;; n += n < 20 ? 1 : 57) {
    fill(3000, 400);
    for (i = 0; i < 3000; i++)
      if (i % 37 != 0) {
        tcmi_free(blocks[i]);
        blocks[i] = NULL;
      }
    (void)tcmi_system_fail(1u << SYSTEM_DISCARD, n, 1);
    (void)tcmi_release_all();
    failed = unit_fail_none();
    tcmi_heap_check();
    for (i = 0; i < 3000; i += 37)
      must(memory_holds(blocks[i], 400, i));
    free_all(3000);
    if (failed == 0)
      break;
  }
  ck_assert_uint_gt(n, 10);
}
END_TEST

static int stop; /* [atomic: relaxed] */

static void *
churn(void *seed)
{
  uint64_t state = (uint64_t)(uintptr_t)seed;
  unsigned char *own[300] = {NULL};
  size_t sizes[300], i;
  int step;

  for (step = 0; step < 40000; step++) {
    i = unit_below(&state, 300);
    if (own[i] != NULL)
      must(memory_holds(own[i], sizes[i], i));
    tcmi_free(own[i]);
    sizes[i] = unit_below(&state, step % 500 ? 2000 : 200000);
    own[i] = tcmi_allocate(sizes[i]);
    must(own[i] != NULL);
    memory_fill(own[i], sizes[i], i);
  }
  for (i = 0; i < 300; i++)
    tcmi_free(own[i]);
  return NULL;
}

static void *
release_all_the_time(void *unused)
{
  (void)unused;
  while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
    (void)tcmi_release_all();
    sched_yield();
  }
  return NULL;
}

START_TEST(release_while_others_work)
{
  pthread_t threads[3], releaser;
  uintptr_t i;

  unit_thread(&releaser, release_all_the_time, NULL);
  for (i = 0; i < 3; i++)
    unit_thread(&threads[i], churn, (void *)(i + 1));
  for (i = 0; i < 3; i++)
    unit_join(threads[i]);
  __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
  unit_join(releaser);
  (void)tcmi_release_all();
  expect_all_returned();
  ck_assert_uint_eq(tcmi_page_heap_used_bytes(), 0);
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("release");

  tcase_add_test(tests, release_before_anything);
  tcase_add_test(tests, release_of_all);
  tcase_add_test(tests, release_around_blocks_in_use);
  tcase_add_test(tests, held_large_block_goes_too);
  tcase_add_test(tests, orphans_go_too);
  tcase_add_test(tests, flush_completes_spans);
  tcase_add_test(tests, phases_of_other_sizes_share_memory);
  tcase_add_test(tests, refused_return_is_no_loss);
  tcase_add_test(tests, each_refused_return);
  tcase_add_test(tests, release_while_others_work);
  return unit_run(tests);
}
