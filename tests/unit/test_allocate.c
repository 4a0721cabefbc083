/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <sys/mman.h>

#include "base/bits.h"
#include "base/params.h"
#include "front/allocate.h"
#include "front/heap_check.h"
#include "heap/page_heap.h"
#include "heap/pagemap.h"
#include "process/lifecycle.h"
#include "process/release.h"

#define MIB ((size_t)1 << 20)

static bool
is_resident(uintptr_t page)
{
  unsigned char map[1];

  must(mincore((void *)(page & ~(uintptr_t)(PAGE_SIZE - 1)), 1, map) == 0);
  return map[0] & 1;
}

static void *
allocate(size_t size)
{
  void *block = tcmi_allocate(size);

  must_for(block != NULL, "%zu", size);
  must_for(memory_is_aligned(block, memory_least_alignment(size)), "%zu", size);
  must_for(tcmi_usable_size(call_unknown("test"), block) ==
               tcmi_good_size(size),
           "%zu", size);
  return block;
}

START_TEST(every_small_size)
{
  size_t size;

  for (size = 0; size <= SIZE_CLASS_MAX + 5000; size++) {
    void *block = allocate(size);
    memset(block, 1, size);
    if (size % 3 != 0)
      tcmi_free(block);
  }
  tcmi_heap_check();
}
END_TEST

START_TEST(good_size_is_sound)
{
  size_t size, last = 0;

  for (size = 0; size < 4 * MIB; size += size < 40000 ? 1 : 4001) {
    size_t good = tcmi_good_size(size);
    must(good >= size && good >= last && tcmi_good_size(good) == good);
    last = good;
  }
  ck_assert_uint_eq(tcmi_good_size((size_t)PTRDIFF_MAX + 1), 0);
  ck_assert_uint_ge(tcmi_good_size(PTRDIFF_MAX), PTRDIFF_MAX);
}
END_TEST

/* ---- Cache lines of other threads ---------------------------------------- */

#define CARDS 64
#define LINE 64

static struct {
  void *cards[CARDS]; /* adjacent blocks; each thread frees a quarter */
  size_t size;        /* bytes of each */
  unsigned turn;      /* number of earlier threads */
  bool idle;          /* each thread first flushes its cache */
} table;

static bool
shares_a_line(const void *block)
{
  unsigned i;

  for (i = 0; i < CARDS; i++)
    if (table.cards[i] != NULL &&
        (uintptr_t)table.cards[i] / LINE == (uintptr_t)block / LINE)
      return true;
  return false;
}

/* Frees a quarter of the cards.  Then allocates blocks, none of which may share
 * a line with a card that was not freed. */
static void *
play(void *unused)
{
  void *hand[CARDS];
  unsigned i;

  tcmi_free(allocate(200));
  if (table.idle)
    tcmi_thread_cache_flush(tcmi_thread_cache);
  for (i = table.turn; i < CARDS; i += 4) {
    tcmi_free(table.cards[i]);
    table.cards[i] = NULL;
  }
  for (i = 0; i < 32; i++) {
    hand[i] = allocate(table.size);
    must_for(!shares_a_line(hand[i]), "%zu B, block %u, thread %u", table.size,
             i, table.turn);
  }
  for (i = 0; i < 32; i++)
    tcmi_free(hand[i]);
  return unused;
}

/* A thread does not reuse freed objects that share a cache line with other
 * threads' blocks, whether its cache is new or adopted. */
START_TEST(others_lines_are_given_away)
{
  static const size_t sizes[] = {8, 16, 32, 48};
  size_t s;

  for (s = 0; s < 2 * sizeof sizes / sizeof *sizes; s++) {
    unsigned i;
    table.size = sizes[s / 2];
    table.idle = s % 2 == 1;
    for (i = 0; i < CARDS; i++)
      table.cards[i] = allocate(table.size);
    for (table.turn = 0; table.turn < 3; table.turn++) {
      pthread_t thread;
      must(pthread_create(&thread, NULL, play, NULL) == 0);
      must(pthread_join(thread, NULL) == 0);
    }
    for (i = 3; i < CARDS; i += 4)
      tcmi_free(table.cards[i]);
    memset(table.cards, 0, sizeof table.cards);
  }
  tcmi_heap_check();
}
END_TEST

