/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/options.h"
#include "base/params.h"
#include "cache/central_list.h"
#include "cache/thread_cache.h"
#include "front/allocate.h"
#include "front/heap_check.h"
#include "heap/huge_advice.h"
#include "heap/page_heap.h"
#include "process/background.h"
#include "process/collapse.h"
#include "process/lifecycle.h"
#include "process/release.h"
#include "process/rounds.h"

#define MIB ((size_t)1 << 20)
#define LARGE 64
#define SMALL 20000

static unsigned char *blocks[SMALL];

/* The tests run each round themselves; the background thread would
 * interfere. */
static void
begin(void)
{
  tcmi_process_start();
  ck_assert_int_eq(tcmi_option_change(OPTION_background, 0, SOURCE_API), 0);
  /* The free itself would return the memory of closed blocks. */
  ck_assert_int_eq(tcmi_option_change(OPTION_close_freed, 0, SOURCE_API), 0);
  /* Calls run no rounds either, however long the test takes. */
  tcmi_background_set_threshold(SIZE_MAX);
  (void)tcmi_rounds_run();
}

static void
fill(size_t size, size_t count)
{
  size_t i;

  for (i = 0; i < count; i++) {
    blocks[i] = tcmi_allocate(size);
    must(blocks[i] != NULL);
    memory_fill(blocks[i], size, i);
  }
}

/* Frees all blocks except every @nth; all if @nth is 0. */
static void
empty(size_t size, size_t count, size_t nth)
{
  size_t i;

  for (i = 0; i < count; i++) {
    must(memory_holds(blocks[i], size, i));
    if (nth == 0 || i % nth != 0)
      tcmi_free(blocks[i]);
  }
}

START_TEST(pages_that_stayed_idle_go)
{
  size_t bytes;

  begin();
  fill(MIB, LARGE);
  empty(MIB, LARGE, 0);
  tcmi_thread_cache_flush(tcmi_thread_cache);
  /* The pages were in use during the period that ends here. */
  ck_assert_uint_eq(tcmi_rounds_run(), 0);
  bytes = tcmi_rounds_run();
  ck_assert_uint_ge(bytes, LARGE * MIB);
  ck_assert_uint_lt(bytes, LARGE * MIB + MIB);
  ck_assert_uint_eq(tcmi_rounds_run(), 0);
  tcmi_heap_check();
}
END_TEST

START_TEST(pages_that_are_needed_again_stay)
{
  size_t bytes;
  int i;

  begin();
  for (i = 0; i < 5; i++) {
    fill(MIB, LARGE);
    empty(MIB, LARGE, 0);
    must(tcmi_rounds_run() < MIB);
  }
  /* Only half of the pages are needed: the other half is returned. */
  for (i = 0; i < 3; i++) {
    fill(MIB, LARGE / 2);
    empty(MIB, LARGE / 2, 0);
    bytes = tcmi_rounds_run();
    must_for(i == 0 ? bytes >= (LARGE / 2 - 2) * MIB &&
                          bytes <= (LARGE / 2 + 2) * MIB
                    : bytes <= 2 * MIB,
             "%d: %zu", i, bytes);
  }
  tcmi_heap_check();
}
END_TEST

/* A file that reports memory pressure. */
static int
pressure_file(void)
{
  char path[] = "/tmp/tcm-pressure-XXXXXX";
  static const char text[] =
      "some avg10=90.00 avg60=0.00 avg300=0.00 total=0\n";
  int file = mkstemp(path);

  must(file >= 0 && write(file, text, sizeof text - 1) == sizeof text - 1);
  must(unlink(path) == 0);
  return file;
}

