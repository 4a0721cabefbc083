/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocks with red zones, and the table of their records. */
#include "unit.h"

#include "front/allocate.h"
#include "front/guard.h"
#include "front/heap_check.h"
#include "front/reallocate.h"
#include "profile/guard_records.h"

#define MIB ((size_t)1 << 20)

/* Each test has its own process, in which the heap has not started yet. */
static void
set_level(int level)
{
  char text[16];

  snprintf(text, sizeof text, "%d", level);
  setenv("TCM_CHECK", text, 1);
}

static size_t
in_use(void)
{
  struct tcm_stats stats;

  must(tcm_stats(&stats, sizeof stats) == 0);
  return stats.in_use_bytes;
}

/* ---- The table ----------------------------------------------------------- */

#define ADDRESSES 20000

static bool naive[ADDRESSES];

static uintptr_t
address_of(size_t i)
{
  return 0x7f0000000000 + i * 16;
}

static void
expect_same(void)
{
  struct guard_record *record;
  size_t slot = 0, found = 0, wanted = 0, i;

  for (i = 0; i < ADDRESSES; i++) {
    record = tcmi_guard_find_locked(address_of(i));
    must((record != NULL) == naive[i]);
    must(record == NULL ||
         (record->block == address_of(i) && record->size == i));
    wanted += naive[i];
  }
  while (tcmi_guard_next_locked(&slot) != NULL)
    found++;
  must(found == wanted);
}

static void
toggle(size_t i)
{
  struct guard_record *record;

  if (naive[i]) {
    tcmi_guard_remove_locked(tcmi_guard_find_locked(address_of(i)));
  } else {
    record = tcmi_guard_add_locked(address_of(i));
    must(record != NULL);
    record->size = i;
  }
  naive[i] = !naive[i];
}

START_TEST(table_agrees_with_a_naive_one)
{
  uint64_t state = unit_seed();
  size_t step;

  lock_acquire(&tcmi_guard_lock);
  expect_same();
  for (step = 0; step < 100000; step++) {
    /* The table grows, with some removals, then shrinks. */
    size_t i = unit_below(&state, ADDRESSES);
    if (naive[i] == (step > 50000) || unit_below(&state, 4) == 0)
      toggle(i);
    if (step % 10000 == 0)
      expect_same();
  }
  expect_same();
  lock_release(&tcmi_guard_lock);
}
END_TEST

START_TEST(table_without_memory)
{
  struct guard_record *record;
  size_t i, n = 0;

  lock_acquire(&tcmi_guard_lock);
  unit_fail_all(~0u);
  must(tcmi_guard_add_locked(16) == NULL);
  ck_assert_uint_ge(unit_fail_none(), 1);
  must(tcmi_guard_add_locked(16) != NULL);
  unit_fail_all(~0u);
  for (i = 2; i < ADDRESSES; i++) {
    record = tcmi_guard_add_locked(i * 16);
    if (record == NULL)
      break;
    n++;
  }
  ck_assert_uint_ge(unit_fail_none(), 1);
  ck_assert_uint_ge(n, 1000);
  for (i = 2; i < n + 2; i++)
    must(tcmi_guard_find_locked(i * 16) != NULL);
  lock_release(&tcmi_guard_lock);
}
END_TEST

/* ---- Blocks -------------------------------------------------------------- */

START_TEST(usable_is_what_was_asked_for)
{
  static const size_t sizes[] = {0, 1, 8, 100, 5000, 32768, 40000, 3 * MIB};
  size_t i;

  set_level(_i);
  for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    unsigned char *block = tcmi_allocate(sizes[i]);
    must(tcmi_usable_size(call_unknown("test"), block) == sizes[i]);
    must(tcmi_good_size(sizes[i]) == sizes[i]);
    memset(block, 1, sizes[i]);
    block = tcmi_reallocate(block, sizes[i] + 1);
    must(block != NULL);
    must(tcmi_usable_size(call_unknown("test"), block) == sizes[i] + 1);
    must(sizes[i] == 0 || block[sizes[i] - 1] == 1);
    tcmi_free(block);
  }
  tcmi_heap_check();
}
END_TEST

