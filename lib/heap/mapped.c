/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rejected: an arena for each such block.  Its descriptors and bits cost time
 * and memory for each 2 MiB: 18 ms for an untouched block of 1 TiB.
 *
 * Rejected: moving the pages of a block within the arenas.  A mapping made by
 * mremap(2) never merges with its neighbors again, so each move would leave one
 * more mapping forever.  Also, a kernel that unmaps the destination before it
 * refuses the move lets another thread map there.
 */
#include "config.h"

#include "heap/mapped.h"

#include <errno.h>

#include "base/atomics.h"
#include "base/bits.h"
#include "base/metadata.h"
#include "base/params.h"
#include "base/report.h"
#include "base/system.h"
#include "heap/arena.h"
#include "heap/hole.h"
#include "heap/page_account.h"
#include "heap/page_heap_state.h"
#include "heap/page_range.h"
#include "heap/page_room.h"
#include "heap/pagemap.h"

/* A block moves out of its arena only while there are fewer mapped blocks than
 * this.  So the program keeps half of the mappings that Linux allows by
 * default. */
#define ADOPTED_MAX 32768

struct mapped_blocks tcmi_mapped_blocks;

/* Maps memory for a block at a multiple of @align; 0 if refused. */
static uintptr_t
map_aligned(size_t size, size_t align)
{
  size_t page = tcmi_system_page_size(), slack = max_size(align, page) - page;
  uintptr_t start, begin;
  void *memory;

  if (size + slack < size || tcmi_system_map_block(size + slack, &memory) != 0)
    return 0;
  begin = (uintptr_t)memory;
  start = round_up(begin, max_size(align, page));
  /* If the kernel refuses to unmap the ends, they stay unused. */
  if (start > begin)
    (void)!tcmi_system_release(memory, start - begin);
  if (begin + slack > start)
    (void)!tcmi_system_release((void *)(start + size), begin + slack - start);
  return start;
}

/* Sets where the block of a span lies; reports read it under the lock. */
static void
place(struct span *span, uintptr_t start, size_t npages)
{
  lock_acquire(&tcmi_page_heap_lock);
  span->start = start;
  span->npages = npages;
  lock_release(&tcmi_page_heap_lock);
}

/* Prepares the pagemap for the span and enters the span there. */
static bool
enter(struct span *span, uintptr_t start, size_t npages)
{
  bool done;

  lock_acquire(&tcmi_page_heap_lock);
  done = tcmi_pagemap_reserve_large_locked(start, npages << PAGE_SHIFT);
  if (done) {
    span->start = start;
    span->npages = npages;
    span->mapped = true;
    list_push_front(&tcmi_mapped_blocks.spans, &span->link);
    tcmi_mapped_blocks.count++;
  }
  lock_release(&tcmi_page_heap_lock);
  if (done)
    tcmi_pagemap_set(span);
  return done;
}

bool
tcmi_mapped_new(struct span *span, size_t npages, size_t align_pages)
{
  size_t size = npages << PAGE_SHIFT;
  uintptr_t start;

  if (!tcmi_page_heap_charge(npages))
    return false;
  start = map_aligned(size, align_pages << PAGE_SHIFT);
  if (start == 0 && tcmi_page_heap_give_space())
    start = map_aligned(size, align_pages << PAGE_SHIFT);
  if (start != 0 && enter(span, start, npages)) {
    tcmi_page_heap_count_faulted(npages);
    return true;
  }
  if (start != 0)
    (void)!tcmi_system_release((void *)start, size);
  tcmi_page_heap_uncharge(npages);
  return false;
}

/* Unmaps memory that is no longer in the pagemap.  The kernel refuses if it can
 * split no more mappings; then only the address space is lost, not the
 * memory. */
static void
unmap(uintptr_t start, size_t npages)
{
  size_t size = npages << PAGE_SHIFT;

  if (tcmi_system_release((void *)start, size) != 0)
    (void)!tcmi_system_discard((void *)start, size);
  tcmi_page_heap_count_released(size);
  tcmi_page_heap_uncharge(npages);
}

