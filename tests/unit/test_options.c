/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include "base/options.h"
#include "base/params.h"

/* One variable, the value that its option then has, and whether tcm writes a
 * line. */
struct reading {
  const char *variable, *value;
  enum option_id id;
  uint64_t expected;
  bool complains;
};

#define DEFAULT(name) tcmi_option_table[OPTION_##name].default_value

static uint64_t
default_of(enum option_id id)
{
  return tcmi_option_table[id].default_value;
}

static void
read_and_print(void *argument)
{
  const struct reading *reading = argument;

  ck_assert_int_eq(setenv(reading->variable, reading->value, 1), 0);
  tcmi_options_init(NULL);
  printf("%llu", (unsigned long long)tcmi_option(reading->id));
  _exit(tcmi_option(reading->id) == reading->expected &&
                (tcmi_option_source(reading->id) == SOURCE_ENVIRONMENT) ==
                    (reading->expected != default_of(reading->id))
            ? 0
            : 1);
}

static void
expect_reading(const struct reading *reading)
{
  char text[1024];
  int status =
      unit_child(read_and_print, (void *)(uintptr_t)reading, text, sizeof text);

  ck_assert_msg(status == 0, "%s=%s gave another value", reading->variable,
                reading->value);
  ck_assert_msg((text[0] != '\0') == reading->complains, "%s=%s: %s",
                reading->variable, reading->value, text);
  if (!reading->complains)
    return;
  ck_assert_int_eq(strncmp(text, "tcm: ", 5), 0);
  ck_assert_ptr_nonnull(strstr(text, reading->variable));
  ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
}

START_TEST(defaults_before_and_after_start)
{
  int id;

  for (id = 0; id < OPTION_COUNT; id++) {
    ck_assert_uint_eq(tcmi_option(id), default_of(id));
    ck_assert_int_eq(tcmi_option_source(id), SOURCE_DEFAULT);
  }
  tcmi_options_init(NULL);
  for (id = 0; id < OPTION_COUNT; id++) {
    ck_assert_uint_eq(tcmi_option(id), default_of(id));
    ck_assert_int_eq(tcmi_option_source(id), SOURCE_DEFAULT);
  }
}
END_TEST

START_TEST(rows_are_sound)
{
  int id, other;

  for (id = 0; id < OPTION_COUNT; id++) {
    const struct option_row *option = &tcmi_option_table[id];
    ck_assert_uint_le(option->min, option->default_value);
    ck_assert_uint_le(option->default_value, option->max);
    ck_assert_uint_gt(strlen(option->help), 10);
    ck_assert_int_eq(tcmi_option_find(option->name), id);
    for (other = 0; other < id; other++)
      ck_assert_str_ne(option->name, tcmi_option_table[other].name);
  }
  ck_assert_int_eq(tcmi_option_find(""), OPTION_COUNT);
  ck_assert_int_eq(tcmi_option_find("chec"), OPTION_COUNT);
  ck_assert_int_eq(tcmi_option_find("check "), OPTION_COUNT);
  ck_assert_int_eq(tcmi_option_find("CHECK"), OPTION_COUNT);
}
END_TEST

START_TEST(numbers_and_suffixes)
{
  static const struct reading readings[] = {
      {"TCM_CHECK", "1", OPTION_check, 1, false},
      {"TCM_CHECK", "0001", OPTION_check, 1, false},
      {"TCM_THREAD_CACHE_BYTES", "65536", OPTION_thread_cache_bytes, 65536,
       false},
      {"TCM_THREAD_CACHE_BYTES", "64K", OPTION_thread_cache_bytes, 65536,
       false},
      {"TCM_THREAD_CACHE_BYTES", "7M", OPTION_thread_cache_bytes, 7 << 20,
       false},
      {"TCM_THREAD_CACHE_BYTES", "1G", OPTION_thread_cache_bytes, 1 << 30,
       false},
      {"TCM_CACHE_TOTAL_BYTES", "1T", OPTION_cache_total_bytes,
       (uint64_t)1 << 40, false},
      {"TCM_ARENA_BYTES", "4194304", OPTION_arena_bytes, 4194304, false},
  };
  size_t i;

  for (i = 0; i < sizeof readings / sizeof *readings; i++)
    expect_reading(&readings[i]);
}
END_TEST

