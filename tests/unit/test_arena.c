/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <sys/mman.h>

#include "base/bits.h"
#include "base/metadata.h"
#include "heap/arena.h"
#include "heap/page_heap.h"
#include "heap/pagemap.h"

#define SIZE ((size_t)32 << 20)

static void
setup(void)
{
  lock_acquire(&tcmi_page_heap_lock);
}

static void
teardown(void)
{
  lock_release(&tcmi_page_heap_lock);
}

static struct arena *
make(size_t size)
{
  struct arena *arena = tcmi_arena_new_locked(size, 0);

  ck_assert_ptr_nonnull(arena);
  return arena;
}

/* How many bytes can be read and written from the start of huge page @h on. */
static size_t
accessible_bytes(const struct arena *arena, size_t h)
{
  uintptr_t start = arena->start + (h << HUGE_PAGE_SHIFT);
  FILE *maps = fopen("/proc/self/maps", "r");
  unsigned long from, to, end = start;
  char line[512], protection[8];

  ck_assert_ptr_nonnull(maps);
  while (fgets(line, sizeof line, maps) != NULL)
    if (sscanf(line, "%lx-%lx %7s", &from, &to, protection) == 3 &&
        from <= end && to > end && strncmp(protection, "rw", 2) == 0)
      end = to;
  fclose(maps);
  return min_size(end, arena_end(arena)) - start;
}

START_TEST(new_arena_is_space_without_memory)
{
  static const size_t sizes[] = {1, HUGE_PAGE_SIZE, HUGE_PAGE_SIZE + 1, SIZE,
                                 (size_t)1 << 30};
  size_t i, reserved = 0;

  for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    struct arena *arena = make(sizes[i]);
    size_t size = round_up(sizes[i], HUGE_PAGE_SIZE);
    ck_assert(memory_is_aligned((void *)arena->start, HUGE_PAGE_SIZE));
    ck_assert_uint_eq(arena->nhuge, size / HUGE_PAGE_SIZE);
    ck_assert_uint_eq(arena_end(arena), arena->start + size);
    ck_assert_uint_eq(accessible_bytes(arena, 0), 0);
    ck_assert_ptr_eq(pagemap_arena(arena->start), arena);
    ck_assert_ptr_eq(pagemap_arena(arena_end(arena) - 1), arena);
    ck_assert_uint_eq(arena_page(arena, arena_address(arena, 77)), 77);
    reserved += size;
    ck_assert_uint_eq(arena_reserved_bytes(), reserved);
  }
  ck_assert_uint_eq(arena_committed_bytes(), 0);
}
END_TEST

START_TEST(no_size_is_no_arena)
{
  ck_assert_ptr_null(tcmi_arena_new_locked(0, 0));
  ck_assert_ptr_null(tcmi_arena_new_locked(SIZE_MAX, 0));
  ck_assert_ptr_null(tcmi_arena_new_locked(SIZE_MAX / 2, 0));
  ck_assert_uint_eq(arena_reserved_bytes(), 0);
}
END_TEST

