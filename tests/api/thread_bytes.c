/* SPDX-License-Identifier: BSD-2-Clause */
/* tcm_thread_bytes: exact sums of what a thread allocated and freed while it
 * counted, by any function. */
#define TEST_DIRECT 1
#include "names.h"

#include "../support/child.h"

#include <pthread.h>

static struct tcm_thread_bytes last;

/* Expects that exactly this much was allocated and freed since the last
 * call. */
static void
expect_counted(const char *what, size_t size, uint64_t allocated,
               uint64_t freed)
{
  struct tcm_thread_bytes now;

  REQUIRE(tcm_thread_bytes(&now, sizeof now) == 0);
  EXPECT_FOR(now.allocated - last.allocated == allocated,
             "%s of %zu: %llu bytes allocated, not %llu", what, size,
             (unsigned long long)(now.allocated - last.allocated),
             (unsigned long long)allocated);
  EXPECT_FOR(now.freed - last.freed == freed,
             "%s of %zu: %llu bytes freed, not %llu", what, size,
             (unsigned long long)(now.freed - last.freed),
             (unsigned long long)freed);
  last = now;
}

static void
start(void)
{
  REQUIRE(tcm_count_thread_bytes(1) == 0);
  REQUIRE(tcm_thread_bytes(&last, sizeof last) == 0);
}

static void
stop(void)
{
  REQUIRE(tcm_count_thread_bytes(0) == 0);
}

static void
every_size(void)
{
  size_t i, n;

  start();
  for (i = 0; i < NAMES_SIZE_COUNT && names_sizes[i] <= 3000000; i++) {
    size_t size = names_sizes[i];
    for (n = 0; n < 3; n++) {
      void *block = malloc(harness_size(size)), *zeroed, *aligned;
      size_t usable = malloc_usable_size(block);
      expect_counted("malloc", size, usable, 0);
      zeroed = calloc(1, harness_size(size));
      expect_counted("calloc", size, malloc_usable_size(zeroed), 0);
      aligned = memalign(harness_size(256), harness_size(size));
      expect_counted("memalign", size, malloc_usable_size(aligned), 0);
      free(block);
      expect_counted("free", size, 0, usable);
      usable = malloc_usable_size(zeroed) + malloc_usable_size(aligned);
      free_sized(zeroed, size);
      free(aligned);
      expect_counted("frees", size, 0, usable);
    }
  }
  free(NULL);
  expect_counted("free", 0, 0, 0);
  stop();
}

/* A block that keeps its size counts for nothing or as freed and allocated. */
static void
resized_blocks(void)
{
  static const size_t sizes[] = {20,      25,      1000,  900,   40000, 50000,
                                 3000000, 9000000, 70000, 33000, 100,   1};
  void *block;
  size_t i;

  start();
  block = malloc(harness_size(10));
  REQUIRE(block != NULL);
  expect_counted("malloc", 10, malloc_usable_size(block), 0);
  for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    size_t before = malloc_usable_size(block), after;
    struct tcm_thread_bytes now;
    block = realloc(block, harness_size(sizes[i]));
    REQUIRE(block != NULL);
    after = malloc_usable_size(block);
    REQUIRE(tcm_thread_bytes(&now, sizeof now) == 0);
    if (before == after && now.allocated == last.allocated)
      expect_counted("realloc", sizes[i], 0, 0);
    else
      expect_counted("realloc", sizes[i], after, before);
  }
  i = malloc_usable_size(block);
  EXPECT(realloc(block, harness_size(0)) == NULL);
  expect_counted("realloc", 0, 0, i);
  block = malloc(harness_size(100000));
  i = malloc_usable_size(block);
  expect_counted("malloc", 100000, i, 0);
  if (tcm_expand(block, harness_size(300000)) != 0)
    expect_counted("expand", 300000, malloc_usable_size(block), i);
  stop();
  free(block);
}