/* Under pressure all idle memory is returned, a piece by each call. */
START_TEST(pressure_returns_all_in_pieces)
{
  int file = pressure_file();
  size_t released, pieces = 1;

  begin();
  ck_assert_int_eq(tcmi_option_change(OPTION_pressure, 50, SOURCE_API), 0);
  fill(MIB, LARGE);
  empty(MIB, LARGE, 0);
  tcmi_thread_cache_flush(tcmi_thread_cache);
  released = tcmi_page_heap_released_bytes();
  ck_assert(tcmi_rounds_piece(ROUND_PIECE_PAGES, file));
  ck_assert_uint_le(tcmi_page_heap_released_bytes() - released,
                    ((size_t)ROUND_PIECE_PAGES << PAGE_SHIFT) + MIB);
  while (tcmi_rounds_piece(ROUND_PIECE_PAGES, file))
    pieces++;
  ck_assert_uint_ge(pieces, 7);
  ck_assert_uint_ge(tcmi_page_heap_released_bytes() - released, LARGE * MIB);
  ck_assert_uint_le(tcmi_rounds_wait(), ROUND_PERIOD_MIN_MS);
  ck_assert_int_eq(close(file), 0);
}
END_TEST

/* Returns @count MiB to the OS, then uses as much again.  The result is the
 * time to the next round in milliseconds. */
static unsigned
wait_after_return_of(size_t count)
{
  fill(MIB, count);
  empty(MIB, count, 0);
  tcmi_thread_cache_flush(tcmi_thread_cache);
  (void)tcmi_rounds_run();
  must(tcmi_rounds_run() >= count * MIB);
  fill(MIB, count);
  empty(MIB, count, 0);
  (void)tcmi_rounds_run();
  return tcmi_rounds_wait();
}

/* If little returned memory is needed again, the period stays at or below half
 * of its maximum. */
START_TEST(the_period_follows_the_load)
{
  unsigned wait, i;

  begin();
  for (i = 0; i < 3; i++) {
    wait = wait_after_return_of(8);
    must_for(wait > ROUND_PERIOD_MIN_MS && wait <= ROUND_PERIOD_MAX_MS / 2,
             "%u ms", wait);
  }
  wait = wait_after_return_of(LARGE);
  must_for(wait > ROUND_PERIOD_MAX_MS / 2, "%u ms", wait);
}
END_TEST

/* Each span keeps some blocks, so no span becomes free, but three of four pages
 * do. */
START_TEST(single_pages_go)
{
  const size_t size = 2048, pages = SMALL * size / PAGE_SIZE;
  size_t bytes, counted = 0, i;
  unsigned c;

  begin();
  fill(size, SMALL);
  empty(size, SMALL, 8);
  tcmi_thread_cache_flush(tcmi_thread_cache);
  (void)tcmi_rounds_run();
  for (c = 1; c < SIZE_CLASS_COUNT; c++)
    counted += tcmi_central_returnable(c);
  ck_assert_uint_ge(counted, pages * 3 / 4 * PAGE_SIZE - MIB);
  bytes = tcmi_rounds_run();
  must_for(bytes > counted - MIB && bytes < counted + MIB, "%zu, %zu estimated",
           bytes, counted);
  for (c = 1; c < SIZE_CLASS_COUNT; c++)
    ck_assert_uint_eq(tcmi_central_returnable(c), 0);
  for (i = 0; i < SMALL; i += 8)
    must(memory_holds(blocks[i], size, i));
  tcmi_heap_check();
}
END_TEST

START_TEST(objects_that_are_needed_again_stay)
{
  const size_t size = 2048;
  size_t i;
  int turn;

  begin();
  fill(size, SMALL);
  empty(size, SMALL, 8);
  for (turn = 0; turn < 5; turn++) {
    for (i = 0; i < SMALL; i++)
      if (i % 8 != 0) {
        blocks[i] = tcmi_allocate(size);
        must(blocks[i] != NULL);
        memory_fill(blocks[i], size, i);
      }
    empty(size, SMALL, 8);
    must(tcmi_rounds_run() < MIB);
  }
  tcmi_heap_check();
}
END_TEST

START_TEST(a_refused_return_is_no_loss)
{
  begin();
  fill(MIB, LARGE);
  empty(MIB, LARGE, 0);
  tcmi_thread_cache_flush(tcmi_thread_cache);
  (void)tcmi_rounds_run();
  (void)tcmi_system_fail(1u << SYSTEM_DISCARD, 1, 1000000);
  ck_assert_uint_eq(tcmi_rounds_run(), 0);
  ck_assert_uint_gt(unit_fail_none(), 0);
  ck_assert_uint_ge(tcmi_rounds_run(), (LARGE - 2) * MIB);
  tcmi_heap_check();
}
END_TEST

