/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * span.h - a run of whole pages that serves one purpose.
 *
 *     class c, objects of one size:      class 0, one large block:
 *     +----+----+----+--...--+----+      +------------------------+
 *     | 0  | 1  | 2  | fresh | .. |      | the block              |
 *     +----+----+----+--...--+----+      +------------------------+
 *      ^ bits[0] bit 0 = 1: free          ^ start
 *
 * The descriptor lies in metadata, never in the pages themselves.  A span of a
 * heap of the program has class 0, see slab.h.
 *
 * Objects of a span, by number:
 *     0 .. fresh-1      handed out at least once; free where the bit is 1
 *     fresh .. nobjs-1  never handed out; their pages may be untouched
 *
 * With TCM_CHECK=1 the descriptor also has a bit per 16 bytes of the pages, see
 * cache/live.h:
 *     bits: | free, a bit per object | live, LIVE_WORDS per page |
 *                                      ^ bits[live]
 *
 * Invariants
 *   S1  popcount(bits) == nfree, and no bit at or above fresh is 1.
 *   S2  fresh - nfree objects are in use or in a thread or transfer cache.
 *   S3  bit p of dirty is 1 if page p of the span may hold data or memory; a
 *       page whose bit is 0 reads as zero.  No object below fresh that is in
 *       use overlaps a page whose bit is 0.
 *   S4  a span of the central lists is in the list for its number of objects in
 *       use or cached, or in no list when it has no available object.
 *   S5  a held span is only in the list of held spans, and no object is taken
 *       from it; a held large span is free and in a thread cache.
 *
 * Locking: a span of class c belongs to central list c and is touched under
 * its lock; a large span belongs to the thread that allocates, resizes or
 * frees its block.  A slab adds LOCK_SLAB, see slab.h.
 */
#ifndef TCM_HEAP_SPAN_H
#define TCM_HEAP_SPAN_H

#include "base/compiler.h"
#include "base/list.h"
#include "base/params.h"

/* The maximum pages of a span of objects: the number of bits in dirty. */
#define SPAN_MAX_PAGES 32

/* Live bits of a page: one for each place where a block can begin. */
#define LIVE_WORDS (PAGE_SIZE / BLOCK_ALIGN / 64)

struct span {
  struct list link; /* [lock: central] in a list of its central list, or
                       [lock: page heap] in the list of mapped blocks */
  uintptr_t start;  /* [const] address of the first page */
  size_t npages;    /* [lock: central], or the large block's user */
  union {
    uint32_t dirty;  /* [lock: central] bit per page, see S3 */
    uint32_t sample; /* [lock: central] or as npages: the number of a large
                        block's heap profile record, or 0 */
  };
  uint16_t nobjs; /* [const] objects, 0 for a large block outside the heaps of
                     the program */
  union {
    uint16_t nfree;  /* [lock: central] set bits */
    uint16_t offset; /* [const] of a large block in the first page, see B2 */
  };
  union {
    uint16_t fresh; /* [lock: central] first object never handed out */
    uint16_t slot;  /* [const] of a large block, the number of its guarded
                       slot, see guarded.h; or 0 */
  };
  uint8_t class_id; /* [const] size class, 0 for a large block */
  uint8_t bucket;   /* [lock: central] the list it is in, 0 for none */
  bool held;        /* [lock: central] its pages are being returned, see S5 */
  bool mapped;      /* [lock: central] or as npages: see mapped.h */
  bool slab;        /* [const] of a heap of the program, see slab.h; the page
                       heap and its readers treat it as a large block */
  uint8_t live;     /* [const] index of the first live word, 0: has none */
  uint64_t bits[];  /* [lock: central] bit per object, 1 = free; the live words
                       after them are [atomic: relaxed] */
};

_Static_assert(sizeof(struct span) <= 64, "a span header fits a cache line");

static inline size_t
span_bytes(const struct span *span)
{
  return (size_t)span->npages << PAGE_SHIFT;
}

/* How many pages of a span of class 0 name it in the pagemap: the first, or all
 * if a block can begin on each. */
static inline size_t
span_named_pages(const struct span *span)
{
  return span->nobjs > 1 ? span->npages : 1;
}

static inline uintptr_t
span_end(const struct span *span)
{
  return span->start + span_bytes(span);
}

/* Where a large block begins. */
static inline uintptr_t
span_block(const struct span *span)
{
  return span->start + span->offset;
}

/* Objects that the central list can still hand out from the span. */
static inline unsigned
span_available(const struct span *span)
{
  return (unsigned)span->nfree + span->nobjs - span->fresh;
}

/* Objects that are in use or cached. */
static inline unsigned
span_outstanding(const struct span *span)
{
  return (unsigned)span->fresh - span->nfree;
}

/* What an address in a span is: a block in use, a place inside a block, or a
 * block that is free or was never handed out. */
enum block_verdict { BLOCK_VALID, BLOCK_INTERIOR, BLOCK_FREE };

/* Makes a descriptor; NULL when there is no memory.  The second has live bits,
 * all 0, for @npages pages. */
MUST_CHECK struct span *tcmi_span_new(unsigned nobjs);
MUST_CHECK struct span *tcmi_span_new_live(unsigned nobjs, unsigned npages);
void tcmi_span_delete(struct span *span);
/* Deletes @n descriptors of spans of one class, under one lock. */
void tcmi_span_delete_all(struct span *const *spans, unsigned n);

#endif /* TCM_HEAP_SPAN_H */
