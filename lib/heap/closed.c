/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rejected: walls, see tcmi_system_wall().  They split no mapping, but the
 * kernel writes an entry for each page of a block, touched or not, and refuses
 * them in locked memory; older kernels have none.  Eight blocks take at most 16
 * mappings.
 *
 * Rejected: counting the frees between two closed blocks.  All threads would
 * write one word, or a thread that frees few blocks would never close one.
 */
#include "config.h"

#include "heap/closed.h"

#include "base/atomics.h"
#include "base/bits.h"
#include "base/lock.h"
#include "base/options.h"
#include "base/random.h"
#include "base/report.h"
#include "base/system.h"
#include "heap/page_heap.h"
#include "heap/page_heap_state.h"
#include "heap/pagemap.h"

struct closed_blocks tcmi_closed;

/* State of the random sequence; 0 until it is first needed. [owner thread] */
static __thread uint64_t random_state;

bool
tcmi_closed_wants(size_t bytes)
{
  uint64_t every = tcmi_option(OPTION_close_freed);

  if (bytes < CLOSED_MIN_SIZE || bytes >= CLOSED_END_SIZE || every == 0)
    return false;
  if (atomic_load_relaxed(&tcmi_closed.tries) < CLOSED_FIRST)
    return true;
  if (random_state == 0)
    random_state = tcmi_random(RANDOM_CLOSED) + lock_self();
  return tcmi_random_next(&random_state) % every == 0;
}

static struct closed_block *
block_at_locked(size_t i)
{
  lock_assert_held(&tcmi_page_heap_lock);
  return &tcmi_closed.blocks[(tcmi_closed.first + i) % CLOSED_MAX];
}

/* Makes the oldest block a free run; false if there is none, or the OS
 * refuses. */
static bool
open_oldest_locked(void)
{
  struct closed_block *block = block_at_locked(0);
  struct arena *arena;

  lock_assert_held(&tcmi_page_heap_lock);
  if (tcmi_closed.count == 0 ||
      tcmi_system_reopen((void *)block->start, closed_bytes(block)) != 0)
    return false;
  arena = pagemap_arena(block->start);
  range_set_back_locked(block->npages);
  tcmi_range_give_locked(arena, arena_page(arena, block->start), block->npages,
                         (enum residency)block->residency);
  atomic_store_relaxed(&block->start, 0);
  tcmi_closed.first = (tcmi_closed.first + 1) % CLOSED_MAX;
  tcmi_closed.count--;
  return true;
}

static bool
open_oldest(void)
{
  bool opened;

  lock_acquire(&tcmi_page_heap_lock);
  opened = open_oldest_locked();
  lock_release(&tcmi_page_heap_lock);
  return opened;
}

bool
tcmi_closed_open_all(void)
{
  unsigned n = 0;

  /* Other threads may close more meanwhile. */
  while (n < CLOSED_MAX && open_oldest())
    n++;
  return n > 0;
}

/* Whether the kernel may use a huge page for a part of the run. */
static bool
is_advised_locked(uintptr_t start, size_t npages)
{
  const struct arena *arena = pagemap_arena(start);
  size_t first = arena_page(arena, start);

  lock_assert_held(&tcmi_page_heap_lock);
  return bits_find(arena->advised, first / HUGE_PAGE_PAGES,
                   (first + npages - 1) / HUGE_PAGE_PAGES + 1,
                   true) <= (first + npages - 1) / HUGE_PAGE_PAGES;
}

/* Whether the run may be closed; makes room in the queue for it. */
static bool
make_room(uintptr_t start, size_t npages)
{
  bool may;

  lock_acquire(&tcmi_page_heap_lock);
  counter_add(&tcmi_closed.tries, 1);
  may = !is_advised_locked(start, npages) &&
        (tcmi_closed.count < CLOSED_MAX || open_oldest_locked());
  lock_release(&tcmi_page_heap_lock);
  return may;
}

/* Makes the run inaccessible, then returns its memory: in this order, no late
 * write leaves data in pages that count as zero.  If the OS refuses one of the
 * two, the run is opened again; returns whether it is closed. */
static bool
shut(uintptr_t start, size_t size, enum residency *residency)
{
  *residency = RESIDENCY_FULL;
  if (tcmi_system_close((void *)start, size) == 0 &&
      tcmi_system_discard((void *)start, size) == 0) {
    *residency = RESIDENCY_NONE;
    return true;
  }
  return tcmi_system_reopen((void *)start, size) != 0;
}

static void
add(uintptr_t start, size_t npages, const void *from, enum residency residency)
{
  struct closed_block *block;

  lock_acquire(&tcmi_page_heap_lock);
  block = block_at_locked(tcmi_closed.count++);
  atomic_store_relaxed(&block->npages, (uint16_t)npages);
  atomic_store_relaxed(&block->from, (uintptr_t)from);
  atomic_store_relaxed(&block->thread, lock_self());
  block->residency = (uint16_t)residency;
  atomic_store_release(&block->start, start);
  range_set_aside_locked(npages);
  if (residency == RESIDENCY_NONE)
    counter_add(&tcmi_page_heap.released_bytes, npages << PAGE_SHIFT);
  lock_release(&tcmi_page_heap_lock);
}

bool
tcmi_closed_enter(uintptr_t start, size_t npages, const void *from)
{
  enum residency residency;
  bool closed;

  if (!lock_try_acquire(&tcmi_trim_lock))
    return false;
  closed =
      make_room(start, npages) && shut(start, npages << PAGE_SHIFT, &residency);
  if (closed)
    add(start, npages, from, residency);
  lock_release(&tcmi_trim_lock);
  return closed;
}

const struct closed_block *
tcmi_closed_find(uintptr_t address)
{
  for (size_t i = 0; i < CLOSED_MAX; i++) {
    const struct closed_block *block = &tcmi_closed.blocks[i];
    uintptr_t start = atomic_load_acquire(&block->start);
    if (start != 0 && address - start < closed_bytes(block))
      return block;
  }
  return NULL;
}
