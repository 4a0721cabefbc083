/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds what keeps each page of the heap.  The spans show which objects left
 * the central list; the thread and transfer caches show which of them are free.
 *
 * The target keeps running.  A span with invalid fields was changed while it
 * was read, and its pages count as in use.
 */
#include "survey.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Spans read by one system call. */
#define BATCH 16
#define SPAN_WORDS 16

/* The state of a walk.  All fields: [owner thread] */
struct walk {
  const struct target *target;
  uintptr_t *cached; /* addresses of free objects in caches, sorted */
  size_t ncached, room;
  uintptr_t chunk_number; /* of the last pagemap chunk looked up, plus 1 */
  uintptr_t chunk;        /* its address, or 0 */
  uintptr_t large_start;  /* of the last large block found */
  uintptr_t large_end;
  enum page_kind large_kind;
  struct guest *guests; /* sorted, or NULL */
  size_t nguests;
  struct page_view *view;
  struct cell cells[HUGE_PAGE_PAGES];
};

/* A descriptor with room for its bitmap. */
union whole_span {
  struct span span;
  char room[sizeof(struct span) + SPAN_WORDS * sizeof(uint64_t)];
};

/* ---- What is cached ------------------------------------------------------ */
static uintptr_t *
make_room(struct walk *walk, size_t n)
{
  size_t room = 2 * (walk->ncached + n);
  uintptr_t *more;

  if (walk->ncached + n > walk->room) {
    more = realloc(walk->cached, room * sizeof *more);
    if (more == NULL)
      return NULL;
    walk->cached = more;
    walk->room = room;
  }
  return walk->cached + walk->ncached;
}

/* Adds the @n pointers at @from. */
static int
add_cached(struct walk *walk, uintptr_t from, size_t n)
{
  uintptr_t *to;

  if (n == 0)
    return 0;
  to = make_room(walk, n);
  if (to == NULL)
    return -ENOMEM;
  if (target_read(walk->target, from, to, n * sizeof *to) == 0)
    walk->ncached += n;
  return 0;
}

static int
add_bins(struct walk *walk, const struct cache_owner *owner)
{
  struct span held;
  int error = 0;

  for (unsigned c = 1; c < SIZE_CLASS_COUNT && error == 0; c++) {
    size_t n = (size_t)(owner->hot.bins[c].top - owner->states[c].base);
    if (owner->states[c].base != NULL && n <= owner->states[c].slots)
      error = add_cached(walk, (uintptr_t)owner->states[c].base, n);
  }
  if (error == 0 && owner->hot.large != NULL &&
      target_read(walk->target, (uintptr_t)owner->hot.large, &held,
                  sizeof held) == 0 &&
      make_room(walk, 1) != NULL)
    walk->cached[walk->ncached++] = held.start;
  return error;
}

static int
compare(const void *a, const void *b)
{
  const uintptr_t *x = a, *y = b;

  return (*x > *y) - (*x < *y);
}

static int
cached_read(struct walk *walk)
{
  const struct stats_places *places = &walk->target->page.places;
  struct transfer_cache transfer[SIZE_CLASS_COUNT];
  struct cache_registry registry;
  struct cache_owner owner;
  uintptr_t node;
  int error = target_read(walk->target, places->cache_registry, &registry,
                          sizeof registry);

  if (error == 0)
    error = target_read(walk->target, places->transfer_caches, transfer,
                        sizeof transfer);
  for (unsigned c = 1; c < SIZE_CLASS_COUNT && error == 0; c++)
    if (transfer[c].count <= transfer[c].capacity)
      error = add_cached(walk, (uintptr_t)transfer[c].slots, transfer[c].count);
  node = error == 0 ? (uintptr_t)registry.caches.next : 0;
  for (size_t i = 0; i < registry.ncaches && error == 0 && node != 0; i++) {
    if (target_read(walk->target, node - offsetof(struct cache_owner, link),
                    &owner, sizeof owner) != 0)
      break;
    error = add_bins(walk, &owner);
    node = (uintptr_t)owner.link.next;
  }
  if (walk->ncached > 0)
    qsort(walk->cached, walk->ncached, sizeof *walk->cached, compare);
  return error;
}

