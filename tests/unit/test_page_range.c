/* SPDX-License-Identifier: BSD-2-Clause */
/* An arena without memory: ranges change only its descriptors and counts. */
#include "unit.h"

#include "heap/huge_page_filler.h"
#include "heap/page_heap.h"
#include "heap/page_range.h"

#define NHUGE 6
#define NPAGES (NHUGE * HUGE_PAGE_PAGES)

static uint64_t busy, whole, warm;
static uint16_t committed[NHUGE];
static struct huge_page huge_pages[NHUGE];
static struct arena arena;

/* The expected state, one byte per page. */
static bool used[NPAGES], resident[NPAGES];

static void
setup(void)
{
  size_t h;

  arena.start = 64 * HUGE_PAGE_SIZE;
  arena.nhuge = NHUGE;
  arena.busy = &busy;
  arena.whole = &whole;
  arena.warm = &warm;
  arena.committed = committed;
  arena.huge_pages = huge_pages;
  for (h = 0; h < NHUGE; h++)
    huge_pages[h].longest = HUGE_PAGE_PAGES;
  lock_acquire(&tcmi_page_heap_lock);
}

static void
teardown(void)
{
  lock_release(&tcmi_page_heap_lock);
}

static void
expect_huge_page(size_t h)
{
  const bool *u = used + h * HUGE_PAGE_PAGES,
             *r = resident + h * HUGE_PAGE_PAGES;
  size_t nused = 0, idle = 0, i;

  for (i = 0; i < HUGE_PAGE_PAGES; i++) {
    nused += u[i];
    idle += !u[i] && r[i];
    if (!bit_get(&whole, h)) {
      must(bit_get(huge_pages[h].used, i) == u[i]);
      if (!u[i])
        must(bit_get(huge_pages[h].resident, i) == r[i]);
    }
  }
  must(bit_get(&busy, h) == (nused > 0));
  must(bit_get(&warm, h) == (nused == 0 && idle > 0));
  if (bit_get(&whole, h))
    must(nused == HUGE_PAGE_PAGES && huge_pages[h].nused == 0);
  else
    must(huge_pages[h].nused == nused);
}

/* Checks A3 to A5, H1 to H3 and R1 against the bytes. */
static void
expect_counters(void)
{
  size_t nused = 0, idle = 0, nbusy = 0, nwarm = 0, i;

  for (i = 0; i < NPAGES; i++) {
    nused += used[i];
    idle += !used[i] && resident[i];
  }
  for (i = 0; i < NHUGE; i++) {
    expect_huge_page(i);
    nbusy += bit_get(&busy, i);
    nwarm += bit_get(&warm, i);
  }
  must(tcmi_page_counts.used == nused);
  must(tcmi_page_counts.idle == idle);
  must(arena.nbusy == nbusy && arena.nwarm == nwarm);
}

static void
take(size_t first, size_t n)
{
  must(tcmi_range_is_free_locked(&arena, first, n));
  tcmi_range_take_locked(&arena, first, n, RUN_LARGE);
  memset(used + first, true, n);
}

static void
give(size_t first, size_t n, enum residency residency)
{
  tcmi_range_give_locked(&arena, first, n, residency);
  memset(used + first, false, n);
  if (residency != RESIDENCY_KEPT)
    memset(resident + first, residency == RESIDENCY_FULL, n);
}

START_TEST(whole_huge_page_leaves_its_descriptor)
{
  take(HUGE_PAGE_PAGES / 2, 3 * HUGE_PAGE_PAGES);
  expect_counters();
  ck_assert_uint_eq(whole, 0x6);
  ck_assert_ptr_null(huge_pages[1].arena);
  /* Frees a part inside a whole huge page. */
  give(HUGE_PAGE_PAGES + 100, 50, RESIDENCY_FULL);
  expect_counters();
  ck_assert_uint_eq(whole, 0x4);
  ck_assert_uint_eq(huge_pages[1].nused, HUGE_PAGE_PAGES - 50);
  take(HUGE_PAGE_PAGES + 110, 20);
  give(HUGE_PAGE_PAGES / 2, HUGE_PAGE_PAGES / 2 + 100, RESIDENCY_NONE);
  expect_counters();
}
END_TEST

