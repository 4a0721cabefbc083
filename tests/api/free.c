/* SPDX-License-Identifier: BSD-2-Clause */
/* free, cfree, free_sized, free_aligned_sized: NULL, errno, and that freed
 * memory is reused. */
#include "names.h"

typedef void free_function(void *);
typedef void free_sized_function(void *, size_t);
typedef void free_aligned_function(void *, size_t, size_t);

static void
null_is_allowed(void)
{
  errno = 4711;
  free(harness_pointer(NULL));
  EXPECT(errno == 4711);
}

static void
errno_is_kept(void)
{
  size_t i;

  for (i = 0; i < NAMES_SIZE_COUNT; i++) {
    void *block = malloc(harness_size(names_sizes[i]));
    REQUIRE(block != NULL);
    memset(block, 1, names_sizes[i]);
    errno = 4711;
    free(block);
    EXPECT_FOR(errno == 4711, "size %zu, errno %d", names_sizes[i], errno);
  }
}

/* Enough blocks to overflow every cache, so that free takes its slow path. */
static void
errno_is_kept_by_the_slow_path(void)
{
  enum { COUNT = 20000 };
  static void *block[COUNT];
  size_t i;
  int changed = 0;

  for (i = 0; i < COUNT; i++) {
    block[i] = malloc(harness_size(i % 3 == 0 ? 3000 : 64));
    REQUIRE(block[i] != NULL);
  }
  errno = 4711;
  for (i = 0; i < COUNT; i++) {
    free(block[i]);
    changed += errno != 4711;
  }
  EXPECT(changed == 0);
}

static void
memory_comes_back(void)
{
  long before = 0;
  int round;

  for (round = 0; round < 200; round++) {
    void *small[100], *large = malloc(harness_size((size_t)5 << 20));
    int i;
    REQUIRE(large != NULL);
    memset(large, 1, (size_t)5 << 20);
    for (i = 0; i < 100; i++) {
      small[i] = malloc(harness_size(5000));
      REQUIRE(small[i] != NULL);
      memset(small[i], 1, 5000);
    }
    free(large);
    for (i = 0; i < 100; i++)
      free(small[i]);
    if (round == 20)
      before = memory_resident_bytes();
  }
  EXPECT(memory_resident_bytes() - before < 4 << 20);
}

#ifndef TEST_PREFIXED
#ifdef TEST_DIRECT
void cfree(void *);
#endif

static void
cfree_is_free(void)
{
  void *symbol = NAMES_FIND(cfree);
  free_function *function;
  int i;

  EXPECT(symbol != NULL);
  if (symbol == NULL)
    return;
  memcpy(&function, &symbol, sizeof function);
  function(NULL);
  for (i = 0; i < 1000; i++) {
    void *block = malloc(harness_size(100000));
    REQUIRE(block != NULL);
    errno = 4711;
    function(block);
    EXPECT(errno == 4711);
  }
}
#endif

static void
sized(void)
{
  void *symbol = NAMES_FIND(free_sized);
  free_sized_function *function;
  size_t i;

  EXPECT(symbol != NULL);
  if (symbol == NULL)
    return;
  memcpy(&function, &symbol, sizeof function);
  function(NULL, 0);
  function(NULL, 100);
  for (i = 0; i < NAMES_SIZE_COUNT; i++) {
    size_t size = names_sizes[i];
    void *block = malloc(harness_size(size));
    REQUIRE(block != NULL);
    errno = 4711;
    function(block, size);
    EXPECT_FOR(errno == 4711, "size %zu", size);
    block = calloc(1, harness_size(size));
    REQUIRE(block != NULL);
    function(block, size);
    block = realloc(malloc(harness_size(10)), harness_size(size + 1));
    REQUIRE(block != NULL);
    function(block, size + 1);
  }
}

static void
aligned_sized(void)
{
  void *symbol = NAMES_FIND(free_aligned_sized);
  free_aligned_function *function;
  size_t alignment, i;

  EXPECT(symbol != NULL);
  if (symbol == NULL)
    return;
  memcpy(&function, &symbol, sizeof function);
  function(NULL, 64, 0);
  for (alignment = 1; alignment <= 65536; alignment *= 2) {
    for (i = 0; i < NAMES_SIZE_COUNT && names_sizes[i] < 1 << 20; i++) {
      size_t size = names_sizes[i];
      void *block = aligned_alloc(harness_size(alignment), size);
      REQUIRE(block != NULL);
      errno = 4711;
      function(block, alignment, size);
      EXPECT_FOR(errno == 4711, "alignment %zu, size %zu", alignment, size);
    }
  }
}

static const struct harness_case cases[] = {
    {"null-is-allowed", null_is_allowed},
    {"errno-is-kept", errno_is_kept},
    {"errno-is-kept-by-the-slow-path", errno_is_kept_by_the_slow_path},
    {"memory-comes-back", memory_comes_back},
#ifndef TEST_PREFIXED
    {"cfree-is-free", cfree_is_free},
#endif
    {"sized", sized},
    {"aligned-sized", aligned_sized},
};

HARNESS_MAIN(cases)
