/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions of tcm.h that the standard family lacks.  The same source is
 * linked with the core, where malloc is libc's, and with libtcm, so that Check
 * itself allocates from tcm. */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>

#define TEST_DIRECT 1
#include "../support/memory.h"

START_TEST(good_size_is_the_usable_size)
{
  size_t size, last = 0;

  for (size = 0; size < 300000; size += size < 5000 ? 1 : 997) {
    size_t good = tcm_good_size(size);
    void *block = tcm_malloc(size);
    ck_assert_ptr_nonnull(block);
    ck_assert_uint_ge(good, size);
    ck_assert_uint_ge(good, last);
    ck_assert_uint_eq(good, tcm_malloc_usable_size(block));
    ck_assert_uint_eq(tcm_good_size(good), good);
    tcm_free(block);
    last = good;
  }
}
END_TEST

START_TEST(good_size_of_large_and_impossible)
{
  size_t size;

  for (size = (size_t)1 << 20; size <= (size_t)1 << 26; size *= 2) {
    void *block = tcm_malloc(size + 1);
    ck_assert_ptr_nonnull(block);
    ck_assert_uint_eq(tcm_good_size(size + 1), tcm_malloc_usable_size(block));
    tcm_free(block);
  }
  ck_assert_uint_eq(tcm_good_size((size_t)PTRDIFF_MAX + 1), 0);
  ck_assert_uint_eq(tcm_good_size(SIZE_MAX), 0);
  ck_assert_uint_ge(tcm_good_size((size_t)PTRDIFF_MAX - (1 << 20)),
                    (size_t)PTRDIFF_MAX - (1 << 20));
}
END_TEST

START_TEST(at_least_tells_the_size)
{
  static const size_t sizes[] = {0, 1, 9, 100, 1025, 40000, 3000000};
  size_t i, actual;

  for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    void *block;
    actual = 4711;
    block = tcm_malloc_at_least(sizes[i], &actual);
    ck_assert_ptr_nonnull(block);
    ck_assert_uint_ge(actual, sizes[i]);
    ck_assert_uint_eq(actual, tcm_malloc_usable_size(block));
    memset(block, 1, actual);
    tcm_free(block);
  }
  actual = 4711;
  errno = 0;
  ck_assert_ptr_null(tcm_malloc_at_least(harness_size(SIZE_MAX / 2), &actual));
  ck_assert_int_eq(errno, ENOMEM);
  ck_assert_uint_eq(actual, 4711);
}
END_TEST

/* Asks for @size bytes in place; returns whether the block got them.  Its
 * contents stay in both cases. */
static int
expand(void *block, size_t size)
{
  size_t before = tcm_malloc_usable_size(block), after;

  memory_fill(block, before, size);
  errno = 0;
  after = tcm_expand(block, size);
  ck_assert(memory_holds(block, before, size));
  if (after == 0) {
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_uint_lt(before, size);
    ck_assert_uint_eq(tcm_malloc_usable_size(block), before);
    return 0;
  }
  ck_assert_int_eq(errno, 0);
  ck_assert_uint_ge(after, size);
  ck_assert_uint_ge(after, before);
  ck_assert_uint_eq(tcm_malloc_usable_size(block), after);
  memory_fill(block, after, size);
  ck_assert(memory_holds(block, after, size));
  return 1;
}

START_TEST(expand_in_its_size)
{
  static const size_t sizes[] = {1, 100, 5000, 40000, 3000000, 100000000};
  size_t i;

  for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    void *block = tcm_malloc(sizes[i]);
    ck_assert_ptr_nonnull(block);
    ck_assert(expand(block, 0));
    ck_assert(expand(block, sizes[i] / 2));
    ck_assert(expand(block, tcm_malloc_usable_size(block)));
    tcm_free(block);
  }
}
END_TEST

/* Every second block is freed, so that the others can grow. */
START_TEST(expand_a_large_block)
{
  enum { COUNT = 32, SIZE = 300000 };
  void *block[COUNT];
  size_t i, grown = 0;

  for (i = 0; i < COUNT; i++) {
    block[i] = tcm_malloc(SIZE);
    ck_assert_ptr_nonnull(block[i]);
  }
  for (i = 0; i < COUNT; i += 2)
    tcm_free(block[i]);
  for (i = 1; i < COUNT; i += 2)
    grown += (size_t)expand(block[i], SIZE * 3 / 2);
  ck_assert_uint_gt(grown, 0);
  for (i = 1; i < COUNT; i += 2)
    tcm_free(block[i]);
}
END_TEST

