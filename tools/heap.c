/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds the parts of the heap, and how much of them is resident.
 */
#include "shapes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The maximum length of each list: a longer one was changed while it was
 * read. */
#define ARENAS_MAX ((size_t)1 << 18)
#define REGIONS_MAX ((size_t)1 << 22)
#define MAPPED_MAX ((size_t)1 << 22)
/* Entries of /proc/PID/pagemap read at once. */
#define ENTRIES 8192
#define ENTRY_PRESENT ((uint64_t)1 << 63)
#define ENTRY_SWAPPED ((uint64_t)1 << 62)

static bool
arena_is_sound(const struct arena *arena)
{
  size_t nhuge = arena->nhuge;

  return arena->start != 0 && arena->start % HUGE_PAGE_SIZE == 0 && nhuge > 0 &&
         nhuge <= (size_t)1 << (ADDRESS_BITS - HUGE_PAGE_SHIFT) &&
         arena->nbusy <= nhuge && arena->nwarm <= nhuge;
}

static int
arenas_read(const struct target *target, struct heap_view *heap)
{
  struct page_heap_view view;
  uintptr_t at = 0;
  int error = shape_read(target, STRUCT_page_heap_view,
                         target->page.places.page_heap_view, &view);

  if (error == 0)
    error = target_read(target, (uintptr_t)view.first, &at, sizeof at);
  while (error == 0 && at != 0 && heap->narenas < ARENAS_MAX) {
    struct arena_view *more =
        realloc(heap->arenas, (heap->narenas + 1) * sizeof *heap->arenas);
    if (more == NULL)
      return -ENOMEM;
    heap->arenas = more;
    error = shape_read(target, STRUCT_arena, at, &more[heap->narenas].arena);
    if (error != 0 || !arena_is_sound(&more[heap->narenas].arena))
      break;
    more[heap->narenas].address = at;
    at = (uintptr_t)more[heap->narenas++].arena.next;
  }
  return error;
}

/* Reads the spans of blocks with their own mapping. */
static int
mapped_read(const struct target *target, struct heap_view *heap)
{
  struct page_heap_view view;
  struct list head;
  uintptr_t node;
  int error = shape_read(target, STRUCT_page_heap_view,
                         target->page.places.page_heap_view, &view);

  if (error == 0)
    error = shape_read(target, STRUCT_list, (uintptr_t)view.mapped, &head);
  node = error == 0 ? (uintptr_t)head.next : 0;
  while (error == 0 && node != 0 && node != (uintptr_t)view.mapped) {
    struct span *more =
        realloc(heap->mapped, (heap->nmapped + 1) * sizeof *heap->mapped);
    if (more == NULL)
      return -ENOMEM;
    heap->mapped = more;
    error = shape_read(target, STRUCT_span,
                       node - shape_offset(target, FIELD_span_link),
                       &more[heap->nmapped]);
    if (error != 0)
      break;
    /* The block was freed while it was read: its link is invalid. */
    if (!more[heap->nmapped].mapped || heap->nmapped >= MAPPED_MAX)
      return -EFAULT;
    node = (uintptr_t)more[heap->nmapped++].link.next;
  }
  return error;
}

/* ---- What is resident ---------------------------------------------------- */

static void
count_entries(struct heap_view *heap, const uint64_t *entries, size_t n,
              size_t page)
{
  for (size_t i = 0; i < n; i++) {
    if (entries[i] & ENTRY_PRESENT)
      heap->resident += page;
    else if (entries[i] & ENTRY_SWAPPED)
      heap->swapped += page;
  }
}

/* Counts the resident pages of a range; false if the kernel does not say. */
static bool
count_range(struct heap_view *heap, int pagemap, uintptr_t start, size_t size)
{
  static uint64_t entries[ENTRIES];
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  uintptr_t first = start / page, end = (start + size + page - 1) / page;

  while (first < end) {
    size_t part = end - first < ENTRIES ? end - first : ENTRIES;
    ssize_t got = pread(pagemap, entries, part * sizeof *entries,
                        (off_t)(first * sizeof *entries));
    if (got < (ssize_t)sizeof *entries)
      return false;
    count_entries(heap, entries, (size_t)got / sizeof *entries, page);
    first += (size_t)got / sizeof *entries;
  }
  return true;
}

static bool
count_regions(const struct target *target, struct heap_view *heap, int pagemap)
{
  struct metadata_counts counts;
  struct metadata_region region;
  uintptr_t at;
  size_t n = 0;

  if (shape_read(target, STRUCT_metadata_counts,
                 target->page.places.metadata_counts, &counts) != 0)
    return false;
  for (at = (uintptr_t)counts.regions; at != 0; at = (uintptr_t)region.next)
    if (n++ > REGIONS_MAX ||
        shape_read(target, STRUCT_metadata_region, at, &region) != 0 ||
        !count_range(heap, pagemap, at, region.bytes))
      return false;
  return true;
}