START_TEST(new_memory_is_junk)
{
  unsigned char *block, *zeroed;

  set_level(_i);
  block = tcmi_allocate(1000);
  must(block[0] != 0 && block[0] == block[999]);
  zeroed = tcmi_allocate_zeroed(10, 100);
  must(memory_is_zero(zeroed, 1000));
  block = tcmi_reallocate(block, 1010);
  must(block[1009] == block[1000] && block[1009] != 0);
}
END_TEST

START_TEST(quarantine_is_bounded)
{
  size_t before, i;

  set_level(_i);
  tcmi_free(tcmi_allocate(1));
  before = in_use();
  for (i = 0; i < 40000; i++)
    tcmi_free(tcmi_allocate(1000));
  ck_assert_uint_ge(in_use() - before, 4 * MIB);
  ck_assert_uint_le(in_use() - before, 20 * MIB);
  for (i = 0; i < 40000; i++)
    tcmi_free(tcmi_allocate(8));
  ck_assert_uint_le(in_use() - before, 4 * MIB);
  for (i = 0; i < 20; i++)
    tcmi_free(tcmi_allocate(30 * MIB));
  ck_assert_uint_le(in_use() - before, 4 * MIB);
  (void)tcm_release_free_memory();
  ck_assert_uint_eq(in_use(), 0);
  tcmi_heap_check();
}
END_TEST

/* ---- Blocks of zero bytes ------------------------------------------------ */

static void
read_byte(void *block)
{
  (void)*(volatile char *)block;
  _exit(0);
}

static bool
faults(void *block)
{
  char text[256];

  return unit_child(read_byte, block, text, sizeof text) != 0;
}

#define MANY 1100

START_TEST(zero_bytes_are_inaccessible)
{
  static void *blocks[MANY];
  size_t round, i, before;

  set_level(_i);
  tcmi_free(tcmi_allocate(1));
  before = in_use();
  for (round = 0; round < 3; round++) {
    for (i = 0; i < MANY; i++) {
      blocks[i] = i % 3 == 0   ? tcmi_allocate(0)
                  : i % 3 == 1 ? tcmi_allocate_zeroed(0, 5)
                               : tcmi_allocate_aligned(8192, 0);
      must(blocks[i] != NULL);
      must(i % 3 != 2 || (uintptr_t)blocks[i] % 8192 == 0);
      must(tcmi_usable_size(call_unknown("test"), blocks[i]) == 0);
    }
    for (i = 0; i < 3; i++)
      must_for(faults(blocks[i]), "round %zu, block %zu", round, i);
    /* The number of mappings is limited. */
    must(!faults(blocks[MANY - 1]));
    tcmi_guard_verify("test");
    blocks[0] = tcmi_reallocate(blocks[0], 100);
    memory_fill(blocks[0], 100, 7);
    blocks[1] = tcmi_reallocate(blocks[1], MIB);
    memory_fill(blocks[1], MIB, 8);
    must(tcmi_expand(call_unknown("test"), blocks[2], 100) == 0);
    must(memory_holds(blocks[0], 100, 7) && memory_holds(blocks[1], MIB, 8));
    for (i = 0; i < MANY; i++)
      tcmi_free(blocks[i]);
    must(faults(blocks[3]));
    /* Empties the quarantine. */
    (void)tcm_release_free_memory();
    ck_assert_uint_le(in_use(), before);
    tcmi_heap_check();
  }
}
END_TEST

static void
free_twice(void *block)
{
  tcmi_free(block);
  tcmi_free(block);
}

START_TEST(zero_bytes_freed_twice)
{
  set_level(_i);
  unit_must_abort(free_twice, tcmi_allocate(0), "double free");
}
END_TEST

