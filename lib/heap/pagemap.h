/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pagemap.h - the radix tree that knows every page of the address space.
 *
 *     address:  | root index | page within the leaf | offset |
 *
 *     root[i] -> leaf of 8 GiB:  words -> two bytes per page
 *                                arenas  a pointer per huge page
 *                                covers  a pointer per huge page
 *                                chunks[j] -> 1 GiB: a span per page
 *
 *     row:       | words of leaf 0 | words of leaf 1 | ... | leaf 0 | leaf 1 | ...
 *
 * Leaves for arenas come in rows: their words lie one after the other, so that
 * one window of a thread cache reaches all pages of the row.
 *
 * Words, leaves and chunks are address space that reads as zero until the part
 * that an arena needs is made writable, so a small process holds one page of
 * each plane.  A chunk is mapped when something lies there.
 *
 * Contents, for a span s of pages p..q:
 *     class c > 0:  words[p+i] = i << 8 | 2c, spans[p..q] = s
 *     large:        words[p..q] = 0, spans[p] = s, spans[p+1..q] = NULL
 *                   covers = s for each huge page that begins within s; where
 *                   a whole leaf does, root_covers = s instead
 *     all else:     words = 0, spans = NULL, covers = NULL
 *
 * The low byte of a word is the tag of the class.  The high byte is the number
 * of the page in its span.  A page has 256 places where a block can begin.  So
 * the high byte of the word and the low byte of a place form the place within
 * the span, and free() checks that an object begins there.
 *
 * Invariants
 *   P1  a leaf or chunk, once published, stays; entries only go from NULL to it.
 *   P2  every address below the user limit may be asked for; no answer faults.
 *   P3  arenas[h] is the arena that reserved huge page h, or NULL.
 *
 * Locking: writers of the root, of chunks and of arenas hold LOCK_PAGE_HEAP;
 * words, spans and covers are written by whoever owns the pages.  Readers take
 * no lock: what a correct program may ask about was written before it got the
 * pointer.
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
#define LEAF_CHUNKS ((size_t)1 << (LEAF_SHIFT - CHUNK_SHIFT))
#define CHUNK_PAGES ((size_t)1 << (CHUNK_SHIFT - PAGE_SHIFT))
#define ROOT_LENGTH ((size_t)1 << (ADDRESS_BITS - LEAF_SHIFT))

/* The spans of 1 GiB of address space. */
struct pagemap_chunk {
  struct span *spans[CHUNK_PAGES]; /* [atomic: relaxed] */
};

/* The pages of a row and their words.  All fields: [const] */
struct pagemap_window {
  uintptr_t start;       /* address of the first page, see rotate_address() */
  size_t npages;         /* 0: a window that is closed */
  const uint16_t *words; /* of each page */
};

struct pagemap_leaf {
  uint16_t *words; /* [const] one per page, or 0; [atomic: relaxed] there */
  struct pagemap_window window; /* [const] that of its row */
  struct pagemap_chunk
      *chunks[LEAF_CHUNKS]; /* [atomic: release, acquire by pagemap_span] */
  char *room;               /* [lock: page heap] for its chunks, or NULL */
  char *row_room;    /* [const] of a head: for those of all its row, or NULL */
  uint32_t writable; /* [lock: page heap] bit per chunk that is so whole */
  struct arena *arenas[LEAF_HUGE_PAGES]; /* [atomic: relaxed] */
  struct span *covers[LEAF_HUGE_PAGES];  /* [atomic: relaxed] */
};

/* [atomic: release by pagemap_reserve, acquire by pagemap_leaf_of] */
extern struct pagemap_leaf *tcmi_pagemap_root[ROOT_LENGTH];

/* Makes the map able to hold [start, start + size) and enters @arena there.
 * False when the system gives no memory.  Caller holds LOCK_PAGE_HEAP. */
MUST_CHECK bool tcmi_pagemap_reserve_locked(uintptr_t start, size_t size,
                                            struct arena *arena);
