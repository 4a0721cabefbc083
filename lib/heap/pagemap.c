/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rejected: a flat map of the whole address space.  It saves one load but does
 * not start under a tight RLIMIT_AS.
 *
 * Rejected: three levels.  They need one more load and save nothing, since
 * address space is not memory.
 */
#include "config.h"

#include "heap/pagemap.h"

#include "base/bits.h"
#include "base/lock.h"
#include "base/metadata.h"
#include "base/system.h"
#include "heap/arena_counts.h"
#include "heap/page_heap_lock.h"

struct pagemap_leaf *tcmi_pagemap_root[ROOT_LENGTH];

/* The large span that covers an entire leaf. [atomic: relaxed] */
static struct span *root_covers[ROOT_LENGTH];

/* Makes the system pages under the @n bytes at @field writable. */
static bool
plane_commit(void *field, size_t n)
{
  size_t page = tcmi_system_page_size();
  uintptr_t first = round_down((uintptr_t)field, page);
  uintptr_t end = round_up((uintptr_t)field + n, page);

  return tcmi_system_commit((void *)first, end - first) == 0;
}

/* Bytes of the map's entries for @nhuge huge pages.  They count only while an
 * arena lies there, so that repeated arenas at one place count once. */
static size_t
entry_bytes(size_t nhuge)
{
  const struct pagemap_leaf *leaf = NULL;

  return nhuge * (HUGE_PAGE_PAGES * (sizeof leaf->words[0] +
                                     sizeof leaf->chunks[0]->spans[0]) +
                  sizeof leaf->arenas[0] + sizeof leaf->covers[0]);
}

/* Address space that reads as zero, for a leaf or a chunk. */
static void *
map_plane(size_t size)
{
  void *memory;

  return tcmi_system_map_readable(round_up(size, tcmi_system_page_size()),
                                  &memory) == 0
             ? memory
             : NULL;
}

/* Bytes of a leaf without its words, in whole system pages. */
static size_t
leaf_bytes(void)
{
  return round_up(sizeof(struct pagemap_leaf), tcmi_system_page_size());
}

/* Leaves that are mapped together; each enters the root when it is needed:
 *
 *     | words of n leaves | head | leaf | leaf | ... | room for their chunks |
 *
 * The first leaf, the head, describes the row: its window and the start of the
 * room. */
struct row {
  uint16_t *words; /* [lock: page heap] start of the row, or NULL */
  size_t n;        /* [lock: page heap] leaves */
  size_t bytes;    /* [lock: page heap] of the whole row */
  char *room;      /* [lock: page heap] for chunks, or NULL */
};

/* For each leaf that is in a row, the head of the row.  The last leaf comes
 * first: the OS places the heap at high addresses, so a small process writes to
 * the end of the root and to the start of this array, which share a page.
 * [lock: page heap] */
static struct pagemap_leaf *heads[ROOT_LENGTH];

static struct pagemap_leaf **
head_of_locked(size_t i)
{
  lock_assert_held(&tcmi_page_heap_lock);
  return &heads[ROOT_LENGTH - 1 - i];
}

/* Pagemap memory that the next block that moves may need. */
static struct {
  struct row row;              /* [lock: page heap] has no place yet */
  struct pagemap_chunk *chunk; /* [lock: page heap] or NULL */
} spare;

/* Maps a row of @n leaves.  In a large heap, it includes room for all chunks,
 * so that not every chunk becomes a mapping.  A small heap may be short of
 * address space, or locked: then all that is mapped becomes resident. */
static bool
row_map(struct row *row, size_t n)
{
  size_t leaves = n * (LEAF_PAGES * sizeof row->words[0] + leaf_bytes());
  bool has_room = arena_reserved_bytes() >= ARENA_MAX_SIZE;
  size_t room = has_room ? n * LEAF_CHUNKS * sizeof(struct pagemap_chunk) : 0;

  row->n = n;
  row->bytes = leaves + room;
  row->words = map_plane(row->bytes);
  row->room = has_room ? (char *)row->words + leaves : NULL;
  return row->words != NULL;
}

static void
row_unmap(const struct row *row)
{
  (void)!tcmi_system_release(row->words,
                             round_up(row->bytes, tcmi_system_page_size()));
}

/* The number of leaves of a new row: more as the heap grows, one if address
 * space is limited. */
static size_t
row_length(void)
{
  return tcmi_system_address_space_is_limited()
             ? 1
             : max_size(ROW_LEAVES, arena_reserved_bytes() >> LEAF_SHIFT);
}

static bool
is_missing_locked(size_t i)
{
  lock_assert_held(&tcmi_page_heap_lock);
  return i < ROOT_LENGTH && *head_of_locked(i) == NULL;
}

