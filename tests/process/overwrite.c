/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program that overwrites the memory around its blocks up to the first
 * inaccessible page: every other block, every free one, every page of the heap
 * that it can reach.  tcm's own structures must be out of reach: tcm still
 * allocates and frees valid blocks, and its heap check finds no error.
 *
 * malloc would abort when it is about to return a free block that was changed.
 * So all free blocks are in spans in random order, whose objects tcm expects to
 * have no marks (lib/cache/mark.h), and none is in a cache.
 *
 * The program uses no stdio, and after that no memory of libc in the heap.
 */
#include "../support/memory.h"

#include <malloc.h>
#include <setjmp.h>

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

static void
overwrite_with(int pattern)
{
  struct sigaction action = {.sa_handler = on_fault}, old[2];
  uint64_t state = harness.seed + (unsigned)pattern;
  size_t bytes;

  make_blocks(&state);
  (void)malloc_trim(0);
  REQUIRE(sigaction(SIGSEGV, &action, &old[0]) == 0);
  REQUIRE(sigaction(SIGBUS, &action, &old[1]) == 0);
  bytes = overwrite_around((uintptr_t)blocks[2], pattern);
  REQUIRE(sigaction(SIGSEGV, &old[0], NULL) == 0);
  REQUIRE(sigaction(SIGBUS, &old[1], NULL) == 0);
  harness_say("  %zu KiB written with %#x", bytes >> 10, (unsigned)pattern);
  EXPECT(bytes >= (size_t)2 << 20);
  work(&state);
  harness_walk_heap();
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

int
main(int argc, char **argv)
{
  if (getenv("TCM_RANDOM_ORDER") == NULL) {
    REQUIRE(setenv("TCM_RANDOM_ORDER", "1", 1) == 0);
    execv("/proc/self/exe", argv);
    return HARNESS_ERROR;
  }
  return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