START_TEST(residency_of_what_is_given)
{
  take(0, NPAGES);
  give(0, NPAGES, RESIDENCY_KEPT);
  expect_counters();
  ck_assert_uint_eq(tcmi_page_counts.idle, 0);
  take(0, NPAGES);
  give(0, NPAGES, RESIDENCY_FULL);
  expect_counters();
  ck_assert_uint_eq(tcmi_page_counts.idle, NPAGES);
  take(10, 1000);
  give(10, 1000, RESIDENCY_KEPT);
  expect_counters();
  take(10, 1000);
  give(10, 1000, RESIDENCY_NONE);
  expect_counters();
  ck_assert_uint_eq(tcmi_page_counts.idle, NPAGES - 1000);
}
END_TEST

START_TEST(free_ends_with_the_arena)
{
  ck_assert(tcmi_range_is_free_locked(&arena, 0, NPAGES));
  ck_assert(!tcmi_range_is_free_locked(&arena, 0, NPAGES + 1));
  ck_assert(!tcmi_range_is_free_locked(&arena, NPAGES, 1));
  ck_assert(tcmi_range_is_free_locked(&arena, NPAGES, 0));
  take(NPAGES - 1, 1);
  ck_assert(!tcmi_range_is_free_locked(&arena, NPAGES - 600, 600));
  ck_assert(tcmi_range_is_free_locked(&arena, NPAGES - 600, 599));
}
END_TEST

START_TEST(kind_is_that_of_the_first_run)
{
  size_t first;

  tcmi_range_take_locked(&arena, 0, 4, RUN_SMALL);
  tcmi_range_take_locked(&arena, 100, 4, RUN_LARGE);
  ck_assert_uint_eq(huge_pages[0].kind, RUN_SMALL);
  ck_assert_ptr_eq(tcmi_filler_find_locked(RUN_SMALL, 1, 1, &first),
                   &huge_pages[0]);
  ck_assert_ptr_null(tcmi_filler_find_locked(RUN_LARGE, 1, 1, &first));
  ck_assert_ptr_eq(huge_pages[0].arena, &arena);
}
END_TEST

static size_t
run_length(size_t first, bool in_use, size_t most)
{
  size_t n = 0;

  while (first + n < NPAGES && used[first + n] == in_use && n < most)
    n++;
  return n;
}

START_TEST(random_ranges_against_bytes)
{
  uint64_t state = unit_seed();
  int step;

  for (step = 0; step < 20000; step++) {
    size_t first = unit_below(&state, NPAGES);
    size_t most = 1 + unit_below(&state, step % 4 ? 60 : 3 * HUGE_PAGE_PAGES);
    size_t n;
    /* Runs that fill huge pages from their start are a separate case. */
    if (unit_below(&state, 4) == 0)
      first = first / HUGE_PAGE_PAGES * HUGE_PAGE_PAGES;
    n = run_length(first, false, most);
    must(tcmi_range_is_free_locked(&arena, first, most) == (n == most));
    if (n > 0)
      take(first, n);
    else if ((n = run_length(first, true, most)) > 0)
      give(first, n, (enum residency)unit_below(&state, 3));
    if (step % 8 == 0)
      expect_counters();
  }
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("page_range");

  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, whole_huge_page_leaves_its_descriptor);
  tcase_add_test(tests, residency_of_what_is_given);
  tcase_add_test(tests, free_ends_with_the_arena);
  tcase_add_test(tests, kind_is_that_of_the_first_run);
  tcase_add_test(tests, random_ranges_against_bytes);
  return unit_run(tests);
}
