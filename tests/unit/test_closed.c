/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include "base/options.h"
#include "front/allocate.h"
#include "front/heap_check.h"
#include "heap/closed.h"
#include "heap/page_heap.h"
#include "process/release.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define FITTING (300 * KIB)

/* The first allocation reads the options. */
static void
close_one_in(uint64_t every)
{
  tcmi_free(tcmi_allocate(16));
  ck_assert_int_eq(tcmi_option_change(OPTION_close_freed, every, SOURCE_API),
                   0);
}

static char *
new_block(size_t size)
{
  char *block = tcmi_allocate(size);

  must(block != NULL);
  memset(block, 1, size);
  return block;
}

/* Returns the address that the block had. */
static char *
free_one(size_t size)
{
  char *block = new_block(size);

  tcmi_free(block);
  return block;
}

static bool
is_closed(const char *block)
{
  return tcmi_closed_find((uintptr_t)block) != NULL;
}

static void
expect_accessible(const char *block, size_t size, bool wanted)
{
  must(tcmi_system_is_readable((uintptr_t)block) == wanted);
  must(tcmi_system_is_readable((uintptr_t)block + size - 8) == wanted);
}

START_TEST(the_first_are_closed)
{
  for (unsigned i = 0; i < CLOSED_FIRST; i++) {
    char *block = free_one(FITTING);
    ck_assert(is_closed(block));
    expect_accessible(block, FITTING, false);
  }
  ck_assert_uint_eq(tcmi_closed.count, CLOSED_FIRST);
  close_one_in(1000000);
  for (unsigned i = 0; i < 50; i++)
    must(!is_closed(free_one(FITTING + i * 4 * KIB)));
  tcmi_heap_check();
}
END_TEST

START_TEST(only_fitting_sizes)
{
  close_one_in(1);
  ck_assert(!is_closed(free_one(CLOSED_MIN_SIZE - 4 * KIB)));
  ck_assert(!is_closed(free_one(CLOSED_END_SIZE)));
  ck_assert_uint_eq(tcmi_closed.tries, 0);
  ck_assert(is_closed(free_one(CLOSED_MIN_SIZE)));
  ck_assert(is_closed(free_one(CLOSED_END_SIZE - 64 * KIB)));
  close_one_in(0);
  ck_assert(!is_closed(free_one(CLOSED_MIN_SIZE)));
}
END_TEST

START_TEST(the_oldest_leaves)
{
  char *first, *second;
  size_t returned;
  struct page_heap_stats stats;

  close_one_in(1);
  first = free_one(FITTING);
  second = free_one(FITTING);
  for (unsigned i = 2; i < CLOSED_MAX; i++)
    must(is_closed(free_one(FITTING)));
  ck_assert(is_closed(first));
  tcmi_page_heap_stats(&stats);
  returned = stats.returned_bytes;
  (void)free_one(FITTING);
  ck_assert(!is_closed(first) && is_closed(second));
  expect_accessible(first, FITTING, true);
  expect_accessible(second, FITTING, false);
  ck_assert_uint_eq(tcmi_closed.count, CLOSED_MAX);
  /* Closed or free, the pages hold no memory. */
  tcmi_page_heap_stats(&stats);
  ck_assert_uint_ge(stats.returned_bytes, returned);
  tcmi_heap_check();
}
END_TEST

START_TEST(memory_goes_back_and_is_zero)
{
  char *block, *again;
  struct page_heap_stats before, after;

  close_one_in(1);
  block = new_block(FITTING);
  tcmi_page_heap_stats(&before);
  tcmi_free(block);
  tcmi_page_heap_stats(&after);
  ck_assert_uint_eq(after.used_bytes, before.used_bytes - FITTING);
  ck_assert_uint_eq(after.idle_bytes, before.idle_bytes);
  ck_assert_uint_eq(after.returned_bytes, before.returned_bytes + FITTING);
  ck_assert_uint_eq(after.released_bytes, before.released_bytes + FITTING);
  ck_assert_uint_eq(tcmi_system_resident((uintptr_t)block, FITTING), 0);
  ck_assert(tcmi_closed_open_all());
  tcmi_heap_check();
  close_one_in(0);
  again = tcmi_allocate_zeroed(1, FITTING);
  ck_assert_ptr_eq(again, block);
  for (size_t i = 0; i < FITTING; i++)
    must(again[i] == 0);
}
END_TEST

