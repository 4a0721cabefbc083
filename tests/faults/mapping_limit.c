/* SPDX-License-Identifier: BSD-2-Clause */
/* The limit on the number of mappings: at the limit, no mapping can be created,
 * changed in part, or cut out of another one.  The heap continues to serve from
 * what it holds, a free is never an error, and when other mappings are removed,
 * the heap can grow again. */
#include "../support/child.h"
#include "../support/memory.h"

#include <malloc.h>
#include <sys/mman.h>

enum { BLOCKS = 600, LARGE = 60, PAGE_BYTES = 65536, LIMIT_MAX = 300000 };

static const size_t large_size = (size_t)3 << 20;
static void *block[BLOCKS], *large[LARGE];
static size_t large_now[LARGE];

/* Maps pages until the limit.  Neighbors with different rights stay separate
 * mappings.  Returns how many pages were mapped; -1 if there is no limit. */
static long
fill_up(char **start)
{
  size_t size = (size_t)LIMIT_MAX * PAGE_BYTES;
  char *area = (char *)mmap(NULL, size, PROT_NONE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  long i;

  REQUIRE(area != MAP_FAILED);
  *start = area;
  for (i = 0; i < LIMIT_MAX; i += 2)
    if (mprotect(area + i * PAGE_BYTES, PAGE_BYTES, PROT_READ) != 0)
      return i;
  return -1;
}

static void
take_blocks(void)
{
  size_t i;

  for (i = 0; i < BLOCKS; i++) {
    CHILD_EXPECT((block[i] = malloc(harness_size(i * 50 + 1))) != NULL);
    memory_fill(block[i], i * 50 + 1, i);
  }
  for (i = 0; i < LARGE; i++) {
    CHILD_EXPECT((large[i] = malloc(harness_size(large_size))) != NULL);
    memory_fill(large[i], 4096, i);
    large_now[i] = large_size;
  }
}

/* NULL with ENOMEM, or a block that can be written in full. */
static int
try(size_t size)
{
  char *got;

  errno = 0;
  got = (char *)malloc(harness_size(size));
  if (got == NULL) {
    CHILD_EXPECT(errno == ENOMEM);
    return 0;
  }
  memset(got, 1, size);
  free(got);
  return 1;
}

static void
use_heap_at_the_limit(void)
{
  long served = 0, refused = 0;
  size_t i, size;

  for (size = 1; size < (size_t)256 << 20; size += size / 3 + 1)
    *(try(size) ? &served : &refused) += 1;
  for (i = 0; i < LARGE; i += 3) {
    size_t more = large_size * (i % 2 + 1) / 2 * 3;
    void *moved = realloc(large[i], harness_size(more));
    CHILD_EXPECT(moved != NULL || errno == ENOMEM);
    if (moved == NULL)
      continue;
    large[i] = moved;
    large_now[i] = more;
  }
  for (i = 0; i < LARGE; i++)
    CHILD_EXPECT(memory_holds(large[i], 4096, i));
  for (i = 0; i < BLOCKS; i++)
    CHILD_EXPECT(memory_holds(block[i], i * 50 + 1, i));
  /* Every other one, so that those in between stay in use. */
  for (i = 0; i < LARGE; i += 2)
    free(large[i]);
  for (i = 0; i < BLOCKS; i += 2)
    free(block[i]);
  malloc_trim(0);
  CHILD_EXPECT(try(100) && try(5000));
  harness_say("  at the limit %ld sizes served, %ld refused", served, refused);
}

static void
others_hold_mappings(void)
{
  char *area;
  long pages, i;

  take_blocks();
  pages = fill_up(&area);
  if (pages < 0)
    _exit(HARNESS_SKIP);
  use_heap_at_the_limit();
  CHILD_EXPECT(munmap(area, (size_t)LIMIT_MAX * PAGE_BYTES) == 0);
  for (i = 1; i < LARGE; i += 2) {
    CHILD_EXPECT(memory_holds(large[i], 4096, (uint64_t)i));
    free(large[i]);
  }
  for (i = 1; i < BLOCKS; i += 2) {
    CHILD_EXPECT(memory_holds(block[i], (size_t)i * 50 + 1, (uint64_t)i));
    free(block[i]);
  }
  CHILD_EXPECT(try((size_t)300 << 20));
  take_blocks();
}

/* Allocates more large blocks than there may be mappings and frees every other
 * one: the holes are the allocator's own. */
static void
make_holes(void)
{
  enum { COUNT = 80000 };
  static void *hole[COUNT];
  size_t size = (size_t)140 << 10, i, held = 0;

  for (i = 0; i < COUNT; i++) {
    errno = 0;
    hole[i] = malloc(harness_size(size));
    CHILD_EXPECT(hole[i] != NULL || errno == ENOMEM);
    held += hole[i] != NULL;
    if (hole[i] != NULL)
      *(size_t *)hole[i] = i;
  }
  CHILD_EXPECT(held > 10000);
  for (i = 0; i < COUNT; i += 2)
    free(hole[i]);
  malloc_trim(0);
  CHILD_EXPECT(try(100) && try(5000) && try(size));
  for (i = 1; i < COUNT; i += 2) {
    CHILD_EXPECT(hole[i] == NULL || *(size_t *)hole[i] == i);
    free(hole[i]);
  }
  malloc_trim(0);
  CHILD_EXPECT(try((size_t)300 << 20));
}

static void
reached_by_others(void)
{
  char *area;
  long pages;
  pid_t child = child_fork();

  if (child == 0) {
    pages = fill_up(&area);
    _exit(pages < 0 ? HARNESS_SKIP : HARNESS_PASS);
  }
  EXPECT(child_succeeded(child));
  if (harness.skipped == NULL)
    EXPECT(child_run(others_hold_mappings));
}

static void
holes_of_its_own(void)
{
  EXPECT(child_run(make_holes));
}

static const struct harness_case cases[] = {
    {"reached-by-others", reached_by_others},
    {"holes-of-its-own", holes_of_its_own},
};

HARNESS_MAIN(cases)
