/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * process.h - what a benchmark program reports about its own process: time,
 * memory, and the object that provides malloc.
 */
#ifndef TCM_TESTS_BENCH_PROCESS_H
#define TCM_TESTS_BENCH_PROCESS_H

#include "../support/memory.h"

#include <sys/mman.h>
#include <time.h>

void die(const char *what) __attribute__((noreturn, cold));

static HARNESS_UNUSED double
now_seconds(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static HARNESS_UNUSED long
resident_kib(void)
{
  return memory_proc_field("/proc/self/smaps_rollup", "\nRss:");
}

/* Memory resident in huge pages, in KiB. */
static HARNESS_UNUSED long
huge_kib(void)
{
  return memory_proc_field("/proc/self/smaps_rollup", "\nAnonHugePages:");
}

/* The largest resident size so far, in KiB.  The kernel's high-water mark uses
 * per-CPU counters and may lag by hundreds of KiB, which matters in a small
 * process.  A walk of the page tables is exact but shows only the present.  So
 * this returns the larger of the two. */
static HARNESS_UNUSED long
peak_resident_kib(void)
{
  long mark = memory_proc_field("/proc/self/status", "\nVmHWM:");
  long present = resident_kib();
  return mark > present ? mark : present;
}

/* Zeroed memory from the OS, not from the allocator under test. */
static HARNESS_UNUSED void *
map_new(size_t size_bytes)
{
  void *p = mmap(NULL, size_bytes > 0 ? size_bytes : 1, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED)
    die("cannot map a table");
  return p;
}

static HARNESS_UNUSED uint64_t
number(const char *text)
{
  char *end;
  uint64_t value = strtoull(text, &end, 10);
  if (end == text || *end != '\0')
    die("a number was expected");
  return value;
}

/* The object in which the dynamic linker finds `name`; "-" if not known. */
static HARNESS_UNUSED const char *
object_of(const char *name)
{
  Dl_info info;
  void *function = dlsym(RTLD_DEFAULT, name);
  if (function == NULL || dladdr(function, &info) == 0)
    return "-";
  return info.dli_fname;
}

/* The object that provides malloc; it must provide the whole family. */
static HARNESS_UNUSED const char *
allocator_object(void)
{
  static const char *const family[] = {"free", "calloc", "realloc"};
  const char *object = object_of("malloc");
  for (size_t i = 0; i < sizeof family / sizeof family[0]; i++)
    if (strcmp(object, object_of(family[i])) != 0)
      die("malloc and its family come from different objects");
  return object;
}

#endif /* TCM_TESTS_BENCH_PROCESS_H */
