/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include "heap/huge_page_filler.h"
#include "heap/page_heap.h"

#define NPAGES 40

static struct huge_page pages[NPAGES];

static void
setup(void)
{
  int i;

  for (i = 0; i < NPAGES; i++) {
    pages[i].longest = HUGE_PAGE_PAGES;
    pages[i].kind = (uint8_t)(i % RUN_KINDS);
  }
  lock_acquire(&tcmi_page_heap_lock);
}

static void
teardown(void)
{
  lock_release(&tcmi_page_heap_lock);
}

static void
take(struct huge_page *huge, size_t first, size_t n)
{
  tcmi_huge_page_take(huge, first, n);
  tcmi_filler_update_locked(huge);
}

static void
give(struct huge_page *huge, size_t first, size_t n)
{
  tcmi_huge_page_give(huge, first, n);
  tcmi_filler_update_locked(huge);
}

/* Leaves the huge page with a longest free run of @n pages. */
static void
leave_room(struct huge_page *huge, size_t n)
{
  take(huge, 0, HUGE_PAGE_PAGES);
  give(huge, HUGE_PAGE_PAGES - n, n);
}

START_TEST(empty_and_full_are_in_no_list)
{
  size_t first;

  tcmi_filler_update_locked(&pages[0]);
  ck_assert_uint_eq(pages[0].bucket, 0);
  ck_assert_ptr_null(tcmi_filler_find_locked(RUN_SMALL, 1, 1, &first));
  take(&pages[0], 0, HUGE_PAGE_PAGES);
  ck_assert_uint_eq(pages[0].bucket, 0);
  ck_assert_ptr_null(tcmi_filler_find_locked(RUN_SMALL, 1, 1, &first));
  give(&pages[0], 17, 1);
  ck_assert_uint_eq(pages[0].bucket, 1);
  ck_assert_ptr_eq(tcmi_filler_find_locked(RUN_SMALL, 1, 1, &first), &pages[0]);
  ck_assert_uint_eq(first, 17);
  give(&pages[0], 0, 17);
  give(&pages[0], 18, HUGE_PAGE_PAGES - 18);
  ck_assert_uint_eq(pages[0].bucket, 0);
}
END_TEST

START_TEST(kinds_are_apart)
{
  size_t first;

  leave_room(&pages[0], 100);
  ck_assert_ptr_null(tcmi_filler_find_locked(RUN_LARGE, 1, 1, &first));
  ck_assert_ptr_eq(tcmi_filler_find_locked(RUN_SMALL, 1, 1, &first), &pages[0]);
  leave_room(&pages[1], 3);
  ck_assert_ptr_eq(tcmi_filler_find_locked(RUN_LARGE, 1, 1, &first), &pages[1]);
}
END_TEST

START_TEST(least_room_that_holds_it)
{
  static const size_t rooms[] = {300, 3, 40, 9, 120, 32, 1, 511, 17};
  size_t n = sizeof rooms / sizeof *rooms, want, i, first;

  for (i = 0; i < n; i++)
    leave_room(&pages[2 * i], rooms[i]);
  for (want = 1; want <= 511; want++) {
    struct huge_page *found =
        tcmi_filler_find_locked(RUN_SMALL, want, 1, &first);
    size_t best = 0;
    for (i = 0; i < n; i++)
      if (rooms[i] >= want && (best == 0 || rooms[i] < best))
        best = rooms[i];
    must_for(found != NULL && found->longest == best, "%zu pages", want);
    must(first == HUGE_PAGE_PAGES - best);
  }
  ck_assert_ptr_null(tcmi_filler_find_locked(RUN_SMALL, 512, 1, &first));
}
END_TEST

START_TEST(removed_is_not_found)
{
  size_t first;

  leave_room(&pages[0], 5);
  tcmi_filler_remove_locked(&pages[0]);
  ck_assert_uint_eq(pages[0].bucket, 0);
  ck_assert_ptr_null(tcmi_filler_find_locked(RUN_SMALL, 1, 1, &first));
  tcmi_filler_remove_locked(&pages[0]);
  tcmi_filler_update_locked(&pages[0]);
  ck_assert_ptr_eq(tcmi_filler_find_locked(RUN_SMALL, 1, 1, &first), &pages[0]);
}
END_TEST

/* Whether a huge page of @kind is in a list whose members all have room for @n
 * pages.  Then the search must succeed. */
static bool
some_page_has_room(enum run_kind kind, size_t n)
{
  int i;

  for (i = 0; i < NPAGES; i++)
    if (pages[i].kind == kind && pages[i].nused > 0 &&
        pages[i].longest >= (n <= 32 ? n : n + n / 8 + 1))
      return true;
  return false;
}

static void
expect_found(enum run_kind kind, size_t n, size_t align)
{
  size_t first;
  struct huge_page *huge = tcmi_filler_find_locked(kind, n, align, &first);

  if (huge == NULL) {
    must(align > 1 || !some_page_has_room(kind, n));
    return;
  }
  must(huge->kind == kind && huge->nused > 0);
  must(first % align == 0 && first + n <= HUGE_PAGE_PAGES);
  must(bits_count_range(huge->used, first, n) == 0);
}

START_TEST(random_steps)
{
  uint64_t state = unit_seed();
  int step, i;

  for (step = 0; step < 40000; step++) {
    struct huge_page *huge = &pages[unit_below(&state, NPAGES)];
    size_t n = 1 + unit_below(&state, step % 3 ? 30 : 500);
    size_t first = tcmi_huge_page_find(huge, n, 1);
    if (step % 2 && first != NO_RUN)
      take(huge, first, n);
    first = unit_below(&state, HUGE_PAGE_PAGES);
    for (n = 0; first + n < HUGE_PAGE_PAGES && bit_get(huge->used, first + n);)
      n++;
    if (step % 2 == 0 && n > 0)
      give(huge, first, n);
    for (i = 0; i < NPAGES; i++)
      must((pages[i].bucket != 0) ==
           (pages[i].nused > 0 && pages[i].longest > 0));
    expect_found(step % RUN_KINDS, 1 + unit_below(&state, 512),
                 (size_t)1 << unit_below(&state, 10));
  }
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("huge_page_filler");

  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, empty_and_full_are_in_no_list);
  tcase_add_test(tests, kinds_are_apart);
  tcase_add_test(tests, least_room_that_holds_it);
  tcase_add_test(tests, removed_is_not_found);
  tcase_add_test(tests, random_steps);
  return unit_run(tests);
}