START_TEST(failure_sets_errno_and_nothing_else)
{
  static const size_t sizes[] = {SIZE_MAX, PTRDIFF_MAX, (size_t)PTRDIFF_MAX + 1,
                                 (size_t)1 << 47, SIZE_MAX - PAGE_SIZE};
  size_t i, used;

  tcmi_free(allocate(1));
  used = tcmi_page_heap_used_bytes();
  for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    errno = 0;
    ck_assert_ptr_null(tcmi_allocate(harness_size(sizes[i])));
    ck_assert_int_eq(errno, ENOMEM);
    errno = 0;
    ck_assert_ptr_null(tcmi_allocate_zeroed(1, sizes[i]));
    ck_assert_int_eq(errno, ENOMEM);
    errno = 0;
    ck_assert_ptr_null(tcmi_allocate_zeroed(sizes[i], 2));
    ck_assert_int_eq(errno, ENOMEM);
    errno = 0;
    ck_assert_ptr_null(tcmi_allocate_aligned(64, sizes[i]));
    ck_assert_int_eq(errno, ENOMEM);
  }
  errno = 0;
  ck_assert_ptr_null(tcmi_allocate_aligned((size_t)1 << 63, 1));
  ck_assert_int_eq(errno, ENOMEM);
  ck_assert_uint_le(tcmi_page_heap_used_bytes(), used);
  tcmi_heap_check();
}
END_TEST

START_TEST(success_leaves_errno_alone)
{
  void *blocks[200];
  int i;

  errno = 4711;
  for (i = 0; i < 200; i++) {
    blocks[i] = allocate((size_t)i * 997);
    ck_assert_int_eq(errno, 4711);
  }
  for (i = 0; i < 200; i++) {
    tcmi_free(blocks[i]);
    ck_assert_int_eq(errno, 4711);
  }
  ck_assert_ptr_nonnull(tcmi_allocate_zeroed(100, 100));
  ck_assert_ptr_nonnull(tcmi_allocate_aligned(4096, 100000));
  tcmi_free(NULL);
  ck_assert_int_eq(errno, 4711);
}
END_TEST

/* ---- Zero ---------------------------------------------------------------- */

START_TEST(zeroed_is_zero_whatever_was_there)
{
  uint64_t state = unit_seed();
  void *blocks[60] = {NULL};
  int i;

  for (i = 0; i < 20000; i++) {
    size_t slot = unit_below(&state, 60);
    size_t size = unit_below(&state, i % 50 ? 3000 : i % 100 ? 40000 : 2 * MIB);
    unsigned char *block;
    tcmi_free(blocks[slot]);
    block = tcmi_allocate_zeroed(1, size);
    must(block != NULL && memory_is_zero(block, size));
    memset(block, 0xff, tcmi_usable_size(call_unknown("test"), block));
    blocks[slot] = block;
  }
  tcmi_heap_check();
}
END_TEST

/* calloc does not touch fresh memory: in classes of a page or more, and in
 * large blocks. */
START_TEST(fresh_zeroed_memory_is_not_touched)
{
  static const size_t sizes[] = {4096,           8192,   16384,   20480,
                                 SIZE_CLASS_MAX, 100000, 3 * MIB, 200 * MIB};
  size_t i, page;

  for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    uintptr_t block = (uintptr_t)tcmi_allocate_zeroed(1, sizes[i]);
    ck_assert_uint_ne(block, 0);
    for (page = 0; page < sizes[i]; page += PAGE_SIZE)
      must_for(!is_resident(block + page), "%zu at %zu", sizes[i], page);
  }
}
END_TEST

/* ---- Alignment ----------------------------------------------------------- */

START_TEST(aligned_as_asked)
{
  size_t align, size;
  void *block;

  for (align = 1; align <= 64 * MIB; align *= 2)
    for (size = 0; size < 70000; size += size < 100 ? 1 : 1 + size / 3) {
      block = tcmi_allocate_aligned(align, size);
      must_for(block != NULL && memory_is_aligned(block, align), "%zu, %zu",
               align, size);
      must(tcmi_usable_size(call_unknown("test"), block) >= size);
      memset(block, 1, size);
      tcmi_free(block);
    }
  tcmi_heap_check();
}
END_TEST

START_TEST(alignment_is_rounded_as_glibc_does)
{
  ck_assert_uint_eq(tcmi_alignment_round(0), 16);
  ck_assert_uint_eq(tcmi_alignment_round(1), 16);
  ck_assert_uint_eq(tcmi_alignment_round(8), 16);
  ck_assert_uint_eq(tcmi_alignment_round(9), 16);
  ck_assert_uint_eq(tcmi_alignment_round(48), 64);
  ck_assert_uint_eq(tcmi_alignment_round(4096), 4096);
  ck_assert_uint_eq(tcmi_alignment_round(4097), 8192);
  ck_assert_uint_eq(tcmi_alignment_round((size_t)1 << 63), (size_t)1 << 63);
  ck_assert_uint_eq(tcmi_alignment_round(((size_t)1 << 62) + 1),
                    (size_t)1 << 63);
  ck_assert_uint_eq(tcmi_alignment_round(((size_t)1 << 63) + 1), 0);
  ck_assert_uint_eq(tcmi_alignment_round(SIZE_MAX), 0);
}
END_TEST

