/* SPDX-License-Identifier: BSD-2-Clause */
/* Almost no address space is left, when the heap is first used or later.
 * Requests fail with ENOMEM.  A heap that has started continues to serve small
 * requests, and one that could not start does so when there is room. */
#include "../support/child.h"
#include "../support/memory.h"

static void
limit_room(size_t room)
{
  struct rlimit limit;
  long kib = memory_proc_field("/proc/self/status", "\nVmSize:");

  REQUIRE(kib > 0);
  REQUIRE(getrlimit(RLIMIT_AS, &limit) == 0);
  limit.rlim_cur = (rlim_t)kib * 1024 + room;
  REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
}

/* Runs before the constructor of any library. */
static void
limit_early(int argc, char **argv, char **environment)
{
  (void)environment;
  if (argc == 2 && strcmp(argv[1], "--64k") == 0)
    limit_room((size_t)64 << 10);
}

__attribute__((section(".preinit_array"),
               used)) static void (*preinit)(int, char **,
                                             char **) = limit_early;

static void
use_small_blocks(void)
{
  enum { COUNT = 200 };
  static void *block[COUNT];
  size_t i, turn;

  for (turn = 0; turn < 100; turn++) {
    for (i = 0; i < COUNT; i++) {
      CHILD_EXPECT((block[i] = malloc(harness_size(i % 100))) != NULL);
      memory_fill(block[i], i % 100, i);
    }
    for (i = 0; i < COUNT; i++) {
      CHILD_EXPECT(memory_holds(block[i], i % 100, i));
      free(block[i]);
    }
  }
}

/* How many of a hundred are served. */
static int
try_small_blocks(void)
{
  int served = 0, i;

  for (i = 0; i < 100; i++) {
    char *block;
    errno = 0;
    block = (char *)malloc(harness_size(100));
    CHILD_EXPECT(block != NULL || errno == ENOMEM);
    served += block != NULL;
    free(block);
  }
  return served;
}

static void
expect_refusal(void)
{
  errno = 0;
  CHILD_EXPECT(malloc(harness_size((size_t)1 << 30)) == NULL &&
               errno == ENOMEM);
}

static void
from_the_start(void)
{
  EXPECT(child_again("--64k"));
}

/* The limit comes after the heap was used, and leaves 64 KiB. */
static void
fill_and_go_on(void)
{
  void *first, *block;
  long count = 0;

  use_small_blocks();
  limit_room((size_t)64 << 10);
  first = malloc(harness_size(100));
  CHILD_EXPECT(first != NULL);
  while ((block = malloc(harness_size((size_t)1 << 20))) != NULL)
    count++;
  CHILD_EXPECT(errno == ENOMEM && count < 10000);
  use_small_blocks();
  expect_refusal();
}

static void
later(void)
{
  EXPECT(child_run(fill_and_go_on));
}

static const struct harness_case cases[] = {
    {"from-the-start", from_the_start},
    {"later", later},
};

int
main(int argc, char **argv)
{
  if (argc == 2 && strcmp(argv[1], "--64k") == 0) {
    int served;
    struct rlimit limit;
    alarm(CHILD_LIMIT);
    served = try_small_blocks();
    expect_refusal();
    REQUIRE(getrlimit(RLIMIT_AS, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
    use_small_blocks();
    harness_say("  %d of 100 small requests served at first", served);
    return 0;
  }
  return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
