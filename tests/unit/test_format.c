/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include "base/format.h"

static void
expect_text(const struct line *line, const char *text)
{
  ck_assert_uint_eq(line->length, strlen(text));
  ck_assert_int_eq(memcmp(line->text, text, line->length), 0);
}

START_TEST(text_follows_text)
{
  struct line line = {.length = 0};

  tcmi_line_text(&line, "");
  expect_text(&line, "");
  tcmi_line_text(&line, "one");
  tcmi_line_text(&line, " two");
  expect_text(&line, "one two");
  tcmi_line_end(&line);
  expect_text(&line, "one two\n");
}
END_TEST

START_TEST(numbers_as_printf_writes_them)
{
  uint64_t state = unit_seed();
  char expected[64];
  int i;

  for (i = 0; i < 20000; i++) {
    uint64_t value = harness_random(&state) >> (i % 64);
    struct line line = {.length = 0};
    tcmi_line_decimal(&line, value);
    tcmi_line_text(&line, " ");
    tcmi_line_hex(&line, (uintptr_t)value);
    snprintf(expected, sizeof expected, "%llu 0x%llx",
             (unsigned long long)value, (unsigned long long)(uintptr_t)value);
    must_for(line.length == strlen(expected) &&
                 memcmp(line.text, expected, line.length) == 0,
             "%s", expected);
  }
}
END_TEST

START_TEST(ends_of_the_ranges)
{
  struct line line = {.length = 0};

  tcmi_line_decimal(&line, 0);
  tcmi_line_text(&line, ",");
  tcmi_line_decimal(&line, UINT64_MAX);
  tcmi_line_text(&line, ",");
  tcmi_line_hex(&line, 0);
  expect_text(&line, "0,18446744073709551615,0x0");
}
END_TEST

/* A line always keeps room for its newline, and nothing is written past the end
 * of the buffer. */
START_TEST(long_line_is_cut)
{
  struct {
    struct line line;
    unsigned char guard[64];
  } room;
  int i;

  memset(&room, 0xaa, sizeof room);
  room.line.length = 0;
  for (i = 0; i < 200; i++) {
    tcmi_line_text(&room.line, "0123456789");
    tcmi_line_decimal(&room.line, UINT64_MAX);
    tcmi_line_hex(&room.line, UINTPTR_MAX);
  }
  ck_assert_uint_eq(room.line.length, LINE_MAX_BYTES - 1);
  tcmi_line_end(&room.line);
  ck_assert_uint_eq(room.line.length, LINE_MAX_BYTES);
  ck_assert_int_eq(room.line.text[LINE_MAX_BYTES - 1], '\n');
  ck_assert_int_eq(memcmp(room.line.text, "012345678918446744073709551615", 30),
                   0);
  for (i = 0; i < (int)sizeof room.guard; i++)
    must(room.guard[i] == 0xaa);
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("format");

  tcase_add_test(tests, text_follows_text);
  tcase_add_test(tests, numbers_as_printf_writes_them);
  tcase_add_test(tests, ends_of_the_ranges);
  tcase_add_test(tests, long_line_is_cut);
  return unit_run(tests);
}