START_TEST(wrong_values_keep_the_default)
{
  static const char *const wrong[] = {
      "",
      " ",
      "K",
      "M",
      "x",
      "1x",
      "1KB",
      "1k",
      "-1",
      "+1",
      " 1",
      "1 ",
      "0x10",
      "1.5M",
      "1KK",
      "%n%n",
      "1\n",
      "1,000",
      "18446744073709551616",
      "99999999999999999999999999999999",
      "16777216T",
      "2T",
      "65535",
      "1073741825",
  };
  struct reading reading = {"TCM_THREAD_CACHE_BYTES", NULL,
                            OPTION_thread_cache_bytes, 0, true};
  size_t i;

  reading.expected = DEFAULT(thread_cache_bytes);
  for (i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    reading.value = wrong[i];
    expect_reading(&reading);
  }
}
END_TEST

/* A suffix alone is not a number, even for an option that may be 0. */
START_TEST(suffix_needs_a_number)
{
  static const char *const wrong[] = {"K", "M", "G", "T", "", " "};
  struct reading reading = {"TCM_CACHE_TOTAL_BYTES", NULL,
                            OPTION_cache_total_bytes, 0, true};
  size_t i;

  reading.expected = DEFAULT(cache_total_bytes);
  for (i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    reading.value = wrong[i];
    expect_reading(&reading);
  }
  reading.value = "0K";
  reading.expected = 0;
  reading.complains = false;
  expect_reading(&reading);
}
END_TEST

/* Two strings: a path, and the value expected; NULL if tcm must reject it. */
static void
read_path(void *argument)
{
  const char *const *pair = argument;
  char *value = strdup(pair[0]);
  const char *text;

  ck_assert_int_eq(setenv("TCM_PROFILE_DIR", value, 1), 0);
  tcmi_options_init(NULL);
  tcmi_options_seal();
  memset(getenv("TCM_PROFILE_DIR"), 'x', strlen(value));
  text = tcmi_option_text(TEXT_profile_dir);
  _exit(strcmp(text, pair[1] == NULL ? "" : pair[1]) == 0 ? 0 : 1);
}

static void
expect_path(const char *value, const char *path)
{
  const char *pair[] = {value, path};
  char text[1024];

  ck_assert_msg(unit_child(read_path, pair, text, sizeof text) == 0,
                "%.40s gave another path", value);
  ck_assert_msg((text[0] != '\0') == (path == NULL), "%.40s: %s", value, text);
  ck_assert_msg(path != NULL ||
                    strstr(text, "TCM_PROFILE_DIR is not an absolute path"),
                "%s", text);
}

START_TEST(paths)
{
  char path[OPTION_TEXT_BYTES + 1];

  ck_assert_str_eq(tcmi_option_text(TEXT_profile_dir), "");
  expect_path("/", "/");
  expect_path("/var/tmp/a b", "/var/tmp/a b");
  expect_path("", NULL);
  expect_path("profiles", NULL);
  expect_path("./profiles", NULL);
  memset(path, '/', sizeof path);
  path[OPTION_TEXT_BYTES] = '\0';
  expect_path(path, NULL);
  path[OPTION_TEXT_BYTES - 1] = '\0';
  expect_path(path, path);
}
END_TEST

