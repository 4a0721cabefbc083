/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program that overwrites the memory around its blocks up to the first
 * inaccessible page: every other block, every free one, every page of the heap
 * that it can reach.  tcm's own structures must be out of reach: tcm still
 * frees all blocks, allocates and frees large ones, and its heap check finds no
 * error.  After that it allocates small blocks, too, or aborts because it is
 * about to return a free block that was changed.
 *
 * The program uses no stdio, and after that no memory of libc in the heap.
 */
#include "../support/child.h"
#include "../support/memory.h"

#include <malloc.h>
#include <setjmp.h>
#include <sys/mman.h>

#define PAGE ((uintptr_t)4096)
#define BLOCKS 3000
#define TURNS 30000

static sigjmp_buf escape;
static unsigned char *blocks[BLOCKS];
static size_t sizes[BLOCKS];

static void
on_fault(int number)
{
  (void)number;
  siglongjmp(escape, 1);
}

/* Overwrites a page; false if it is not writable. */
static int
overwrite_page(uintptr_t page, int pattern)
{
  if (sigsetjmp(escape, 1) != 0)
    return 0;
  memset((void *)page, pattern, PAGE);
  return 1;
}

/* Overwrites memory up and down from an address to the first page that faults.
 * Returns the number of bytes. */
static size_t
overwrite_around(uintptr_t address, int pattern)
{
  uintptr_t page = address & ~(PAGE - 1), up = page, down = page;

  while (overwrite_page(up, pattern))
    up += PAGE;
  while (overwrite_page(down - PAGE, pattern))
    down -= PAGE;
  return up - down;
}

static size_t
any_size(uint64_t *state)
{
  uint64_t r = harness_random(state);

  return (size_t)(r >> 20) % (r % 50 == 0 ? 300000 : r % 5 == 0 ? 40000 : 600);
}

static void
make_blocks(uint64_t *state)
{
  size_t i;

  for (i = 0; i < BLOCKS; i++) {
    sizes[i] = any_size(state);
    blocks[i] = malloc(harness_size(sizes[i]));
    REQUIRE(blocks[i] != NULL);
  }
  for (i = 0; i < BLOCKS; i += 1 + i % 3) {
    free(blocks[i]);
    blocks[i] = NULL;
  }
}

static void
expect_apart(size_t i)
{
  size_t j;

  for (j = 0; j < BLOCKS; j++)
    EXPECT_FOR(j == i || blocks[j] == NULL ||
                   blocks[j] + sizes[j] <= blocks[i] ||
                   blocks[i] + sizes[i] <= blocks[j],
               "blocks %zu and %zu", i, j);
}

/* Ordinary work.  Every block must come from the heap and overlap no other. */
static void
work(uint64_t *state)
{
  static unsigned char marked[BLOCKS];
  long turn;

  memset(marked, 0, sizeof marked);
  for (turn = 0; turn < TURNS; turn++) {
    size_t i = (size_t)(harness_random(state) >> 8) % BLOCKS;
    if (blocks[i] != NULL) {
      if (marked[i])
        EXPECT_FOR(memory_holds(blocks[i], sizes[i], i), "block %zu", i);
      free(blocks[i]);
      blocks[i] = NULL;
      continue;
    }
    sizes[i] = any_size(state);
    blocks[i] = malloc(harness_size(sizes[i]));
    REQUIRE(blocks[i] != NULL);
    EXPECT_FOR(!harness_expects_tcm() || harness_owns(blocks[i]),
               "turn %ld: %p", turn, (void *)blocks[i]);
    if (turn % 16 == 0)
      expect_apart(i);
    memory_fill(blocks[i], sizes[i], i);
    marked[i] = 1;
  }
}

/* Frees all blocks, and works with large ones.  @check_heap is the check of the
 * debug library, or NULL. */
static void
work_with_large(void (*check_heap)(void))
{
  char *large[20];
  size_t i;

  if (check_heap != NULL)
    check_heap();
  for (i = 0; i < BLOCKS; i++) {
    free(blocks[i]);
    blocks[i] = NULL;
  }
  for (i = 0; i < sizeof large / sizeof *large; i++) {
    large[i] = malloc(100000 * (i + 1));
    REQUIRE(large[i] != NULL);
    memory_fill(large[i], 100000 * (i + 1), i);
  }
  for (i = 0; i < sizeof large / sizeof *large; i++) {
    EXPECT_FOR(memory_holds(large[i], 100000 * (i + 1), i), "%zu", i);
    free(large[i]);
  }
  (void)malloc_trim(0);
  if (check_heap != NULL)
    check_heap();
}

static volatile int *worked_with_large;

static void
overwrite_and_work(int pattern)
{
  struct sigaction action = {.sa_handler = on_fault}, old[2];
  uint64_t state = harness.seed + (unsigned)pattern;
  void *symbol = dlsym(RTLD_DEFAULT, "tcmi_heap_check");
  void (*check_heap)(void);
  size_t bytes;

  memcpy(&check_heap, &symbol, sizeof check_heap);
  make_blocks(&state);
  /* No cache may hold a changed block, or free() aborts when it flushes it. */
  (void)malloc_trim(0);
  REQUIRE(sigaction(SIGSEGV, &action, &old[0]) == 0);
  REQUIRE(sigaction(SIGBUS, &action, &old[1]) == 0);
  bytes = overwrite_around((uintptr_t)blocks[2], pattern);
  REQUIRE(sigaction(SIGSEGV, &old[0], NULL) == 0);
  REQUIRE(sigaction(SIGBUS, &old[1], NULL) == 0);
  harness_say("  %zu KiB written with %#x", bytes >> 10, (unsigned)pattern);
  EXPECT(bytes >= (size_t)2 << 20);
  work_with_large(check_heap);
  *worked_with_large = harness.failures == 0;
  work(&state);
  harness_walk_heap();
}

static void
overwrite_with(int pattern)
{
  pid_t child;
  int status;

  worked_with_large = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  REQUIRE(worked_with_large != MAP_FAILED);
  child = child_fork();
  if (child == 0) {
    overwrite_and_work(pattern);
    _exit(harness.failures == 0 ? HARNESS_PASS : HARNESS_FAIL);
  }
  REQUIRE(waitpid(child, &status, 0) == child);
  EXPECT(*worked_with_large);
  EXPECT_FOR(status == 0 ||
                 (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT),
             "status %#x", (unsigned)status);
}

static void
zeroes(void)
{
  overwrite_with(0);
}

static void
ones(void)
{
  overwrite_with(0xff);
}

static void
letters(void)
{
  overwrite_with('A');
}

static const struct harness_case cases[] = {
    {"zeroes", zeroes},
    {"ones", ones},
    {"letters", letters},
};

HARNESS_MAIN(cases)
