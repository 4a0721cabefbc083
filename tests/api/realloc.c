/* SPDX-License-Identifier: BSD-2-Clause */
/* realloc and reallocarray: contents, in-place growth, zero size as in glibc,
 * failure that leaves the old block alone. */
#include "names.h"

static void
null_allocates(void)
{
  void *block = realloc(harness_pointer(NULL), harness_size(100));
  void *empty = realloc(harness_pointer(NULL), harness_size(0));
  void *other = realloc(harness_pointer(NULL), harness_size(0));

  EXPECT(block != NULL && empty != NULL && other != NULL);
  EXPECT(empty != other);
  EXPECT(memory_is_aligned(block, 16));
  free(block);
  free(empty);
  free(other);
}

/* As in glibc: the block is freed, the result is NULL, and errno does not
 * change, so that a program can distinguish this from failure. */
static void
zero_size_frees(void)
{
  long before;
  int round;

  for (round = 0; round < 100; round++) {
    errno = 4711;
    EXPECT(realloc(malloc(harness_size(100)), harness_size(0)) == NULL);
    EXPECT(errno == 4711);
  }
  before = memory_resident_bytes();
  for (round = 0; round < 3000; round++) {
    void *block = malloc(harness_size(20000));
    REQUIRE(block != NULL);
    memset(block, 1, 20000);
    EXPECT(realloc(block, harness_size(0)) == NULL);
  }
  EXPECT(memory_resident_bytes() - before < (harness_is_guarded() ? 32 : 4)
                                                << 20);
}

static void
grow_and_shrink(size_t from, size_t to)
{
  size_t least = from < to ? from : to;
  void *block = malloc(harness_size(from)), *moved;

  REQUIRE(block != NULL);
  memory_fill(block, from, from + to);
  moved = realloc(block, harness_size(to));
  EXPECT_FOR(moved != NULL, "%zu to %zu", from, to);
  if (moved == NULL) {
    free(block);
    return;
  }
  EXPECT_FOR(memory_holds(moved, least, from + to), "%zu to %zu", from, to);
  EXPECT_FOR(memory_is_aligned(moved, memory_least_alignment(to)), "%zu to %zu",
             from, to);
  EXPECT_FOR(malloc_usable_size(moved) >= to, "%zu to %zu", from, to);
  memset(moved, 0x3c, to);
  free(moved);
}

static void
every_pair_of_borders(void)
{
  size_t i, j;

  for (i = 0; i < NAMES_SIZE_COUNT; i++)
    for (j = 0; j < NAMES_SIZE_COUNT; j++)
      if (names_sizes[j] != 0 && names_sizes[i] + names_sizes[j] < 12000000)
        grow_and_shrink(names_sizes[i], names_sizes[j]);
}

/* One block grows to 64 MiB and back in uneven steps. */
static void
grow_to_64_mib_and_back(void)
{
  size_t size = 1, top = (size_t)64 << 20;
  unsigned char *block = (unsigned char *)malloc(harness_size(size));

  REQUIRE(block != NULL);
  block[0] = 77;
  while (size < top) {
    size_t next = size + size / 3 + 13;
    block = (unsigned char *)realloc(block, harness_size(next));
    REQUIRE(block != NULL);
    EXPECT_FOR(block[0] == 77, "size %zu", next);
    EXPECT_FOR(size == 1 || block[size - 1] == (unsigned char)size, "size %zu",
               next);
    block[next - 1] = (unsigned char)next;
    size = next;
  }
  while (size > 20) {
    size = size / 2 + 3;
    block[size - 1] = (unsigned char)size;
    block = (unsigned char *)realloc(block, harness_size(size));
    REQUIRE(block != NULL);
    EXPECT_FOR(block[0] == 77 && block[size - 1] == (unsigned char)size,
               "size %zu", size);
    if (size < 40)
      break;
  }
  free(block);
}

/* A block whose usable size suffices keeps its address. */
static void
usable_size_is_kept_in_place(void)
{
  size_t i;

  for (i = 0; i < NAMES_SIZE_COUNT; i++) {
    void *block = malloc(harness_size(names_sizes[i])), *same;
    REQUIRE(block != NULL);
    /* With all checks on, no byte of an empty block is usable. */
    if (malloc_usable_size(block) == 0) {
      free(block);
      continue;
    }
    same = realloc(block, harness_size(malloc_usable_size(block)));
    EXPECT_FOR(same == block, "size %zu", names_sizes[i]);
    free(same);
  }
}

