/* SPDX-License-Identifier: BSD-2-Clause */
/* calloc: zeroes, even in reused memory; overflow; fresh memory of the kernel
 * is not touched. */
#include "names.h"

static void
every_border(void)
{
  size_t i;

  for (i = 0; i < NAMES_SIZE_COUNT; i++) {
    size_t size = names_sizes[i];
    void *block = calloc(harness_size(size), 1);
    EXPECT_FOR(block != NULL, "size %zu", size);
    if (block == NULL)
      continue;
    EXPECT_FOR(memory_is_aligned(block, memory_least_alignment(size)),
               "size %zu", size);
    EXPECT_FOR(memory_is_zero(block, size), "size %zu", size);
    free(block);
  }
}

/* Every border several times; each block is dirtied before it is freed. */
static void
dirty_memory_is_cleared(void)
{
  size_t i;
  int round;

  for (round = 0; round < 5; round++) {
    for (i = 0; i < NAMES_SIZE_COUNT; i++) {
      size_t size = names_sizes[i], usable;
      void *block = malloc(harness_size(size));
      REQUIRE(block != NULL);
      usable = malloc_usable_size(block);
      memset(block, 0xff, usable);
      free(block);
      block = calloc(1, harness_size(size));
      REQUIRE(block != NULL);
      /* All of it, as in glibc: programs use the whole usable size. */
      EXPECT_FOR(memory_is_zero(block, malloc_usable_size(block)), "size %zu",
                 size);
      memset(block, 0xff, malloc_usable_size(block));
      free(block);
    }
  }
}

/* Small blocks of all sizes, in random order, so that a cleared block may
 * come from a run of pages that another size class dirtied. */
static void
mixed_reuse_is_cleared(void)
{
  enum { SLOTS = 500 };
  static void *slot[SLOTS];
  uint64_t state = harness.seed;
  int turn;

  for (turn = 0; turn < 60000; turn++) {
    uint64_t r = harness_random(&state);
    size_t index = (size_t)(r % SLOTS);
    size_t size = (size_t)(r >> 32) % (turn % 50 == 0 ? 300000 : 2000);
    free(slot[index]);
    slot[index] = calloc(1, harness_size(size));
    REQUIRE(slot[index] != NULL);
    EXPECT_FOR(memory_is_zero(slot[index], size), "size %zu, turn %d", size,
               turn);
    memset(slot[index], 0xa5, malloc_usable_size(slot[index]));
  }
  for (turn = 0; turn < SLOTS; turn++)
    free(slot[turn]);
}

static void
zero_counts(void)
{
  void *first = calloc(harness_size(0), 0);
  void *second = calloc(harness_size(0), 100);
  void *third = calloc(harness_size(100), 0);

  EXPECT(first != NULL && second != NULL && third != NULL);
  EXPECT(first != second && second != third && first != third);
  free(first);
  free(second);
  free(third);
  free(calloc(harness_size(0), harness_size(SIZE_MAX)));
  free(calloc(harness_size(SIZE_MAX), 0));
}

static void
overflow(void)
{
  static const size_t pairs[][2] = {
      {SIZE_MAX, 2},
      {2, SIZE_MAX},
      {SIZE_MAX, SIZE_MAX},
      {(size_t)1 << 32, (size_t)1 << 32},
      {((size_t)1 << 32) + 1, (size_t)1 << 32},
      {(size_t)1 << 63, 2},
      {SIZE_MAX / 2 + 1, 2},
      {SIZE_MAX / 3 + 1, 3},
      {(size_t)PTRDIFF_MAX / 2 + 1, 2},
      {SIZE_MAX, 1},
      {1, SIZE_MAX - 4095},
  };
  size_t i;

  for (i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    void *block;
    errno = 0;
    block = calloc(harness_size(pairs[i][0]), harness_size(pairs[i][1]));
    EXPECT_FOR(block == NULL, "%zx times %zx", pairs[i][0], pairs[i][1]);
    EXPECT_FOR(errno == ENOMEM, "%zx times %zx, errno %d", pairs[i][0],
               pairs[i][1], errno);
  }
}

/* A gigabyte of fresh zeroes takes no memory before it is written. */
static void
fresh_memory_is_not_touched(void)
{
  size_t size = (size_t)1 << 30;
  long before = memory_resident_bytes(), after;
  unsigned char *block = (unsigned char *)calloc(harness_size(size), 1);

  if (block == NULL) {
    harness_skip("no gigabyte of address space");
    return;
  }
  after = memory_resident_bytes();
  /* An emulator takes a few bytes of memory for each page. */
  EXPECT_FOR(after - before < 16 << 20, "touched %ld bytes", after - before);
  EXPECT(block[0] == 0 && block[size / 2] == 0 && block[size - 1] == 0);
  free(block);
}

static const struct harness_case cases[] = {
    {"every-border", every_border},
    {"dirty-memory-is-cleared", dirty_memory_is_cleared},
    {"mixed-reuse-is-cleared", mixed_reuse_is_cleared},
    {"zero-counts", zero_counts},
    {"overflow", overflow},
    {"fresh-memory-is-not-touched", fresh_memory_is_not_touched},
};

HARNESS_MAIN(cases)
