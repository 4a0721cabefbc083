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
 *   M3  memory handed out for the first time is zero; recycled memory is not.
 *   M4  a block of METADATA_OWN_MAPPING bytes or more has a mapping of its own.
 *   M5  before and behind each region and each such mapping lies a page that
 *       cannot be touched, unless memory was too short for it.
 *
 * Locking: LOCK_METADATA inside.  Cost: a few loads under the lock.
 */
#ifndef TCM_BASE_METADATA_H
#define TCM_BASE_METADATA_H

#include "base/compiler.h"
#include "base/lock.h"

extern struct lock tcmi_metadata_lock;

/* At the start of each region, a granule: all regions, the last one first, for
 * those who ask the system how much of them is resident. */
struct metadata_region {
  struct metadata_region *next; /* [const] or NULL */
  size_t bytes;                 /* [const] */
};

/* All fields: [lock: metadata], read by anybody. */
struct metadata_counts {
  size_t mapped_bytes;             /* regions, own mappings, what others map */
  struct metadata_region *regions; /* or NULL */
};

extern struct metadata_counts tcmi_metadata_counts;

/* NULL when the system gives no memory. */
MUST_CHECK void *tcmi_metadata_alloc(size_t bytes);
/* The same, cleared. */
MUST_CHECK void *tcmi_metadata_alloc_zeroed(size_t bytes);
/* @bytes as given to tcmi_metadata_alloc(). */
void tcmi_metadata_free(void *block, size_t bytes);
/* The same for @n blocks of @bytes, less than METADATA_OWN_MAPPING, each. */
void tcmi_metadata_free_all(void *const *blocks, unsigned n, size_t bytes);

/* Memory mapped for metadata, bytes; @extra counts what others map for it. */
size_t tcmi_metadata_mapped_bytes(void);
void tcmi_metadata_count(size_t extra);

#endif /* TCM_BASE_METADATA_H */
