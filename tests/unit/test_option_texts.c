/* SPDX-License-Identifier: BSD-2-Clause */
/* Options from a file and from the program itself: their order, their form, and
 * what tcm writes about mistakes. */
#include "unit.h"

#include <fcntl.h>

#include "base/options.h"

/* What a program would define. */
extern const char tcm_options[];
const char tcm_options[] = "TCM_SOFT_LIMIT_BYTES=7M # a comment TCM_CHECK=1\n"
                           "\tTCM_HARD_LIMIT_BYTES=1G TCM_BACKGROUND=0";

/* A file with these contents is read in a child. */
struct situation {
  const char *contents;
  size_t length; /* 0: up to the NUL */
  void (*check)(void);
};

static void
read_in_child(void *argument)
{
  const struct situation *now = argument;
  size_t length = now->length > 0 ? now->length : strlen(now->contents);
  char path[] = "/tmp/tcm-options-XXXXXX";
  int file = mkstemp(path);

  ck_assert_int_ge(file, 0);
  ck_assert_int_eq(write(file, now->contents, length), (ssize_t)length);
  close(file);
  tcmi_options_init(path);
  unlink(path);
  now->check();
  /* The program's own options hold unless something overrides them. */
  ck_assert_uint_eq(tcmi_option(OPTION_hard_limit_bytes), (uint64_t)1 << 30);
  ck_assert_int_eq(tcmi_option_source(OPTION_hard_limit_bytes), SOURCE_PROGRAM);
}

/* @words is part of the one line that tcm writes, or NULL if it writes none. */
static void
expect(const char *contents, size_t length, void (*check)(void),
       const char *words)
{
  struct situation now = {contents, length, check};
  char text[4096];
  int status = unit_child(read_in_child, &now, text, sizeof text);

  ck_assert_msg(status == 0, "%.60s: status %#x, %s", contents,
                (unsigned)status, text);
  if (words == NULL) {
    ck_assert_str_eq(text, "");
    return;
  }
  ck_assert_msg(strstr(text, words) != NULL, "%.60s: %s", contents, text);
  ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
}

static void
program_over_file(void)
{
  ck_assert_uint_eq(tcmi_option(OPTION_soft_limit_bytes), 7 << 20);
  ck_assert_int_eq(tcmi_option_source(OPTION_soft_limit_bytes), SOURCE_PROGRAM);
  ck_assert_uint_eq(tcmi_option(OPTION_thread_cache_bytes), 65536);
  ck_assert_int_eq(tcmi_option_source(OPTION_thread_cache_bytes), SOURCE_FILE);
  ck_assert_uint_eq(tcmi_option(OPTION_check), 0);
  ck_assert_str_eq(tcmi_option_text(TEXT_profile_dir), "/var/tmp");
}

static void
environment_over_program(void)
{
  ck_assert_uint_eq(tcmi_option(OPTION_soft_limit_bytes), 9 << 20);
  ck_assert_int_eq(tcmi_option_source(OPTION_soft_limit_bytes),
                   SOURCE_ENVIRONMENT);
}

static void
nothing_of_the_file(void)
{
  ck_assert_uint_eq(tcmi_option(OPTION_check), 0);
  ck_assert_int_eq(tcmi_option_source(OPTION_check), SOURCE_DEFAULT);
}

static void
all_of_the_file(void)
{
  ck_assert_uint_eq(tcmi_option(OPTION_check), 1);
  ck_assert_int_eq(tcmi_option_source(OPTION_check), SOURCE_FILE);
}

static void
container_over_neither(void)
{
  tcmi_option_suggest(OPTION_soft_limit_bytes, 1 << 20);
  tcmi_option_suggest(OPTION_cache_total_bytes, 1 << 20);
  program_over_file();
  ck_assert_uint_eq(tcmi_option(OPTION_cache_total_bytes), 8 << 20);
}

static const char sound[] = "# for all processes\n"
                            "TCM_SOFT_LIMIT_BYTES=5M\r\n\n"
                            "TCM_THREAD_CACHE_BYTES=64K  # small\n"
                            "TCM_CACHE_TOTAL_BYTES=8M\n"
                            "\tTCM_PROFILE_DIR=/var/tmp #TCM_CHECK=1";

START_TEST(each_source_overrides_the_one_before)
{
  expect(sound, 0, program_over_file, NULL);
  ck_assert_int_eq(setenv("TCM_SOFT_LIMIT_BYTES", "9M", 1), 0);
  expect(sound, 0, environment_over_program, NULL);
  unsetenv("TCM_SOFT_LIMIT_BYTES");
  expect("", 1, nothing_of_the_file, NULL);
  expect(sound, 0, container_over_neither, NULL);
}
END_TEST

START_TEST(mistakes_are_told)
{
  expect("TCM_CHECK=9\n", 0, nothing_of_the_file,
         "tcm: /etc/tcm.conf: TCM_CHECK=9 is not a number from 0 to 3; "
         "tcm uses the default, 0");
  expect("TCM_SOFT_LIMIT_BYTES=x", 0, nothing_of_the_file,
         "TCM_SOFT_LIMIT_BYTES=x is not a number from 0 to ");
  expect("TCM_CHECKS_IT_ALL=1", 0, nothing_of_the_file,
         "TCM_CHECKS_IT_ALL names no option of tcm and is ignored");
  expect("check=1", 0, nothing_of_the_file,
         "check=1 is not of the form TCM_NAME=VALUE");
  expect("TCM_CHECK", 0, nothing_of_the_file,
         "TCM_CHECK is not of the form TCM_NAME=VALUE");
  expect("TCM_PROFILE_DIR=here", 0, nothing_of_the_file,
         "TCM_PROFILE_DIR is not an absolute path");
  expect("TCM_MESSAGES=0\nTCM_CHECK=9", 0, nothing_of_the_file, NULL);
  expect("TCM_CHECK=9\nTCM_MESSAGES=0", 0, nothing_of_the_file, NULL);
}
END_TEST

/* A file that is too long is ignored as a whole. */
START_TEST(long_files_are_refused)
{
  static char text[OPTIONS_FILE_MAX + 1];

  memset(text, ' ', sizeof text);
  memcpy(text, "TCM_CHECK=1", 11);
  expect(text, OPTIONS_FILE_MAX, nothing_of_the_file,
         "tcm: /etc/tcm.conf: longer than 4095 bytes and ignored");
  expect(text, OPTIONS_FILE_MAX - 1, all_of_the_file, NULL);
}
END_TEST

static void
no_file(void *unused)
{
  (void)unused;
  tcmi_options_init("/does/not/exist");
  ck_assert_uint_eq(tcmi_option(OPTION_soft_limit_bytes), 7 << 20);
}

START_TEST(no_file_is_no_mistake)
{
  char text[1024];

  ck_assert_int_eq(unit_child(no_file, NULL, text, sizeof text), 0);
  ck_assert_str_eq(text, "");
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("option_texts");

  tcase_add_test(tests, each_source_overrides_the_one_before);
  tcase_add_test(tests, mistakes_are_told);
  tcase_add_test(tests, long_files_are_refused);
  tcase_add_test(tests, no_file_is_no_mistake);
  return unit_run(tests);
}
