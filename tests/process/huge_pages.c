/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which memory the kernel may back with huge pages, according to
 * /proc/self/smaps: the memory of a growing heap, until it is returned.
 */
#include "../support/child.h"
#include "../support/memory.h"

#include <dlfcn.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
#define SIZE 1000
#define SMALL (12 * MIB)
#define LARGE (160 * MIB)
#define SPARSE 12000

static char *blocks[LARGE / SIZE];

static void
fill(size_t bytes)
{
  for (size_t i = 0; i < bytes / SIZE; i++) {
    blocks[i] = malloc(harness_size(SIZE));
    REQUIRE(blocks[i] != NULL);
    memset(blocks[i], 1, SIZE);
  }
}

/* Resident bytes of the mappings with the flag. */
static size_t
flagged(const char *flag)
{
  FILE *smaps = fopen("/proc/self/smaps", "re");
  unsigned long kib = 0;
  size_t bytes = 0;
  char line[512];

  REQUIRE(smaps != NULL);
  while (fgets(line, sizeof line, smaps) != NULL) {
    (void)sscanf(line, "Rss: %lu", &kib);
    if (strncmp(line, "VmFlags:", 8) == 0 && strstr(line, flag) != NULL)
      bytes += kib << 10;
  }
  fclose(smaps);
  return bytes;
}

static size_t
huge_bytes(void)
{
  return (size_t)memory_proc_field("/proc/self/smaps_rollup", "AnonHugePages:")
         << 10;
}

static int
machine_has_huge_pages(void)
{
  FILE *setting = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");
  char line[100] = "";

  if (setting == NULL)
    return 0;
  (void)!fgets(line, sizeof line, setting);
  fclose(setting);
  return strstr(line, "[never]") == NULL;
}

static void
grow_large(void)
{
  long before = memory_faults();

  fill(LARGE);
  harness_say("  %ld faults for %zu small pages; advised %zu MiB, huge %zu",
              memory_faults() - before, LARGE / 4096, flagged(" hg") / MIB,
              huge_bytes() / MIB);
  CHILD_EXPECT(flagged(" hg") >= LARGE / 2);
  /* A machine may have no free huge page. */
  CHILD_EXPECT(huge_bytes() < LARGE / 2 ||
               memory_faults() - before < (long)(LARGE / 4096 / 2));
}

static void
growth_is_advised(void)
{
  if (!machine_has_huge_pages()) {
    harness_skip("there are no transparent huge pages");
    return;
  }
  EXPECT(child_run(grow_large));
}

static void
grow_small(void)
{
  fill(SMALL);
  CHILD_EXPECT(flagged(" hg") == 0);
}

/* The program writes one page of each block of three. */
static void
grow_sparse(void)
{
  for (size_t i = 0; i < LARGE / 2 / SPARSE; i++) {
    char *block = malloc(harness_size(SPARSE));
    REQUIRE(block != NULL);
    *block = 1;
  }
  harness_say("  advised %zu MiB, resident %ld", flagged(" hg") / MIB,
              memory_resident_bytes() / (long)MIB);
  CHILD_EXPECT(flagged(" hg") <= 2 * MIB);
  CHILD_EXPECT(memory_resident_bytes() < (long)(LARGE / 4));
}

static void
sparse_objects_are_not_advised(void)
{
  EXPECT(child_run(grow_sparse));
}

/* Makes blocks that are larger than the caches keep, writes to one page in
 * @step, and frees them.  Returns the advised bytes before that. */
static size_t
use_blocks(size_t step)
{
  enum { BLOCKS = 8, BLOCK = 17 << 20 };
  char *made[BLOCKS];
  size_t advised;

  for (size_t i = 0; i < BLOCKS; i++) {
    made[i] = malloc(harness_size(BLOCK));
    REQUIRE(made[i] != NULL);
    for (size_t at = 0; at < BLOCK; at += step * 4096)
      made[i][at] = 1;
  }
  advised = flagged(" hg");
  harness_say("  one page in %zu: advised %zu MiB, huge %zu, resident %ld",
              step, advised / MIB, huge_bytes() / MIB,
              memory_resident_bytes() / (long)MIB);
  for (size_t i = 0; i < BLOCKS; i++)
    free(made[i]);
  (void)malloc_trim(0);
  return advised;
}

/* The first blocks are filled in small pages, the next in huge ones, until one
 * has gaps.  Meanwhile, spans of small objects may take one huge page. */
static void
learn_blocks(void)
{
  CHILD_EXPECT(use_blocks(1) < 100 * MIB);
  CHILD_EXPECT(use_blocks(1) >= 32 * MIB);
  (void)use_blocks(4);
  CHILD_EXPECT(use_blocks(4) <= 2 * MIB);
  CHILD_EXPECT(use_blocks(16) <= 2 * MIB);
  (void)use_blocks(1);
  CHILD_EXPECT(use_blocks(1) >= 32 * MIB);
}

static void
filled_blocks_are_advised(void)
{
  if (!machine_has_huge_pages()) {
    harness_skip("there are no transparent huge pages");
    return;
  }
  EXPECT(child_run(learn_blocks));
}

static void
small_heap_is_not_advised(void)
{
  EXPECT(child_run(grow_small));
}

