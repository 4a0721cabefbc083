/* SPDX-License-Identifier: BSD-2-Clause */
/* tcm_option_info, tcm_option_get and tcm_option_set over every option. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tcm.h"

static size_t
option_count(void)
{
  struct tcm_option_info info;
  size_t count = 0;

  while (tcm_option_info(count, &info) == 0)
    count++;
  return count;
}

static struct tcm_option_info
option_at(size_t index)
{
  struct tcm_option_info info;

  ck_assert_int_eq(tcm_option_info(index, &info), 0);
  return info;
}

START_TEST(table_ends_with_enoent)
{
  struct tcm_option_info info;

  ck_assert_uint_gt(option_count(), 0);
  errno = 0;
  ck_assert_int_eq(tcm_option_info(option_count(), &info), -1);
  ck_assert_int_eq(errno, ENOENT);
  errno = 0;
  ck_assert_int_eq(tcm_option_info(SIZE_MAX, &info), -1);
  ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(rows_are_sound)
{
  size_t i, j;

  for (i = 0; i < option_count(); i++) {
    struct tcm_option_info info = option_at(i);
    ck_assert_uint_gt(strlen(info.name), 0);
    ck_assert_uint_eq(
        strspn(info.name, "abcdefghijklmnopqrstuvwxyz_0123456789"),
        strlen(info.name));
    ck_assert_uint_gt(strlen(info.help), 10);
    ck_assert_int_eq(info.help[strlen(info.help) - 1], '.');
    ck_assert_uint_le(info.min, info.max);
    ck_assert_uint_ge(info.default_value, info.min);
    ck_assert_uint_le(info.default_value, info.max);
    ck_assert_uint_ge(info.value, info.min);
    ck_assert_uint_le(info.value, info.max);
    ck_assert(info.fixed == 0 || info.fixed == 1);
    for (j = 0; j < i; j++)
      ck_assert_str_ne(option_at(j).name, info.name);
  }
}
END_TEST

START_TEST(get_agrees_with_the_table)
{
  size_t i;

  for (i = 0; i < option_count(); i++) {
    struct tcm_option_info info = option_at(i);
    uint64_t value = ~(uint64_t)0;
    ck_assert_int_eq(tcm_option_get(info.name, &value), 0);
    ck_assert_uint_eq(value, info.value);
    ck_assert_int_eq(info.source, TCM_OPTION_DEFAULT);
    ck_assert_uint_eq(info.value, info.default_value);
  }
}
END_TEST

START_TEST(unknown_names)
{
  static const char *const names[] = {"",       "no_such", "CHECK",
                                      "chec",   "checks",  "TCM_CHECK",
                                      "check ", "%n%n%n"};
  uint64_t value = 4711;
  size_t i;

  for (i = 0; i < sizeof names / sizeof *names; i++) {
    errno = 0;
    ck_assert_int_eq(tcm_option_get(names[i], &value), -1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_uint_eq(value, 4711);
    errno = 0;
    ck_assert_int_eq(tcm_option_set(names[i], 0), -1);
    ck_assert_int_eq(errno, ENOENT);
  }
}
END_TEST

/* Once the heap has started, setting a fixed option fails with EPERM, whatever
 * the value.  Before that it may succeed or fail; no test depends on it. */
START_TEST(set_of_every_option)
{
  size_t i;
  int fixed = 0, settable = 0;

  tcm_free(tcm_malloc(1));
  for (i = 0; i < option_count(); i++) {
    struct tcm_option_info info = option_at(i);
    uint64_t wanted = info.value == info.max ? info.min : info.max;
    errno = 0;
    if (info.fixed) {
      ck_assert_int_eq(tcm_option_set(info.name, wanted), -1);
      ck_assert_int_eq(errno, EPERM);
      ck_assert_uint_eq(option_at(i).value, info.value);
      ck_assert_int_eq(option_at(i).source, info.source);
      fixed++;
    } else {
      ck_assert_int_eq(tcm_option_set(info.name, wanted), 0);
      ck_assert_uint_eq(option_at(i).value, wanted);
      ck_assert_int_eq(option_at(i).source, TCM_OPTION_API);
      ck_assert_int_eq(tcm_option_set(info.name, info.value), 0);
      settable++;
    }
  }
  ck_assert_int_gt(fixed, 0);
  ck_assert_int_gt(settable, 0);
}
END_TEST

START_TEST(out_of_range)
{
  size_t i;
  int tried = 0;

  for (i = 0; i < option_count(); i++) {
    struct tcm_option_info info = option_at(i);
    if (info.fixed)
      continue;
    if (info.max != UINT64_MAX) {
      errno = 0;
      ck_assert_int_eq(tcm_option_set(info.name, info.max + 1), -1);
      ck_assert_int_eq(errno, ERANGE);
      errno = 0;
      ck_assert_int_eq(tcm_option_set(info.name, UINT64_MAX), -1);
      ck_assert_int_eq(errno, ERANGE);
      tried++;
    }
    if (info.min != 0) {
      errno = 0;
      ck_assert_int_eq(tcm_option_set(info.name, info.min - 1), -1);
      ck_assert_int_eq(errno, ERANGE);
      tried++;
    }
    ck_assert_uint_eq(option_at(i).value, info.value);
  }
  ck_assert_int_gt(tried, 0);
}
END_TEST

int
main(void)
{
  Suite *suite = suite_create("tcm_options");
  TCase *tests = tcase_create("all");
  SRunner *runner;
  int failed;

  tcase_add_test(tests, table_ends_with_enoent);
  tcase_add_test(tests, rows_are_sound);
  tcase_add_test(tests, get_agrees_with_the_table);
  tcase_add_test(tests, unknown_names);
  tcase_add_test(tests, set_of_every_option);
  tcase_add_test(tests, out_of_range);
  suite_add_tcase(suite, tests);
  runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? 0 : 1;
}