START_TEST(large_alignment_with_larger_system_pages)
{
  size_t align;

  setenv("TCM_PAGE_SIZE", "65536", 1);
  for (align = 1; align <= MIB; align *= 2) {
    void *small = tcmi_allocate_aligned(align, 100);
    void *large = tcmi_allocate_aligned(align, 100000);
    must_for(small != NULL && memory_is_aligned(small, align), "%zu: %p", align,
             small);
    must_for(large != NULL && memory_is_aligned(large, align), "%zu: %p", align,
             large);
    tcmi_free(small);
    tcmi_free(large);
  }
  ck_assert_uint_eq(tcmi_system_page_size(), 65536);
  tcmi_heap_check();
}
END_TEST

/* ---- A thread without a cache -------------------------------------------- */

static void
use_all_kinds(void)
{
  void *blocks[100];
  int i;

  for (i = 0; i < 100; i++) {
    size_t size = (size_t)i * i * 9;
    blocks[i] = i % 3 == 0   ? tcmi_allocate_zeroed(1, size)
                : i % 3 == 1 ? tcmi_allocate_aligned(256, size)
                             : tcmi_allocate(size);
    must(blocks[i] != NULL);
    must(i % 3 != 0 || memory_is_zero(blocks[i], size));
    memory_fill(blocks[i], size, (uint64_t)i);
  }
  for (i = 0; i < 100; i++) {
    must(memory_holds(blocks[i], (size_t)i * i * 9, (uint64_t)i));
    tcmi_free(blocks[i]);
  }
}

START_TEST(without_a_cache)
{
  static const enum cache_state states[] = {CACHE_STARTING, CACHE_CLOSED,
                                            CACHE_GONE};
  size_t i;

  use_all_kinds();
  for (i = 0; i < 3; i++) {
    tcmi_thread_cache_detach(states[i]);
    use_all_kinds();
    ck_assert_int_eq(tcmi_thread_cache_state, states[i]);
    tcmi_heap_check();
  }
}
END_TEST

START_TEST(checked_mode_has_a_closed_cache)
{
  setenv("TCM_CHECK", "1", 1);
  use_all_kinds();
  ck_assert_int_eq(tcmi_thread_cache_state, CACHE_CHECKED);
  tcmi_heap_check();
  (void)tcmi_flush_all();
  ck_assert_uint_eq(tcmi_page_heap_used_bytes(), 0);
  tcmi_heap_check();
}
END_TEST

/* Also where a thread no longer has a cache, or has no view of the heap. */
START_TEST(checked_mode_everywhere)
{
  static const enum cache_state states[] = {CACHE_STARTING, CACHE_GONE};
  size_t i;

  setenv("TCM_CHECK", "1", 1);
  use_all_kinds();
  tcmi_thread_cache_divert(tcmi_thread_cache);
  use_all_kinds();
  tcmi_heap_check();
  for (i = 0; i < 2; i++) {
    tcmi_thread_cache_detach(states[i]);
    use_all_kinds();
    tcmi_heap_check();
  }
}
END_TEST

/* ---- Misuse -------------------------------------------------------------- */

static void
free_it(void *block)
{
  tcmi_free(block);
}

static void
free_twice(void *block)
{
  tcmi_free(block);
  tcmi_free(block);
}

static void
ask_size(void *block)
{
  (void)tcmi_usable_size(call_unknown("malloc_usable_size"), block);
}

static void
free_and_ask_size(void *block)
{
  tcmi_free(block);
  (void)tcmi_usable_size(call_unknown("malloc_usable_size"), block);
}

static void
free_write_free(void *block)
{
  tcmi_free(block);
  memset(block, 1, 100);
  tcmi_free(block);
}

START_TEST(misuse_is_told)
{
  static long object[8];
  char *small = allocate(100), *large = allocate(MIB);

  unit_must_abort(free_twice, small, "free(): double free at");
  unit_must_abort(free_twice, large, "free(): double free at");
  unit_must_abort(free_it, small + 4, "not aligned");
  unit_must_abort(free_it, large + 16, "not at the start of a block");
  unit_must_abort(free_it, large + 5 * PAGE_SIZE, "not at the start");
  unit_must_abort(free_it, object, "not from this heap");
  unit_must_abort(free_it, &small, "not from this heap");
  unit_must_abort(free_it, (void *)(uintptr_t)16, "not from this heap");
  unit_must_abort(free_it, (void *)UINTPTR_MAX, "not from this heap");
  unit_must_abort(ask_size, small + 16, "malloc_usable_size(): ");
  unit_must_abort(ask_size, large + PAGE_SIZE, "malloc_usable_size(): ");
  unit_must_abort(ask_size, object, "not from this heap");
  unit_must_abort(free_and_ask_size, small, "block is free");
  unit_must_abort(free_and_ask_size, large, "block is free");
  tcmi_free(small);
  tcmi_free(large);
}
END_TEST

