/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include "base/metadata.h"
#include "base/params.h"

#define NBLOCKS 600

struct block {
  unsigned char *start;
  size_t bytes;
};

static struct block blocks[NBLOCKS];

static void
expect_apart(int count)
{
  int i, j;

  for (i = 0; i < count; i++)
    for (j = i + 1; j < count; j++)
      must(blocks[i].start + blocks[i].bytes <= blocks[j].start ||
           blocks[j].start + blocks[j].bytes <= blocks[i].start);
}

START_TEST(blocks_are_aligned_and_apart)
{
  uint64_t state = unit_seed();
  int i;

  for (i = 0; i < NBLOCKS; i++) {
    blocks[i].bytes = unit_below(&state, i % 10 == 0 ? 20000 : 700);
    blocks[i].start = tcmi_metadata_alloc(blocks[i].bytes);
    must(blocks[i].start != NULL);
    must(memory_is_aligned(blocks[i].start, 64));
    memory_fill(blocks[i].start, blocks[i].bytes, (uint64_t)i);
  }
  expect_apart(NBLOCKS);
  for (i = 0; i < NBLOCKS; i++)
    must(memory_holds(blocks[i].start, blocks[i].bytes, (uint64_t)i));
}
END_TEST

START_TEST(first_use_is_zero)
{
  int i;

  /* Goes past the end of the first regions. */
  for (i = 0; i < 3000; i++) {
    unsigned char *block = tcmi_metadata_alloc(320);
    must(block != NULL && memory_is_zero(block, 320));
    memset(block, 1, 320);
  }
}
END_TEST

