/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Locks and advice that a program applied to a block do not stay with its pages
 * after the block is freed.  Memory that the program soon needs again stays
 * resident, however large the block is.
 */
#include "../support/child.h"
#include "../support/memory.h"
#include "../support/tasks.h"

#include <malloc.h>
#include <sys/mman.h>

#define MIB ((size_t)1 << 20)
#define HUGE (2 * MIB)
#define BLOCKS 32

static void *
filled(size_t size)
{
  void *block = malloc(harness_size(size));

  REQUIRE(block != NULL);
  memset(block, 1, size);
  return block;
}

/* ---- Locked memory ------------------------------------------------------- */

/* Resident bytes that remain of 32 MiB after free() and malloc_trim(). */
static long
resident_after_free(int lock)
{
  long before = memory_resident_bytes();
  void *block[BLOCKS];
  int i;

  for (i = 0; i < BLOCKS; i++) {
    block[i] = filled(MIB);
    if (lock && mlock(block[i], MIB) != 0)
      _exit(HARNESS_SKIP);
  }
  for (i = 0; i < BLOCKS; i++)
    free(block[i]);
  (void)malloc_trim(0);
  return memory_resident_bytes() - before;
}

static void
locked_blocks_are_returned(void)
{
  long left = resident_after_free(/*lock=*/1);

  harness_say("  %ld KiB are left of locked blocks", left / 1024);
  CHILD_EXPECT(left < (long)(8 * MIB));
}

/* Such a program wants all pages to stay resident. */
static void
locked_process_keeps(void)
{
  long left;

  free(filled(100));
  if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
    _exit(HARNESS_SKIP);
  left = resident_after_free(/*lock=*/0);
  harness_say("  %ld KiB are left of a locked process", left / 1024);
  CHILD_EXPECT(left > (long)(16 * MIB));
}

static void
run_if_allowed(void (*work)(void))
{
  int status;
  pid_t child = child_fork();

  if (child == 0) {
    work();
    _exit(HARNESS_PASS);
  }
  REQUIRE(waitpid(child, &status, 0) == child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == HARNESS_SKIP)
    harness_say("  skipped: no right to lock memory");
  else
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == HARNESS_PASS);
}

static void
locked_memory(void)
{
  run_if_allowed(locked_blocks_are_returned);
  run_if_allowed(locked_process_keeps);
}

/* ---- Advice -------------------------------------------------------------- */

/* Resident bytes that writing a few bytes of a 64 MiB block takes. */
static long
cost_of_a_sparse_block(void)
{
  long before = memory_resident_bytes();
  char *block = (char *)malloc(harness_size(64 * MIB));
  size_t i;

  REQUIRE(block != NULL);
  for (i = 0; i < 64 * MIB; i += HUGE)
    block[i] = 1;
  before = memory_resident_bytes() - before;
  free(block);
  return before;
}

/* numpy gives this advice for its arrays. */
static void
malloc_resets_huge_page_advice(void)
{
  char *block = (char *)malloc(harness_size(64 * MIB));
  uintptr_t start;
  long cost;

  REQUIRE(block != NULL);
  start = ((uintptr_t)block + HUGE - 1) / HUGE * HUGE;
  (void)madvise((void *)start, 60 * MIB, MADV_HUGEPAGE);
  memset(block, 1, 64 * MIB);
  free(block);
  (void)malloc_trim(0);
  cost = cost_of_a_sparse_block();
  harness_say("  a sparse block costs %ld KiB", cost / 1024);
  EXPECT(cost < (long)(4 * MIB));
}

/* ---- Large blocks that come and go --------------------------------------- */

static long
faults_of_a_round(size_t size)
{
  long before = memory_faults();
  void *whole = filled(size), *half = filled(size / 2);

  free(whole);
  free(half);
  return memory_faults() - before;
}

static void
cost_grows_smoothly_with_size(void)
{
  static const size_t mebibytes[] = {20, 33, 63, 65, 100};
  size_t i;
  int round;

  for (i = 0; i < sizeof mebibytes / sizeof *mebibytes; i++) {
    size_t size = mebibytes[i] * MIB;
    long count = 0;
    (void)faults_of_a_round(size);
    for (round = 0; round < 3; round++)
      count += faults_of_a_round(size);
    EXPECT_FOR(count < (long)(size / 4096 / 8), "%zu MiB: %ld faults",
               mebibytes[i], count);
  }
}

/* ---- Parameters of glibc ------------------------------------------------- */

static void
trim_keeps_padding(void)
{
  long before, after;

  (void)malloc_trim(0);
  before = memory_resident_bytes();
  free(filled(40 * MIB));
  free(filled(20 * MIB));
  (void)malloc_trim(16 * MIB);
  after = memory_resident_bytes() - before;
  EXPECT_FOR(after > (long)(12 * MIB) && after < (long)(24 * MIB), "%ld KiB",
             after / 1024);
  (void)malloc_trim(0);
  EXPECT(memory_resident_bytes() - before < (long)(8 * MIB));
}

#ifdef M_TRIM_THRESHOLD

static void
free_blocks_of(size_t size)
{
  void *block[4];
  int i;

  for (i = 0; i < 4; i++)
    block[i] = filled(size);
  for (i = 0; i < 4; i++)
    free(block[i]);
}

static void
low_threshold(void)
{
  CHILD_EXPECT(mallopt(M_TRIM_THRESHOLD, 2 << 20) == 1);
  /* Smaller blocks may be closed: then they are returned at once. */
  free_blocks_of(2 * MIB);
  CHILD_EXPECT(tasks_count(NULL) == 2);
}

static void
no_threshold(void)
{
  CHILD_EXPECT(mallopt(M_TRIM_THRESHOLD, -1) == 1);
  free_blocks_of(16 * MIB);
  CHILD_EXPECT(tasks_count(NULL) == 1);
}

static void
threshold_of_return(void)
{
  (void)malloc_trim(0);
  EXPECT(child_run(low_threshold));
  EXPECT(child_run(no_threshold));
}

#endif

int
main(int argc, char **argv)
{
  static const struct harness_case cases[] = {
      {"locked_memory", locked_memory},
      {"malloc_resets_huge_page_advice", malloc_resets_huge_page_advice},
      {"cost_grows_smoothly_with_size", cost_grows_smoothly_with_size},
      {"trim_keeps_padding", trim_keeps_padding},
#ifdef M_TRIM_THRESHOLD
      {"threshold_of_return", threshold_of_return},
#endif
  };

  return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
