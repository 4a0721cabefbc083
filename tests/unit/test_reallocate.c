/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include "base/bits.h"
#include "base/params.h"
#include "front/allocate.h"
#include "front/heap_check.h"
#include "front/reallocate.h"
#include "heap/page_heap.h"
#include "heap/pagemap.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

static unsigned char *
filled(size_t size, uint64_t seed)
{
  unsigned char *block = tcmi_allocate(size);

  must(block != NULL);
  unit_mark(block, size, seed);
  return block;
}

/* Resizes a block and checks its contents. */
static unsigned char *
resized(unsigned char *block, size_t from, size_t to, uint64_t seed)
{
  block = tcmi_reallocate(block, to);
  must_for(block != NULL, "%zu to %zu", from, to);
  must_for(unit_is_marked(block, min_size(from, to), seed), "%zu to %zu", from,
           to);
  must(tcmi_usable_size(call_unknown("test"), block) >= to);
  must(memory_is_aligned(block, memory_least_alignment(to)));
  unit_mark(block, to, seed);
  return block;
}

START_TEST(null_and_zero)
{
  void *block = tcmi_reallocate(NULL, 100);

  ck_assert_ptr_nonnull(block);
  errno = 4711;
  ck_assert_ptr_null(tcmi_reallocate(block, 0));
  ck_assert_int_eq(errno, 4711);
  /* It was freed: the next block of its size is the same. */
  ck_assert_ptr_eq(tcmi_allocate(100), block);
  block = tcmi_reallocate(NULL, 0);
  ck_assert_ptr_nonnull(block);
  ck_assert_ptr_null(tcmi_reallocate(block, 0));
  block = filled(MIB, 1);
  ck_assert_ptr_null(tcmi_reallocate(block, 0));
  tcmi_heap_check();
}
END_TEST

START_TEST(every_pair_of_sizes)
{
  static const size_t sizes[] = {
      1,     8,     9,     16,     17,      64,   65,      128,     129,
      1000,  1024,  1025,  4000,   4096,    4097, 8192,    20000,   32767,
      32768, 32769, 65536, 100000, MIB - 1, MIB,  MIB + 1, 3 * MIB, 9 * MIB,
  };
  size_t n = sizeof sizes / sizeof *sizes, i, j;

  for (i = 0; i < n; i++)
    for (j = 0; j < n; j++) {
      unsigned char *block = filled(sizes[i], i * n + j);
      block = resized(block, sizes[i], sizes[j], i * n + j);
      block = resized(block, sizes[j], sizes[i], i * n + j);
      tcmi_free(block);
    }
  tcmi_heap_check();
}
END_TEST

START_TEST(same_class_same_place)
{
  unsigned char *block = filled(100, 1), *same;

  same = resized(block, 100, 112, 1);
  ck_assert_ptr_eq(same, block);
  same = resized(block, 112, 60, 1);
  ck_assert_ptr_eq(same, block);
  /* A block stays if more than half of it is used; else it moves. */
  same = resized(block, 57, 57, 1);
  ck_assert_ptr_eq(same, block);
  block = filled(1000, 2);
  ck_assert_ptr_ne(resized(block, 1000, 100, 2), block);
}
END_TEST

START_TEST(large_stays_in_place_where_it_can)
{
  unsigned char *block = filled(10 * MIB, 1);

  ck_assert_ptr_eq(resized(block, 10 * MIB, 2 * MIB, 1), block);
  ck_assert_ptr_eq(resized(block, 2 * MIB, 100 * KIB, 1), block);
  ck_assert_ptr_eq(resized(block, 100 * KIB, 12 * MIB, 1), block);
  ck_assert_uint_eq(tcmi_page_heap_used_bytes(), 12 * MIB);
  /* With a size that has a class, it becomes a small block. */
  block = resized(block, 12 * MIB, 100, 1);
  ck_assert_uint_ne(pagemap_tag((uintptr_t)block), 0);
  tcmi_heap_check();
}
END_TEST

/* A block after it, the wall, makes each block move.  Each move adds a border
 * between two mappings of the kernel, which must not prevent the next move. */
static void
grow_and_move(size_t from, size_t to, uint64_t seed)
{
  unsigned char *block = filled(from, seed), *moved;
  void *walls[64];
  int n = 0;

  while (from < to) {
    size_t next = from + from / 2 + 4096;
    must(n < 64);
    walls[n++] = tcmi_allocate(64 * KIB);
    moved = resized(block, from, next, seed);
    block = moved;
    from = next;
  }
  tcmi_free(block);
  while (n > 0)
    tcmi_free(walls[--n]);
}

START_TEST(pages_move_again_and_again)
{
  int i;

  for (i = 0; i < 2; i++) {
    grow_and_move(MIB, 60 * MIB, (uint64_t)i);
    tcmi_heap_check();
  }
}
END_TEST

START_TEST(refused_moves_become_copies)
{
  unsigned failed;

  unit_fail_all(1u << SYSTEM_MOVE);
  grow_and_move(MIB, 60 * MIB, 3);
  failed = unit_fail_none();
  ck_assert_uint_gt(failed, 0);
  tcmi_heap_check();
  grow_and_move(MIB, 60 * MIB, 4);
}
END_TEST