START_TEST(expand_that_cannot_be)
{
  static const size_t sizes[] = {24, 5000, 300000, 100000000};
  size_t i;

  errno = 0;
  ck_assert_uint_eq(tcm_expand(NULL, 0), 0);
  ck_assert_int_eq(errno, ENOMEM);
  for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    void *block = tcm_malloc(sizes[i]);
    ck_assert_ptr_nonnull(block);
    ck_assert(!expand(block, harness_size(SIZE_MAX / 2)));
    ck_assert(!expand(block, harness_size(SIZE_MAX)));
    if (sizes[i] < 32768)
      ck_assert(!expand(block, 40000));
    tcm_free(block);
  }
}
END_TEST

enum { BATCH = 1000 };

static void
check_batch(size_t size, size_t count)
{
  static void *block[BATCH];
  size_t i;

  memset(block, 0, sizeof block);
  ck_assert_uint_eq(tcm_malloc_batch(size, block, count), count);
  for (i = 0; i < count; i++) {
    ck_assert_ptr_nonnull(block[i]);
    ck_assert(memory_is_aligned(block[i], memory_least_alignment(size)));
    ck_assert_uint_ge(tcm_malloc_usable_size(block[i]), size);
    memory_fill(block[i], size, i);
  }
  for (; i < BATCH; i++)
    ck_assert_ptr_null(block[i]);
  for (i = 0; i < count; i++)
    ck_assert(memory_holds(block[i], size, i));
  /* Half of them are freed one by one; the batch skips the gaps. */
  for (i = 0; i < count; i += 2) {
    tcm_free(block[i]);
    block[i] = NULL;
  }
  errno = 4711;
  tcm_free_batch(block, count);
  ck_assert_int_eq(errno, 4711);
}

