/* SPDX-License-Identifier: BSD-2-Clause */
/* Limits that apply from the start of the process, and small stacks.  The heap
 * starts, serves what fits, and fails the rest with ENOMEM. */
#include "../support/child.h"
#include "../support/memory.h"

#include <limits.h>
#include <pthread.h>

static const size_t mebibyte = (size_t)1 << 20;

static int
can_allocate(size_t size)
{
  char *block = (char *)malloc(harness_size(size));

  if (block == NULL)
    return 0;
  memset(block, 1, size);
  free(block);
  return 1;
}

static void
use_small_blocks(void)
{
  enum { COUNT = 2000 };
  static void *block[COUNT];
  size_t i;

  for (i = 0; i < COUNT; i++) {
    block[i] = malloc(harness_size(i % 700 + 1));
    REQUIRE(block[i] != NULL);
    memory_fill(block[i], i % 700 + 1, i);
  }
  for (i = 0; i < COUNT; i++) {
    CHILD_EXPECT(memory_holds(block[i], i % 700 + 1, i));
    free(block[i]);
  }
}

static void *
use_small_blocks_in_thread(void *unused)
{
  (void)unused;
  use_small_blocks();
  return NULL;
}

static void
use_a_thread(void)
{
  pthread_attr_t attributes;
  pthread_t thread;

  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 64 << 10);
  CHILD_EXPECT(pthread_create(&thread, &attributes, use_small_blocks_in_thread,
                              NULL) == 0);
  pthread_join(thread, NULL);
  pthread_attr_destroy(&attributes);
}

static void
expect_refusal(size_t size)
{
  errno = 0;
  CHILD_EXPECT(malloc(harness_size(size)) == NULL);
  CHILD_EXPECT(errno == ENOMEM);
}

/* The size of the largest block that malloc returns, to a mebibyte.  Address
 * space that the heap reserved but does not use must not reduce it. */
static size_t
largest(size_t limit)
{
  size_t size = limit;
  void *block;

  for (block = NULL; block == NULL && size > 0; size -= mebibyte)
    block = malloc(harness_size(size));
  free(block);
  return size + mebibyte;
}

static int
near_the_limit(size_t limit, const char *what)
{
  static const size_t sizes[] = {30, 60, 120, 250, 300};
  size_t share = limit / 100 * 93, size, i;
  void *block[100];
  char *grown = NULL;

  if (strcmp(what, "--rising") == 0) {
    for (i = 0; i < sizeof sizes / sizeof *sizes; i++)
      CHILD_EXPECT(malloc(harness_size(sizes[i] * mebibyte)) != NULL);
  } else if (strcmp(what, "--growing") == 0) {
    for (size = mebibyte; size <= share; size += mebibyte) {
      char *next = (char *)realloc(grown, harness_size(size));
      CHILD_EXPECT(next != NULL);
      CHILD_EXPECT(grown == NULL || next[0] == 7);
      (grown = next)[0] = 7;
    }
  } else if (strcmp(what, "--again") == 0) {
    free(malloc(harness_size(limit / 4)));
    CHILD_EXPECT(largest(limit) >= share);
    free(malloc(harness_size(limit / 2)));
    CHILD_EXPECT(largest(limit) >= share);
  } else {
    for (i = 0; i < 100; i++)
      CHILD_EXPECT((block[i] = malloc(harness_size(mebibyte))) != NULL);
    for (i = 0; i < 100; i++)
      free(block[i]);
    CHILD_EXPECT(largest(limit) >= share);
  }
  return 0;
}

/* What a program under a limit does, named by its argument. */
static int
under_limit(const char *what)
{
  struct rlimit space;

  alarm(CHILD_LIMIT);
  harness_prove_allocator();
  if (strcmp(what, "--small") != 0 && strncmp(what, "--as", 4) != 0 &&
      strncmp(what, "--data", 6) != 0)
    return getrlimit(RLIMIT_AS, &space) == 0
               ? near_the_limit((size_t)space.rlim_cur, what)
               : 1;
  use_small_blocks();
  if (strcmp(what, "--small") == 0)
    return 0;
  if (strcmp(what, "--data32") == 0) {
    CHILD_EXPECT(can_allocate(4 * mebibyte));
    expect_refusal(40 * mebibyte);
  } else {
    CHILD_EXPECT(can_allocate(8 * mebibyte));
    expect_refusal(1024 * mebibyte);
  }
  use_a_thread();
  use_small_blocks();
  CHILD_EXPECT(can_allocate(4 * mebibyte));
  return 0;
}