/* Counts a leaf and the chunks that it points to. */
static bool
count_leaf(const struct target *target, struct heap_view *heap, int pagemap,
           uintptr_t leaf)
{
  uintptr_t chunks[LEAF_CHUNKS], words;
  bool done =
      target_read(target,
                  leaf + shape_offset(target, FIELD_pagemap_leaf_chunks),
                  chunks, sizeof chunks) == 0 &&
      target_read(target, leaf + shape_offset(target, FIELD_pagemap_leaf_words),
                  &words, sizeof words) == 0 &&
      count_range(heap, pagemap, words, LEAF_PAGES * sizeof(uint16_t)) &&
      count_range(heap, pagemap, leaf, shape_size(target, STRUCT_pagemap_leaf));

  for (size_t i = 0; i < LEAF_CHUNKS && done; i++)
    if (chunks[i] != 0)
      done = count_range(heap, pagemap, chunks[i],
                         shape_size(target, STRUCT_pagemap_chunk));
  return done;
}

static bool
count_leaves(const struct target *target, struct heap_view *heap, int pagemap)
{
  uintptr_t *root = malloc(ROOT_LENGTH * sizeof *root);
  bool done =
      root != NULL && target_read(target, target->page.places.pagemap_root,
                                  root, ROOT_LENGTH * sizeof *root) == 0;

  for (size_t i = 0; i < ROOT_LENGTH && done; i++)
    if (root[i] != 0)
      done = count_leaf(target, heap, pagemap, root[i]);
  free(root);
  return done;
}

static bool
count_arenas(struct heap_view *heap, int pagemap)
{
  for (size_t i = 0; i < heap->narenas; i++) {
    const struct arena *arena = &heap->arenas[i].arena;
    if (!count_range(heap, pagemap, arena->start,
                     arena->nhuge << HUGE_PAGE_SHIFT) ||
        (arena->bytes >= METADATA_OWN_MAPPING &&
         !count_range(heap, pagemap, heap->arenas[i].address, arena->bytes)))
      return false;
  }
  return true;
}

static bool
count_mapped(struct heap_view *heap, int pagemap)
{
  for (size_t i = 0; i < heap->nmapped; i++)
    if (!count_range(heap, pagemap, heap->mapped[i].start,
                     span_bytes(&heap->mapped[i])))
      return false;
  return true;
}

static bool
is_in_arena(const struct heap_view *heap, uintptr_t start, uintptr_t end)
{
  for (size_t i = 0; i < heap->narenas; i++)
    if (start < arena_end(&heap->arenas[i].arena) &&
        end > heap->arenas[i].arena.start)
      return true;
  return false;
}

/* The kernel reports huge pages only per mapping. */
static void
count_huge(const struct target *target, struct heap_view *heap)
{
  char path[64], line[4096];
  unsigned long start, end, kilobytes;
  bool inside = false;
  FILE *file;

  snprintf(path, sizeof path, "/proc/%d/smaps", (int)target->pid);
  file = fopen(path, "re");
  if (file == NULL)
    return;
  while (fgets(line, sizeof line, file) != NULL) {
    if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
      inside = is_in_arena(heap, start, end);
    else if (inside && sscanf(line, "AnonHugePages: %lu kB", &kilobytes) == 1)
      heap->huge += (uint64_t)kilobytes << 10;
  }
  fclose(file);
}

static void
count_process(const struct target *target, struct heap_view *heap)
{
  unsigned long size, resident;
  char path[64];
  FILE *file;

  snprintf(path, sizeof path, "/proc/%d/statm", (int)target->pid);
  file = fopen(path, "re");
  if (file == NULL)
    return;
  if (fscanf(file, "%lu %lu", &size, &resident) == 2)
    heap->process_resident =
        (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
  fclose(file);
}

static void
residency_read(const struct target *target, struct heap_view *heap)
{
  char path[64];
  int pagemap;

  snprintf(path, sizeof path, "/proc/%d/pagemap", (int)target->pid);
  pagemap = open(path, O_RDONLY | O_CLOEXEC);
  if (pagemap >= 0) {
    heap->known = count_arenas(heap, pagemap) && count_mapped(heap, pagemap) &&
                  count_regions(target, heap, pagemap) &&
                  count_leaves(target, heap, pagemap);
    close(pagemap);
  }
  count_huge(target, heap);
  count_process(target, heap);
}

enum status
heap_read(const struct target *target, struct heap_view *heap)
{
  int error;

  *heap = (struct heap_view){0};
  /* The list cannot be followed if an arena is removed while it is read. */
  for (int tries = 0; tries < 10; tries++) {
    heap_free(heap);
    error = arenas_read(target, heap);
    if (error == 0)
      error = mapped_read(target, heap);
    if (error != -EFAULT)
      break;
  }
  if (error != 0) {
    heap_free(heap);
    return target_failed(target, error);
  }
  if (target->core == NULL)
    residency_read(target, heap);
  return STATUS_OK;
}

void
heap_free(struct heap_view *heap)
{
  free(heap->arenas);
  heap->arenas = NULL;
  heap->narenas = 0;
  free(heap->mapped);
  heap->mapped = NULL;
  heap->nmapped = 0;
}
