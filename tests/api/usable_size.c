/* SPDX-License-Identifier: BSD-2-Clause */
/* malloc_usable_size: 0 for NULL, at least the requested size, and every byte
 * of it belongs to this block alone. */
#include "names.h"

static void
null_is_zero(void)
{
  EXPECT(malloc_usable_size(harness_pointer(NULL)) == 0);
}

static void
all_usable_bytes_are_writable(void)
{
  enum { EACH = 4 };
  static void *block[NAMES_SIZE_COUNT][EACH];
  size_t i, j;

  for (i = 0; i < NAMES_SIZE_COUNT; i++) {
    for (j = 0; j < EACH; j++) {
      void *p = malloc(harness_size(names_sizes[i]));
      REQUIRE(p != NULL);
      EXPECT_FOR(malloc_usable_size(p) >= names_sizes[i], "size %zu",
                 names_sizes[i]);
      memory_fill(p, malloc_usable_size(p), i * EACH + j);
      block[i][j] = p;
    }
  }
  for (i = 0; i < NAMES_SIZE_COUNT; i++) {
    for (j = 0; j < EACH; j++) {
      void *p = block[i][j];
      EXPECT_FOR(memory_holds(p, malloc_usable_size(p), i * EACH + j),
                 "size %zu", names_sizes[i]);
      free(p);
    }
  }
}

static void
aligned_blocks_too(void)
{
  enum { COUNT = 40 };
  static void *block[COUNT];
  size_t alignment, i;

  for (alignment = 16; alignment <= (size_t)1 << 20; alignment *= 4) {
    for (i = 0; i < COUNT; i++) {
      block[i] = memalign(harness_size(alignment), i * 37 + 1);
      REQUIRE(block[i] != NULL);
      EXPECT_FOR(malloc_usable_size(block[i]) >= i * 37 + 1,
                 "alignment %zu, size %zu", alignment, i * 37 + 1);
      memory_fill(block[i], malloc_usable_size(block[i]), i);
    }
    for (i = 0; i < COUNT; i++) {
      EXPECT_FOR(memory_holds(block[i], malloc_usable_size(block[i]), i),
                 "alignment %zu, size %zu", alignment, i * 37 + 1);
      free(block[i]);
    }
  }
}

/* The result for a live block does not change, and a resized block has the
 * usable size of its new length. */
static void
steady(void)
{
  void *block = malloc(harness_size(5000));
  size_t usable;
  int i;

  REQUIRE(block != NULL);
  usable = malloc_usable_size(block);
  for (i = 0; i < 1000; i++) {
    free(malloc(harness_size(5000)));
    EXPECT(malloc_usable_size(block) == usable);
  }
  block = realloc(block, harness_size(200000));
  REQUIRE(block != NULL);
  EXPECT(malloc_usable_size(block) >= 200000);
  block = realloc(block, harness_size(20));
  REQUIRE(block != NULL);
  EXPECT(malloc_usable_size(block) >= 20);
  memory_fill(block, malloc_usable_size(block), 9);
  EXPECT(memory_holds(block, malloc_usable_size(block), 9));
  free(block);
}

static const struct harness_case cases[] = {
    {"null-is-zero", null_is_zero},
    {"all-usable-bytes-are-writable", all_usable_bytes_are_writable},
    {"aligned-blocks-too", aligned_blocks_too},
    {"steady", steady},
};

HARNESS_MAIN(cases)