static void
address_space(void)
{
  EXPECT(child_again_with_limit(RLIMIT_AS, 64 * mebibyte, "--as64"));
  EXPECT(child_again_with_limit(RLIMIT_AS, 128 * mebibyte, "--as64"));
  EXPECT(child_again_with_limit(RLIMIT_AS, 256 * mebibyte, "--as64"));
}

static void
all_of_the_address_space(void)
{
  if (sizeof(void *) < 8 || getenv("TCM_CHECK") != NULL) {
    harness_skip("the address space is small, or checks take some of it");
    return;
  }
  EXPECT(child_again_with_limit(RLIMIT_AS, 1000 * mebibyte, "--rising"));
  EXPECT(child_again_with_limit(RLIMIT_AS, 1000 * mebibyte, "--growing"));
  EXPECT(child_again_with_limit(RLIMIT_AS, 400 * mebibyte, "--again"));
  EXPECT(child_again_with_limit(RLIMIT_AS, 400 * mebibyte, "--small-first"));
}

static void
data(void)
{
  EXPECT(child_again_with_limit(RLIMIT_DATA, 32 * mebibyte, "--data32"));
  EXPECT(child_again_with_limit(RLIMIT_DATA, 64 * mebibyte, "--as64"));
  EXPECT(child_again_with_limit(RLIMIT_DATA, 128 * mebibyte, "--as64"));
}

static void
stack(void)
{
  EXPECT(child_again_with_limit(RLIMIT_STACK, 64 << 10, "--small"));
}

static void
no_locked_memory(void)
{
  EXPECT(child_again_with_limit(RLIMIT_MEMLOCK, 0, "--small"));
}

/* The limit is set at run time: no more files can be opened. */
static void
use_without_descriptors(void)
{
  struct rlimit none = {0, 0};

  CHILD_EXPECT(setrlimit(RLIMIT_NOFILE, &none) == 0);
  use_small_blocks();
  CHILD_EXPECT(can_allocate(50 * mebibyte));
  use_a_thread();
}

static void
no_more_descriptors(void)
{
  EXPECT(child_run(use_without_descriptors));
}

/* Calls every function once, before anything else in this thread. */
static void *
use_all_functions(void *unused)
{
  void *block = malloc(100), *array, *aligned = NULL;

  (void)unused;
  block = realloc(block, 100000);
  array = calloc(1000, 300);
  EXPECT(block != NULL && array != NULL);
  EXPECT(posix_memalign(&aligned, 4096, 10000) == 0);
  free(aligned);
  free(array);
  free(block);
  block = realloc(malloc(3 * mebibyte), 9 * mebibyte);
  EXPECT(block != NULL);
  free(block);
  use_small_blocks();
  return NULL;
}

static void
tiny_thread_stacks(void)
{
  pthread_attr_t attributes;
  pthread_t thread;
  int i;

  pthread_attr_init(&attributes);
  REQUIRE(pthread_attr_setstacksize(&attributes, (size_t)PTHREAD_STACK_MIN) ==
          0);
  for (i = 0; i < 100; i++) {
    REQUIRE(pthread_create(&thread, &attributes, use_all_functions, NULL) == 0);
    REQUIRE(pthread_join(thread, NULL) == 0);
  }
  pthread_attr_destroy(&attributes);
}

static const struct harness_case cases[] = {
    {"address-space", address_space},
    {"all-of-the-address-space", all_of_the_address_space},
    {"data", data},
    {"stack", stack},
    {"no-locked-memory", no_locked_memory},
    {"no-more-descriptors", no_more_descriptors},
    {"tiny-thread-stacks", tiny_thread_stacks},
};

int
main(int argc, char **argv)
{
  if (argc == 2 && strncmp(argv[1], "--", 2) == 0 &&
      strcmp(argv[1], "--list") != 0)
    return under_limit(argv[1]);
  return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
