/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * metadata.h - memory for tcm's own structures, apart from the application's.
 *
 *     region:  | used, in granules of 64 bytes ...  | not yet used |
 *                                                   ^ bump
 *     free[n]: n granules -> n granules -> NULL
 *
 * Invariants
 *   M1  no block of the application shares a page with metadata, so an overrun
 *       of one cannot reach tcm's structures.
 *   M2  a block is aligned to 64 bytes.
 *   M3  a block that is allocated for the first time is zero; a reused one may
 *       not be.
 *   M4  a block of METADATA_OWN_MAPPING bytes or more has its own mapping.
 *   M5  an inaccessible page precedes and follows each region and each such
 *       mapping, unless too little memory was left for it.
 *
 * Locking: takes LOCK_METADATA.  Cost: a few loads under the lock.
 */
#ifndef TCM_BASE_METADATA_H
#define TCM_BASE_METADATA_H

#include "base/compiler.h"
#include "base/lock.h"

extern struct lock tcmi_metadata_lock;

/* The first granule of each region.  It links all regions, the newest first,
 * for callers that ask the OS how much of them is resident. */
struct metadata_region {
  struct metadata_region *next; /* [const] or NULL */
  size_t bytes;                 /* [const] */
};

/* All fields: [lock: metadata]; any thread reads them without it. */
struct metadata_counts {
  size_t mapped_bytes;             /* regions, own mappings, external ones */
  struct metadata_region *regions; /* or NULL */
};

extern struct metadata_counts tcmi_metadata_counts;

/* Returns NULL if the OS has no memory left. */
MUST_CHECK void *tcmi_metadata_alloc(size_t bytes);
/* The same, with zeroed memory. */
MUST_CHECK void *tcmi_metadata_alloc_zeroed(size_t bytes);
/* @bytes is the value that was passed to tcmi_metadata_alloc(). */
void tcmi_metadata_free(void *block, size_t bytes);
/* The same for @n blocks of @bytes each, less than METADATA_OWN_MAPPING. */
void tcmi_metadata_free_all(void *const *blocks, unsigned n, size_t bytes);

/* Bytes mapped for metadata.  The second function adds @extra bytes that
 * another file maps for it. */
size_t tcmi_metadata_mapped_bytes(void);
void tcmi_metadata_count(size_t extra);

#endif /* TCM_BASE_METADATA_H */
