/* SPDX-License-Identifier: BSD-2-Clause */
/* mlockall: locked memory becomes resident, so it is expensive for an allocator
 * to map much more than it needs. */
#include "../support/child.h"
#include "../support/memory.h"

#include <malloc.h>
#include <sys/mman.h>

static const long mebibyte = 1 << 20;

/* Set in the environment of a child that locks before main(). */
#define LOCK_EARLY "TEST_LOCK_EARLY"

static __attribute__((constructor)) void
lock_early(void)
{
  if (getenv(LOCK_EARLY) != NULL && mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
    _exit(HARNESS_SKIP);
}

/* Allocates small blocks, 4 MiB in all, then one large block. */
static void
use_heap_locked(void)
{
  enum { COUNT = 4096 };
  static void *block[COUNT];
  long before = memory_resident_bytes(), after;
  char *large;
  int i;

  for (i = 0; i < COUNT; i++) {
    block[i] = malloc(harness_size(1000));
    CHILD_EXPECT(block[i] != NULL);
    memset(block[i], 1, 1000);
  }
  after = memory_resident_bytes();
  harness_say("  4 MiB of small blocks: %ld KiB resident",
              (after - before) / 1024);
  CHILD_EXPECT(after - before < 16 * mebibyte);
  large = (char *)malloc(harness_size((size_t)32 << 20));
  CHILD_EXPECT(large != NULL);
  memset(large, 1, (size_t)32 << 20);
  after = memory_resident_bytes();
  CHILD_EXPECT(after - before < 64 * mebibyte);
  free(large);
  for (i = 0; i < COUNT; i++)
    free(block[i]);
}

static void
lock_and_use(void)
{
  free(malloc(harness_size(100)));
  if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
    _exit(HARNESS_ERROR);
  use_heap_locked();
}

/* The kernel discards unlocked pages, then refuses the locked ones after them.
 * tcm must not take the free blocks on the former for changed ones. */
static void
lock_all_but_one_page(void)
{
  enum { COUNT = 8, SIZE = 2000 };
  char *block[COUNT];
  int i, round;

  for (i = 0; i < COUNT; i++) {
    block[i] = harness_pointer(malloc(SIZE));
    CHILD_EXPECT(block[i] != NULL);
    memset(block[i], 1, SIZE);
  }
  if (mlockall(MCL_CURRENT) != 0)
    _exit(HARNESS_ERROR);
  CHILD_EXPECT(munlock(block[COUNT / 4], 4096) == 0);
  for (round = 0; round < 3; round++) {
    for (i = 1; i < COUNT; i++)
      free(block[i]);
    malloc_trim(0);
    for (i = 1; i < COUNT; i++)
      CHILD_EXPECT((block[i] = harness_pointer(malloc(SIZE))) != NULL);
  }
}

static int
may_lock(void)
{
  struct rlimit limit;

  if (geteuid() == 0)
    return 1;
  return getrlimit(RLIMIT_MEMLOCK, &limit) == 0 &&
         limit.rlim_cur > (rlim_t)(256 * mebibyte);
}

static void
run_if_allowed(void (*work)(void))
{
  if (!may_lock())
    harness_skip("no permission to lock memory");
  else
    EXPECT(child_run(work));
}

static void
in_a_running_process(void)
{
  run_if_allowed(lock_and_use);
}

static void
from_the_start(void)
{
  if (!may_lock()) {
    harness_skip("no permission to lock memory");
    return;
  }
  REQUIRE(setenv(LOCK_EARLY, "1", 1) == 0);
  EXPECT(child_again("--locked"));
  unsetenv(LOCK_EARLY);
}

static void
partly_unlocked(void)
{
  run_if_allowed(lock_all_but_one_page);
}

static const struct harness_case cases[] = {
    {"in-a-running-process", in_a_running_process},
    {"from-the-start", from_the_start},
    {"partly-unlocked", partly_unlocked},
};

int
main(int argc, char **argv)
{
  if (argc == 2 && strcmp(argv[1], "--locked") == 0) {
    harness_prove_allocator();
    CHILD_EXPECT(memory_resident_bytes() < 48 * mebibyte);
    use_heap_locked();
    return 0;
  }
  return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
