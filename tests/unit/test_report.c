/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

static void
warn(const char *text)
{
  struct line line;

  tcmi_report_begin(&line);
  tcmi_line_text(&line, text);
  tcmi_report_warn(&line);
}

static void
warn_twice(void *unused)
{
  (void)unused;
  errno = 4711;
  warn("first");
  warn("second");
  _exit(errno == 4711 ? 0 : 1);
}

START_TEST(one_line_each)
{
  char text[256];

  ck_assert_int_eq(unit_child(warn_twice, NULL, text, sizeof text), 0);
  ck_assert_str_eq(text, "tcm: first\ntcm: second\n");
}
END_TEST

static void
warn_when_disabled(void *unused)
{
  (void)unused;
  tcmi_report_enable(false);
  warn("no");
  tcmi_report_enable(true);
  warn("yes");
}

START_TEST(enabled_and_disabled)
{
  char text[256];

  ck_assert_int_eq(unit_child(warn_when_disabled, NULL, text, sizeof text), 0);
  ck_assert_str_eq(text, "tcm: yes\n");
}
END_TEST

static int other; /* a descriptor of a file that is not standard error */

/* A program may close descriptor 2 and open its database there. */
static void
warn_after_replacement(void *unused)
{
  int saved = dup(2);

  (void)unused;
  warn("before");
  dup2(other, 2);
  warn("into the other file");
  close(2);
  warn("into nothing");
  dup2(saved, 2);
  warn("after");
}

START_TEST(replaced_descriptor_is_left_alone)
{
  FILE *file = tmpfile();
  char text[256];

  ck_assert_ptr_nonnull(file);
  other = fileno(file);
  ck_assert_int_eq(unit_child(warn_after_replacement, NULL, text, sizeof text),
                   0);
  ck_assert_str_eq(text, "tcm: before\ntcm: after\n");
  ck_assert_int_eq(lseek(other, 0, SEEK_END), 0);
  fclose(file);
}
END_TEST

/* Starts the program again without a standard error; the program opens one too
 * late. */
static void
begin_without_stderr(void *unused)
{
  char number[16];

  (void)unused;
  snprintf(number, sizeof number, "%d", dup(2));
  close(2);
  execl("/proc/self/exe", "report", number, (char *)NULL);
}

static int
warn_without_stderr(int real)
{
  tcmi_report_init();
  warn("closed");
  if (dup2(real, 2) != 2)
    return 1;
  tcmi_report_init();
  warn("opened too late");
  return 0;
}

START_TEST(closed_at_start_is_silent)
{
  char text[256];

  ck_assert_int_eq(unit_child(begin_without_stderr, NULL, text, sizeof text),
                   0);
  ck_assert_str_eq(text, "");
}
END_TEST

static void
be_fatal(void *unused)
{
  struct line line;

  (void)unused;
  tcmi_report_begin(&line);
  tcmi_line_text(&line, "the end");
  tcmi_report_fatal(&line);
}

static void
fail_without_messages(void *unused)
{
  tcmi_report_enable(false);
  be_fatal(unused);
}

START_TEST(fatal_aborts)
{
  char text[256];
  int status;

  unit_must_abort(be_fatal, NULL, "tcm: the end");
  status = unit_child(fail_without_messages, NULL, text, sizeof text);
  ck_assert(WIFSIGNALED(status));
  ck_assert_int_eq(WTERMSIG(status), SIGABRT);
  ck_assert_str_eq(text, "");
}
END_TEST

static void
break_check(void *number)
{
  CHECK(number == NULL);
}

static void
break_assert(void *number)
{
  ASSERT(number == NULL);
}

START_TEST(broken_rules_name_themselves)
{
  int one = 1;

  ck_assert(config_debug);
  break_check(NULL);
  break_assert(NULL);
  unit_must_abort(break_check, &one, "number == NULL");
  unit_must_abort(break_assert, &one, "number == NULL");
  unit_must_abort(break_assert, &one, "test_report.c:");
}
END_TEST

/* A value from outside cannot split a line or control a terminal. */
static void
warn_of_control_characters(void *unused)
{
  (void)unused;
  warn("a\ntcm: forged\033[31m\tb\177");
}

START_TEST(control_characters_are_shown)
{
  char text[256];

  ck_assert_int_eq(
      unit_child(warn_of_control_characters, NULL, text, sizeof text), 0);
  ck_assert_str_eq(text, "tcm: a?tcm: forged?[31m?b?\n");
}
END_TEST

int
main(int argc, char **argv)
{
  TCase *tests;

  if (argc == 2)
    return warn_without_stderr(atoi(argv[1]));
  tests = unit_case("report");
  tcase_add_test(tests, one_line_each);
  tcase_add_test(tests, enabled_and_disabled);
  tcase_add_test(tests, replaced_descriptor_is_left_alone);
  tcase_add_test(tests, closed_at_start_is_silent);
  tcase_add_test(tests, fatal_aborts);
  tcase_add_test(tests, broken_rules_name_themselves);
  tcase_add_test(tests, control_characters_are_shown);
  return unit_run(tests);
}