/* The index of the first cached object at @address or above. */
static size_t
find_cached(const struct walk *walk, uintptr_t address)
{
  size_t low = 0, high = walk->ncached;

  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (walk->cached[middle] < address)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* ---- Spans --------------------------------------------------------------- */

static bool
span_is_sound(const union whole_span *whole, uintptr_t huge)
{
  const struct span *s = &whole->span;

  if (s->start % PAGE_SIZE != 0 || s->npages == 0)
    return false;
  if (s->class_id == 0)
    return s->slab || s->nobjs == 0;
  return s->class_id < SIZE_CLASS_COUNT && s->start >= huge &&
         span_end(s) <= huge + HUGE_PAGE_SIZE &&
         s->npages == tcmi_size_classes[s->class_id].pages &&
         s->nobjs == tcmi_size_classes[s->class_id].nobjs &&
         s->nobjs <= 64 * SPAN_WORDS && s->fresh <= s->nobjs &&
         s->nfree <= s->fresh;
}

/* What lies on each page of a span. */
struct page_marks {
  uint16_t live[SPAN_MAX_PAGES];
  uint32_t live_bytes[SPAN_MAX_PAGES];
  bool cached[SPAN_MAX_PAGES], free[SPAN_MAX_PAGES];
};

/* Marks an object in use, at [from, end) in its span. */
static void
mark_live(struct page_marks *marks, size_t from, size_t end)
{
  while (from < end) {
    size_t page = from >> PAGE_SHIFT;
    size_t next = (page + 1) << PAGE_SHIFT;
    size_t part = (next < end ? next : end) - from;
    marks->live[page] += marks->live[page] < UINT16_MAX;
    marks->live_bytes[page] += (uint32_t)part;
    from += part;
  }
}

static void
mark_objects(const struct walk *walk, const union whole_span *whole,
             struct page_marks *marks)
{
  const struct span *s = &whole->span;
  size_t size = size_class_size(s->class_id);
  size_t next = find_cached(walk, s->start);

  for (size_t i = 0; i < s->nobjs; i++) {
    uintptr_t at = s->start + i * size;
    bool is_free = i >= s->fresh || (whole->span.bits[i / 64] >> i % 64 & 1);
    bool is_cached = next < walk->ncached && walk->cached[next] == at;
    next += is_cached;
    for (size_t p = (i * size) >> PAGE_SHIFT;
         p <= ((i + 1) * size - 1) >> PAGE_SHIFT && p < s->npages; p++) {
      marks->free[p] |= is_free;
      marks->cached[p] |= is_cached && !is_free;
    }
    if (!is_free && !is_cached)
      mark_live(marks, i * size, (i + 1) * size);
  }
}

/* The index of the first guest at @address or above. */
static size_t
find_guest(const struct walk *walk, uintptr_t address)
{
  size_t low = 0, high = walk->nguests;

  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (walk->guests[middle].at < address)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* An object's share of the unused bytes on the pages that it touches. */
static double
share_of(const struct page_marks *marks, size_t from, size_t end)
{
  double sum = 0;

  for (size_t p = from >> PAGE_SHIFT; p <= (end - 1) >> PAGE_SHIFT; p++)
    if (marks->live_bytes[p] < PAGE_SIZE)
      sum += (double)(PAGE_SIZE - marks->live_bytes[p]) / marks->live[p];
  return sum;
}

/* Whether the guest is at the place of an object of the span. */
static bool
is_place(const struct span *s, const struct guest *guest)
{
  size_t size = size_class_size(s->class_id);

  return s->class_id == guest->class_id && (guest->at - s->start) % size == 0 &&
         (guest->at - s->start) / size < s->nobjs;
}

/* Marks the guests of a span as objects in use.  Several guests at one place
 * all count. */
static void
take_guests(const struct walk *walk, const union whole_span *whole,
            struct page_marks *marks)
{
  const struct span *s = &whole->span;
  size_t size = size_class_size(s->class_id);
  size_t first = find_guest(walk, s->start), i;

  for (i = first; i < walk->nguests && walk->guests[i].at < span_end(s); i++) {
    struct guest *guest = &walk->guests[i];
    size_t object = (guest->at - s->start) / size;
    size_t next = find_cached(walk, guest->at);
    bool is_free = object >= s->fresh ||
                   (whole->span.bits[object / 64] >> object % 64 & 1) ||
                   (next < walk->ncached && walk->cached[next] == guest->at);
    bool again = i > first && walk->guests[i - 1].at == guest->at;
    if (is_place(s, guest) && (is_free || again))
      mark_live(marks, object * size, (object + 1) * size);
  }
  for (i = first; i < walk->nguests && walk->guests[i].at < span_end(s); i++) {
    size_t from = walk->guests[i].at - s->start;
    if (is_place(s, &walk->guests[i]))
      walk->guests[i].share = share_of(marks, from, from + size);
  }
}

static enum page_kind
kind_of(const struct page_marks *marks, size_t page, bool dirty)
{
  if (marks->live[page] > 0)
    return marks->free[page] || marks->cached[page] ? PAGE_PARTLY : PAGE_FULL;
  if (!dirty)
    return PAGE_RETURNED;
  return marks->cached[page] ? PAGE_CACHED : PAGE_FREE;
}

static void
take_small(struct walk *walk, const union whole_span *whole, size_t first)
{
  const struct span *s = &whole->span;
  struct page_marks marks = {.live = {0}};

  mark_objects(walk, whole, &marks);
  if (walk->guests != NULL)
    take_guests(walk, whole, &marks);
  for (size_t p = 0; p < s->npages; p++) {
    bool dirty = s->dirty >> p & 1;
    walk->cells[first + p] = (struct cell){(uint8_t)kind_of(&marks, p, dirty),
                                           s->class_id, marks.live[p]};
    if (walk->cells[first + p].kind == PAGE_PARTLY)
      walk->view->partly_free[s->class_id] += PAGE_SIZE - marks.live_bytes[p];
  }
}

static void
note_large(struct walk *walk, const struct span *s)
{
  size_t next = find_cached(walk, s->start);
  bool held = next < walk->ncached && walk->cached[next] == s->start;

  walk->large_start = s->start;
  walk->large_end = span_end(s);
  walk->large_kind = held ? PAGE_CACHED : PAGE_LARGE;
  if (held)
    return;
  walk->view->large_blocks++;
  if (span_bytes(s) > walk->view->largest_bytes)
    walk->view->largest_bytes = span_bytes(s);
}

/* Reads up to BATCH spans; one that disappeared fails span_is_sound(). */
static void
read_spans(const struct walk *walk, const uintptr_t *at, size_t n,
           union whole_span *spans)
{
  struct piece pieces[BATCH];

  memset(spans, 0, n * sizeof *spans);
  for (size_t i = 0; i < n; i++)
    pieces[i] = (struct piece){at[i], &spans[i], sizeof *spans};
  if (target_read_pieces(walk->target, pieces, n) == 0)
    return;
  /* The room for the bitmap may reach past readable memory. */
  for (size_t i = 0; i < n; i++)
    if (target_read(walk->target, at[i], &spans[i], sizeof *spans) != 0)
      (void)target_read(walk->target, at[i], &spans[i].span,
                        sizeof spans[i].span);
}

/* ---- The map of pages ---------------------------------------------------- */

/* Reads from the pagemap the span of each page of a huge page. */
static bool
names_read(struct walk *walk, uintptr_t huge, uintptr_t *names)
{
  uintptr_t number = huge >> CHUNK_SHIFT, leaf = 0;
  uintptr_t root = walk->target->page.places.pagemap_root;
  size_t index = huge >> LEAF_SHIFT;

  if (walk->chunk_number != number + 1) {
    walk->chunk = 0;
    walk->chunk_number = number + 1;
    if (target_read(walk->target, root + index * sizeof leaf, &leaf,
                    sizeof leaf) != 0 ||
        leaf == 0 ||
        target_read(walk->target,
                    leaf + offsetof(struct pagemap_leaf, chunks) +
                        pagemap_chunk_index(huge) * sizeof walk->chunk,
                    &walk->chunk, sizeof walk->chunk) != 0)
      return false;
  }
  return walk->chunk != 0 &&
         target_read(walk->target,
                     walk->chunk + pagemap_span_index(huge) * sizeof *names,
                     names, HUGE_PAGE_PAGES * sizeof *names) == 0;
}

/* Only the first page of a large block names the span: fills in the others. */
static void
fill_large(struct walk *walk, uintptr_t huge, size_t from, size_t end)
{
  for (size_t p = from; p < end; p++)
    if (huge + (p << PAGE_SHIFT) >= walk->large_start &&
        huge + (p << PAGE_SHIFT) < walk->large_end)
      walk->cells[p].kind = (uint8_t)walk->large_kind;
}

static void
take_spans(struct walk *walk, uintptr_t huge, const uintptr_t *names)
{
  union whole_span spans[BATCH];
  uintptr_t at[BATCH];
  size_t page[BATCH], p = 0, done = 0;

  while (p < HUGE_PAGE_PAGES) {
    size_t n = 0;
    for (; p < HUGE_PAGE_PAGES && n < BATCH; p++)
      if (names[p] != 0 && (p == 0 || names[p] != names[p - 1])) {
        page[n] = p;
        at[n++] = names[p];
      }
    read_spans(walk, at, n, spans);
    for (size_t i = 0; i < n; i++) {
      const struct span *s = &spans[i].span;
      bool begins = s->start == huge + (page[i] << PAGE_SHIFT);
      if (!span_is_sound(&spans[i], huge) || !begins)
        continue;
      fill_large(walk, huge, done, page[i]);
      done = page[i];
      if (s->class_id == 0)
        note_large(walk, s);
      else
        take_small(walk, &spans[i], page[i]);
      done += s->class_id == 0 ? 0 : s->npages;
    }
  }
  fill_large(walk, huge, done, HUGE_PAGE_PAGES);
}

/* Sets the cells from the state of the page heap; the spans then refine
 * them. */
static void
begin_cells(struct walk *walk, const struct tables *t, size_t h)
{
  const struct huge_page *huge = &t->huge[h];
  bool whole = table_bit(t->whole, h);

  for (size_t p = 0; p < HUGE_PAGE_PAGES; p++) {
    enum page_kind kind = PAGE_UNUSED;
    if (whole || table_bit(huge->used, p))
      kind = PAGE_LARGE;
    else if (table_bit(huge->resident, p))
      kind = PAGE_IDLE;
    else if (p < t->committed[h])
      kind = PAGE_RETURNED;
    walk->cells[p] = (struct cell){(uint8_t)kind, 0, 0};
  }
}

static void
count_cells(struct walk *walk)
{
  for (size_t p = 0; p < HUGE_PAGE_PAGES; p++) {
    const struct cell *cell = &walk->cells[p];
    walk->view->count[cell->kind]++;
    walk->view->classes[cell->class_id][cell->kind]++;
  }
}

static int
walk_arena(struct walk *walk, const struct arena *arena, page_sink *sink,
           void *to)
{
  uintptr_t names[HUGE_PAGE_PAGES];
  struct tables tables = {0};
  int error = tables_read(walk->target, arena, &tables);

  for (size_t h = 0; h < arena->nhuge && error == 0; h++) {
    uintptr_t start = arena->start + (h << HUGE_PAGE_SHIFT);
    begin_cells(walk, &tables, h);
    if (table_bit(tables.busy, h) && names_read(walk, start, names))
      take_spans(walk, start, names);
    count_cells(walk);
    if (sink != NULL)
      sink(to, start, walk->cells);
  }
  tables_free(&tables);
  return error;
}

static int
walk_heap(struct walk *walk, const struct heap_view *heap, page_sink *sink,
          void *to)
{
  int error = cached_read(walk);

  *walk->view = (struct page_view){.large_blocks = 0};
  for (size_t i = 0; i < heap->narenas && error == 0; i++) {
    error = walk_arena(walk, &heap->arenas[i].arena, sink, to);
    /* The arena was removed while it was read. */
    if (error == -EFAULT && target_is_same(walk->target))
      error = 0;
  }
  return error;
}

int
pages_read(const struct target *target, const struct heap_view *heap,
           struct page_view *view, page_sink *sink, void *to)
{
  struct walk walk = {.target = target, .view = view};
  int error = walk_heap(&walk, heap, sink, to);

  for (size_t i = 0; i < heap->nmapped && error == 0; i++) {
    note_large(&walk, &heap->mapped[i]);
    view->count[walk.large_kind] += heap->mapped[i].npages;
  }
  free(walk.cached);
  return error;
}

static int
compare_guests(const void *a, const void *b)
{
  const struct guest *x = a, *y = b;

  return (x->at > y->at) - (x->at < y->at);
}

/* The share of a guest that is alone on its pages.  It applies if the span is
 * gone. */
static double
share_alone(const struct guest *guest)
{
  struct page_marks marks = {.live = {0}};
  size_t from = guest->at & (PAGE_SIZE - 1);
  size_t end = from + size_class_size(guest->class_id);

  mark_live(&marks, from, end);
  return share_of(&marks, from, end);
}

int
pages_read_guests(const struct target *target, const struct heap_view *heap,
                  struct guest *guests, size_t n)
{
  struct page_view view;
  struct walk walk = {
      .target = target, .view = &view, .guests = guests, .nguests = n};
  int error;

  for (size_t i = 0; i < n; i++)
    guests[i].share = share_alone(&guests[i]);
  if (n > 0)
    qsort(guests, n, sizeof *guests, compare_guests);
  error = walk_heap(&walk, heap, NULL, NULL);
  free(walk.cached);
  return error;
}