START_TEST(zeroed_is_zero_also_when_recycled)
{
  static const size_t sizes[] = {1, 64, 100, 4000, 8192, 70000, 200000};
  size_t i;
  int round;

  for (i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (round = 0; round < 3; round++) {
      unsigned char *block = tcmi_metadata_alloc_zeroed(sizes[i]);
      ck_assert_ptr_nonnull(block);
      ck_assert(memory_is_zero(block, sizes[i]));
      memset(block, 0xff, sizes[i]);
      tcmi_metadata_free(block, sizes[i]);
    }
}
END_TEST

START_TEST(freed_blocks_are_used_again)
{
  size_t mapped, size;
  int i;

  for (size = 1; size < METADATA_OWN_MAPPING; size += 61) {
    void *block = tcmi_metadata_alloc(size);
    ck_assert_ptr_nonnull(block);
    tcmi_metadata_free(block, size);
    ck_assert_ptr_eq(tcmi_metadata_alloc(size), block);
  }
  mapped = tcmi_metadata_mapped_bytes();
  for (i = 0; i < 20000; i++) {
    void *block = tcmi_metadata_alloc((size_t)(i % 8000));
    must(block != NULL);
    tcmi_metadata_free(block, (size_t)(i % 8000));
  }
  /* At most one block for each size, not one for each iteration. */
  ck_assert_uint_le(tcmi_metadata_mapped_bytes() - mapped, 1 << 20);
}
END_TEST

START_TEST(big_blocks_have_their_own_mapping)
{
  size_t page = tcmi_system_page_size(), before, bytes;
  void *block;

  ck_assert_ptr_nonnull(tcmi_metadata_alloc(1));
  before = tcmi_metadata_mapped_bytes();
  for (bytes = METADATA_OWN_MAPPING; bytes < 1 << 20; bytes += 77777) {
    block = tcmi_metadata_alloc(bytes);
    ck_assert_ptr_nonnull(block);
    ck_assert(memory_is_aligned(block, page));
    ck_assert(memory_is_zero(block, bytes));
    ck_assert_uint_eq(tcmi_metadata_mapped_bytes(),
                      before + ((bytes + page - 1) & ~(page - 1)));
    memset(block, 1, bytes);
    tcmi_metadata_free(block, bytes);
    ck_assert_uint_eq(tcmi_metadata_mapped_bytes(), before);
  }
}
END_TEST

/* M1: metadata lies in no block of tcm, and shares no page with one. */
START_TEST(apart_from_the_application)
{
  unsigned char *block = tcmi_metadata_alloc(100);
  unsigned char *object = tcm_malloc(100);

  ck_assert_ptr_nonnull(block);
  ck_assert_int_eq(tcm_owns(block), 0);
  ck_assert_uint_ne((uintptr_t)block >> PAGE_SHIFT,
                    (uintptr_t)object >> PAGE_SHIFT);
  tcm_free(object);
}
END_TEST

START_TEST(refused_memory_is_null)
{
  void *block;

  unit_fail_all(1u << SYSTEM_MAP);
  ck_assert_ptr_null(tcmi_metadata_alloc(1));
  ck_assert_ptr_null(tcmi_metadata_alloc_zeroed(5000));
  ck_assert_ptr_null(tcmi_metadata_alloc_zeroed(100000));
  ck_assert_uint_gt(unit_fail_none(), 0);
  ck_assert_uint_eq(tcmi_metadata_mapped_bytes(), 0);
  block = tcmi_metadata_alloc(1);
  ck_assert_ptr_nonnull(block);
  tcmi_metadata_free(block, 1);
}
END_TEST

/* A process at its limit still gets single pages. */
START_TEST(small_regions_when_large_ones_fail)
{
  size_t mapped = 0;
  int i;

  for (i = 0; i < 200; i++) {
    (void)tcmi_system_fail(1u << SYSTEM_MAP, 1, 1);
    blocks[i].bytes = 1000;
    blocks[i].start = tcmi_metadata_alloc_zeroed(1000);
    must(blocks[i].start != NULL);
    memory_fill(blocks[i].start, 1000, (uint64_t)i);
    must(tcmi_metadata_mapped_bytes() - mapped <= 8192);
    mapped = tcmi_metadata_mapped_bytes();
  }
  (void)unit_fail_none();
  expect_apart(200);
  for (i = 0; i < 200; i++)
    must(memory_holds(blocks[i].start, 1000, (uint64_t)i));
}
END_TEST

/* When a block does not fit into a region, the rest of the region is used
 * later. */
START_TEST(rest_of_a_region_is_used)
{
  size_t used = 0;

  ck_assert_ptr_nonnull(tcmi_metadata_alloc(64));
  while (tcmi_metadata_mapped_bytes() == METADATA_REGION_FIRST)
    ck_assert_ptr_nonnull(tcmi_metadata_alloc(50000));
  /* After two of these, the first region had 30,848 bytes left, which are cut
   * into blocks of 128 granules. */
  while (used < 24576) {
    unsigned char *block = tcmi_metadata_alloc(8192);
    ck_assert_ptr_nonnull(block);
    used += 8192;
  }
  ck_assert_uint_eq(tcmi_metadata_mapped_bytes(),
                    METADATA_REGION_FIRST + METADATA_REGION_SIZE);
}
END_TEST

static void *
churn(void *argument)
{
  uint64_t state = (uint64_t)(uintptr_t)argument;
  struct block own[16] = {{NULL, 0}};
  int i;

  for (i = 0; i < 20000; i++) {
    struct block *block = &own[unit_below(&state, 16)];
    if (block->start != NULL) {
      must(memory_holds(block->start, block->bytes, (uintptr_t)block));
      tcmi_metadata_free(block->start, block->bytes);
    }
    block->bytes = 1 + unit_below(&state, i % 100 == 0 ? 100000 : 300);
    block->start = tcmi_metadata_alloc(block->bytes);
    must(block->start != NULL);
    memory_fill(block->start, block->bytes, (uintptr_t)block);
  }
  return NULL;
}

START_TEST(threads_share_it)
{
  pthread_t threads[4];
  uintptr_t i;

  for (i = 0; i < 4; i++)
    unit_thread(&threads[i], churn, (void *)(i + 1));
  for (i = 0; i < 4; i++)
    unit_join(threads[i]);
}
END_TEST

#ifndef __SANITIZE_ADDRESS__
static void
write_byte(void *place)
{
  *(volatile char *)place = 1;
}

static void
expect_fault(void *place)
{
  char text[256];
  int status = unit_child(write_byte, place, text, sizeof text);

  /* A sanitizer reports the signal and exits. */
  must_for((WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) ||
               (TCM_SANITIZED && WIFEXITED(status) && WEXITSTATUS(status) != 0),
           "status %#x", (unsigned)status);
}

/* An overrun from another mapping faults before it reaches metadata. */
START_TEST(nothing_runs_into_it)
{
  const struct metadata_region *region;
  size_t own = 2 * METADATA_OWN_MAPPING;
  char *block = tcmi_metadata_alloc(own);

  must(tcmi_metadata_alloc(64) != NULL);
  region = tcmi_metadata_counts.regions;
  must(region != NULL && block != NULL);
  expect_fault((char *)(uintptr_t)region - 1);
  expect_fault((char *)(uintptr_t)region + region->bytes);
  expect_fault(block - 1);
  expect_fault(block + own);
  tcmi_metadata_free(block, own);
  expect_fault(block);
}
END_TEST
#endif

int
main(void)
{
  TCase *tests = unit_case("metadata");

  tcase_add_test(tests, blocks_are_aligned_and_apart);
  tcase_add_test(tests, first_use_is_zero);
  tcase_add_test(tests, zeroed_is_zero_also_when_recycled);
  tcase_add_test(tests, freed_blocks_are_used_again);
  tcase_add_test(tests, big_blocks_have_their_own_mapping);
  tcase_add_test(tests, apart_from_the_application);
  tcase_add_test(tests, refused_memory_is_null);
  tcase_add_test(tests, small_regions_when_large_ones_fail);
  tcase_add_test(tests, rest_of_a_region_is_used);
  tcase_add_test(tests, threads_share_it);
#ifndef __SANITIZE_ADDRESS__
  tcase_add_test(tests, nothing_runs_into_it);
#endif
  return unit_run(tests);
}