/* A thread that only frees caches no large block; one that also allocates
 * does. */
START_TEST(who_only_frees_holds_no_large_block)
{
  struct thread_cache_stats stats;
  int i;

  begin();
  fill(MIB, LARGE);
  empty(MIB, LARGE, 0);
  tcmi_thread_cache_stats(&stats);
  ck_assert_uint_eq(stats.large_bytes, 0);
  /* While there is nothing to return, no call is diverted. */
  (void)tcmi_release_all();
  for (i = 0; i < 3; i++)
    tcmi_free(tcmi_allocate(MIB));
  tcmi_thread_cache_stats(&stats);
  ck_assert_uint_eq(stats.large_bytes, MIB);
}
END_TEST

static uint64_t
slow_frees(void)
{
  struct thread_cache_stats stats;

  tcmi_thread_cache_stats(&stats);
  return stats.traffic.slow_frees;
}

static uint64_t
slow_frees_of_pairs(size_t n)
{
  uint64_t before = slow_frees();
  size_t i;

  for (i = 0; i < n; i++)
    tcmi_free(tcmi_allocate(100));
  return slow_frees() - before;
}

/* Without the thread, every free takes the slow path until all memory is
 * returned; frees before and after that do not. */
START_TEST(frees_are_slow_only_meanwhile)
{
  int i;

  begin();
  (void)slow_frees_of_pairs(100);
  ck_assert_uint_eq(slow_frees_of_pairs(1000), 0);
  tcmi_background_set_threshold(8 * MIB);
  for (i = 0; i < 2; i++) {
    fill(MIB, LARGE);
    empty(MIB, LARGE, 0);
    ck_assert_uint_eq(slow_frees_of_pairs(1000), 1000);
    /* A malloc of another size refills its bin, but frees stay slow. */
    tcmi_free(tcmi_allocate(3000));
    ck_assert_uint_eq(slow_frees_of_pairs(1000), 1000);
    (void)tcmi_release_all();
    /* A thread that calls often does not see at once that all is returned. */
    (void)slow_frees_of_pairs(BACKGROUND_EVERY + 1);
    ck_assert_uint_eq(slow_frees_of_pairs(1000), 0);
  }
}
END_TEST

/* Due only after enough page faults, and where the setting is not "never". */
START_TEST(collapse_heeds_the_setting)
{
  static const char *const settings[] = {"always [madvise] never\n",
                                         "always madvise [never]\n",
                                         "[always] madvise never\n", ""};
  char path[] = "/tmp/tcm-test-setting-XXXXXX";
  int fd = mkstemp(path);

  ck_assert_int_ge(fd, 0);
  tcmi_huge_broken = COLLAPSE_BROKEN_MIN;
  for (unsigned i = 0; i < 4; i++) {
    ssize_t length = (ssize_t)strlen(settings[i]);
    ck_assert_int_eq(ftruncate(fd, 0), 0);
    ck_assert_int_eq(pwrite(fd, settings[i], (size_t)length, 0), length);
    tcmi_collapse_read_setting(path);
    tcmi_page_counts.faulted = 0;
    ck_assert(!tcmi_collapse_is_due());
    tcmi_page_counts.faulted = (size_t)COLLAPSE_BROKEN_MIN * COLLAPSE_FAULTS;
    ck_assert_int_eq(tcmi_collapse_is_due(), i % 2 == 0);
  }
  close(fd);
  unlink(path);
  tcmi_collapse_read_setting(path);
  ck_assert(!tcmi_collapse_is_due());
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("background");

  tcase_add_test(tests, pages_that_stayed_idle_go);
  tcase_add_test(tests, pages_that_are_needed_again_stay);
  tcase_add_test(tests, pressure_returns_all_in_pieces);
  tcase_add_test(tests, the_period_follows_the_load);
  tcase_add_test(tests, single_pages_go);
  tcase_add_test(tests, objects_that_are_needed_again_stay);
  tcase_add_test(tests, a_refused_return_is_no_loss);
  tcase_add_test(tests, who_only_frees_holds_no_large_block);
  tcase_add_test(tests, frees_are_slow_only_meanwhile);
  tcase_add_test(tests, collapse_heeds_the_setting);
  return unit_run(tests);
}
