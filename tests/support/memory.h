/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memory.h - how much memory is resident, how many page faults occurred, and
 * whether a block still holds what was written into it.
 */
#ifndef TCM_TESTS_SUPPORT_MEMORY_H
#define TCM_TESTS_SUPPORT_MEMORY_H

#include "harness.h"

#include <sys/resource.h>

/* The number after @label in a file of /proc; -1 if absent. */
static HARNESS_UNUSED long
memory_proc_field(const char *path, const char *label)
{
  char text[4096];
  const char *field;
  ssize_t length;
  int fd = open(path, O_RDONLY | O_CLOEXEC);

  if (fd < 0)
    return -1;
  length = read(fd, text, sizeof text - 1);
  close(fd);
  if (length <= 0)
    return -1;
  text[length] = '\0';
  field = label != NULL ? strstr(text, label) : text;
  return field != NULL ? strtol(field + (label ? strlen(label) : 0), NULL, 10)
                       : -1;
}

/* Resident bytes of the process.  smaps_rollup is exact.  statm and the VmRSS
 * line lag behind by some pages per processor; on a large machine, that is more
 * than these tests tolerate. */
static HARNESS_UNUSED long
memory_resident_bytes(void)
{
  long kib = memory_proc_field("/proc/self/smaps_rollup", "\nRss:");

  if (kib < 0)
    kib = memory_proc_field("/proc/self/status", "\nVmRSS:");
  REQUIRE(kib >= 0);
  return kib * 1024;
}

/* Page faults of the process so far. */
static HARNESS_UNUSED long
memory_faults(void)
{
  struct rusage usage;

  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

/* The contents of the eight bytes from byte 8 * @i on.  Whole words, since the
 * thread sanitizer checks each access. */
static HARNESS_UNUSED uint64_t
memory_word(size_t i, uint64_t seed)
{
  uint64_t word = (seed * 31 + i + 1) * 0x9e3779b97f4a7c15u;

  return word ^ word >> 32;
}

/* Fills a block with bytes that depend on @seed and on their position. */
static HARNESS_UNUSED void
memory_fill(void *block, size_t size, uint64_t seed)
{
  unsigned char *byte = (unsigned char *)block;
  size_t i;

  for (i = 0; i < size; i += 8) {
    uint64_t word = memory_word(i / 8, seed);
    if (size - i >= 8)
      memcpy(byte + i, &word, 8);
    else
      memcpy(byte + i, &word, size - i);
  }
}

/* Whether the first @size bytes still hold what memory_fill() wrote. */
static HARNESS_UNUSED int
memory_holds(const void *block, size_t size, uint64_t seed)
{
  const unsigned char *byte = (const unsigned char *)block;
  size_t i;

  for (i = 0; i < size; i += 8) {
    uint64_t word = memory_word(i / 8, seed), found = word;
    if (size - i >= 8)
      memcpy(&found, byte + i, 8);
    else
      memcpy(&found, byte + i, size - i);
    if (found != word)
      return 0;
  }
  return 1;
}

static HARNESS_UNUSED int
memory_is_zero(const void *block, size_t size)
{
  const unsigned char *byte = (const unsigned char *)block;

  return size == 0 || (byte[0] == 0 && memcmp(byte, byte + 1, size - 1) == 0);
}

static HARNESS_UNUSED int
memory_is_aligned(const void *block, size_t alignment)
{
  return ((uintptr_t)block & (alignment - 1)) == 0;
}

/* The alignment that every allocation of @size bytes must have. */
static HARNESS_UNUSED size_t
memory_least_alignment(size_t size)
{
  return size <= 8 ? 8 : 16;
}

#endif /* TCM_TESTS_SUPPORT_MEMORY_H */