START_TEST(moved_pages_are_not_copied)
{
  size_t size = 64 * MIB;
  unsigned char *block = filled(size, 1), *moved;
  void *wall = tcmi_allocate(64 * KIB);
  long before = memory_resident_bytes(), after;

  moved = tcmi_reallocate(block, size + 64 * MIB);
  ck_assert_ptr_nonnull(moved);
  after = memory_resident_bytes();
  ck_assert(unit_is_marked(moved, size, 1));
  if (moved != block && !TCM_SANITIZED)
    ck_assert_int_lt(after - before, 16 * (long)MIB);
  tcmi_free(wall);
}
END_TEST

START_TEST(failure_leaves_the_block)
{
  static const size_t sizes[] = {SIZE_MAX, PTRDIFF_MAX, (size_t)PTRDIFF_MAX + 1,
                                 (size_t)1 << 48};
  unsigned char *small = filled(500, 1), *large = filled(2 * MIB, 2);
  size_t i;

  for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    errno = 0;
    ck_assert_ptr_null(tcmi_reallocate(small, harness_size(sizes[i])));
    ck_assert_int_eq(errno, ENOMEM);
    errno = 0;
    ck_assert_ptr_null(tcmi_reallocate(large, harness_size(sizes[i])));
    ck_assert_int_eq(errno, ENOMEM);
  }
  ck_assert(unit_is_marked(small, 500, 1));
  ck_assert(unit_is_marked(large, 2 * MIB, 2));
  (void)resized(small, 500, 5000, 1);
  (void)resized(large, 2 * MIB, 5 * MIB, 2);
  tcmi_heap_check();
}
END_TEST

START_TEST(refused_memory_leaves_the_block)
{
  unsigned char *large = filled(2 * MIB, 2);

  unit_fail_all(~0u);
  errno = 0;
  ck_assert_ptr_null(tcmi_reallocate(large, 500 * MIB));
  ck_assert_int_eq(errno, ENOMEM);
  ck_assert_uint_gt(unit_fail_none(), 0);
  ck_assert(unit_is_marked(large, 2 * MIB, 2));
  (void)resized(large, 2 * MIB, 500 * MIB, 2);
}
END_TEST

START_TEST(aligned_blocks)
{
  size_t align;

  for (align = 16; align <= MIB; align *= 4) {
    unsigned char *block = tcmi_allocate_aligned(align, 300);
    ck_assert_ptr_nonnull(block);
    unit_mark(block, 300, align);
    block = resized(block, 300, 40, align);
    block = resized(block, 40, 70000, align);
    block = resized(block, 70000, 3, align);
    tcmi_free(block);
  }
  tcmi_heap_check();
}
END_TEST

static void
resize(void *block)
{
  (void)!tcmi_reallocate(block, 300);
}

static void
free_and_resize(void *block)
{
  tcmi_free(block);
  resize(block);
}

START_TEST(misuse_is_told)
{
  static long object[8];
  char *small = (char *)filled(100, 1), *large = (char *)filled(MIB, 1);

  unit_must_abort(resize, small + 4, "realloc(): pointer not aligned");
  unit_must_abort(resize, small + 16, "realloc(): pointer not at the start");
  unit_must_abort(resize, large + 4096, "realloc(): pointer not at the start");
  unit_must_abort(resize, object, "realloc(): pointer not from this heap");
  unit_must_abort(free_and_resize, small, "realloc(): block is free");
  unit_must_abort(free_and_resize, large, "realloc(): block is free");
}
END_TEST

START_TEST(random_sizes)
{
  uint64_t state = unit_seed();
  struct {
    unsigned char *block;
    size_t size;
  } slots[40] = {{NULL, 0}};
  int step;

  for (step = 0; step < 30000; step++) {
    size_t i = unit_below(&state, 40);
    size_t size = 1 + unit_below(&state, step % 100 == 0  ? 5 * MIB
                                         : step % 10 == 0 ? 100 * KIB
                                                          : 2000);
    if (slots[i].block == NULL)
      slots[i].block = filled(size, i);
    else
      slots[i].block = resized(slots[i].block, slots[i].size, size, i);
    slots[i].size = size;
  }
  tcmi_heap_check();
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("reallocate");

  tcase_add_test(tests, null_and_zero);
  tcase_add_test(tests, every_pair_of_sizes);
  tcase_add_test(tests, same_class_same_place);
  tcase_add_test(tests, large_stays_in_place_where_it_can);
  tcase_add_test(tests, pages_move_again_and_again);
  tcase_add_test(tests, refused_moves_become_copies);
  tcase_add_test(tests, moved_pages_are_not_copied);
  tcase_add_test(tests, failure_leaves_the_block);
  tcase_add_test(tests, refused_memory_leaves_the_block);
  tcase_add_test(tests, aligned_blocks);
  tcase_add_test(tests, misuse_is_told);
  tcase_add_test(tests, random_sizes);
  return unit_run(tests);
}