/* Undoes enter(). */
static void
forget(struct span *span)
{
  lock_acquire(&tcmi_page_heap_lock);
  list_remove(&span->link);
  tcmi_mapped_blocks.count--;
  lock_release(&tcmi_page_heap_lock);
  tcmi_pagemap_clear(span);
  span->mapped = false;
}

bool
tcmi_mapped_enter(struct span *span, uintptr_t start, size_t npages)
{
  if (!tcmi_page_heap_charge(npages))
    return false;
  if (!enter(span, start, npages)) {
    tcmi_page_heap_uncharge(npages);
    return false;
  }
  tcmi_page_heap_count_faulted(npages);
  return true;
}

void
tcmi_mapped_leave(struct span *span)
{
  forget(span);
  tcmi_page_heap_count_released(span_bytes(span));
  tcmi_page_heap_uncharge(span->npages);
}

void
tcmi_mapped_delete(struct span *span)
{
  forget(span);
  unmap(span->start, span->npages);
  tcmi_holes_close();
}

static void
shrink(struct span *span, size_t npages)
{
  size_t old = span->npages;

  tcmi_pagemap_resize(span, npages);
  place(span, span->start, npages);
  unmap(span_end(span), old - npages);
}

/* Prepares the pagemap for a block there; false if it cannot. */
static bool
can_name(uintptr_t start, size_t npages)
{
  bool done;

  lock_acquire(&tcmi_page_heap_lock);
  done = tcmi_pagemap_reserve_large_locked(start, npages << PAGE_SHIFT);
  lock_release(&tcmi_page_heap_lock);
  return done;
}

/* A block that has moved must be entered in the pagemap, or move back.  So the
 * pagemap gets the memory that it may need before the move. */
static bool
map_is_prepared(void)
{
  bool done;

  lock_acquire(&tcmi_page_heap_lock);
  done = tcmi_pagemap_prepare_locked();
  lock_release(&tcmi_page_heap_lock);
  return done;
}

/* Whether the kernel would map @size more bytes in one piece.  It does not
 * check this when memory from an arena grows, since an arena is reserved
 * without a promise of memory. */
static bool
kernel_allows(size_t size)
{
  void *memory;

  if (size <= ARENA_MAX_SIZE)
    return true;
  if (tcmi_system_map_block(size, &memory) != 0)
    return false;
  (void)!tcmi_system_release(memory, size);
  return true;
}

/* Prepares the pagemap for the place where a mapping of @size would lie now: a
 * block that moves most likely goes there.  After the move there is no way back
 * if the OS refuses everything from then on. */
static bool
place_is_prepared(size_t size)
{
  void *place;

  /* Near an address space limit there is no room for this trial. */
  if (tcmi_system_reserve(size, NULL, &place) != 0)
    return true;
  (void)!tcmi_system_release(place, size);
  return can_name((uintptr_t)place, size >> PAGE_SHIFT);
}

/* Lets the OS grow the block of @old pages at @from.  Returns its new address;
 * or 0, and then *@is_short says whether address space was short. */
static uintptr_t
remap(uintptr_t from, size_t old, size_t npages, bool may_move, bool *is_short)
{
  size_t old_size = old << PAGE_SHIFT, size = npages << PAGE_SHIFT;
  void *to;
  int error = -ENOMEM;

  if (map_is_prepared() && kernel_allows(size - old_size) &&
      (!may_move || place_is_prepared(size)))
    error = tcmi_system_remap((void *)from, old_size, size, may_move, &to);
  *is_short = error == -ENOMEM;
  if (error != 0)
    return 0;
  if (can_name((uintptr_t)to, npages))
    return (uintptr_t)to;
  (void)!tcmi_system_release((char *)to + old_size, size - old_size);
  /* The block left this place only a moment ago. */
  CHECK((uintptr_t)to == from ||
        tcmi_system_move_back(to, (void *)from, old_size) == 0);
  return 0;
}

/* Removes the block from the pagemap meanwhile: as soon as it has moved,
 * another block may be entered at its old place. */
