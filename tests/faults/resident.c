/* SPDX-License-Identifier: BSD-2-Clause */
/* How much memory blocks take: huge sparse blocks take only what is touched.
 * Freed memory serves other sizes and is returned to the OS on request. */
#include "../support/child.h"
#include "../support/memory.h"

#include <malloc.h>

#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

static size_t
memory_total(void)
{
  return (size_t)memory_proc_field("/proc/meminfo", "MemTotal:") * 1024;
}

static void
sparse_16_gib(void)
{
  size_t size = 16 * GIB, i;
  long before = memory_resident_bytes(), after;
  char *block = (char *)malloc(harness_size(size));

  if (block == NULL && memory_total() < 2 * size) {
    EXPECT(errno == ENOMEM);
    harness_skip("the kernel has no 16 GiB of address space to give");
    return;
  }
  REQUIRE(block != NULL);
  for (i = 0; i < 16; i++)
    block[i * GIB] = 1;
  after = memory_resident_bytes();
  EXPECT_FOR(after - before < (long)(40 * MIB), "touched %ld MiB",
             (after - before) >> 20);
  free(block);
  after = memory_resident_bytes();
  EXPECT_FOR(after - before < (long)(4 * MIB), "kept %ld MiB",
             (after - before) >> 20);
}

/* Only the first touch of a page may take memory, even after calloc(). */
static void
zeroed_4_gib(void)
{
  size_t size = 4 * GIB;
  long before = memory_resident_bytes(), after;
  char *block = (char *)calloc(harness_size(size / 8), 8);

  if (block == NULL && memory_total() < 2 * size) {
    harness_skip("the kernel has no 4 GiB of address space to give");
    return;
  }
  REQUIRE(block != NULL);
  after = memory_resident_bytes();
  EXPECT_FOR(after - before < (long)(16 * MIB), "touched %ld MiB",
             (after - before) >> 20);
  EXPECT(block[0] == 0 && block[size / 2] == 0 && block[size - 1] == 0);
  free(block);
}

/* More memory than the machine has: refused, or provided and not touched. */
static void
more_than_memory(void)
{
  size_t size = memory_total() * 3;
  long before = memory_resident_bytes(), after;
  char *block;

  errno = 0;
  block = (char *)malloc(harness_size(size));
  EXPECT(block != NULL || errno == ENOMEM);
  after = memory_resident_bytes();
  EXPECT(after - before < (long)(16 * MIB));
  free(block);
  block = (char *)malloc(harness_size(100));
  EXPECT(block != NULL);
  free(block);
}

static void
kept_after_trim(void)
{
  enum { COUNT = 400 << 10 };
  static void *block[COUNT];
  long before, freed, later, trimmed;
  size_t i;

  memset(block, 1, sizeof block);
  before = memory_resident_bytes();
  for (i = 0; i < COUNT; i++) {
    REQUIRE((block[i] = malloc(harness_size(1000))) != NULL);
    memset(block[i], 1, 1000);
  }
  /* The last block stays, so that the others are not returned as a whole. */
  for (i = 0; i + 1 < COUNT; i++)
    free(block[i]);
  freed = memory_resident_bytes() - before;
  usleep(2000000);
  later = memory_resident_bytes() - before;
  malloc_trim(0);
  trimmed = memory_resident_bytes() - before;
  harness_say("  of 400 MiB: %ld MiB after free, %ld after 2 s, %ld after "
              "malloc_trim",
              freed >> 20, later >> 20, trimmed >> 20);
  EXPECT_FOR(trimmed < (long)(24 * MIB), "%ld MiB kept", trimmed >> 20);
  free(block[COUNT - 1]);
}

/* A control group with a limit of 220 MiB kills a process with a higher peak.
 * Blocks of one size after another never need more than 150 MiB at once. */
static void
peak_of_one_size_after_another(void)
{
  static const size_t sizes[] = {64, 1000, 9000, 70000, 600000, 5000000, 300};
  static void *block[150 * MIB / 64];
  size_t i, j, count;
  long peak;

  for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    count = 150 * MIB / sizes[i];
    for (j = 0; j < count; j++) {
      REQUIRE((block[j] = malloc(harness_size(sizes[i]))) != NULL);
      memset(block[j], 1, sizes[i]);
    }
    for (j = 0; j < count; j++)
      free(block[j]);
  }
  peak = memory_proc_field("/proc/self/status", "\nVmHWM:") * 1024;
  harness_say("  peak %ld MiB", peak >> 20);
  /* The array of pointers itself is about 19 MiB. */
  EXPECT_FOR(peak < (long)(220 * MIB), "%ld MiB", peak >> 20);
}

static int
huge_pages_are_always_used(void)
{
  char text[64] = "";
  int fd = open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY);

  if (fd >= 0 && read(fd, text, sizeof text - 1) < 0)
    text[0] = '\0';
  if (fd >= 0)
    close(fd);
  return strstr(text, "[always]") != NULL;
}

/* A small heap must not take a huge page for each of its small parts. */
static void
huge_pages_always(void)
{
  enum { COUNT = 2000 };
  static void *block[COUNT];
  long before = memory_resident_bytes(), after;
  size_t i;

  if (!huge_pages_are_always_used()) {
    harness_skip("huge pages are not used always here");
    return;
  }
  for (i = 0; i < COUNT; i++) {
    REQUIRE((block[i] = malloc(harness_size(i % 40 * 50 + 1))) != NULL);
    memset(block[i], 1, i % 40 * 50 + 1);
  }
  after = memory_resident_bytes();
  EXPECT_FOR(after - before < (long)(12 * MIB), "2 MiB cost %ld",
             (after - before) >> 20);
  for (i = 0; i < COUNT; i++)
    free(block[i]);
}

#define IN_A_CHILD(name, work) \
  static void name(void)       \
  {                            \
    EXPECT(child_run(work));   \
  }

IN_A_CHILD(one_size_after_another, peak_of_one_size_after_another)

static const struct harness_case cases[] = {
    {"sparse-16-gib", sparse_16_gib},
    {"zeroed-4-gib", zeroed_4_gib},
    {"more-than-memory", more_than_memory},
    {"kept-after-trim", kept_after_trim},
    {"one-size-after-another", one_size_after_another},
    {"huge-pages-always", huge_pages_always},
};

HARNESS_MAIN(cases)