static void
failure_keeps_the_block(void)
{
  static const size_t sizes[] = {10, 1000, 100000, 5000000};
  size_t s, i;

  for (s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    void *block = malloc(harness_size(sizes[s]));
    REQUIRE(block != NULL);
    memory_fill(block, sizes[s], s);
    for (i = 0; i < NAMES_IMPOSSIBLE_COUNT; i++) {
      errno = 0;
      EXPECT_FOR(realloc(harness_pointer(block),
                         harness_size(names_impossible[i])) == NULL,
                 "%zu to %zx", sizes[s], names_impossible[i]);
      EXPECT_FOR(errno == ENOMEM, "%zu to %zx, errno %d", sizes[s],
                 names_impossible[i], errno);
      errno = 0;
      EXPECT(realloc(NULL, harness_size(names_impossible[i])) == NULL);
      EXPECT(errno == ENOMEM);
    }
    EXPECT_FOR(memory_holds(block, sizes[s], s), "size %zu", sizes[s]);
    free(block);
  }
}

static void
array_overflow(void)
{
  static const size_t pairs[][2] = {
      {SIZE_MAX, 2},
      {2, SIZE_MAX},
      {(size_t)1 << 32, (size_t)1 << 32},
      {((size_t)1 << 32) + 1, (size_t)1 << 32},
      {SIZE_MAX / 2 + 1, 2},
      {(size_t)PTRDIFF_MAX / 2 + 1, 2},
  };
  void *block = malloc(harness_size(500));
  size_t i;

  REQUIRE(block != NULL);
  memory_fill(block, 500, 5);
  for (i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    errno = 0;
    EXPECT_FOR(reallocarray(harness_pointer(block), harness_size(pairs[i][0]),
                            pairs[i][1]) == NULL,
               "%zx times %zx", pairs[i][0], pairs[i][1]);
    EXPECT_FOR(errno == ENOMEM, "%zx times %zx", pairs[i][0], pairs[i][1]);
    errno = 0;
    EXPECT(reallocarray(NULL, harness_size(pairs[i][0]), pairs[i][1]) == NULL);
    EXPECT(errno == ENOMEM);
  }
  EXPECT(memory_holds(block, 500, 5));
  free(block);
}

static void
array_values(void)
{
  void *block = reallocarray(NULL, harness_size(10), 20), *empty;

  EXPECT(block != NULL);
  REQUIRE(block != NULL);
  EXPECT(malloc_usable_size(block) >= 200);
  EXPECT(memory_is_aligned(block, 16));
  memory_fill(block, 200, 1);
  block = reallocarray(block, harness_size(1000), 300);
  REQUIRE(block != NULL);
  EXPECT(malloc_usable_size(block) >= 300000);
  EXPECT(memory_holds(block, 200, 1));
  errno = 4711;
  EXPECT(reallocarray(block, harness_size(0), 300) == NULL);
  EXPECT(errno == 4711);
  empty = reallocarray(NULL, harness_size(0), 0);
  EXPECT(empty != NULL);
  free(empty);
}

/* The contents are kept, whatever the alignment was. */
static void
aligned_blocks(void)
{
  size_t alignment;

  for (alignment = 32; alignment <= (size_t)1 << 20; alignment *= 2) {
    void *block = memalign(harness_size(alignment), 700);
    REQUIRE(block != NULL);
    memory_fill(block, 700, alignment);
    block = realloc(block, harness_size(70000));
    REQUIRE(block != NULL);
    EXPECT_FOR(memory_holds(block, 700, alignment), "alignment %zu", alignment);
    block = realloc(block, harness_size(30));
    REQUIRE(block != NULL);
    EXPECT_FOR(memory_holds(block, 30, alignment), "alignment %zu", alignment);
    free(block);
  }
}

/* Four blocks that are resized in random order block each other's growth. */
static void
neighbours_that_grow(void)
{
  void *block[4] = {NULL, NULL, NULL, NULL};
  size_t size[4] = {0, 0, 0, 0};
  uint64_t state = harness.seed;
  int turn, i;

  for (turn = 0; turn < 600; turn++) {
    uint64_t r = harness_random(&state);
    size_t next;
    i = (int)(r % 4);
    next = (size_t)(r >> 40) % 3000000 + 1;
    block[i] = realloc(block[i], harness_size(next));
    REQUIRE(block[i] != NULL);
    EXPECT_FOR(
        memory_holds(block[i], size[i] < next ? size[i] : next, (uint64_t)i),
        "turn %d, %zu to %zu", turn, size[i], next);
    memory_fill(block[i], next, (uint64_t)i);
    size[i] = next;
  }
  for (i = 0; i < 4; i++)
    free(block[i]);
}

static const struct harness_case cases[] = {
    {"null-allocates", null_allocates},
    {"zero-size-frees", zero_size_frees},
    {"every-pair-of-borders", every_pair_of_borders},
    {"grow-to-64-mib-and-back", grow_to_64_mib_and_back},
    {"usable-size-is-kept-in-place", usable_size_is_kept_in_place},
    {"failure-keeps-the-block", failure_keeps_the_block},
    {"array-overflow", array_overflow},
    {"array-values", array_values},
    {"aligned-blocks", aligned_blocks},
    {"neighbours-that-grow", neighbours_that_grow},
};

HARNESS_MAIN(cases)
