/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pagemap.h - the radix tree that knows every page of the address space.
 *
 *     address:  | root index | page within the leaf | offset |
 *
 *     root[i] -> leaf of 8 GiB:  tags    a byte per page
 *                                spans   a pointer per page
 *                                arenas  a pointer per huge page
 *
 * A leaf is address space that reads as zero until the part that an arena
 * needs is made writable, so a small process holds one page of each plane.
 *
 * Contents, for a span s of pages p..q:
 *     class c > 0:  tags[p..q] = 2c, spans[p..q] = s
 *     large:        tags[p..q] = 0,  spans[p] = s, spans[p+1..q] = NULL
 *     all else:     tags = 0, spans = NULL
 *
 * Invariants
 *   P1  a leaf, once published, stays; root entries only go from NULL to leaf.
 *   P2  every address below the user limit may be asked for; no answer faults.
 *   P3  arenas[h] is the arena that reserved huge page h, or NULL.
 *
 * Locking: writers of the root and of arenas hold LOCK_PAGE_HEAP; tags and
 * spans are written by whoever owns the pages.  Readers take no lock: what a
 * correct program may ask about was written before it got the pointer.
 */
#ifndef TCM_HEAP_PAGEMAP_H
#define TCM_HEAP_PAGEMAP_H

#include "base/atomics.h"
#include "base/compiler.h"
#include "base/params.h"
#include "heap/span.h"

struct arena;

#define LEAF_PAGES ((size_t)1 << (LEAF_SHIFT - PAGE_SHIFT))
#define LEAF_HUGE_PAGES ((size_t)1 << (LEAF_SHIFT - HUGE_PAGE_SHIFT))
#define ROOT_LENGTH ((size_t)1 << (ADDRESS_BITS - LEAF_SHIFT))

struct pagemap_leaf {
  uint8_t tags[LEAF_PAGES];              /* [atomic: relaxed] 2 * class or 0 */
  struct span *spans[LEAF_PAGES];        /* [atomic: relaxed] */
  struct arena *arenas[LEAF_HUGE_PAGES]; /* [atomic: relaxed] */
};

/* [atomic: release by pagemap_reserve, acquire by pagemap_leaf_of] */
extern struct pagemap_leaf *tcmi_pagemap_root[ROOT_LENGTH];

/* Makes the map able to hold [start, start + size) and enters @arena there.
 * False when the system gives no memory.  Caller holds LOCK_PAGE_HEAP. */
MUST_CHECK bool tcmi_pagemap_reserve_locked(uintptr_t start, size_t size,
                                            struct arena *arena);
/* Takes the arena out again.  Caller holds LOCK_PAGE_HEAP. */
void tcmi_pagemap_forget_locked(uintptr_t start, size_t size);

/* Enters or removes a span. */
void tcmi_pagemap_set(struct span *span);
void tcmi_pagemap_clear(const struct span *span);

/* The span that holds @address, also in the midst of a large block; NULL for
 * free pages and foreign memory.  Cost: for a large block the distance to its
 * start; meant for errors. */
struct span *tcmi_pagemap_find(uintptr_t address);

static inline struct pagemap_leaf *
pagemap_leaf_of(uintptr_t address)
{
  uintptr_t i = address >> LEAF_SHIFT;

  if (unlikely(i >= ROOT_LENGTH))
    return NULL;
  return atomic_load_acquire(&tcmi_pagemap_root[i]);
}

static inline size_t
pagemap_page_index(uintptr_t address)
{
  return (address & (LEAF_SIZE - 1)) >> PAGE_SHIFT;
}

/* Twice the size class of the page at @address; 0 for all else. */
static inline unsigned
pagemap_tag(uintptr_t address)
{
  struct pagemap_leaf *leaf = pagemap_leaf_of(address);

  if (unlikely(leaf == NULL))
    return 0;
  return atomic_load_relaxed(&leaf->tags[pagemap_page_index(address)]);
}

/* The span of objects that holds @address, or the large span whose first page
 * holds it, or NULL. */
static inline struct span *
pagemap_span(uintptr_t address)
{
  struct pagemap_leaf *leaf = pagemap_leaf_of(address);

  if (unlikely(leaf == NULL))
    return NULL;
  return atomic_load_relaxed(&leaf->spans[pagemap_page_index(address)]);
}

/* The arena that reserved @address, or NULL. */
static inline struct arena *
pagemap_arena(uintptr_t address)
{
  struct pagemap_leaf *leaf = pagemap_leaf_of(address);

  if (leaf == NULL)
    return NULL;
  return atomic_load_relaxed(
      &leaf->arenas[(address & (LEAF_SIZE - 1)) >> HUGE_PAGE_SHIFT]);
}

#endif /* TCM_HEAP_PAGEMAP_H */
