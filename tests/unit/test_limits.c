/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <dirent.h>
#include <errno.h>

#include "base/bits.h"
#include "base/options.h"
#include "front/allocate.h"
#include "front/heap_check.h"
#include "front/reallocate.h"
#include "heap/page_heap.h"
#include "process/lifecycle.h"
#include "process/release.h"
#include "tcm.h"

#define MIB ((size_t)1 << 20)
#define BLOCKS 4096

static void *blocks[BLOCKS];

static void
set_limit(enum option_id id, uint64_t bytes)
{
  tcmi_process_start();
  ck_assert_int_eq(tcmi_option_change(id, bytes, SOURCE_API), 0);
}

static struct tcm_stats
stats_now(void)
{
  struct tcm_stats stats;

  ck_assert_int_eq(tcm_stats(&stats, sizeof stats), 0);
  return stats;
}

/* Allocates and fills blocks until that fails, or until there are @most. */
static unsigned
fill(size_t size, unsigned most)
{
  unsigned n;

  for (n = 0; n < most; n++) {
    errno = 0;
    blocks[n] = tcmi_allocate(size);
    if (blocks[n] == NULL) {
      ck_assert_int_eq(errno, ENOMEM);
      break;
    }
    memset(blocks[n], 1, size);
  }
  return n;
}

static void
empty(unsigned n)
{
  unsigned i;

  for (i = 0; i < n; i++)
    tcmi_free(blocks[i]);
}

/* Blocks of any size never exceed the limit.  After they are freed, blocks of
 * another size can use all of it again. */
START_TEST(hard_limit_holds)
{
  static const size_t sizes[] = {40000, MIB, 5 * MIB, 30000, 9 * MIB};
  const size_t limit = 64 * MIB;
  size_t s;

  set_limit(OPTION_hard_limit_bytes, limit);
  for (s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    uint64_t hits = stats_now().hard_limit_hits;
    unsigned n = fill(sizes[s], BLOCKS);
    must_for(n < BLOCKS && n * sizes[s] < limit, "%zu", sizes[s]);
    must_for((n + 1) * sizes[s] > limit - limit / 8 - sizes[s], "%u of %zu", n,
             sizes[s]);
    must_for(tcmi_page_heap_held_bytes() <= limit, "%zu", sizes[s]);
    must(stats_now().hard_limit_hits > hits);
    empty(n);
    tcmi_heap_check();
  }
  ck_assert_ptr_null(tcmi_allocate(limit + 1));
  set_limit(OPTION_hard_limit_bytes, 0);
  ck_assert_uint_eq(fill(MIB, 80), 80);
  empty(80);
}
END_TEST

/* Free memory in caches and in the page heap makes room. */
START_TEST(hard_limit_uses_free_memory_first)
{
  unsigned n;

  set_limit(OPTION_hard_limit_bytes, 32 * MIB);
  n = fill(100 * 1024, 250);
  ck_assert_uint_eq(n, 250);
  empty(n);
  ck_assert_uint_eq(fill(24 * MIB, 1), 1);
  ck_assert_uint_le(tcmi_page_heap_held_bytes(), 32 * MIB);
  empty(1);
  n = fill(1000, BLOCKS);
  ck_assert_uint_eq(n, BLOCKS);
  empty(n);
  tcmi_heap_check();
}
END_TEST

/* Above the soft limit, growth returns free memory; nothing fails. */
START_TEST(soft_limit_returns_memory)
{
  struct tcm_stats before, after;
  unsigned i;

  ck_assert_uint_eq(fill(MIB / 4, 256), 256);
  for (i = 0; i < 256; i += 2)
    tcmi_free(blocks[i]);
  before = stats_now();
  ck_assert_uint_ge(before.page_heap_bytes, 24 * MIB);
  ck_assert_uint_eq(before.soft_limit_hits, 0);
  set_limit(OPTION_soft_limit_bytes, 34 * MIB);
  for (i = 0; i < 256; i += 2) {
    blocks[i] = tcmi_allocate(MIB);
    must(blocks[i] != NULL);
    memset(blocks[i], 1, MIB);
  }
  after = stats_now();
  ck_assert_uint_gt(after.soft_limit_hits, 0);
  ck_assert_uint_gt(after.released_total_bytes, before.released_total_bytes);
  ck_assert_uint_le(after.page_heap_bytes, 4 * MIB);
  /* On average, each of the 128 blocks causes fewer than three hits. */
  ck_assert_uint_le(after.soft_limit_hits, 300);
  empty(256);
  tcmi_heap_check();
}
END_TEST

/* Every way to allocate: with 32 of the 34 MiB of the limit in free pages,
 * growth in other sizes must hit the soft limit. */
static void *
by_malloc(size_t size)
{
  return tcmi_allocate(size);
}

static void *
by_calloc(size_t size)
{
  return tcmi_allocate_zeroed(1, size);
}

static void *
by_memalign(size_t size)
{
  return tcmi_allocate_aligned(64, size);
}

static void *
by_batch(size_t size)
{
  void *block = NULL;

  return tcm_malloc_batch(size, &block, 1) == 1 ? block : NULL;
}

static void *
by_realloc(size_t size)
{
  return tcmi_reallocate(tcmi_allocate(8), size);
}