START_TEST(batch_of_every_kind)
{
  static const size_t sizes[] = {0, 1, 8, 24, 100, 1000, 5000, 40000};
  static const size_t counts[] = {0, 1, 2, 7, 64, 333, BATCH};
  size_t i, j;

  for (i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (j = 0; j < sizeof counts / sizeof *counts; j++)
      check_batch(sizes[i], counts[j]);
  check_batch(3000000, 5);
}
END_TEST

START_TEST(batch_free_of_mixed_blocks)
{
  static void *block[BATCH];
  uint64_t state = 7;
  int round;
  size_t i;

  for (round = 0; round < 20; round++) {
    for (i = 0; i < BATCH; i++) {
      uint64_t r = harness_random(&state);
      size_t size = (size_t)(r >> 40) % (i % 100 == 0 ? 200000 : 1500);
      block[i] = r % 10 == 0   ? NULL
                 : r % 10 == 1 ? tcm_memalign(256, size)
                               : tcm_malloc(size);
    }
    tcm_free_batch(block, BATCH);
  }
  tcm_free_batch(NULL, 0);
}
END_TEST

START_TEST(batch_failure_tells_how_many)
{
  void *block[4] = {NULL, NULL, NULL, NULL};

  errno = 0;
  ck_assert_uint_eq(tcm_malloc_batch(harness_size(SIZE_MAX / 2), block, 4), 0);
  ck_assert_int_eq(errno, ENOMEM);
  ck_assert_ptr_null(block[0]);
}
END_TEST

/* Allocates @bytes in blocks of 1000 bytes, writes to them and frees them. */
static void
use_and_free(size_t bytes)
{
  size_t count = bytes / 1000, i;
  void **block = (void **)tcm_calloc(count, sizeof *block);

  ck_assert_ptr_nonnull(block);
  for (i = 0; i < count; i++) {
    block[i] = tcm_malloc(1000);
    ck_assert_ptr_nonnull(block[i]);
    memset(block[i], 1, 1000);
  }
  for (i = 0; i < count; i++)
    tcm_free(block[i]);
  tcm_free(block);
}

START_TEST(release_gives_memory_back)
{
  long peak;
  size_t returned;

  use_and_free((size_t)64 << 20);
  peak = memory_resident_bytes();
  returned = tcm_release_free_memory();
  ck_assert_int_gt(peak - memory_resident_bytes(), 0);
  use_and_free((size_t)64 << 20);
  returned += tcm_release_free_memory();
  ck_assert_uint_gt(returned, (size_t)60 << 20);
  ck_assert_int_lt(memory_resident_bytes(), 16 << 20);
}
END_TEST

START_TEST(release_stops_at_the_number)
{
  static const size_t numbers[] = {0, 4095, 65536, 1 << 20, 5000001};
  size_t i;

  for (i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    size_t returned;
    use_and_free((size_t)16 << 20);
    returned = tcm_release_at_most(numbers[i]);
    ck_assert_uint_le(returned, numbers[i]);
    if (numbers[i] >= 65536)
      ck_assert_uint_gt(returned, numbers[i] / 2);
    else
      ck_assert_uint_eq(returned, 0);
  }
  ck_assert_uint_gt(tcm_release_at_most(SIZE_MAX), (size_t)8 << 20);
  ck_assert_int_lt(memory_resident_bytes(), 16 << 20);
}
END_TEST

/* A page is returned even from a span in which a live block remains. */
START_TEST(release_inside_a_span)
{
  enum { COUNT = 40000, STEP = 32 };
  static void *block[COUNT];
  long peak;
  size_t i;

  for (i = 0; i < COUNT; i++) {
    block[i] = tcm_malloc(1024);
    ck_assert_ptr_nonnull(block[i]);
    memory_fill(block[i], 1024, i);
  }
  peak = memory_resident_bytes();
  for (i = 0; i < COUNT; i++)
    if (i % STEP != 0)
      tcm_free(block[i]);
  ck_assert_uint_gt(tcm_release_free_memory(), (size_t)20 << 20);
  ck_assert_int_gt(peak - memory_resident_bytes(), 20 << 20);
  for (i = 0; i < COUNT; i += STEP) {
    ck_assert(memory_holds(block[i], 1024, i));
    tcm_free(block[i]);
  }
}
END_TEST

START_TEST(trim_is_a_boolean)
{
  int answer;

  use_and_free((size_t)16 << 20);
  ck_assert_int_eq(tcm_malloc_trim(0), 1);
  answer = tcm_malloc_trim(1 << 20);
  ck_assert(answer == 0 || answer == 1);
}
END_TEST

static struct tcm_stats
stats_now(void)
{
  struct tcm_stats stats;

  ck_assert_int_eq(tcm_stats(&stats, sizeof stats), 0);
  return stats;
}

START_TEST(idle_empties_the_cache)
{
  void *kept = tcm_malloc(100);

  use_and_free((size_t)1 << 20);
  memory_fill(kept, 100, 3);
  ck_assert_uint_gt(stats_now().thread_cache_bytes, 0);
  tcm_thread_idle();
  tcm_thread_idle();
  ck_assert_uint_eq(stats_now().thread_cache_bytes, 0);
  ck_assert(memory_holds(kept, 100, 3));
  use_and_free((size_t)1 << 20);
  tcm_free(kept);
}
END_TEST

START_TEST(owns_what_it_gave)
{
  static char object[64];
  char local[64];
  unsigned char *small = (unsigned char *)tcm_malloc(100);
  unsigned char *large = (unsigned char *)tcm_malloc(5000000);
  void *foreign = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  ck_assert_ptr_nonnull(small);
  ck_assert_ptr_nonnull(large);
  ck_assert_ptr_ne(foreign, MAP_FAILED);
  ck_assert_int_eq(tcm_owns(small), 1);
  ck_assert_int_eq(tcm_owns(small + 50), 1);
  ck_assert_int_eq(tcm_owns(large), 1);
  ck_assert_int_eq(tcm_owns(large + 2500000), 1);
  ck_assert_int_eq(tcm_owns(NULL), 0);
  ck_assert_int_eq(tcm_owns(object), 0);
  ck_assert_int_eq(tcm_owns(local), 0);
  ck_assert_int_eq(tcm_owns(foreign), 0);
  ck_assert_int_eq(tcm_owns((void *)(uintptr_t)16), 0);
  ck_assert_int_eq(tcm_owns((void *)(uintptr_t)4096), 0);
  ck_assert_int_eq(tcm_owns((void *)((uintptr_t)1 << 46)), 0);
  ck_assert_int_eq(tcm_owns((void *)(uintptr_t)0x7ffffffff000u), 0);
  ck_assert_int_eq(tcm_owns((void *)((uintptr_t)1 << 47)), 0);
  ck_assert_int_eq(tcm_owns((void *)(uintptr_t)0x8000000000000000u), 0);
  ck_assert_int_eq(tcm_owns((void *)UINTPTR_MAX), 0);
  tcm_free(small);
  tcm_free(large);
  munmap(foreign, 1 << 16);
}
END_TEST

START_TEST(version_is_the_headers)
{
  char version[32];

  snprintf(version, sizeof version, "%d.%d.%d", TCM_VERSION_MAJOR,
           TCM_VERSION_MINOR, TCM_VERSION_PATCH);
  ck_assert_str_eq(tcm_version(), version);
}
END_TEST

static void
check_sum(const struct tcm_stats *stats)
{
  ck_assert_uint_eq(stats->in_use_bytes + stats->thread_cache_bytes +
                        stats->transfer_cache_bytes +
                        stats->central_list_bytes + stats->page_heap_bytes +
                        stats->returned_bytes + stats->metadata_bytes,
                    stats->mapped_bytes);
  ck_assert_uint_ge(stats->reserved_bytes, stats->mapped_bytes);
  ck_assert_uint_ge(stats->in_use_bytes, stats->large_bytes);
}

START_TEST(stats_add_up)
{
  enum { COUNT = 3000 };
  static void *block[COUNT];
  struct tcm_stats before, during, after;
  size_t i;

  tcm_free(tcm_malloc(10));
  before = stats_now();
  check_sum(&before);
  for (i = 0; i < COUNT; i++)
    block[i] = tcm_malloc(2000);
  during = stats_now();
  check_sum(&during);
  ck_assert_uint_ge(during.in_use_bytes, before.in_use_bytes + COUNT * 2000);
  ck_assert_uint_gt(during.span_count, before.span_count);
  for (i = 0; i < COUNT; i++)
    tcm_free(block[i]);
  after = stats_now();
  check_sum(&after);
  ck_assert_uint_le(after.in_use_bytes + COUNT * 2000, during.in_use_bytes);
  tcm_release_free_memory();
  after = stats_now();
  check_sum(&after);
  ck_assert_uint_gt(after.released_total_bytes, before.released_total_bytes);
}
END_TEST

START_TEST(stats_count_large_blocks)
{
  struct tcm_stats before = stats_now(), during, after;
  void *large = tcm_malloc(3000000);

  during = stats_now();
  check_sum(&during);
  ck_assert_uint_eq(during.large_count, before.large_count + 1);
  ck_assert_uint_ge(during.large_bytes, before.large_bytes + 3000000);
  tcm_free(large);
  after = stats_now();
  check_sum(&after);
  ck_assert_uint_eq(after.large_count, before.large_count);
  ck_assert_uint_eq(after.large_bytes, before.large_bytes);
}
END_TEST

START_TEST(stats_of_another_size)
{
  struct {
    struct tcm_stats stats;
    unsigned char more[64];
  } room;

  memset(&room, 0xee, sizeof room);
  ck_assert_int_eq(tcm_stats(&room.stats, 16), 0);
  ck_assert_uint_eq(room.stats.transfer_cache_bytes, 0xeeeeeeeeeeeeeeeeu);
  ck_assert_int_eq(tcm_stats(&room.stats, sizeof room), 0);
  ck_assert(memory_is_zero(room.more, sizeof room.more));
  check_sum(&room.stats);
  errno = 0;
  ck_assert_int_eq(tcm_stats(&room.stats, 0), -1);
  ck_assert_int_eq(errno, EINVAL);
}
END_TEST

static void *
thread_that_allocates(void *unused)
{
  (void)unused;
  use_and_free(100000);
  return NULL;
}

START_TEST(stats_count_caches)
{
  struct tcm_stats before, after;
  pthread_t thread;
  int i;

  tcm_free(tcm_malloc(10));
  before = stats_now();
  ck_assert_uint_ge(before.thread_cache_count, 1);
  for (i = 0; i < 50; i++) {
    ck_assert_int_eq(pthread_create(&thread, NULL, thread_that_allocates, NULL),
                     0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
  }
  after = stats_now();
  check_sum(&after);
  ck_assert_uint_le(after.thread_cache_count, before.thread_cache_count + 4);
}
END_TEST

static void
add_tests(TCase *tests)
{
  tcase_add_test(tests, good_size_is_the_usable_size);
  tcase_add_test(tests, good_size_of_large_and_impossible);
  tcase_add_test(tests, at_least_tells_the_size);
  tcase_add_test(tests, expand_in_its_size);
  tcase_add_test(tests, expand_a_large_block);
  tcase_add_test(tests, expand_that_cannot_be);
  tcase_add_test(tests, batch_of_every_kind);
  tcase_add_test(tests, batch_free_of_mixed_blocks);
  tcase_add_test(tests, batch_failure_tells_how_many);
  tcase_add_test(tests, release_gives_memory_back);
  tcase_add_test(tests, release_stops_at_the_number);
  tcase_add_test(tests, release_inside_a_span);
  tcase_add_test(tests, trim_is_a_boolean);
  tcase_add_test(tests, idle_empties_the_cache);
  tcase_add_test(tests, owns_what_it_gave);
  tcase_add_test(tests, version_is_the_headers);
  tcase_add_test(tests, stats_add_up);
  tcase_add_test(tests, stats_count_large_blocks);
  tcase_add_test(tests, stats_of_another_size);
  tcase_add_test(tests, stats_count_caches);
}

int
main(void)
{
  Suite *suite = suite_create("tcm_extensions");
  TCase *tests = tcase_create("all");
  SRunner *runner;
  int failed;

  tcase_set_timeout(tests, 60);
  add_tests(tests);
  suite_add_tcase(suite, tests);
  runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? 0 : 1;
}
