/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests as tcm-stat writes them, and as nobody should. */
#include "unit.h"

#include <errno.h>

#include "api/allocate.h"
#include "api/request.h"
#include "base/options.h"

#define MIB ((size_t)1 << 20)

static struct stats_request *const request = &tcmi_stats_page.request;

static void
write_request(uint64_t id, uint64_t kind, uint64_t option, uint64_t value)
{
  request->kind = kind;
  request->option = option;
  request->value = value;
  request->check = stats_request_check(request, id);
  request->id = id;
}

/* Most slow paths will do; not that of a large block of the size held. */
static void
take_slow_path(void)
{
  tcmi_free(tcmi_allocate_zeroed(1, MIB));
}

static void
expect_answer(uint64_t id, int64_t result)
{
  take_slow_path();
  must(request->id == 0);
  must(request->done == id);
  must_for(request->result == result, "result %ld", (long)request->result);
}

START_TEST(a_release)
{
  void *blocks[1000];
  int i;

  for (i = 0; i < 1000; i++)
    blocks[i] = memset(tcmi_allocate(5000), 1, 5000);
  for (i = 0; i < 1000; i++)
    tcmi_free(blocks[i]);
  write_request(7, REQUEST_RELEASE, 0, 0);
  take_slow_path();
  ck_assert_uint_eq(request->done, 7);
  ck_assert_int_ge(request->result, 4000000);
  ck_assert_uint_eq(tcmi_stats_page.releases, 1);
  take_slow_path();
  ck_assert_uint_eq(tcmi_stats_page.releases, 1);
}
END_TEST

START_TEST(an_option)
{
  take_slow_path();
  write_request(9, REQUEST_SET, OPTION_thread_cache_bytes, MIB);
  expect_answer(9, 0);
  ck_assert_uint_eq(tcmi_option(OPTION_thread_cache_bytes), MIB);
  ck_assert_int_eq((int)tcmi_option_source(OPTION_thread_cache_bytes),
                   SOURCE_REQUEST);
}
END_TEST

START_TEST(what_is_refused)
{
  uint64_t before;

  take_slow_path();
  before = tcmi_option(OPTION_thread_cache_bytes);
  write_request(1, REQUEST_SET, OPTION_thread_cache_bytes, 1);
  expect_answer(1, -ERANGE);
  write_request(2, REQUEST_SET, OPTION_check, 1);
  expect_answer(2, -EPERM);
  write_request(3, REQUEST_SET, OPTION_COUNT, 1);
  expect_answer(3, -ENOENT);
  write_request(4, REQUEST_SET, UINT64_MAX, 1);
  expect_answer(4, -ENOENT);
  write_request(5, 0, 0, 0);
  expect_answer(5, -EINVAL);
  write_request(6, 3, 0, 0);
  expect_answer(6, -EINVAL);
  write_request(7, REQUEST_SET, OPTION_thread_cache_bytes, MIB);
  request->value = 2 * MIB;
  expect_answer(7, -EAGAIN);
  tcmi_stats_page.takes_requests = 0;
  write_request(8, REQUEST_SET, OPTION_thread_cache_bytes, MIB);
  expect_answer(8, -EPERM);
  ck_assert_uint_eq(tcmi_option(OPTION_thread_cache_bytes), before);
}
END_TEST

/* Two threads see it; one acts. */
static void *
serve(void *unused)
{
  int i;

  for (i = 0; i < 200; i++)
    tcmi_request_serve();
  return unused;
}

START_TEST(one_thread_acts)
{
  pthread_t threads[3];
  int i;

  take_slow_path();
  write_request(11, REQUEST_RELEASE, 0, 0);
  for (i = 0; i < 3; i++)
    unit_thread(&threads[i], serve, NULL);
  for (i = 0; i < 3; i++)
    unit_join(threads[i]);
  ck_assert_uint_eq(request->done, 11);
  ck_assert_uint_eq(tcmi_stats_page.releases, 1);
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("request");

  tcase_add_test(tests, a_release);
  tcase_add_test(tests, an_option);
  tcase_add_test(tests, what_is_refused);
  tcase_add_test(tests, one_thread_acts);
  return unit_run(tests);
}