START_TEST(misuse_in_checked_mode)
{
  char *small, *neighbor;

  setenv("TCM_CHECK", "1", 1);
  small = allocate(100);
  neighbor = allocate(100);
  unit_must_abort(free_twice, small, "double free");
  unit_must_abort(free_and_ask_size, small, "block is free");
  unit_must_abort(free_it, small + 16, "not at the start of a block");
  unit_must_abort(free_it, small + 20 * 112, "double free");
  /* In the bin, but never handed out. */
  unit_must_abort(free_it, neighbor + 112, "double free");
  unit_must_abort(ask_size, neighbor + 112, "block is free");
  /* Whatever the program has written there. */
  unit_must_abort(free_write_free, small, "double free");
  /* Also on the slow path, and in a thread that no longer has a cache. */
  tcmi_thread_cache_divert(tcmi_thread_cache);
  unit_must_abort(free_write_free, small, "double free");
  unit_must_abort(free_it, neighbor + 112, "double free");
  tcmi_thread_cache_detach(CACHE_GONE);
  unit_must_abort(free_write_free, small, "double free");
  unit_must_abort(free_it, neighbor + 112, "double free");
  tcmi_free(small);
  tcmi_free(neighbor);
}
END_TEST

/* ---- Refusals ------------------------------------------------------------ */

/* An allocation fails only after all cached memory was tried. */
START_TEST(everything_free_is_tried)
{
  enum { COUNT = 20000 };
  static void *blocks[COUNT];
  int i, got = 0;

  for (i = 0; i < COUNT; i++)
    blocks[i] = allocate(1024);
  for (i = 0; i < COUNT; i++)
    tcmi_free(blocks[i]);
  unit_fail_all(1u << SYSTEM_RESERVE | 1u << SYSTEM_COMMIT);
  /* Most of the 20 MB used before must be available for another size. */
  while (got < COUNT && (blocks[got] = tcmi_allocate(16384)) != NULL)
    got++;
  ck_assert_int_eq(errno, ENOMEM);
  ck_assert_uint_gt(unit_fail_none(), 0);
  ck_assert_uint_ge((size_t)got * 16384, 17 * MIB);
  for (i = 0; i < got; i++)
    tcmi_free(blocks[i]);
  tcmi_heap_check();
}
END_TEST

START_TEST(start_without_memory)
{
  int i;

  unit_fail_all(~0u);
  for (i = 0; i < 20; i++) {
    errno = 0;
    ck_assert_ptr_null(tcmi_allocate((size_t)i * 5000));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_ptr_null(tcmi_allocate_zeroed(1, (size_t)i * 5000));
    ck_assert_ptr_null(tcmi_allocate_aligned(64, (size_t)i * 5000));
    tcmi_free(NULL);
  }
  ck_assert_uint_gt(unit_fail_none(), 0);
  use_all_kinds();
  ck_assert_int_eq(tcmi_thread_cache_state, CACHE_OPEN);
  tcmi_heap_check();
}
END_TEST

static void
add_tests(TCase *tests)
{
  tcase_add_test(tests, every_small_size);
  tcase_add_test(tests, good_size_is_sound);
  tcase_add_test(tests, others_lines_are_given_away);
  tcase_add_test(tests, failure_sets_errno_and_nothing_else);
  tcase_add_test(tests, success_leaves_errno_alone);
  tcase_add_test(tests, zeroed_is_zero_whatever_was_there);
  tcase_add_test(tests, fresh_zeroed_memory_is_not_touched);
  tcase_add_test(tests, aligned_as_asked);
  tcase_add_test(tests, alignment_is_rounded_as_glibc_does);
  tcase_add_test(tests, large_alignment_with_larger_system_pages);
  tcase_add_test(tests, without_a_cache);
  tcase_add_test(tests, checked_mode_has_a_closed_cache);
  tcase_add_test(tests, checked_mode_everywhere);
  tcase_add_test(tests, misuse_is_told);
  tcase_add_test(tests, misuse_in_checked_mode);
  tcase_add_test(tests, everything_free_is_tried);
  tcase_add_test(tests, start_without_memory);
}

int
main(void)
{
  TCase *tests = unit_case("allocate");

  add_tests(tests);
  return unit_run(tests);
}