static void
batches_and_heaps(void)
{
  void *blocks[500];
  tcm_heap *heap = tcm_heap_new();
  size_t n, i, sum = 0;

  REQUIRE(heap != NULL);
  start();
  n = tcm_malloc_batch(100, blocks, 500);
  EXPECT(n == 500);
  for (i = 0; i < n; i++)
    sum += malloc_usable_size(blocks[i]);
  expect_counted("batch", 100, sum, 0);
  tcm_free_batch(blocks, n);
  expect_counted("batch", 100, 0, sum);
  free(tcm_heap_malloc(heap, harness_size(100)));
  free(realloc(tcm_heap_malloc(heap, harness_size(100000)), 300000));
  EXPECT(tcm_heap_malloc(heap, harness_size(100)) != NULL);
  tcm_heap_delete(heap);
  expect_counted("heap", 0, 0, 0);
  stop();
}

static void
stopped(void)
{
  size_t i;

  start();
  stop();
  for (i = 0; i < 200; i++)
    free(malloc(harness_size(i * 400)));
  expect_counted("nothing", 0, 0, 0);
  EXPECT(tcm_count_thread_bytes(0) == 0);
  start();
  REQUIRE(tcm_count_thread_bytes(1) == 0);
  free(malloc(harness_size(16)));
  i = harness_is_guarded() ? 16 : tcm_good_size(16);
  expect_counted("pair", 16, i, i);
  stop();
}

static void
other_sizes(void)
{
  struct {
    struct tcm_thread_bytes bytes;
    uint64_t more;
  } larger;

  errno = 0;
  EXPECT(tcm_thread_bytes(&larger.bytes, 0) == -1 && errno == EINVAL);
  memset(&larger, 0xff, sizeof larger);
  EXPECT(tcm_thread_bytes(&larger.bytes, sizeof larger.bytes.allocated) == 0);
  EXPECT(larger.bytes.freed == UINT64_MAX);
  EXPECT(tcm_thread_bytes(&larger.bytes, sizeof larger) == 0);
  EXPECT(larger.more == 0);
}

/* Leaves its cache to the next thread while it counts, if @counts. */
static void *
work(void *counts)
{
  struct tcm_thread_bytes bytes;
  void *blocks[100];
  size_t i, sum = 0;

  EXPECT(tcm_thread_bytes(&bytes, sizeof bytes) == 0);
  EXPECT(bytes.allocated == 0 && bytes.freed == 0);
  if (counts != NULL)
    REQUIRE(tcm_count_thread_bytes(1) == 0);
  for (i = 0; i < 100; i++) {
    blocks[i] = malloc(harness_size(i * 10));
    sum += malloc_usable_size(blocks[i]);
  }
  for (i = 0; i < 50; i++)
    free(blocks[i]);
  EXPECT(tcm_thread_bytes(&bytes, sizeof bytes) == 0);
  EXPECT_FOR(bytes.allocated == (counts != NULL ? sum : 0), "%llu of %zu",
             (unsigned long long)bytes.allocated, sum);
  EXPECT(counts != NULL ? bytes.freed > 0 : bytes.freed == 0);
  for (i = 50; i < 99; i++)
    free(blocks[i]);
  return blocks[99];
}

/* Each thread counts for itself; a block counts where it is freed. */
static void
threads(void)
{
  size_t i;

  start();
  for (i = 0; i < 6; i++) {
    struct tcm_thread_bytes before;
    pthread_t thread;
    void *block;
    size_t usable;
    REQUIRE(pthread_create(&thread, NULL, work, i % 2 ? &last : NULL) == 0);
    REQUIRE(pthread_join(thread, &block) == 0);
    REQUIRE(tcm_thread_bytes(&before, sizeof before) == 0);
    last = before; /* pthread_create allocates */
    usable = malloc_usable_size(block);
    free(block);
    expect_counted("free", usable, 0, usable);
  }
  stop();
}

static void
count_in_child(void)
{
  void *block = malloc(harness_size(1000));

  expect_counted("malloc", 1000, malloc_usable_size(block), 0);
  free(block);
}

static void
child_continues(void)
{
  start();
  EXPECT(child_run(count_in_child));
  stop();
}

int
main(int argc, char **argv)
{
  static const struct harness_case cases[] = {
      {"other_sizes", other_sizes},
      {"every_size", every_size},
      {"resized_blocks", resized_blocks},
      {"batches_and_heaps", batches_and_heaps},
      {"stopped", stopped},
      {"threads", threads},
      {"child_continues", child_continues},
  };

  return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
