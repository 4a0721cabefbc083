/* SPDX-License-Identifier: BSD-2-Clause */
/* memalign, aligned_alloc, posix_memalign, valloc, pvalloc: alignment, bad
 * alignments, impossible sizes, errno. */
#include "names.h"

static const size_t small_sizes[] = {0,   1,    7,    8,     16,    17,    24,
                                     100, 1000, 4096, 10000, 70000, 300000};
#define SMALL_COUNT (sizeof small_sizes / sizeof *small_sizes)

static void
check_block(void *block, size_t alignment, size_t size)
{
  EXPECT_FOR(block != NULL, "alignment %zu, size %zu", alignment, size);
  if (block == NULL)
    return;
  EXPECT_FOR(memory_is_aligned(block, alignment),
             "alignment %zu, size %zu at %p", alignment, size, block);
  EXPECT_FOR(memory_is_aligned(block, memory_least_alignment(size)),
             "alignment %zu, size %zu at %p", alignment, size, block);
  EXPECT_FOR(malloc_usable_size(block) >= size, "alignment %zu, size %zu",
             alignment, size);
  memset(block, 0x77, size);
}

/* Some blocks are kept for a while, so that not all calls get the same one. */
static void
every_alignment(void)
{
  enum { KEPT = 64 };
  static void *kept[KEPT];
  size_t alignment, i, n = 0;

  for (alignment = 1; alignment <= (size_t)4 << 20; alignment *= 2) {
    for (i = 0; i < SMALL_COUNT; i++) {
      void *block = memalign(harness_size(alignment), small_sizes[i]);
      check_block(block, alignment, small_sizes[i]);
      free(kept[n % KEPT]);
      kept[n++ % KEPT] = block;
      block = aligned_alloc(harness_size(alignment), small_sizes[i]);
      check_block(block, alignment, small_sizes[i]);
      free(kept[n % KEPT]);
      kept[n++ % KEPT] = block;
      if (alignment < sizeof(void *))
        continue;
      EXPECT(posix_memalign(&block, harness_size(alignment), small_sizes[i]) ==
             0);
      check_block(block, alignment, small_sizes[i]);
      free(block);
    }
  }
  for (i = 0; i < KEPT; i++)
    free(kept[i]);
}

/* Adjacent blocks: an aligned block must not overlap its neighbor. */
static void
aligned_blocks_are_apart(void)
{
  enum { COUNT = 200 };
  static void *block[COUNT];
  size_t alignment, i;

  for (alignment = 16; alignment <= 65536; alignment *= 2) {
    size_t size = alignment + alignment / 2 + 1;
    for (i = 0; i < COUNT; i++) {
      block[i] = memalign(harness_size(alignment), size);
      REQUIRE(block[i] != NULL);
      memory_fill(block[i], size, i);
    }
    for (i = 0; i < COUNT; i++) {
      EXPECT_FOR(memory_holds(block[i], size, i), "alignment %zu", alignment);
      free(block[i]);
    }
  }
}

/* glibc's memalign takes the next power of two; zero means no alignment. */
static void
memalign_rounds_up(void)
{
  static const size_t pairs[][2] = {{0, 8},       {3, 4},         {5, 8},
                                    {7, 8},       {17, 32},       {24, 32},
                                    {48, 64},     {100, 128},     {1000, 1024},
                                    {4097, 8192}, {65537, 131072}};
  size_t i, j;

  for (i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    for (j = 0; j < SMALL_COUNT; j++) {
      void *block = memalign(harness_size(pairs[i][0]), small_sizes[j]);
      check_block(block, pairs[i][1], small_sizes[j]);
      free(block);
    }
  }
}

static void
memalign_impossible(void)
{
  size_t i;

  for (i = 0; i < NAMES_IMPOSSIBLE_COUNT; i++) {
    size_t alignment;
    for (alignment = 1; alignment <= (size_t)1 << 30; alignment *= 8) {
      errno = 0;
      EXPECT_FOR(memalign(harness_size(alignment),
                          harness_size(names_impossible[i])) == NULL,
                 "alignment %zu, size %zx", alignment, names_impossible[i]);
      EXPECT_FOR(errno == ENOMEM, "alignment %zu, size %zx, errno %d",
                 alignment, names_impossible[i], errno);
    }
  }
  errno = 0;
  EXPECT(memalign(harness_size(((size_t)1 << 63) + 1), 8) == NULL);
  EXPECT(errno == EINVAL);
  errno = 0;
  EXPECT(memalign(harness_size((size_t)1 << 63), 8) == NULL);
  EXPECT(errno == ENOMEM);
  errno = 0;
  EXPECT(memalign(harness_size((size_t)1 << 62), 8) == NULL);
  EXPECT(errno == ENOMEM);
}

/* C23: an alignment that is not a power of two is an error, and the size need
 * not be a multiple of it. */
