/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests as tcm-stat writes them, and invalid ones. */
#include "unit.h"

#include <errno.h>

#include "base/options.h"
#include "front/allocate.h"
#include "front/heap_check.h"
#include "process/request.h"

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

/* A call that serves requests.  malloc of a large block of the cached size
 * would not. */
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
  ck_assert_uint_eq(tcmi_option(OPTION_thread_cache_bytes), before);
  /* takes_requests is for the tool alone; the process ignores it. */
  tcmi_stats_page.takes_requests = 0;
  write_request(8, REQUEST_SET, OPTION_thread_cache_bytes, MIB);
  expect_answer(8, 0);
}
END_TEST

/* A number with a meaning here, one next to it, or any number. */
static uint64_t
garbage(uint64_t *state)
{
  static const uint64_t numbers[] = {
      0,          1,         2,       3,       OPTION_COUNT,      64,
      4096,       65536,     1 << 20, 1 << 30, (uint64_t)1 << 40, INT64_MAX,
      UINT64_MAX, UINT32_MAX};

  if (unit_below(state, 4) == 0)
    return harness_random(state) >> unit_below(state, 64);
  if (unit_below(state, 2) == 0)
    return unit_below(state, OPTION_COUNT + 1);
  return numbers[unit_below(state, sizeof numbers / sizeof *numbers)] +
         unit_below(state, 3) - 1;
}

/* The expected result of a complete request to set an option. */
static int64_t
answer_to_set(uint64_t id, uint64_t value)
{
  const struct option_row *option;

  if (id >= OPTION_COUNT)
    return -ENOENT;
  option = &tcmi_option_table[id];
  if (option->fixed)
    return -EPERM;
  return value < option->min || value > option->max ? -ERANGE : 0;
}

static void
expect_options_in_range(void)
{
  int id;

  for (id = 0; id < OPTION_COUNT; id++) {
    uint64_t value = tcmi_option((enum option_id)id);
    must(value >= tcmi_option_table[id].min &&
         value <= tcmi_option_table[id].max);
  }
}

START_TEST(garbage_is_refused)
{
  uint64_t state = unit_seed(), set = 0, refused = 0, torn = 0;
  int i;

  take_slow_path();
  for (i = 1; i <= 20000; i++) {
    uint64_t kind = unit_below(&state, 3) ? REQUEST_SET : garbage(&state);
    uint64_t option = garbage(&state), value = garbage(&state);
    bool whole = unit_below(&state, 4) != 0;
    int64_t wanted = -EAGAIN;

    write_request((uint64_t)i, kind, option, value);
    if (!whole)
      request->check ^= (uint64_t)1 << unit_below(&state, 64);
    else if (kind == REQUEST_SET)
      wanted = answer_to_set(option, value);
    else
      wanted = -EINVAL;
    tcmi_request_serve();
    must(request->id == 0 && request->done == (uint64_t)i);
    if (whole && kind == REQUEST_RELEASE)
      must(request->result >= 0);
    else
      must_for(request->result == wanted, "result %ld, not %ld",
               (long)request->result, (long)wanted);
    set += request->result == 0;
    refused += request->result == -ERANGE || request->result == -ENOENT;
    torn += request->result == -EAGAIN;
    expect_options_in_range();
  }
  ck_assert_uint_ge(set, 100);
  ck_assert_uint_ge(refused, 1000);
  ck_assert_uint_ge(torn, 1000);
  tcmi_heap_check();
}
END_TEST

static void
scribble(uint64_t *state)
{
  unsigned char *bytes = (unsigned char *)&tcmi_stats_page;
  size_t i;

  for (i = 0; i < offsetof(struct stats_page, takes_requests); i++)
    bytes[i] = (unsigned char)harness_random(state);
  write_request(0, garbage(state), garbage(state), garbage(state));
}

/* The page is for other processes: whatever it contains, the heap works. */
START_TEST(the_page_decides_nothing)
{
  uint64_t state = unit_seed();
  void *blocks[300] = {NULL};
  struct tcm_stats stats;
  size_t sizes[300], i;
  int turn;

  for (turn = 0; turn < 20000; turn++) {
    if (turn % 50 == 0)
      scribble(&state);
    i = unit_below(&state, 300);
    if (blocks[i] != NULL) {
      must(unit_is_marked(blocks[i], sizes[i], i));
      tcmi_free(blocks[i]);
    }
    sizes[i] = unit_below(&state, i == 0 ? 2 * MIB : 5000);
    blocks[i] = tcmi_allocate(sizes[i]);
    must(blocks[i] != NULL);
    unit_mark(blocks[i], sizes[i], i);
    if (turn % 1000 == 0)
      (void)tcm_release_free_memory();
  }
  must(tcm_stats(&stats, sizeof stats) == 0);
  ck_assert_uint_ge(stats.in_use_bytes, 1000);
  ck_assert_uint_le(stats.in_use_bytes, stats.mapped_bytes);
  tcmi_heap_check();
}
END_TEST

/* Three threads see the request; one executes it. */
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
  tcase_add_test(tests, garbage_is_refused);
  tcase_add_test(tests, the_page_decides_nothing);
  tcase_add_test(tests, one_thread_acts);
  return unit_run(tests);
}