START_TEST(quarantine_yields_to_need)
{
  size_t i, n = 0;

  set_level(_i);
  for (i = 0; i < 100; i++)
    tcmi_free(tcmi_allocate(50000));
  ck_assert_uint_ge(in_use(), 100 * 50000);
  unit_fail_all(~0u);
  while (n < 100 && tcmi_allocate(50000) != NULL)
    n++;
  ck_assert_uint_ge(unit_fail_none(), 1);
  ck_assert_uint_ge(n, 10);
  /* The blocks in quarantine are now free or in use again. */
  ck_assert_uint_le(in_use(), n * 60000 + 100000);
}
END_TEST

START_TEST(no_record_no_block)
{
  void *blocks[8000];
  unsigned i, n = 0;

  set_level(_i);
  tcmi_free(tcmi_allocate(16));
  for (i = 0; i < 2500; i++)
    blocks[i] = tcmi_allocate(16);
  unit_fail_all(~0u);
  while (i < 8000 && (blocks[i] = tcmi_allocate(16)) != NULL)
    i++;
  ck_assert_uint_ge(unit_fail_none(), 1);
  ck_assert_uint_lt(i, 8000);
  while (n < i)
    tcmi_free(blocks[n++]);
  tcmi_guard_verify("test");
  tcmi_heap_check();
}
END_TEST

static void
free_it(void *block)
{
  tcmi_free(block);
}

static void
resize_it(void *block)
{
  (void)!tcmi_reallocate(block, 40);
}

/* As if another thread were inside realloc. */
START_TEST(race_of_two_threads_is_told)
{
  void *block;

  set_level(_i);
  block = tcmi_allocate(30);
  lock_acquire(&tcmi_guard_lock);
  tcmi_guard_find_locked((uintptr_t)block)->state = GUARD_MOVED;
  lock_release(&tcmi_guard_lock);
  unit_must_abort(free_it, block, "block is being resized by another thread");
  unit_must_abort(resize_it, block, "block is being resized by another thread");
}
END_TEST

static void *
churn(void *seed)
{
  uint64_t state = (uint64_t)(uintptr_t)seed;
  unsigned char *own[64] = {NULL};
  size_t sizes[64] = {0}, i, step;

  for (step = 0; step < 20000; step++) {
    i = unit_below(&state, 64);
    must(own[i] == NULL || memory_holds(own[i], sizes[i], i));
    sizes[i] = unit_below(&state, i == 0 ? 200000 : 2000) + 1;
    if (step % 3 == 0) {
      tcmi_free(own[i]);
      own[i] = tcmi_allocate(sizes[i]);
    } else {
      own[i] = tcmi_reallocate(own[i], sizes[i]);
    }
    must(own[i] != NULL);
    memory_fill(own[i], sizes[i], i);
    if (step % 1000 == 0)
      tcmi_guard_verify("test");
  }
  for (i = 0; i < 64; i++)
    tcmi_free(own[i]);
  return NULL;
}

START_TEST(threads)
{
  pthread_t thread[3];
  uintptr_t i;

  set_level(_i);
  for (i = 0; i < 3; i++)
    unit_thread(&thread[i], churn, (void *)(i + 1));
  for (i = 0; i < 3; i++)
    unit_join(thread[i]);
  (void)tcm_release_free_memory();
  tcmi_heap_check();
  ck_assert_uint_eq(in_use(), 0);
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("guard");

  tcase_add_test(tests, table_agrees_with_a_naive_one);
  tcase_add_test(tests, table_without_memory);
  /* The loop variable is the check level. */
  tcase_add_loop_test(tests, usable_is_what_was_asked_for, 2, 4);
  tcase_add_loop_test(tests, new_memory_is_junk, 2, 4);
  tcase_add_loop_test(tests, no_record_no_block, 2, 4);
  tcase_add_loop_test(tests, race_of_two_threads_is_told, 2, 4);
  tcase_add_loop_test(tests, threads, 2, 4);
  tcase_add_loop_test(tests, quarantine_is_bounded, 3, 4);
  tcase_add_loop_test(tests, quarantine_yields_to_need, 3, 4);
  tcase_add_loop_test(tests, zero_bytes_are_inaccessible, 3, 4);
  tcase_add_loop_test(tests, zero_bytes_freed_twice, 3, 4);
  return unit_run(tests);
}