/* One block that grows with each call, and a small block. */
static void *
by_growth(size_t size)
{
  static void *grown;
  static size_t bytes = MIB;

  grown = tcmi_reallocate(grown, bytes += 16 * size);
  return grown == NULL ? NULL : tcmi_allocate(8);
}

static void
expect_soft_hits(const char *name, void *(*allocate)(size_t), size_t size)
{
  uint64_t hits;
  unsigned n;

  set_limit(OPTION_soft_limit_bytes, 0);
  must(fill(MIB / 4, 128) == 128);
  empty(128);
  hits = stats_now().soft_limit_hits;
  set_limit(OPTION_soft_limit_bytes, 34 * MIB);
  for (n = 0; n < 48 * MIB / size && n < BLOCKS; n++)
    must((blocks[n] = allocate(size)) != NULL);
  must_for(stats_now().soft_limit_hits > hits, "%s, %zu", name, size);
  empty(n);
  (void)tcmi_release_all();
}

START_TEST(soft_limit_applies_in_every_way)
{
  static const size_t sizes[] = {20000, 32768, 300000};
  size_t i;

  for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    expect_soft_hits("malloc", by_malloc, sizes[i]);
    expect_soft_hits("calloc", by_calloc, sizes[i]);
    expect_soft_hits("memalign", by_memalign, sizes[i]);
    expect_soft_hits("batch", by_batch, sizes[i]);
    expect_soft_hits("realloc", by_realloc, sizes[i]);
  }
  expect_soft_hits("growth", by_growth, 30000);
  tcmi_heap_check();
}
END_TEST

/* Counts and removes the profiles in @directory that have this reason. */
static unsigned
take_profiles(const char *directory, const char *reason)
{
  DIR *opened = opendir(directory);
  struct dirent *entry;
  unsigned n = 0;

  ck_assert_ptr_nonnull(opened);
  while ((entry = readdir(opened)) != NULL)
    if (strstr(entry->d_name, reason) != NULL) {
      ck_assert_int_eq(unlinkat(dirfd(opened), entry->d_name, 0), 0);
      n++;
    }
  closedir(opened);
  return n;
}

/* Memory in use counts, held idle pages do not.  For a limit that the program
 * set, see the next test. */
START_TEST(container_limit_writes_a_profile)
{
  char directory[] = "/tmp/tcmXXXXXX";

  ck_assert_ptr_nonnull(mkdtemp(directory));
  setenv("TCM_PROFILE_DIR", directory, 1);
  setenv("TCM_PROFILE_BYTES", "4096", 1);
  setenv("TCM_PROFILE_AT_EXIT", "0", 1);
  setenv("TCM_CONTAINER", "0", 1);
  setenv("TCM_BACKGROUND", "0", 1);
  tcmi_process_start();
  ck_assert_uint_eq(fill(MIB, 48), 48);
  empty(48);
  ck_assert_uint_gt(tcmi_page_heap_held_bytes(), 40 * MIB);
  tcmi_option_suggest(OPTION_soft_limit_bytes, 32 * MIB);
  ck_assert_int_eq(tcmi_option_source(OPTION_soft_limit_bytes),
                   SOURCE_CONTAINER);
  empty(fill(MIB, 4));
  ck_assert_uint_eq(take_profiles(directory, ".heap"), 0);
  ck_assert_uint_eq(fill(MIB, 48), 48);
  ck_assert_uint_eq(take_profiles(directory, ".1.limit.heap"), 1);
  empty(48);
  ck_assert_uint_eq(fill(MIB, 48), 48);
  empty(48);
  ck_assert_uint_eq(take_profiles(directory, ".heap"), 0);
  ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

START_TEST(soft_limit_writes_no_profile)
{
  char directory[] = "/tmp/tcmXXXXXX";

  ck_assert_ptr_nonnull(mkdtemp(directory));
  setenv("TCM_PROFILE_DIR", directory, 1);
  setenv("TCM_PROFILE_BYTES", "4096", 1);
  setenv("TCM_PROFILE_AT_EXIT", "0", 1);
  set_limit(OPTION_soft_limit_bytes, 32 * MIB);
  ck_assert_uint_eq(fill(MIB, 48), 48);
  empty(48);
  ck_assert_uint_eq(take_profiles(directory, ".heap"), 0);
  ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

START_TEST(below_the_limits_nothing_happens)
{
  struct tcm_stats stats;

  set_limit(OPTION_soft_limit_bytes, 1024 * MIB);
  set_limit(OPTION_hard_limit_bytes, 1024 * MIB);
  set_limit(OPTION_close_freed, 0);
  ck_assert_uint_eq(fill(MIB, 64), 64);
  empty(64);
  stats = stats_now();
  ck_assert_uint_eq(stats.soft_limit_hits, 0);
  ck_assert_uint_eq(stats.hard_limit_hits, 0);
  ck_assert_uint_eq(stats.released_total_bytes, 0);
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("limits");

  tcase_add_test(tests, hard_limit_holds);
  tcase_add_test(tests, hard_limit_uses_free_memory_first);
  tcase_add_test(tests, soft_limit_returns_memory);
  tcase_add_test(tests, soft_limit_applies_in_every_way);
  tcase_add_test(tests, container_limit_writes_a_profile);
  tcase_add_test(tests, soft_limit_writes_no_profile);
  tcase_add_test(tests, below_the_limits_nothing_happens);
  return unit_run(tests);
}