/* Places a row at leaf @i and adjacent leaves that are in no row yet.  Returns
 * the head, or NULL when it cannot be made writable. */
static struct pagemap_leaf *
row_place_locked(const struct row *row, size_t i, bool downwards)
{
  struct pagemap_leaf *head =
      (struct pagemap_leaf *)(void *)(row->words + row->n * LEAF_PAGES);
  size_t first = i, end = i + 1;

  lock_assert_held(&tcmi_page_heap_lock);
  if (!plane_commit(head, sizeof *head))
    return NULL;
  while (downwards && end - first < row->n && is_missing_locked(first - 1))
    first--;
  while (end - first < row->n && is_missing_locked(end))
    end++;
  head->window = (struct pagemap_window){
      (uintptr_t)first << (LEAF_SHIFT - BLOCK_ALIGN_SHIFT),
      (end - first) * LEAF_PAGES, row->words};
  head->row_room = row->room;
  for (; first < end; first++)
    *head_of_locked(first) = head;
  return head;
}

/* Makes sure that there is a spare row.  In a small heap it has one leaf: there
 * may be only one large block. */
static bool
spare_row_ensure_locked(void)
{
  bool large = arena_reserved_bytes() >= ARENA_MAX_SIZE;

  lock_assert_held(&tcmi_page_heap_lock);
  return spare.row.words != NULL ||
         row_map(&spare.row, large ? row_length() : 1) ||
         row_map(&spare.row, 1);
}

/* Returns the head of the row of leaf @i; makes the row if needed.  A row for
 * arenas extends upward, as arenas follow each other.  Another row extends
 * downward, as the OS places mappings. */
static struct pagemap_leaf *
head_ensure_locked(size_t i, bool for_arena)
{
  struct pagemap_leaf *head = *head_of_locked(i);
  struct row own;

  lock_assert_held(&tcmi_page_heap_lock);
  if (head != NULL)
    return head;
  if (for_arena && row_map(&own, row_length())) {
    head = row_place_locked(&own, i, /*downwards=*/false);
    if (head == NULL)
      row_unmap(&own);
    return head;
  }
  if (!spare_row_ensure_locked())
    return NULL;
  head = row_place_locked(&spare.row, i, /*downwards=*/!for_arena);
  if (head != NULL)
    spare.row.words = NULL;
  return head;
}

static struct pagemap_leaf *
leaf_make_locked(size_t i, bool for_arena)
{
  struct pagemap_leaf *head = head_ensure_locked(i, for_arena), *leaf;
  size_t k;

  lock_assert_held(&tcmi_page_heap_lock);
  if (head == NULL)
    return NULL;
  k = i - (head->window.start >> (LEAF_SHIFT - BLOCK_ALIGN_SHIFT));
  leaf = (struct pagemap_leaf *)(void *)((char *)head + k * leaf_bytes());
  if (!plane_commit(leaf, sizeof *leaf))
    return NULL;
  leaf->window = head->window;
  leaf->words = (uint16_t *)(uintptr_t)head->window.words + k * LEAF_PAGES;
  leaf->row_room = head->row_room;
  if (head->row_room != NULL)
    leaf->room =
        head->row_room + k * LEAF_CHUNKS * sizeof(struct pagemap_chunk);
  return leaf;
}

static struct pagemap_leaf *
leaf_ensure_locked(uintptr_t address, bool for_arena)
{
  struct pagemap_leaf *leaf = pagemap_leaf_of(address);
  size_t i = address >> LEAF_SHIFT;

  lock_assert_held(&tcmi_page_heap_lock);
  if (leaf != NULL || i >= ROOT_LENGTH)
    return leaf;
  leaf = leaf_make_locked(i, for_arena);
  /* Pairs with the acquire in pagemap_leaf_of(). */
  if (leaf != NULL)
    atomic_store_release(&tcmi_pagemap_root[i], leaf);
  return leaf;
}

/* Maps room for the chunks of a leaf whose row was made while the heap was
 * small. */
static void
room_ensure_locked(struct pagemap_leaf *leaf)
{
  lock_assert_held(&tcmi_page_heap_lock);
  if (leaf->room == NULL && arena_reserved_bytes() >= ARENA_MAX_SIZE)
    leaf->room = map_plane(LEAF_CHUNKS * sizeof(struct pagemap_chunk));
}