/* Makes it able to name a large span there that lies in no arena.  The same. */
MUST_CHECK bool tcmi_pagemap_reserve_large_locked(uintptr_t start, size_t size);
/* Makes sure that the next such call needs no new mapping.  The same. */
MUST_CHECK bool tcmi_pagemap_prepare_locked(void);
/* Takes the arena out again.  Caller holds LOCK_PAGE_HEAP. */
void tcmi_pagemap_forget_locked(uintptr_t start, size_t size);

/* Enters or removes a span. */
void tcmi_pagemap_set(struct span *span);
void tcmi_pagemap_clear(const struct span *span);
/* A large span that stays in the map is about to have @npages. */
void tcmi_pagemap_resize(struct span *span, size_t npages);

/* The span that holds @address, also inside a large block; NULL for free pages
 * and foreign memory.  Cost: the pages of a huge page at most; takes no lock, so
 * that a signal handler may ask. */
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

static inline size_t
pagemap_chunk_index(uintptr_t address)
{
  return (address & (LEAF_SIZE - 1)) >> CHUNK_SHIFT;
}

/* The page within its chunk. */
static inline size_t
pagemap_span_index(uintptr_t address)
{
  return (address >> PAGE_SHIFT) & (CHUNK_PAGES - 1);
}

#define PLACES_SHIFT (PAGE_SHIFT - BLOCK_ALIGN_SHIFT)
_Static_assert(PLACES_SHIFT == 8, "a place in a page is one byte");

static inline unsigned
page_word(unsigned tag, size_t number)
{
  return (unsigned)number << 8 | tag;
}

static inline unsigned
page_word_tag(unsigned word)
{
  return word & 0xff;
}

/* Where in its span @place lies, in steps of BLOCK_ALIGN: any count of places
 * whose low byte is the place within the page. */
static inline uint32_t
page_word_place(unsigned word, uintptr_t place)
{
#ifdef __x86_64__
  /* One instruction, where gcc makes three. */
  __asm__("movb %b1, %b0" : "+q"(word) : "q"(place));
  return word;
#else
  return (word & 0xff00) | (uint8_t)place;
#endif
}

/* Twice the size class of the page at @address; 0 for all else. */
static inline unsigned
pagemap_tag(uintptr_t address)
{
  struct pagemap_leaf *leaf = pagemap_leaf_of(address);

  if (unlikely(leaf == NULL))
    return 0;
  return page_word_tag(
      atomic_load_relaxed(&leaf->words[pagemap_page_index(address)]));
}

/* The span of objects that holds @address, or the large span whose first page
 * holds it, or NULL. */
static inline struct span *
pagemap_span(uintptr_t address)
{
  struct pagemap_leaf *leaf = pagemap_leaf_of(address);
  struct pagemap_chunk *chunk;

  if (unlikely(leaf == NULL))
    return NULL;
  chunk = atomic_load_acquire(&leaf->chunks[pagemap_chunk_index(address)]);
  if (unlikely(chunk == NULL))
    return NULL;
  return atomic_load_relaxed(&chunk->spans[pagemap_span_index(address)]);
}

/* Where the map names the span of a page of the heap's. */
static inline struct span **
pagemap_span_place(uintptr_t address)
{
  struct pagemap_leaf *leaf = pagemap_leaf_of(address);

  return &leaf->chunks[pagemap_chunk_index(address)]
              ->spans[pagemap_span_index(address)];
}

/* Takes the large span that begins at @address out of the map for the one who
 * frees it: of several threads that try, one gets it. */
static inline bool
pagemap_claim(uintptr_t address, struct span *span)
{
  /* One that is held was freed between the caller's look and here. */
  return atomic_exchange_acquire(pagemap_span_place(address), NULL) == span &&
         !span->held;
}

/* Puts one back that is held instead.  Pairs with the acquire in
 * pagemap_claim(). */
static inline void
pagemap_unclaim(uintptr_t address, struct span *span)
{
  atomic_store_release(pagemap_span_place(address), span);
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