/* Names that differ from an option in up to two letters. */
START_TEST(mistyped_names_are_told)
{
  static const char *const names[] = {
      "TCM_CHECKS",         "TCM_CHEC",       "TCM_check",
      "TCM_CHEKC",          "TCM_HECK",       "TCM_PAGE_SIZE_",
      "TCM_PAGESIZ",        "TCM_BACKROUND",  "TCM_SOFT_LIMIT_BYTE",
      "TCM_HARDLIMITBYTES", "TCM_PROFILE_DR",
  };
  size_t i;

  for (i = 0; i < sizeof names / sizeof *names; i++) {
    struct reading reading = {names[i], "1", OPTION_check, 0, true};
    char text[1024];
    int status = unit_child(read_and_print, &reading, text, sizeof text);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(strncmp(text, "tcm: ", 5), 0);
    ck_assert_ptr_nonnull(strstr(text, "no option"));
  }
}
END_TEST

/* Names that other software may have, with the same prefix; in addition an
 * empty and a very long one. */
START_TEST(other_names_are_not_told)
{
  static const char *const names[] = {
      "TCM_",
      "TCM_ENABLE",
      "TCM_NOSUCH",
      "TCM_CHAIN",
      "TCM_CHECK_ALL",
      "TCM_HARDLIMIT",
      "TCM_PAGE",
      "TCM_A_VERY_LONG_NAME_THAT_NO_OPTION_HAS_AND_THAT_IS_LONGER_THAN_A_LINE",
  };
  size_t i;

  for (i = 0; i < sizeof names / sizeof *names; i++) {
    struct reading reading = {names[i], "1", OPTION_check, 0, false};
    expect_reading(&reading);
  }
}
END_TEST

START_TEST(other_names_are_not_looked_at)
{
  static const struct reading readings[] = {
      {"TC_CHECK", "x", OPTION_check, 0, false},
      {"TCM", "x", OPTION_check, 0, false},
      {"TCMALLOC_CHECK", "x", OPTION_check, 0, false},
      {"tcm_check", "x", OPTION_check, 0, false},
      {"XTCM_CHECK", "x", OPTION_check, 0, false},
  };
  size_t i;

  for (i = 0; i < sizeof readings / sizeof *readings; i++)
    expect_reading(&readings[i]);
}
END_TEST

/* A value of any length causes only one line, and overruns nothing. */
START_TEST(endless_value)
{
  static char value[100000];
  struct reading reading = {"TCM_CHECK", value, OPTION_check, 0, true};

  memset(value, '7', sizeof value - 1);
  expect_reading(&reading);
  memset(value, 'n', sizeof value - 1);
  expect_reading(&reading);
}
END_TEST

static void
set_wrong_options_silently(void *unused)
{
  (void)unused;
  clearenv();
  setenv("TCM_NOSUCH", "1", 1);
  setenv("TCM_CHECK", "maybe", 1);
  setenv("TCM_MESSAGES", "0", 1);
  setenv("TCM_NOSUCH_EITHER", "1", 1);
  tcmi_options_init(NULL);
  _exit(tcmi_option(OPTION_messages) == 0 ? 0 : 1);
}