static struct pagemap_chunk *
chunk_ensure_locked(struct pagemap_leaf *leaf, uintptr_t address)
{
  size_t i = pagemap_chunk_index(address);
  struct pagemap_chunk *chunk = leaf->chunks[i];

  lock_assert_held(&tcmi_page_heap_lock);
  if (chunk != NULL)
    return chunk;
  room_ensure_locked(leaf);
  chunk = leaf->room != NULL ? (struct pagemap_chunk *)(void *)leaf->room + i
                             : map_plane(sizeof *chunk);
  if (chunk == NULL) {
    chunk = spare.chunk;
    spare.chunk = NULL;
  }
  /* Pairs with the acquire in pagemap_span(). */
  atomic_store_release(&leaf->chunks[i], chunk);
  return chunk;
}

/* Makes the entry for @address writable.  Commits the whole chunk, so that its
 * blocks do not each split a mapping, or only one page if the OS refuses
 * more. */
static bool
entry_commit_locked(struct pagemap_leaf *leaf, uintptr_t address)
{
  struct pagemap_chunk *chunk = chunk_ensure_locked(leaf, address);
  uint32_t bit = (uint32_t)1 << pagemap_chunk_index(address);

  lock_assert_held(&tcmi_page_heap_lock);
  if (chunk == NULL)
    return false;
  if ((leaf->writable & bit) == 0) {
    if (!plane_commit(chunk, sizeof *chunk))
      return plane_commit(&chunk->spans[pagemap_span_index(address)],
                          sizeof chunk->spans[0]);
    leaf->writable |= bit;
  }
  return true;
}

bool
tcmi_pagemap_prepare_locked(void)
{
  lock_assert_held(&tcmi_page_heap_lock);
  if (spare.chunk == NULL)
    spare.chunk = map_plane(sizeof *spare.chunk);
  return spare_row_ensure_locked() && spare.chunk != NULL;
}

bool
tcmi_pagemap_reserve_large_locked(uintptr_t start, size_t size)
{
  uintptr_t last = start + size - 1;
  struct pagemap_leaf *leaf;

  lock_assert_held(&tcmi_page_heap_lock);
  return last >= start && last >> LEAF_SHIFT < ROOT_LENGTH &&
         (leaf = leaf_ensure_locked(start, /*for_arena=*/false)) != NULL &&
         entry_commit_locked(leaf, start) &&
         leaf_ensure_locked(last, /*for_arena=*/false) != NULL;
}

/* tcmi_pagemap_reserve_locked() for a range that lies in one chunk. */
static bool
reserve_in_chunk_locked(uintptr_t start, size_t size, struct arena *arena)
{
  struct pagemap_leaf *leaf = leaf_ensure_locked(start, /*for_arena=*/true);
  size_t page = pagemap_page_index(start);
  size_t huge = page / HUGE_PAGE_PAGES;
  size_t npages = size >> PAGE_SHIFT, nhuge = size >> HUGE_PAGE_SHIFT;
  struct pagemap_chunk *chunk;

  lock_assert_held(&tcmi_page_heap_lock);
  if (leaf == NULL || (chunk = chunk_ensure_locked(leaf, start)) == NULL ||
      !plane_commit(&leaf->words[page], npages * sizeof leaf->words[0]) ||
      !plane_commit(&chunk->spans[pagemap_span_index(start)],
                    npages * sizeof chunk->spans[0]))
    return false;
  for (size_t i = 0; i < nhuge; i++)
    atomic_store_relaxed(&leaf->arenas[huge + i], arena);
  tcmi_metadata_count(entry_bytes(nhuge));
  return true;
}

/* Bytes from @start to the next multiple of @unit, at most @size. */
static size_t
part_before(uintptr_t start, size_t size, size_t unit)
{
  return min_size(size, unit - (start & (unit - 1)));
}

bool
tcmi_pagemap_reserve_locked(uintptr_t start, size_t size, struct arena *arena)
{
  lock_assert_held(&tcmi_page_heap_lock);
  while (size > 0) {
    size_t part = part_before(start, size, (size_t)1 << CHUNK_SHIFT);
    if (!reserve_in_chunk_locked(start, part, arena))
      return false;
    start += part;
    size -= part;
  }
  return true;
}

void
tcmi_pagemap_forget_locked(uintptr_t start, size_t size)
{
  size_t forgotten = 0;

  lock_assert_held(&tcmi_page_heap_lock);
  for (size_t done = 0; done < size; done += HUGE_PAGE_SIZE) {
    struct pagemap_leaf *leaf = pagemap_leaf_of(start + done);
    size_t i = pagemap_page_index(start + done) / HUGE_PAGE_PAGES;
    if (leaf != NULL && atomic_load_relaxed(&leaf->arenas[i]) != NULL) {
      atomic_store_relaxed(&leaf->arenas[i], NULL);
      forgotten++;
    }
  }
  tcmi_metadata_count((size_t)0 - entry_bytes(forgotten));
}

