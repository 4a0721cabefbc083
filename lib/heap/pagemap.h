/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pagemap.h - the radix tree that maps each page to its class, span and arena.
 *
 *     address:  | root index | page within the leaf | offset |
 *
 *     root[i] -> leaf of 8 GiB:  words -> two bytes per page
 *                                arenas  a pointer per huge page
 *                                covers  a pointer per huge page
 *                                chunks[j] -> 1 GiB: a span per page
 *
 *     row:   | words of leaf 0 | words of leaf 1 | ... | leaf 0 | leaf 1 | ...
 *
 * Leaves for arenas are grouped in rows.  The words of a row are contiguous, so
 * that one window of a thread cache covers all pages of the row.
 *
 * Words, leaves and chunks are address space that reads as zero.  Only the
 * parts that an arena needs are made writable, so a small process holds one
 * page of each plane.  A chunk is mapped when memory in its range is reserved.
 *
 * Contents, for a span s of pages p..q:
 *     class c > 0:  words[p+i] = i << 8 | 2c, spans[p..q] = s
 *     large:        words[p..q] = 0, spans[p] = s, spans[p+1..q] = NULL
 *                   covers = s for each huge page that begins inside s; for a
 *                   leaf that lies entirely inside s, root_covers = s instead
 *     slab:         as large; but spans[p..q] = s if it has several objects
 *     all else:     words = 0, spans = NULL, covers = NULL
 *
 * The low byte of a word is the tag of the class.  The high byte is the number
 * of the page in its span.  A page has 256 places where a block can begin.  So
 * the high byte of the word and the low byte of a place form the place within
 * the span, and free() checks that an object begins there.
 *
 * Invariants
 *   P1  a published leaf or chunk stays; its entry changes once, from NULL.
 *   P2  every address below the user limit can be looked up without a fault.
 *   P3  arenas[h] is the arena that reserved huge page h, or NULL.
 *
 * Locking: writers of the root, of chunks and of arenas hold LOCK_PAGE_HEAP;
 * the owner of the pages writes words, spans and covers.  Readers take no lock:
 * the entries for a pointer were written before the program got it.
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
  size_t npages;         /* 0: the window is closed */
  const uint16_t *words; /* one per page */
};

struct pagemap_leaf {
  uint16_t *words; /* [const] one per page; each word [atomic: relaxed] */
  struct pagemap_window window; /* [const] the one of its row */
  struct pagemap_chunk
      *chunks[LEAF_CHUNKS]; /* [atomic: release, acquire by pagemap_span] */
  char *room;               /* [lock: page heap] for its chunks, or NULL */
  char *row_room;           /* [const] for the chunks of its row, or NULL */
  uint32_t writable;        /* [lock: page heap] bit per fully writable chunk */
  struct arena *arenas[LEAF_HUGE_PAGES]; /* [atomic: relaxed] */
  struct span *covers[LEAF_HUGE_PAGES];  /* [atomic: relaxed] */
};

/* [atomic: release by pagemap_reserve, acquire by pagemap_leaf_of] */
extern struct pagemap_leaf *tcmi_pagemap_root[ROOT_LENGTH];

/* The spans of adjacent pages.  All fields: [const] */
struct pagemap_view {
  uintptr_t start;     /* address of the first page */
  size_t npages;       /* 0: no page */
  struct span **spans; /* one per page; each entry [atomic: relaxed] */
};

/* Prepares the map for [start, start + size) and enters @arena there.  False
 * when the OS refuses the memory.  Caller holds LOCK_PAGE_HEAP. */
MUST_CHECK bool tcmi_pagemap_reserve_locked(uintptr_t start, size_t size,
                                            struct arena *arena);
/* The same for a large span that lies in no arena. */
MUST_CHECK bool tcmi_pagemap_reserve_large_locked(uintptr_t start, size_t size);
/* Makes sure that the next such call needs no new mapping. */
MUST_CHECK bool tcmi_pagemap_prepare_locked(void);
/* Removes the arena from the map.  Caller holds LOCK_PAGE_HEAP. */
void tcmi_pagemap_forget_locked(uintptr_t start, size_t size);

/* Enters or removes a span. */
void tcmi_pagemap_set(struct span *span);
void tcmi_pagemap_clear(const struct span *span);
/* Updates the map for a large span whose size is about to become @npages. */
void tcmi_pagemap_resize(struct span *span, size_t npages);

/* The view of a page of the heap: its row if that has row_room, or its
 * chunk. */
struct pagemap_view tcmi_pagemap_view(uintptr_t address);

/* Returns the span that holds @address, also for an address inside a large
 * block; NULL for free pages and foreign memory.  Looks at no more pages than
 * one huge page has.  Takes no lock, so a signal handler may call it. */
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

/* The place within the span, in steps of BLOCK_ALIGN.  The low byte of @place
 * is the place within the page; the other bytes are ignored. */
static inline uint32_t
page_word_place(unsigned word, uintptr_t place)
{
#ifdef __x86_64__
  /* One instruction; gcc generates three. */
  __asm__("movb %b1, %b0" : "+q"(word) : "q"(place));
  return word;
#else
  return (word & 0xff00) | (uint8_t)place;
#endif
}

/* Twice the size class of the page at @address; 0 if it has none. */
static inline unsigned
pagemap_tag(uintptr_t address)
{
  struct pagemap_leaf *leaf = pagemap_leaf_of(address);

  if (unlikely(leaf == NULL))
    return 0;
  return page_word_tag(
      atomic_load_relaxed(&leaf->words[pagemap_page_index(address)]));
}

/* The map's entry for the span of a page, or NULL. */
static inline struct span **
pagemap_span_place_of(uintptr_t address)
{
  struct pagemap_leaf *leaf = pagemap_leaf_of(address);
  struct pagemap_chunk *chunk;

  if (unlikely(leaf == NULL))
    return NULL;
  chunk = atomic_load_acquire(&leaf->chunks[pagemap_chunk_index(address)]);
  return unlikely(chunk == NULL) ? NULL
                                 : &chunk->spans[pagemap_span_index(address)];
}

/* The same for a page of the heap: the entry exists. */
static inline struct span **
pagemap_span_place(uintptr_t address)
{
  struct pagemap_leaf *leaf =
      atomic_load_acquire(&tcmi_pagemap_root[address >> LEAF_SHIFT]);

  return &leaf->chunks[pagemap_chunk_index(address)]
              ->spans[pagemap_span_index(address)];
}

/* The span of small objects or the slab that holds @address, or the large span
 * whose first page holds it, or NULL. */
static inline struct span *
pagemap_span(uintptr_t address)
{
  struct span **place = pagemap_span_place_of(address);

  return unlikely(place == NULL) ? NULL : atomic_load_relaxed(place);
}

/* Removes a large span from the map; of several threads, only one succeeds. */
static inline bool
pagemap_claim(uintptr_t address, struct span *span)
{
  /* A held span was freed after the caller looked it up. */
  return atomic_exchange_acquire(pagemap_span_place(address), NULL) == span &&
         !span->held;
}

/* Puts back a claimed span that is held.  Pairs with pagemap_claim(). */
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
  size_t h = (address & (LEAF_SIZE - 1)) >> HUGE_PAGE_SHIFT;

  return leaf == NULL ? NULL : atomic_load_relaxed(&leaf->arenas[h]);
}

#endif /* TCM_HEAP_PAGEMAP_H */