/* messages=0 also silences the lines about variables that come before it. */
START_TEST(no_messages_means_none)
{
  char text[256];

  ck_assert_int_eq(
      unit_child(set_wrong_options_silently, NULL, text, sizeof text), 0);
  ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(api_beats_environment)
{
  setenv("TCM_THREAD_CACHE_BYTES", "1M", 1);
  tcmi_options_init(NULL);
  ck_assert_uint_eq(tcmi_option(OPTION_thread_cache_bytes), 1 << 20);
  ck_assert_int_eq(tcmi_option_source(OPTION_thread_cache_bytes),
                   SOURCE_ENVIRONMENT);
  ck_assert_int_eq(
      tcmi_option_change(OPTION_thread_cache_bytes, 1 << 21, SOURCE_API), 0);
  ck_assert_uint_eq(tcmi_option(OPTION_thread_cache_bytes), 1 << 21);
  ck_assert_int_eq(tcmi_option_source(OPTION_thread_cache_bytes), SOURCE_API);
}
END_TEST

START_TEST(changes_are_checked)
{
  int id;

  tcmi_options_init(NULL);
  for (id = 0; id < OPTION_COUNT; id++) {
    const struct option_row *option = &tcmi_option_table[id];
    uint64_t before = tcmi_option(id);
    if (option->fixed) {
      ck_assert_int_eq(tcmi_option_change(id, before, SOURCE_API), -EPERM);
      ck_assert_int_eq(tcmi_option_source(id), SOURCE_DEFAULT);
      continue;
    }
    if (option->min > 0)
      ck_assert_int_eq(tcmi_option_change(id, option->min - 1, SOURCE_API),
                       -ERANGE);
    ck_assert_int_eq(tcmi_option_change(id, option->max + 1, SOURCE_API),
                     -ERANGE);
    ck_assert_uint_eq(tcmi_option(id), before);
    ck_assert_int_eq(tcmi_option_change(id, option->min, SOURCE_API), 0);
    ck_assert_uint_eq(tcmi_option(id), option->min);
    ck_assert_int_eq(tcmi_option_change(id, option->max, SOURCE_API), 0);
    ck_assert_uint_eq(tcmi_option(id), option->max);
  }
}
END_TEST

/* Bytes of the process that can be read but not written. */
static unsigned long
read_only_bytes(void)
{
  FILE *maps = fopen("/proc/self/maps", "r");
  unsigned long start, end, sum = 0;
  char line[512], protection[8];

  ck_assert_ptr_nonnull(maps);
  while (fgets(line, sizeof line, maps) != NULL)
    if (sscanf(line, "%lx-%lx %7s", &start, &end, protection) == 3 &&
        strcmp(protection, "r--p") == 0)
      sum += end - start;
  fclose(maps);
  return sum;
}

/* O2: the seal makes one range read-only; other options can still change. */
START_TEST(fixed_options_are_sealed)
{
  unsigned long before;

  tcmi_options_init(NULL);
  before = read_only_bytes();
  tcmi_options_seal();
  ck_assert_uint_eq(read_only_bytes(), before + SYSTEM_PAGE_MAX);
  ck_assert_uint_eq(tcmi_option(OPTION_check), DEFAULT(check));
  ck_assert_int_eq(tcmi_option_change(OPTION_check, 1, SOURCE_API), -EPERM);
  ck_assert_int_eq(
      tcmi_option_change(OPTION_thread_cache_bytes, 1 << 20, SOURCE_API), 0);
  ck_assert_uint_eq(tcmi_option(OPTION_thread_cache_bytes), 1 << 20);
}
END_TEST

/* If the kernel refuses to seal, the options stay as they are. */
START_TEST(refused_seal_is_borne)
{
  tcmi_options_init(NULL);
  unit_fail_all(1u << SYSTEM_COMMIT);
  tcmi_options_seal();
  ck_assert_uint_eq(unit_fail_none(), 1);
  ck_assert_uint_eq(tcmi_option(OPTION_check), DEFAULT(check));
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("options");

  tcase_add_test(tests, defaults_before_and_after_start);
  tcase_add_test(tests, rows_are_sound);
  tcase_add_test(tests, numbers_and_suffixes);
  tcase_add_test(tests, wrong_values_keep_the_default);
  tcase_add_test(tests, suffix_needs_a_number);
  tcase_add_test(tests, paths);
  tcase_add_test(tests, mistyped_names_are_told);
  tcase_add_test(tests, other_names_are_not_told);
  tcase_add_test(tests, other_names_are_not_looked_at);
  tcase_add_test(tests, endless_value);
  tcase_add_test(tests, no_messages_means_none);
  tcase_add_test(tests, api_beats_environment);
  tcase_add_test(tests, changes_are_checked);
  tcase_add_test(tests, fixed_options_are_sealed);
  tcase_add_test(tests, refused_seal_is_borne);
  return unit_run(tests);
}