static bool
grow(struct span *span, size_t npages, bool may_move)
{
  size_t old = span->npages;
  uintptr_t start;
  bool is_short;

  if (!tcmi_page_heap_charge(npages - old))
    return false;
  tcmi_pagemap_clear(span);
  start = remap(span->start, old, npages, may_move, &is_short);
  if (start == 0 && may_move && is_short && tcmi_page_heap_give_space())
    start = remap(span->start, old, npages, may_move, &is_short);
  if (start != 0) {
    place(span, start, npages);
    tcmi_page_heap_count_faulted(npages - old);
  } else {
    tcmi_page_heap_uncharge(npages - old);
  }
  tcmi_pagemap_set(span);
  return start != 0;
}

bool
tcmi_mapped_resize(struct span *span, size_t npages, bool may_move)
{
  if (npages > span->npages)
    return grow(span, npages, may_move);
  if (npages < span->npages)
    shrink(span, npages);
  return true;
}

/* Whether one more block may move out of its arena. */
static bool
may_adopt(void)
{
  bool may;

  lock_acquire(&tcmi_page_heap_lock);
  may = tcmi_mapped_blocks.count < ADOPTED_MAX;
  lock_release(&tcmi_page_heap_lock);
  return may;
}

/* Moves a run out of its arena.  At the end of an arena, the OS may grow the
 * run in place instead.  Then the growth is undone, a reserved page blocks the
 * place after the run, and the move is tried once more. */
static uintptr_t
move_out(uintptr_t from, size_t old, size_t npages, bool *is_short)
{
  size_t page = tcmi_system_page_size();
  void *end = (void *)(from + (old << PAGE_SHIFT)), *wall;
  uintptr_t to = remap(from, old, npages, /*may_move=*/true, is_short);

  if (to != from)
    return to;
  (void)!tcmi_system_release(end, (npages - old) << PAGE_SHIFT);
  if (tcmi_system_reserve(page, end, &wall) != 0)
    return 0;
  to = wall == end ? remap(from, old, npages, /*may_move=*/true, is_short) : 0;
  (void)!tcmi_system_release(wall, page);
  return to;
}

static bool
adopt(struct span *span, size_t npages)
{
  uintptr_t from = span->start, to;
  size_t old = span->npages;
  bool is_short;

  if (!tcmi_page_heap_charge(npages))
    return false;
  tcmi_pagemap_clear(span);
  to = move_out(from, old, npages, &is_short);
  if (to == 0 && is_short && tcmi_page_heap_give_space())
    to = move_out(from, old, npages, &is_short);
  if (to == 0) {
    tcmi_page_heap_uncharge(npages);
    tcmi_pagemap_set(span);
    return false;
  }
  /* remap() has prepared the pagemap. */
  CHECK(enter(span, to, npages));
  tcmi_page_heap_count_faulted(npages - old);
  return true;
}

bool
tcmi_mapped_adopt(struct span *span, size_t npages)
{
  uintptr_t from = span->start;
  size_t old = span->npages;
  struct span *spare = may_adopt() ? tcmi_span_new(0) : NULL;

  if (spare == NULL)
    return false;
  if (!adopt(span, npages)) {
    tcmi_span_delete(spare);
    return false;
  }
  tcmi_hole_close(spare, from, old);
  tcmi_holes_close();
  return true;
}

size_t
tcmi_mapped_read(size_t first, struct mapped_range *ranges, size_t most)
{
  enum acquire_result result = tcmi_lock_acquire_bounded(&tcmi_page_heap_lock);
  struct list *node =
      result == ACQUIRE_BUSY ? NULL : list_first(&tcmi_mapped_blocks.spans);
  size_t n = 0;

  while (node != NULL && first-- > 0)
    node = list_after(&tcmi_mapped_blocks.spans, node);
  for (; node != NULL && n < most;
       node = list_after(&tcmi_mapped_blocks.spans, node)) {
    const struct span *span = list_entry(node, struct span, link);
    ranges[n++] = (struct mapped_range){span->start, span_bytes(span)};
  }
  if (result == ACQUIRE_TAKEN)
    tcmi_lock_release_bounded(&tcmi_page_heap_lock);
  return n;
}
