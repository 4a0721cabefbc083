/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include "heap/huge_page.h"

#define PAGES ((int)HUGE_PAGE_PAGES)

static struct huge_page huge;

/* The expected state, one byte per page. */
static bool used[HUGE_PAGE_PAGES], resident[HUGE_PAGE_PAGES];

static void
setup(void)
{
  huge.longest = HUGE_PAGE_PAGES;
}

static void
set_resident(int first, int n, bool value)
{
  for (; n > 0; n--, first++) {
    resident[first] = value;
    if (value)
      bit_set(huge.resident, (size_t)first);
    else
      bit_clear(huge.resident, (size_t)first);
  }
}

static int
naive_longest(void)
{
  int longest = 0, run = 0, i;

  for (i = 0; i < PAGES; i++) {
    run = used[i] ? 0 : run + 1;
    if (run > longest)
      longest = run;
  }
  return longest;
}

/* The first aligned run of free pages, all resident if @warm. */
static int
naive_find(int n, int align, bool warm)
{
  int first, i;

  for (first = 0; first + n <= PAGES; first += align) {
    for (i = first; i < first + n; i++)
      if (used[i] || (warm && !resident[i]))
        break;
    if (i == first + n)
      return first;
  }
  return PAGES;
}

static void
expect_sound(void)
{
  int count = 0, idle = 0, i;

  for (i = 0; i < PAGES; i++) {
    must(bit_get(huge.used, (size_t)i) == used[i]);
    count += used[i];
    idle += !used[i] && resident[i];
  }
  must(huge.nused == count);
  must(huge.longest == naive_longest());
  must(tcmi_huge_page_idle_pages(&huge) == (size_t)idle);
}

static void
expect_find(int n, int align)
{
  int expected = naive_find(n, align, true);

  if (expected == PAGES)
    expected = naive_find(n, align, false);
  must_for(tcmi_huge_page_find(&huge, (size_t)n, (size_t)align) ==
               (size_t)expected,
           "%d pages aligned to %d", n, align);
}

static void
take(int first, int n)
{
  tcmi_huge_page_take(&huge, (size_t)first, (size_t)n);
  memset(used + first, true, (size_t)n);
}

static void
give(int first, int n)
{
  tcmi_huge_page_give(&huge, (size_t)first, (size_t)n);
  memset(used + first, false, (size_t)n);
}

START_TEST(empty_and_full)
{
  expect_find(1, 1);
  expect_find(PAGES, PAGES);
  take(0, PAGES);
  expect_sound();
  ck_assert_uint_eq(huge.longest, 0);
  ck_assert_uint_eq(tcmi_huge_page_find(&huge, 1, 1), NO_RUN);
  give(0, PAGES);
  expect_sound();
}
END_TEST

START_TEST(resident_pages_come_first)
{
  set_resident(100, 20, true);
  ck_assert_uint_eq(tcmi_huge_page_find(&huge, 5, 1), 100);
  ck_assert_uint_eq(tcmi_huge_page_find(&huge, 20, 1), 100);
  ck_assert_uint_eq(tcmi_huge_page_find(&huge, 21, 1), 0);
  ck_assert_uint_eq(tcmi_huge_page_find(&huge, 4, 8), 104);
  take(100, 10);
  ck_assert_uint_eq(tcmi_huge_page_find(&huge, 10, 1), 110);
  ck_assert_uint_eq(tcmi_huge_page_find(&huge, 11, 1), 0);
  expect_sound();
}
END_TEST

static void
random_step(uint64_t *state)
{
  int n = 1 + (int)unit_below(state, unit_below(state, 4) ? 20 : 300);
  int align = 1 << unit_below(state, 6);
  int first = (int)unit_below(state, HUGE_PAGE_PAGES);
  size_t found;

  expect_find(n, align);
  switch (unit_below(state, 3)) {
  case 0:
    found = tcmi_huge_page_find(&huge, (size_t)n, (size_t)align);
    if (found != NO_RUN)
      take((int)found, n);
    break;
  case 1:
    for (n = 0; first + n < PAGES && used[first + n] && n < 40;)
      n++;
    if (n > 0)
      give(first, n);
    break;
  default:
    n = (int)min_size((size_t)n, HUGE_PAGE_PAGES - (size_t)first);
    set_resident(first, n, unit_below(state, 2));
    break;
  }
}

START_TEST(random_steps_against_bytes)
{
  uint64_t state = unit_seed();
  int step;

  for (step = 0; step < 20000; step++) {
    random_step(&state);
    expect_sound();
  }
}
END_TEST

static void
take_twice(void *unused)
{
  (void)unused;
  tcmi_huge_page_take(&huge, 5, 5);
  tcmi_huge_page_take(&huge, 9, 1);
}

static void
give_more_than_taken(void *unused)
{
  (void)unused;
  tcmi_huge_page_take(&huge, 5, 5);
  tcmi_huge_page_give(&huge, 5, 6);
}

static void
take_over_the_end(void *unused)
{
  (void)unused;
  tcmi_huge_page_take(&huge, HUGE_PAGE_PAGES - 1, 2);
}

START_TEST(own_mistakes_are_caught)
{
  unit_must_abort(take_twice, NULL, "broken invariant");
  unit_must_abort(give_more_than_taken, NULL, "broken invariant");
  unit_must_abort(take_over_the_end, NULL, "broken invariant");
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("huge_page");

  tcase_add_checked_fixture(tests, setup, NULL);
  tcase_add_test(tests, empty_and_full);
  tcase_add_test(tests, resident_pages_come_first);
  tcase_add_test(tests, random_steps_against_bytes);
  tcase_add_test(tests, own_mistakes_are_caught);
  return unit_run(tests);
}