START_TEST(one_in_so_many)
{
  unsigned closed = 0;

  tcmi_closed.tries = CLOSED_FIRST;
  close_one_in(50);
  for (unsigned i = 0; i < 50000; i++)
    closed += tcmi_closed_wants(FITTING);
  /* The mean is 1000; the bounds are nine standard deviations away. */
  ck_assert_uint_gt(closed, 700);
  ck_assert_uint_lt(closed, 1300);
}
END_TEST

static void *
count_wanted(void *count)
{
  for (unsigned i = 0; i < 64; i++)
    *(uint64_t *)count = *(uint64_t *)count << 1 | tcmi_closed_wants(FITTING);
  return NULL;
}

START_TEST(threads_differ)
{
  uint64_t picked[2] = {0, 0};
  pthread_t thread;

  tcmi_closed.tries = CLOSED_FIRST;
  close_one_in(2);
  for (int i = 0; i < 2; i++) {
    ck_assert_int_eq(pthread_create(&thread, NULL, count_wanted, &picked[i]),
                     0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
  }
  ck_assert(picked[0] != picked[1]);
}
END_TEST

START_TEST(leave_under_pressure)
{
  close_one_in(1);
  ck_assert(is_closed(free_one(FITTING)));
  (void)tcmi_release_all();
  ck_assert_uint_eq(tcmi_closed.count, 0);
  ck_assert(is_closed(free_one(FITTING)));
  ck_assert(tcmi_make_room());
  ck_assert_uint_eq(tcmi_closed.count, 0);
  ck_assert(is_closed(free_one(FITTING)));
  /* The heap grows. */
  for (unsigned i = 0; i < 3; i++)
    (void)new_block(4 * MIB);
  (void)new_block(64 * KIB);
  ck_assert_uint_eq(tcmi_closed.count, 0);
  tcmi_heap_check();
}
END_TEST

START_TEST(a_refusal_closes_nothing)
{
  static const unsigned calls[] = {1u << SYSTEM_COMMIT, 1u << SYSTEM_DISCARD};

  close_one_in(1);
  for (unsigned i = 0; i < 2; i++) {
    char *block = new_block(FITTING);
    (void)tcmi_system_fail(calls[i], 1, 1);
    tcmi_free(block);
    ck_assert_uint_eq(tcmi_system_fail(0, 0, 0), 1);
    ck_assert(!is_closed(block));
    expect_accessible(block, FITTING, true);
    tcmi_heap_check();
  }
  ck_assert_uint_eq(tcmi_closed.tries, 2);
}
END_TEST

START_TEST(child_of_a_fork)
{
  char *block;
  pid_t child;
  int status;

  close_one_in(1);
  block = free_one(FITTING);
  child = fork();
  if (child == 0) {
    bool closed = !tcmi_system_is_readable((uintptr_t)block);
    (void)tcmi_release_all();
    memset(new_block(FITTING), 2, FITTING);
    _exit(!closed || tcmi_closed.count != 0);
  }
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert_int_eq(status, 0);
  ck_assert(is_closed(block));
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("closed");

  tcase_add_test(tests, the_first_are_closed);
  tcase_add_test(tests, only_fitting_sizes);
  tcase_add_test(tests, the_oldest_leaves);
  tcase_add_test(tests, memory_goes_back_and_is_zero);
  tcase_add_test(tests, one_in_so_many);
  tcase_add_test(tests, threads_differ);
  tcase_add_test(tests, leave_under_pressure);
  tcase_add_test(tests, a_refusal_closes_nothing);
  tcase_add_test(tests, child_of_a_fork);
  return unit_run(tests);
}
