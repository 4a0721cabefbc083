/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trivial.c - the minimum that a program can do with an allocator: the startup
 * time and the memory that every process pays.
 *
 *     trivial          allocate and free one block
 *     trivial report   the same; then print the resident memory, by an exact
 *                      walk of the pages, and the page faults
 */
#include "../support/memory.h"

#include <sys/resource.h>

#define ROLLUP "/proc/self/smaps_rollup"

int
main(int argc, char **argv)
{
  struct rusage usage;
  long dirty_kib, rss_kib;
  char *p = malloc(100);
  if (p == NULL)
    return 1;
  p[0] = 1;
  __asm__ volatile("" : : "g"(p) : "memory");
  free(p);
  if (argc < 2 || strcmp(argv[1], "report") != 0)
    return 0;
  getrusage(RUSAGE_SELF, &usage);
  dirty_kib = memory_proc_field(ROLLUP, "\nPrivate_Dirty:");
  rss_kib = memory_proc_field(ROLLUP, "\nRss:");
  printf("private_dirty_kib=%ld rss_kib=%ld minor_faults=%ld\n", dirty_kib,
         rss_kib, usage.ru_minflt);
  return dirty_kib < 0 || rss_kib < 0;
}
