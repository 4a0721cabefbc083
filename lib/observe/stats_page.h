/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stats_page.h - what a tool reads from outside the process, and the one thing
 * that it may write.
 *
 * One page-aligned object in the library's writable data:
 *
 *     magic | version | size | counters | layout, shapes, places | request
 *
 * A reader finds it by its magic at a page boundary of a writable mapping of
 * the library (or of a static program), with process_vm_readv(2) or in a core
 * file.  From there, places has the addresses of tcm's own structures.  The
 * reader can interpret all of them if layout is the number that it was built
 * with, see layout.h, and otherwise those that shapes describes, see shapes.h.
 *
 * Invariants
 *   I1  magic, version, size, layout, shapes and places (except the last)
 *       never change after load, and self is the address of the page.
 *   I2  counters only grow; each is written by relaxed atomic addition, on slow
 *       paths only.  The first three are for threads without a cache: a cache
 *       counts its own, see struct cache_traffic.  But slow_mallocs also has
 *       those of each cache, except the last few.
 *   I3  request is the only part that tcm acts on.  A request names one of the
 *       actions below, and its numbers are checked like those of any caller.
 *       Whoever can write here can do anything to the process anyway.
 *   I4  while request.id is 0, the rest of the request belongs to the writer.
 *       The process takes a request by exchanging id for 0, and answers by
 *       storing first result, then done.
 *   I5  while version stays, a later library only appends to struct
 *       stats_places, and no other struct of this file changes.
 *
 * A plain struct of fixed-width fields, so that tools may include it.
 */
#ifndef TCM_OBSERVE_STATS_PAGE_H
#define TCM_OBSERVE_STATS_PAGE_H

#include <stdint.h>

#define TCM_STATS_PAGE_MAGIC "tcm-stats-page\n" /* 15 characters and a NUL */
#define TCM_STATS_PAGE_VERSION 4

enum stats_request_kind {
  REQUEST_RELEASE = 1, /* as tcm_release_free_memory(); result: bytes */
  REQUEST_SET = 2      /* as tcm_option_set(); result: 0 or -errno */
};

struct stats_request {
  uint64_t id;     /* [atomic: release by the tool, acquire by the process] */
  uint64_t kind;   /* [atomic: relaxed] enum stats_request_kind */
  uint64_t option; /* [atomic: relaxed] enum option_id */
  uint64_t value;  /* [atomic: relaxed] */
  uint64_t check;  /* [atomic: relaxed] stats_request_check() of the above */
  uint64_t done;  /* [atomic: release by the process] id that was served last */
  int64_t result; /* [atomic: relaxed] its result, or a negative errno */
};

/* Addresses in the process. */
struct stats_places {
  uintptr_t central_lists;   /* [const] tcmi_central_lists */
  uintptr_t transfer_caches; /* [const] tcmi_transfer_caches */
  uintptr_t cache_registry;  /* [const] tcmi_cache_registry */
  uintptr_t page_counts;     /* [const] tcmi_page_counts */
  uintptr_t page_heap_view;  /* [const] tcmi_page_heap_view */
  uintptr_t arena_counts;    /* [const] tcmi_arena_counts */
  uintptr_t large_stats;     /* [const] tcmi_large_stats */
  uintptr_t metadata_counts; /* [const] tcmi_metadata_counts */
  uintptr_t pagemap_root;    /* [const] tcmi_pagemap_root */
  uintptr_t open_values;     /* [const] tcmi_open_values */
  uintptr_t fixed_values;    /* [const] tcmi_fixed_values, a pointer */
  uintptr_t profile;         /* [const] tcmi_profile */
  uintptr_t guarded;         /* [const] tcmi_guarded */
  uintptr_t wake;   /* [atomic: relaxed] struct stats_wake; 0 until the heap is
                     up, or if that is not supported */
  uintptr_t closed; /* [const] tcmi_closed */
};

struct stats_page {
  char magic[16];        /* [const] TCM_STATS_PAGE_MAGIC */
  uint32_t version;      /* [const] TCM_STATS_PAGE_VERSION */
  uint32_t size;         /* [const] sizeof(struct stats_page) */
  uint64_t slow_mallocs; /* [atomic: relaxed, stats] a thread cache was empty */
  uint64_t slow_frees;   /* [atomic: relaxed, stats] a thread cache was full */
  uint64_t large_mallocs; /* [atomic: relaxed, stats] from the page heap */
  uint64_t thread_starts; /* [atomic: relaxed, stats] caches given to threads */
  uint64_t thread_ends;   /* [atomic: relaxed, stats] caches orphaned */
  uint64_t forks;         /* [atomic: relaxed, stats] forks seen */
  uint64_t releases;      /* [atomic: relaxed, stats] of all free memory */
  uint64_t layout;        /* [const] STATS_LAYOUT of layout.h */
  uintptr_t self;         /* [const] the address of this page */
  char library[16];       /* [const] version of the library, for people */
  uintptr_t shapes;       /* [const] tcmi_stats_shapes */
  uint32_t started;       /* [atomic: relaxed] the heap is up */
  uint32_t takes_requests;    /* [atomic: relaxed] 0 in a privileged program */
  struct stats_places places; /* [const] later versions append to it */
  /* On a separate cache line, which slow paths can share while nobody writes to
   * it. [atomic: see struct stats_request] */
  struct stats_request request __attribute__((aligned(64)));
};

/* A checksum: detects a request that two tools wrote at the same time. */
static inline uint64_t
stats_request_check(const struct stats_request *request, uint64_t id)
{
  uint64_t sum = id;

  sum = (sum ^ request->kind) * 0x9e3779b97f4a7c15u;
  sum = (sum ^ request->option) * 0x9e3779b97f4a7c15u;
  return (sum ^ request->value) * 0x9e3779b97f4a7c15u;
}

#endif /* TCM_OBSERVE_STATS_PAGE_H */