static bool
is_unmapped(uintptr_t start, size_t size)
{
  void *got = mmap((void *)start, size, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

  ck_assert(got != MAP_FAILED);
  munmap(got, size);
  return got == (void *)start;
}

START_TEST(hint_is_followed)
{
  struct arena *first = make(SIZE), *second;
  bool fits = is_unmapped(arena_end(first), SIZE);

  second = tcmi_arena_new_locked(SIZE, arena_end(first));
  ck_assert_ptr_nonnull(second);
  ck_assert(!fits || second->start == arena_end(first));
  ck_assert(memory_is_aligned((void *)second->start, HUGE_PAGE_SIZE));
  ck_assert_ptr_eq(pagemap_arena(second->start), second);
  ck_assert_ptr_eq(pagemap_arena(first->start), first);
}
END_TEST

static size_t
committed_pages(const struct arena *arena)
{
  size_t n = 0, h;

  for (h = 0; h < arena->nhuge; h++)
    n += arena->committed[h];
  return n;
}

/* A2: the requested pages are accessible and counted, and few others are. */
START_TEST(commit_goes_in_steps)
{
  struct arena *arena = make(SIZE);
  size_t page, n, reach = 0;

  for (page = 0; page + 40 < SIZE / PAGE_SIZE; page += 37) {
    ck_assert(tcmi_arena_commit_locked(arena, page, 40));
    n = committed_pages(arena);
    must(arena_committed_bytes() == n << PAGE_SHIFT);
    must(n >= page + 40);
    must((n - page - 40) << PAGE_SHIFT <= COMMIT_STEP_MAX);
    *(volatile char *)arena_address(arena, page) = 1;
    *(volatile char *)(arena_address(arena, page + 40) - 1) = 1;
    must(n >= reach);
    reach = n;
  }
  ck_assert_uint_eq(accessible_bytes(arena, 0), committed_pages(arena)
                                                    << PAGE_SHIFT);
}
END_TEST

START_TEST(first_step_is_small)
{
  struct arena *arena = make(SIZE);

  ck_assert(tcmi_arena_commit_locked(arena, 0, 1));
  ck_assert_uint_le(arena_committed_bytes(), COMMIT_STEP_MIN);
}
END_TEST

START_TEST(commit_of_a_run_over_huge_pages)
{
  struct arena *arena = make(SIZE);
  size_t first = HUGE_PAGE_PAGES / 2, n = 5 * HUGE_PAGE_PAGES;

  ck_assert(tcmi_arena_commit_locked(arena, 3 * HUGE_PAGE_PAGES, 17));
  ck_assert(tcmi_arena_commit_locked(arena, first, n));
  memset((void *)arena_address(arena, first), 1, n << PAGE_SHIFT);
  ck_assert_uint_eq(accessible_bytes(arena, 0), committed_pages(arena)
                                                    << PAGE_SHIFT);
  ck_assert_uint_eq(arena_committed_bytes(), committed_pages(arena)
                                                 << PAGE_SHIFT);
  ck_assert(tcmi_arena_commit_locked(arena, 0, SIZE / PAGE_SIZE));
  ck_assert_uint_eq(arena_committed_bytes(), SIZE);
}
END_TEST

/* A commit does not make the gap before it accessible. */
START_TEST(commit_leaves_gaps_closed)
{
  struct arena *arena = make(SIZE);

  ck_assert(tcmi_arena_commit_locked(arena, 4 * HUGE_PAGE_PAGES, 1));
  ck_assert_uint_eq(accessible_bytes(arena, 0), 0);
  ck_assert_uint_gt(accessible_bytes(arena, 4), 0);
  ck_assert(tcmi_arena_commit_locked(arena, 0, 1));
  ck_assert_uint_le(accessible_bytes(arena, 0), HUGE_PAGE_SIZE);
}
END_TEST

START_TEST(refused_commit_changes_nothing)
{
  struct arena *arena = make(SIZE);
  size_t before;

  ck_assert(tcmi_arena_commit_locked(arena, 0, 10));
  before = arena_committed_bytes();
  unit_fail_all(1u << SYSTEM_COMMIT);
  ck_assert(tcmi_arena_commit_locked(arena, 0, 10));
  ck_assert(!tcmi_arena_commit_locked(arena, 0, 2 * HUGE_PAGE_PAGES));
  ck_assert_uint_gt(unit_fail_none(), 0);
  ck_assert_uint_eq(arena_committed_bytes(), before);
  ck_assert_uint_eq(committed_pages(arena) << PAGE_SHIFT, before);
  ck_assert(tcmi_arena_commit_locked(arena, 0, 2 * HUGE_PAGE_PAGES));
}
END_TEST

/* Near its limit, a process gets the pages it needs, even if a whole step does
 * not fit. */
START_TEST(exact_commit_when_the_step_is_refused)
{
  struct arena *arena = make(SIZE);

  (void)tcmi_system_fail(1u << SYSTEM_COMMIT, 1, 1);
  ck_assert(tcmi_arena_commit_locked(arena, 0, 3));
  ck_assert_uint_eq(unit_fail_none(), 1);
  ck_assert_uint_eq(arena_committed_bytes(),
                    round_up(3 << PAGE_SHIFT, tcmi_system_page_size()));
}
END_TEST

START_TEST(deleted_arena_is_gone)
{
  struct arena *arena = make(SIZE);
  uintptr_t start = arena->start;
  unsigned char map[1];

  ck_assert(tcmi_arena_commit_locked(arena, 0, 5000));
  ck_assert(tcmi_arena_delete_locked(arena));
  ck_assert_uint_eq(arena_committed_bytes(), 0);
  ck_assert_uint_eq(arena_reserved_bytes(), 0);
  ck_assert_ptr_null(pagemap_arena(start));
  ck_assert_int_eq(mincore((void *)start, 1, map), -1);
}
END_TEST

START_TEST(refused_deletion_keeps_it)
{
  struct arena *arena = make(SIZE);

  ck_assert(tcmi_arena_commit_locked(arena, 0, 5));
  unit_fail_all(1u << SYSTEM_RELEASE);
  ck_assert(!tcmi_arena_delete_locked(arena));
  ck_assert_uint_eq(unit_fail_none(), 1);
  ck_assert_ptr_eq(pagemap_arena(arena->start), arena);
  *(volatile char *)arena->start = 1;
  ck_assert(tcmi_arena_delete_locked(arena));
}
END_TEST

/* When the nth call fails, the result is no arena or a complete one; a failure
 * leaves no trace. */
START_TEST(each_refused_call)
{
  unsigned n, failures = 0;

  for (n = 1;; n++) {
    struct arena *arena;
    (void)tcmi_system_fail(~0u, n, 1);
    arena = tcmi_arena_new_locked(SIZE, 0);
    if (unit_fail_none() == 0) {
      ck_assert_ptr_nonnull(arena);
      break;
    }
    failures++;
    ck_assert_uint_eq(arena_reserved_bytes(), arena == NULL ? 0 : SIZE);
    if (arena != NULL)
      ck_assert(tcmi_arena_delete_locked(arena));
  }
  ck_assert_uint_ge(failures, 4);
}
END_TEST

/* A process at its limit may try a thousand times, so each failure must free
 * what it allocated. */
START_TEST(failures_do_not_eat_metadata)
{
  size_t before = 0;
  int i;

  for (i = 0; i < 300; i++) {
    /* Address space and metadata are mapped; then a commit fails. */
    unit_fail_all(1u << SYSTEM_COMMIT);
    ck_assert_ptr_null(tcmi_arena_new_locked((size_t)256 << 20, 0));
    ck_assert_uint_gt(unit_fail_none(), 0);
    if (i == 10)
      before = tcmi_metadata_mapped_bytes();
  }
  ck_assert_uint_eq(tcmi_metadata_mapped_bytes(), before);
}
END_TEST

START_TEST(larger_system_pages)
{
  struct arena *arena;
  size_t page, h;

  tcmi_system_set_page_size(SYSTEM_PAGE_MAX);
  arena = make(SIZE);
  for (page = 0; page + 16 < SIZE / PAGE_SIZE; page += 5) {
    (void)tcmi_system_fail(1u << SYSTEM_COMMIT, 1, page % 2);
    ck_assert(tcmi_arena_commit_locked(arena, page, 11));
    *(volatile char *)(arena_address(arena, page + 11) - 1) = 1;
    for (h = 0; h < arena->nhuge; h++)
      must(arena->committed[h] % (SYSTEM_PAGE_MAX / PAGE_SIZE) == 0);
  }
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("arena");

  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, new_arena_is_space_without_memory);
  tcase_add_test(tests, no_size_is_no_arena);
  tcase_add_test(tests, hint_is_followed);
  tcase_add_test(tests, commit_goes_in_steps);
  tcase_add_test(tests, first_step_is_small);
  tcase_add_test(tests, commit_of_a_run_over_huge_pages);
  tcase_add_test(tests, commit_leaves_gaps_closed);
  tcase_add_test(tests, refused_commit_changes_nothing);
  tcase_add_test(tests, exact_commit_when_the_step_is_refused);
  tcase_add_test(tests, deleted_arena_is_gone);
  tcase_add_test(tests, refused_deletion_keeps_it);
  tcase_add_test(tests, each_refused_call);
  tcase_add_test(tests, failures_do_not_eat_metadata);
  tcase_add_test(tests, larger_system_pages);
  return unit_run(tests);
}