static void
grow_without(void)
{
  int (*set)(const char *, unsigned long long) = NULL;

  *(void **)&set = dlsym(RTLD_DEFAULT, "tcm_option_set");
  if (set == NULL)
    _exit(HARNESS_SKIP);
  CHILD_EXPECT(set("huge_pages", 0) == 0);
  fill(LARGE);
  CHILD_EXPECT(flagged(" hg") == 0);
}

static void
option_forbids_huge_pages(void)
{
  EXPECT(child_run(grow_without));
}

/* A few blocks remain in each huge page. */
static void
thin_out(void)
{
  size_t left = 0, before;

  fill(LARGE);
  before = flagged(" hg");
  for (size_t i = 0; i < LARGE / SIZE; i++)
    if (i % 500 != 0)
      free(blocks[i]);
    else
      left++;
  (void)malloc_trim(0);
  harness_say("  %zu blocks left; advised %zu MiB, then %zu; huge %zu MiB",
              left, before / MIB, flagged(" hg") / MIB, huge_bytes() / MIB);
  CHILD_EXPECT(flagged(" hg") <= 2 * 2 * MIB);
  CHILD_EXPECT(huge_bytes() <= 2 * 2 * MIB);
  CHILD_EXPECT(memory_resident_bytes() < (long)(LARGE / 8));
  fill(LARGE / 2);
}

static void
returned_memory_stays_away(void)
{
  EXPECT(child_run(thin_out));
}

/* Of 32 blocks in a row, which lie on eight pages, eight stay. */
static int
stays(size_t i)
{
  return i % 32 < 8;
}

/* Frees three quarters of the blocks, and makes them again. */
static void
free_and_refill(void)
{
  for (size_t i = 0; i < LARGE / SIZE; i++)
    if (!stays(i)) {
      free(blocks[i]);
      blocks[i] = NULL;
    }
  (void)malloc_trim(0);
  harness_say("  trough: huge %zu MiB, resident %ld", huge_bytes() / MIB,
              memory_resident_bytes() / (long)MIB);
  CHILD_EXPECT(huge_bytes() < LARGE / 4);
  for (size_t i = 0; i < LARGE / SIZE; i++)
    if (blocks[i] == NULL) {
      blocks[i] = malloc(harness_size(SIZE));
      REQUIRE(blocks[i] != NULL);
      memset(blocks[i], (int)(i % 100), SIZE);
    }
}

/* Allocates and frees a little until the huge pages are back, for at most
 * @seconds. */
static void
work_on(unsigned seconds)
{
  enum { FEW = 5000 };
  static char *few[FEW];

  for (unsigned turn = 0; turn < 20 * seconds; turn++) {
    for (size_t i = 0; i < FEW; i++)
      few[i] = malloc(harness_size(100));
    for (size_t i = 0; i < FEW; i++)
      free(few[i]);
    usleep(50000);
    if (huge_bytes() >= LARGE * 3 / 4)
      return;
  }
}

static void
refill_until_huge(void)
{
  long resident;

  fill(LARGE);
  if (huge_bytes() < LARGE / 2)
    _exit(HARNESS_SKIP);
  free_and_refill();
  resident = memory_resident_bytes();
  work_on(20);
  harness_say("  refilled: huge %zu MiB, resident %ld, before %ld",
              huge_bytes() / MIB, memory_resident_bytes() / (long)MIB,
              resident / (long)MIB);
  CHILD_EXPECT(huge_bytes() >= LARGE * 3 / 4);
  CHILD_EXPECT(memory_resident_bytes() < resident + (long)(LARGE / 20));
  for (size_t i = 0; i < LARGE / SIZE; i++) {
    char wanted = (char)(stays(i) ? 1 : i % 100);
    CHILD_EXPECT(blocks[i][0] == wanted && blocks[i][SIZE - 1] == wanted);
  }
}

/* Linux 6.1 and later can make huge pages of memory in use. */
static int
kernel_can_collapse(void)
{
  void *page = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  uintptr_t start = ((uintptr_t)page + 2 * MIB - 1) & ~(2 * MIB - 1);
  int can;

  REQUIRE(page != MAP_FAILED);
  *(char *)start = 1;
  can = madvise((void *)start, 2 * MIB, 25 /* MADV_COLLAPSE */) == 0;
  munmap(page, 4 * MIB);
  return can;
}

static void
refilled_memory_is_collapsed(void)
{
  if (!machine_has_huge_pages() || !kernel_can_collapse()) {
    harness_skip("the kernel cannot collapse huge pages");
    return;
  }
  EXPECT(child_run(refill_until_huge));
}

int
main(int argc, char **argv)
{
  static const struct harness_case cases[] = {
      {"growth_is_advised", growth_is_advised},
      {"small_heap_is_not_advised", small_heap_is_not_advised},
      {"sparse_objects_are_not_advised", sparse_objects_are_not_advised},
      {"filled_blocks_are_advised", filled_blocks_are_advised},
      {"option_forbids_huge_pages", option_forbids_huge_pages},
      {"returned_memory_stays_away", returned_memory_stays_away},
      {"refilled_memory_is_collapsed", refilled_memory_is_collapsed},
  };

  return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