static void
aligned_alloc_errors(void)
{
  static const size_t bad[] = {0,  3,   5,    7,        24,
                               48, 100, 4097, SIZE_MAX, ((size_t)1 << 63) + 1};
  size_t i;
  void *block;

  for (i = 0; i < sizeof bad / sizeof *bad; i++) {
    errno = 0;
    block = aligned_alloc(harness_size(bad[i]), harness_size(48));
    EXPECT_FOR(block == NULL, "alignment %zu", bad[i]);
    EXPECT_FOR(errno == EINVAL, "alignment %zu, errno %d", bad[i], errno);
    free(block);
  }
  for (i = 0; i < NAMES_IMPOSSIBLE_COUNT; i++) {
    errno = 0;
    EXPECT(aligned_alloc(harness_size(64), harness_size(names_impossible[i])) ==
           NULL);
    EXPECT_FOR(errno == ENOMEM, "size %zx", names_impossible[i]);
  }
  errno = 0;
  EXPECT(aligned_alloc(harness_size((size_t)1 << 62), 100) == NULL);
  EXPECT(errno == ENOMEM);
  block = aligned_alloc(harness_size(256), harness_size(3));
  check_block(block, 256, 3);
  free(block);
}

/* posix_memalign returns the error and leaves the pointer alone.  Without
 * memory, errno is ENOMEM too, as in glibc; some programs check errno. */
static void
posix_memalign_errors(void)
{
  static const size_t bad[] = {0,  1,  2,   4,        3,
                               24, 48, 100, SIZE_MAX, ((size_t)1 << 63) + 8};
  void *untouched = &untouched;
  size_t i;

  for (i = 0; i < sizeof bad / sizeof *bad; i++) {
    errno = 4711;
    EXPECT_FOR(posix_memalign(&untouched, harness_size(bad[i]), 48) == EINVAL,
               "alignment %zu", bad[i]);
    EXPECT_FOR(errno == 4711, "alignment %zu", bad[i]);
    EXPECT(untouched == &untouched);
  }
  for (i = 0; i < NAMES_IMPOSSIBLE_COUNT; i++) {
    errno = 4711;
    EXPECT_FOR(posix_memalign(&untouched, harness_size(64),
                              harness_size(names_impossible[i])) == ENOMEM,
               "size %zx", names_impossible[i]);
    EXPECT_FOR(errno == ENOMEM, "size %zx, errno %d", names_impossible[i],
               errno);
    EXPECT(untouched == &untouched);
  }
  errno = 4711;
  EXPECT(posix_memalign(&untouched, harness_size((size_t)1 << 62), 8) ==
         ENOMEM);
  EXPECT(errno == ENOMEM);
  EXPECT(untouched == &untouched);
}

static void
zero_size_is_unique(void)
{
  void *first = memalign(64, harness_size(0));
  void *second = aligned_alloc(64, harness_size(0));
  void *third = NULL;

  EXPECT(posix_memalign(&third, 64, harness_size(0)) == 0);
  EXPECT(first != NULL && second != NULL && third != NULL);
  EXPECT(first != second && second != third && first != third);
  check_block(first, 64, 0);
  check_block(second, 64, 0);
  check_block(third, 64, 0);
  free(first);
  free(second);
  free(third);
}

static void
whole_pages(void)
{
  size_t page = (size_t)sysconf(_SC_PAGESIZE), i;

  for (i = 0; i < SMALL_COUNT; i++) {
    size_t size = small_sizes[i];
    void *block = valloc(harness_size(size)), *other;
    check_block(block, page, size);
    other = pvalloc(harness_size(size));
    check_block(other, page, size);
    EXPECT(block != other);
    EXPECT_FOR(malloc_usable_size(other) >=
                   (size == 0 ? page : (size + page - 1) / page * page),
               "size %zu", size);
    free(block);
    free(other);
  }
}

static void
impossible_pages(void)
{
  size_t i;

  for (i = 0; i < NAMES_IMPOSSIBLE_COUNT; i++) {
    errno = 0;
    EXPECT_FOR(valloc(harness_size(names_impossible[i])) == NULL, "size %zx",
               names_impossible[i]);
    EXPECT_FOR(errno == ENOMEM, "size %zx", names_impossible[i]);
    errno = 0;
    EXPECT_FOR(pvalloc(harness_size(names_impossible[i])) == NULL, "size %zx",
               names_impossible[i]);
    EXPECT_FOR(errno == ENOMEM, "size %zx", names_impossible[i]);
  }
}

static const struct harness_case cases[] = {
    {"every-alignment", every_alignment},
    {"aligned-blocks-are-apart", aligned_blocks_are_apart},
    {"memalign-rounds-up", memalign_rounds_up},
    {"memalign-impossible", memalign_impossible},
    {"aligned-alloc-errors", aligned_alloc_errors},
    {"posix-memalign-errors", posix_memalign_errors},
    {"zero-size-is-unique", zero_size_is_unique},
    {"whole-pages", whole_pages},
    {"impossible-pages", impossible_pages},
};

HARNESS_MAIN(cases)