/* Release: a walk of the heap finds the span before any program has a pointer
 * into it. */
static void
span_store(uintptr_t address, struct span *span)
{
  atomic_store_release(pagemap_span_place(address), span);
}

static void
page_store(uintptr_t address, struct span *span, unsigned word)
{
  struct pagemap_leaf *leaf = pagemap_leaf_of(address);

  span_store(address, span);
  atomic_store_relaxed(&leaf->words[pagemap_page_index(address)],
                       (uint16_t)word);
}

/* Enters @span for each page that names the class 0 span @at. */
static void
names_store(const struct span *at, struct span *span)
{
  for (size_t i = span_named_pages(at); i-- > 0;)
    span_store(at->start + (i << PAGE_SHIFT), span);
}

/* Makes @span the cover of the huge pages that begin in [start, end). */
static void
covers_store(uintptr_t start, uintptr_t end, struct span *span)
{
  uintptr_t at = round_up(start, HUGE_PAGE_SIZE);

  while (at < end && at != 0) {
    size_t part = part_before(at, end - at, LEAF_SIZE);
    struct pagemap_leaf *leaf = pagemap_leaf_of(at);
    size_t h = pagemap_page_index(at) / HUGE_PAGE_PAGES;
    if (part == LEAF_SIZE)
      atomic_store_relaxed(&root_covers[at >> LEAF_SHIFT], span);
    for (size_t i = 0; part < LEAF_SIZE && i << HUGE_PAGE_SHIFT < part; i++)
      atomic_store_relaxed(&leaf->covers[h + i], span);
    at += part;
  }
}

void
tcmi_pagemap_set(struct span *span)
{
  if (span->class_id == 0) {
    names_store(span, span);
    covers_store(span->start + 1, span_end(span), span);
    return;
  }
  for (size_t i = 0; i < span->npages; i++)
    page_store(span->start + (i << PAGE_SHIFT), span,
               page_word(2u * span->class_id, i));
}

void
tcmi_pagemap_clear(const struct span *span)
{
  if (span->class_id == 0) {
    covers_store(span->start + 1, span_end(span), NULL);
    names_store(span, NULL);
    return;
  }
  for (size_t i = 0; i < span->npages; i++)
    page_store(span->start + (i << PAGE_SHIFT), NULL, 0);
}

void
tcmi_pagemap_resize(struct span *span, size_t npages)
{
  uintptr_t old_end = span_end(span);
  uintptr_t end = span->start + (npages << PAGE_SHIFT);

  if (end / LEAF_SIZE != old_end / LEAF_SIZE) {
    /* The span may now cover an entire leaf, or no longer cover one. */
    covers_store(span->start + 1, old_end, NULL);
    covers_store(span->start + 1, end, span);
  } else if (end < old_end) {
    covers_store(end, old_end, NULL);
  } else {
    covers_store(old_end, end, span);
  }
}

struct pagemap_view
tcmi_pagemap_view(uintptr_t address)
{
  struct pagemap_leaf *leaf = pagemap_leaf_of(address);

  if (leaf->row_room != NULL)
    return (struct pagemap_view){leaf->window.start << BLOCK_ALIGN_SHIFT,
                                 leaf->window.npages,
                                 (struct span **)(void *)leaf->row_room};
  return (struct pagemap_view){
      round_down(address, (size_t)1 << CHUNK_SHIFT), CHUNK_PAGES,
      pagemap_span_place(round_down(address, (size_t)1 << CHUNK_SHIFT))};
}

/* The span that covers the start of the huge page of @address. */
static struct span *
cover_of(const struct pagemap_leaf *leaf, uintptr_t address)
{
  size_t h = pagemap_page_index(address) / HUGE_PAGE_PAGES;

  return leaf == NULL ? NULL : atomic_load_relaxed(&leaf->covers[h]);
}

struct span *
tcmi_pagemap_find(uintptr_t address)
{
  uintptr_t page = round_down(address, PAGE_SIZE);
  struct pagemap_leaf *leaf = pagemap_leaf_of(address);
  struct span *span;

  if (address >> LEAF_SHIFT >= ROOT_LENGTH)
    return NULL;
  span = leaf == NULL ? NULL : pagemap_span(page);
  while (leaf != NULL && span == NULL && page % HUGE_PAGE_SIZE != 0) {
    page -= PAGE_SIZE;
    span = pagemap_span(page);
  }
  if (span == NULL)
    span = cover_of(leaf, address);
  if (span == NULL)
    span = atomic_load_relaxed(&root_covers[address >> LEAF_SHIFT]);
  return span != NULL && address - span->start < span_bytes(span) ? span : NULL;
}
