/* SPDX-License-Identifier: BSD-2-Clause */
/* malloc: value, alignment, zero size, impossible sizes and errno. */
#include "names.h"

static void
check_block(void *block, size_t size)
{
  EXPECT_FOR(block != NULL, "size %zu", size);
  if (block == NULL)
    return;
  EXPECT_FOR(memory_is_aligned(block, memory_least_alignment(size)),
             "size %zu at %p", size, block);
  EXPECT_FOR(malloc_usable_size(block) >= size, "size %zu", size);
}

static void
every_small_size(void)
{
  size_t size;

  for (size = 0; size <= 40000; size++) {
    void *block = malloc(harness_size(size));
    check_block(block, size);
    if (block != NULL)
      memset(block, 0x5a, size);
    free(block);
  }
}

static void
every_border(void)
{
  void *block[NAMES_SIZE_COUNT];
  size_t i;

  for (i = 0; i < NAMES_SIZE_COUNT; i++) {
    block[i] = malloc(harness_size(names_sizes[i]));
    check_block(block[i], names_sizes[i]);
    if (block[i] != NULL)
      memory_fill(block[i], names_sizes[i], i);
  }
  for (i = 0; i < NAMES_SIZE_COUNT; i++) {
    if (block[i] != NULL)
      EXPECT_FOR(memory_holds(block[i], names_sizes[i], i), "size %zu",
                 names_sizes[i]);
    free(block[i]);
  }
}

/* Many blocks of one size must not share a byte. */
static void
blocks_are_apart(void)
{
  enum { COUNT = 600 };
  static const size_t sizes[] = {1, 8, 16, 24, 48, 100, 640, 3000, 20000};
  static void *block[COUNT];
  size_t s, i;

  for (s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    for (i = 0; i < COUNT; i++) {
      block[i] = malloc(harness_size(sizes[s]));
      REQUIRE(block[i] != NULL);
      memory_fill(block[i], sizes[s], i);
    }
    for (i = 0; i < COUNT; i++)
      EXPECT_FOR(memory_holds(block[i], sizes[s], i), "size %zu", sizes[s]);
    for (i = 0; i < COUNT; i++)
      free(block[i]);
  }
}

static void
zero_size_is_unique(void)
{
  void *first = malloc(harness_size(0));
  void *second = malloc(harness_size(0));

  EXPECT(first != NULL);
  EXPECT(second != NULL);
  EXPECT(first != second);
  free(first);
  free(second);
}

static void
impossible_size(void)
{
  size_t i;

  for (i = 0; i < NAMES_IMPOSSIBLE_COUNT; i++) {
    void *block;
    errno = 0;
    block = malloc(harness_size(names_impossible[i]));
    EXPECT_FOR(block == NULL, "size %zx", names_impossible[i]);
    EXPECT_FOR(errno == ENOMEM, "size %zx, errno %d", names_impossible[i],
               errno);
  }
}

static void
works_after_failure(void)
{
  void *block;

  EXPECT(malloc(harness_size(SIZE_MAX / 2)) == NULL);
  block = malloc(harness_size(1000));
  check_block(block, 1000);
  free(block);
  block = malloc(harness_size((size_t)16 << 20));
  check_block(block, (size_t)16 << 20);
  free(block);
}

/* Freed memory is reused, so resident memory does not grow. */
static void
memory_is_reused(void)
{
  long before, after;
  int round;

  for (round = 0; round < 1000; round++)
    free(malloc(harness_size(100000)));
  before = memory_resident_bytes();
  for (round = 0; round < 20000; round++) {
    void *block = malloc(harness_size(100000));
    REQUIRE(block != NULL);
    memset(block, round, 100000);
    free(block);
  }
  after = memory_resident_bytes();
  EXPECT_FOR(after - before < 4 << 20, "grew by %ld", after - before);
}

static const struct harness_case cases[] = {
    {"every-small-size", every_small_size},
    {"every-border", every_border},
    {"blocks-are-apart", blocks_are_apart},
    {"zero-size-is-unique", zero_size_is_unique},
    {"impossible-size", impossible_size},
    {"works-after-failure", works_after_failure},
    {"memory-is-reused", memory_is_reused},
};

HARNESS_MAIN(cases)
