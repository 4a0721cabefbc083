/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stats_page.h - counters that a tool reads from outside the process.
 *
 * One page-aligned object in the library's writable data:
 *
 *     magic | version | size | counters ...
 *
 * A reader finds it by its magic at a page boundary of a writable mapping of
 * the library (or of a static program), with process_vm_readv(2).
 *
 * Invariants
 *   I1  magic, version and size never change after load.
 *   I2  counters only grow; each is written under the lock that is named
 *       beside it, or by relaxed atomic addition, on slow paths only.
 *   I3  tcm never reads the page to decide anything.
 *
 * A plain struct of fixed-width fields, so that tools may include it.
 */
#ifndef TCM_OBSERVE_STATS_PAGE_H
#define TCM_OBSERVE_STATS_PAGE_H

#include <stdint.h>

#define TCM_STATS_PAGE_MAGIC "tcm-stats-page\n" /* 15 characters and a NUL */
#define TCM_STATS_PAGE_VERSION 1

struct stats_page {
  char magic[16];        /* [const] TCM_STATS_PAGE_MAGIC */
  uint32_t version;      /* [const] TCM_STATS_PAGE_VERSION */
  uint32_t size;         /* [const] sizeof(struct stats_page) */
  uint64_t slow_mallocs; /* [atomic: relaxed, stats] a thread cache was empty */
  uint64_t slow_frees;   /* [atomic: relaxed, stats] a thread cache was full */
  uint64_t large_mallocs; /* [atomic: relaxed, stats] from the page heap */
  uint64_t thread_starts; /* [atomic: relaxed, stats] caches given to threads */
  uint64_t thread_ends;   /* [atomic: relaxed, stats] caches handed on */
  uint64_t forks;         /* [atomic: relaxed, stats] forks seen */
};

#endif /* TCM_OBSERVE_STATS_PAGE_H */
