/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rejected: one tree of free runs by size and one by address.  The bitmap of a
 * huge page answers both questions, needs no merging, and shows directly which
 * huge pages to fill and which to return.
 *
 * Rejected: placing small objects on idle pages between large blocks, where
 * many are idle, before fresh pages are used.  sqlite's peak falls by 4 %,
 * nginx's grows by 4 %, and a load of mixed sizes gains or loses up to 16 %,
 * depending on which sizes come first.
 */
#include "config.h"

#include "heap/page_heap.h"

#include <string.h>

#include "base/atomics.h"
#include "base/bits.h"
#include "base/metadata.h"
#include "base/options.h"
#include "base/params.h"
#include "base/random.h"
#include "base/report.h"
#include "base/system.h"
#include "heap/arena.h"
#include "heap/clear.h"
#include "heap/huge_advice.h"
#include "heap/huge_page_filler.h"
#include "heap/mapped.h"
#include "heap/page_heap_state.h"
#include "heap/page_range.h"
#include "heap/page_room.h"
#include "heap/pagemap.h"

struct page_heap_view tcmi_page_heap_view = {&tcmi_page_heap.first,
                                             &tcmi_mapped_blocks.spans,
                                             &tcmi_page_heap.released_bytes};

/* Large blocks from 256 KiB to below 8 MiB may cross huge page borders.  The
 * search for a place looks at up to ACROSS_STEPS huge pages.  Larger blocks
 * begin at a border: the gap that this leaves costs less than splitting the
 * room of other blocks. */
#define ACROSS_FIRST 64
#define ACROSS_END 2048
#define ACROSS_STEPS 1024

/* Takes and commits a run; 0 when the hard limit or the OS refuses the
 * memory. */
static uintptr_t
range_use_locked(struct arena *arena, size_t first, size_t n,
                 enum run_kind kind)
{
  size_t idle = tcmi_page_counts.idle;
  bool fresh = kind == RUN_SMALL && tcmi_huge_is_fresh_locked(arena, first, n);

  lock_assert_held(&tcmi_page_heap_lock);
  tcmi_range_take_locked(arena, first, n, kind);
  /* Pages that were idle are already counted. */
  if (idle - tcmi_page_counts.idle < n && tcmi_over_hard_limit(0)) {
    counter_add(&tcmi_page_counts.hard_hits, 1);
  } else if (tcmi_arena_commit_locked(arena, first, n)) {
    if (fresh)
      tcmi_huge_advise_locked(arena, first / HUGE_PAGE_PAGES);
    return arena_address(arena, first);
  }
  tcmi_range_give_locked(arena, first, n, RESIDENCY_KEPT);
  tcmi_page_heap.refused = true;
  return 0;
}

/* The first of @count consecutive empty huge pages, aligned to @align pages;
 * nhuge if there is none. */
static size_t
empty_run_locked(const struct arena *arena, size_t count, size_t align)
{
  size_t step = max_size(align / HUGE_PAGE_PAGES, 1), h = 0;
  size_t skew = (arena->start >> HUGE_PAGE_SHIFT) & (step - 1);

  lock_assert_held(&tcmi_page_heap_lock);
  while (h + count <= arena->nhuge) {
    size_t end;
    h = bits_find(arena->busy, h, arena->nhuge, false);
    h = round_up(h + skew, step) - skew;
    if (h + count > arena->nhuge)
      break;
    end = bits_find(arena->busy, h, h + count, true);
    if (end == h + count)
      return h;
    h = end;
  }
  return arena->nhuge;
}

/* Allocates a run that begins with an empty huge page. */
static uintptr_t
alloc_in_empty_locked(size_t n, size_t align, enum run_kind kind)
{
  size_t count = (n + HUGE_PAGE_PAGES - 1) / HUGE_PAGE_PAGES;
  struct arena *arena;

  lock_assert_held(&tcmi_page_heap_lock);
  if (count == 1 && align <= HUGE_PAGE_PAGES)
    for (arena = tcmi_page_heap.first; arena != NULL; arena = arena->next)
      if (arena->nwarm > 0)
        return range_use_locked(arena,
                                bits_find(arena->warm, 0, arena->nhuge, true) *
                                    HUGE_PAGE_PAGES,
                                n, kind);
  for (arena = tcmi_page_heap.first; arena != NULL; arena = arena->next) {
    size_t h = arena->nhuge - arena->nbusy < count
                   ? arena->nhuge
                   : empty_run_locked(arena, count, align);
    if (h < arena->nhuge)
      return range_use_locked(arena, h * HUGE_PAGE_PAGES, n, kind);
  }
  return 0;
}

/* Allocates a run inside a huge page that is partly in use. */
static uintptr_t
alloc_in_filler_locked(size_t n, size_t align, enum run_kind kind)
{
  size_t first;
  struct huge_page *huge;

  lock_assert_held(&tcmi_page_heap_lock);
  if (n > HUGE_PAGE_PAGES || align > HUGE_PAGE_PAGES)
    return 0;
  huge = tcmi_filler_find_locked(kind, n, align, &first);
  if (huge == NULL)
    return 0;
  first += (size_t)(huge - huge->arena->huge_pages) * HUGE_PAGE_PAGES;
  return range_use_locked(huge->arena, first, n, kind);
}

/* Where the first arena should lie: low in a pagemap row below the libraries,
 * so that later arenas can follow in the same row.  The offset is random, so
 * that the address of a library does not reveal it. */
static uintptr_t
first_arena_hint(const void *mapping)
{
  uintptr_t near = (uintptr_t)mapping;

  if (ADDRESS_BITS == 32 || near / 4 < ROW_SIZE)
    return 0;
  return round_down(near - ROW_SIZE, LEAF_SIZE) +
         ((tcmi_random(RANDOM_FIRST_ARENA) >> 54) << HUGE_PAGE_SHIFT);
}

/* Reserves an arena of *@size bytes.  If the OS refuses, unmaps unused address
 * space, then tries smaller sizes down to @least.  Sets *@size to the size of
 * the arena. */
static struct arena *
reserve_some_locked(size_t *size, size_t least)
{
  bool gave = false;
  struct arena *arena;

  lock_assert_held(&tcmi_page_heap_lock);
  for (;;) {
    uintptr_t hint = tcmi_page_heap.last != NULL
                         ? arena_end(tcmi_page_heap.last)
                         : first_arena_hint(&tcmi_page_heap);
    arena = tcmi_arena_new_locked(*size, hint);
    /* When memory is refused, a smaller reservation does not help. */
    if (arena != NULL || tcmi_arena_counts.commit_refused)
      return arena;
    if (!gave && (gave = tcmi_page_heap_give_space_locked()))
      continue;
    if (*size <= least)
      return NULL;
    *size = max_size(*size / 2, least);
  }
}

/* Reserves an arena that holds @need bytes.  It has the next arena size, or
 * less if the OS refuses that.  For a large run, it tries no less: near a limit
 * the run gets a mapping of exactly its size, see large.c. */
static bool
reserve_locked(size_t need, enum run_kind kind)
{
  size_t due = tcmi_page_heap.next_arena_size != 0
                   ? tcmi_page_heap.next_arena_size
                   : tcmi_option(OPTION_arena_bytes);
  size_t wanted = need > ARENA_MAX_SIZE ? need : max_size(due, need);
  size_t least = round_up(need, HUGE_PAGE_SIZE), size = wanted;
  struct arena *arena;

  lock_assert_held(&tcmi_page_heap_lock);
  if (kind == RUN_LARGE && need >= HUGE_PAGE_SIZE)
    least = wanted;
  arena = reserve_some_locked(&size, least);
  if (arena == NULL) {
    tcmi_page_heap.next_arena_size = min_size(due, max_size(size, least));
    return false;
  }
  if (tcmi_page_heap.last == NULL)
    /* Pairs with the acquire in tcmi_page_heap_base(). */
    atomic_store_release(&tcmi_page_heap.first, arena);
  else
    tcmi_page_heap.last->next = arena;
  tcmi_page_heap.last = arena;
  /* Do not ask for a refused size again. */
  tcmi_page_heap.next_arena_size =
      size < wanted ? size : min_size(due * 2, ARENA_MAX_SIZE);
  return true;
}

/* Allocates the lowest run that fits; it may cross huge page borders.  This
 * packs large blocks; if each began at a border, each would leave a gap. */
static uintptr_t
alloc_across_locked(size_t n, enum run_kind kind)
{
  size_t most = ACROSS_STEPS;

  lock_assert_held(&tcmi_page_heap_lock);
  for (struct arena *arena = tcmi_page_heap.first; arena != NULL;
       arena = arena->next) {
    size_t first = tcmi_arena_find_run_locked(arena, n, &most);
    if (first != NO_PAGE)
      return range_use_locked(arena, first, n, kind);
  }
  return 0;
}

static uintptr_t
alloc_locked(size_t n, size_t align, enum run_kind kind)
{
  size_t slack = align > HUGE_PAGE_PAGES ? align : 0;
  enum run_kind other = kind == RUN_SMALL ? RUN_LARGE : RUN_SMALL;
  uintptr_t start;

  lock_assert_held(&tcmi_page_heap_lock);
  tcmi_page_heap.refused = false;
  if (kind == RUN_LARGE && n >= ACROSS_FIRST && n < ACROSS_END && align == 1)
    start = alloc_across_locked(n, kind);
  else
    start = alloc_in_filler_locked(n, align, kind);
  if (start == 0)
    start = alloc_in_empty_locked(n, align, kind);
  if (start == 0)
    start = alloc_in_filler_locked(n, align, other);
  /* Do not reserve address space when the hard limit would refuse the
   * memory. */
  if (start == 0 && !tcmi_page_heap.refused &&
      tcmi_over_hard_limit(n << PAGE_SHIFT)) {
    counter_add(&tcmi_page_counts.hard_hits, 1);
    return 0;
  }
  if (start == 0 && !tcmi_page_heap.refused &&
      reserve_locked((n + slack) << PAGE_SHIFT, kind))
    start = alloc_in_empty_locked(n, align, kind);
  return start;
}

uintptr_t
tcmi_page_heap_alloc(size_t npages, size_t align, enum run_kind kind)
{
  uintptr_t start;
  size_t fresh;

  ASSERT(npages > 0 && is_power_of_two(align));
  lock_acquire(&tcmi_page_heap_lock);
  fresh = tcmi_page_counts.faulted;
  start = alloc_locked(npages, align, kind);
  fresh = tcmi_page_counts.faulted - fresh;
  lock_release(&tcmi_page_heap_lock);
  if (unlikely(fresh >= FRESH_RETURN_SIZE >> PAGE_SHIFT) && start != 0)
    (void)tcmi_page_heap_release(fresh << PAGE_SHIFT);
  return start;
}

void
tcmi_page_heap_free(uintptr_t start, size_t npages, enum residency residency)
{
  struct arena *arena = pagemap_arena(start);

  lock_acquire(&tcmi_page_heap_lock);
  tcmi_range_give_locked(arena, arena_page(arena, start), npages, residency);
  lock_release(&tcmi_page_heap_lock);
}

/* The resident bits of up to 32 pages inside one huge page. */
static uint32_t
resident_word_locked(const struct huge_page *huge, size_t first, size_t n)
{
  lock_assert_held(&tcmi_page_heap_lock);
  return (uint32_t)bits_get_range(huge->resident, first, n);
}

uintptr_t
tcmi_page_heap_alloc_dirty(size_t npages, size_t object_size, uint32_t *dirty)
{
  uintptr_t start;

  lock_acquire(&tcmi_page_heap_lock);
  tcmi_huge_count_span_locked(npages, object_size);
  start = alloc_locked(npages, 1, RUN_SMALL);
  if (start != 0) {
    struct arena *arena = pagemap_arena(start);
    size_t page = arena_page(arena, start);
    *dirty = resident_word_locked(&arena->huge_pages[page / HUGE_PAGE_PAGES],
                                  page % HUGE_PAGE_PAGES, npages);
  }
  lock_release(&tcmi_page_heap_lock);
  return start;
}

static void
free_dirty_locked(const struct span *span)
{
  struct arena *arena = pagemap_arena(span->start);
  size_t page = arena_page(arena, span->start);
  struct huge_page *huge = &arena->huge_pages[page / HUGE_PAGE_PAGES];
  size_t first = page % HUGE_PAGE_PAGES;

  lock_assert_held(&tcmi_page_heap_lock);
  bits_put_range(huge->resident, first, span->npages, span->dirty);
  tcmi_range_give_locked(arena, page, span->npages, RESIDENCY_KEPT);
}

void
tcmi_page_heap_free_dirty(struct span *const *spans, unsigned n)
{
  lock_acquire(&tcmi_page_heap_lock);
  for (unsigned i = 0; i < n; i++)
    free_dirty_locked(spans[i]);
  lock_release(&tcmi_page_heap_lock);
}

bool
tcmi_page_heap_extend(uintptr_t start, size_t npages, size_t new_npages)
{
  struct arena *arena = pagemap_arena(start);
  size_t first = arena_page(arena, start) + npages;
  bool done;

  lock_acquire(&tcmi_page_heap_lock);
  done = tcmi_range_is_free_locked(arena, first, new_npages - npages) &&
         range_use_locked(arena, first, new_npages - npages, RUN_LARGE) != 0;
  lock_release(&tcmi_page_heap_lock);
  return done;
}

/* The pages of a run between the first and the last that may hold memory. */
struct held_pages {
  uintptr_t start, end; /* [const] addresses; 0 and 0 for none */
  size_t npages;        /* [const] pages in between that may hold memory */
};

static void
part_find_held_locked(struct arena *arena, struct page_part part,
                      struct held_pages *held)
{
  const uint64_t *resident = arena->huge_pages[part.h].resident;
  size_t end = part.first + part.n;
  size_t first = bits_find(resident, part.first, end, true);
  size_t last = bits_end_before(resident, end);

  lock_assert_held(&tcmi_page_heap_lock);
  if (first == end)
    return;
  if (held->npages == 0)
    held->start = arena_address(arena, part.h * HUGE_PAGE_PAGES + first);
  held->end = arena_address(arena, part.h * HUGE_PAGE_PAGES + last);
  held->npages += bits_count_range(resident, first, last - first);
}

/* Clears those pages of an allocated part that may hold memory. */
static void
part_clear(struct arena *arena, struct page_part part)
{
  uint64_t resident[HUGE_PAGE_WORDS];
  size_t end = part.first + part.n, first;

  lock_acquire(&tcmi_page_heap_lock);
  memcpy(resident, arena->huge_pages[part.h].resident, sizeof resident);
  lock_release(&tcmi_page_heap_lock);
  for (first = bits_find(resident, part.first, end, true); first < end;) {
    size_t stop = bits_find(resident, first, end, false);
    memset((void *)arena_address(arena, part.h * HUGE_PAGE_PAGES + first), 0,
           (stop - first) << PAGE_SHIFT);
    first = bits_find(resident, stop, end, true);
  }
}

/* Discards all of it with one system call where that is best: one call per
 * piece costs more than the clean pages between the pieces. */
void
tcmi_page_heap_clear(uintptr_t start, size_t npages)
{
  struct arena *arena = pagemap_arena(start);
  size_t first = arena_page(arena, start), end = first + npages;
  struct held_pages held = {0};
  struct page_part part;

  lock_acquire(&tcmi_page_heap_lock);
  for (size_t page = first; page < end; page += part.n) {
    part = page_part_at(page, end);
    part_find_held_locked(arena, part, &held);
  }
  lock_release(&tcmi_page_heap_lock);
  if (held.npages << PAGE_SHIFT >= CLEAR_BY_DISCARD_SIZE &&
      tcmi_clear_sparse((void *)held.start, held.end - held.start))
    return;
  for (size_t page = first; held.npages > 0 && page < end; page += part.n) {
    part = page_part_at(page, end);
    part_clear(arena, part);
  }
}

void
tcmi_page_heap_stats(struct page_heap_stats *stats)
{
  lock_acquire(&tcmi_page_heap_lock);
  stats->used_bytes = tcmi_page_counts.used << PAGE_SHIFT;
  stats->idle_bytes = tcmi_page_counts.idle << PAGE_SHIFT;
  stats->returned_bytes =
      arena_committed_bytes() - stats->used_bytes - stats->idle_bytes;
  stats->released_bytes = tcmi_page_heap.released_bytes;
  lock_release(&tcmi_page_heap_lock);
}

bool
tcmi_page_heap_arena(size_t index, struct arena_range *range)
{
  enum acquire_result result = tcmi_lock_acquire_bounded(&tcmi_page_heap_lock);
  struct arena *arena = result == ACQUIRE_BUSY ? NULL : tcmi_page_heap.first;

  while (arena != NULL && index-- > 0)
    arena = arena->next;
  if (arena != NULL)
    *range = (struct arena_range){arena->start, arena->nhuge << HUGE_PAGE_SHIFT,
                                  (uintptr_t)arena, arena->bytes};
  if (result == ACQUIRE_TAKEN)
    tcmi_lock_release_bounded(&tcmi_page_heap_lock);
  return arena != NULL;
}

uintptr_t
tcmi_page_heap_base(void)
{
  const struct arena *first = atomic_load_acquire(&tcmi_page_heap.first);

  return first == NULL ? 0 : first->start;
}

static size_t
verify_huge_page_locked(const struct arena *arena, size_t h)
{
  const struct huge_page *huge = &arena->huge_pages[h];
  size_t used = bits_count_range(huge->used, 0, HUGE_PAGE_PAGES);

  lock_assert_held(&tcmi_page_heap_lock);
  CHECK(used == huge->nused);
  if (bit_get(arena->whole, h)) {
    CHECK(bit_get(arena->busy, h) && used == 0);
    return HUGE_PAGE_PAGES;
  }
  CHECK(bit_get(arena->busy, h) == (used > 0));
  CHECK(bit_get(arena->warm, h) ==
        (used == 0 && tcmi_huge_page_idle_pages(huge) > 0));
  CHECK((huge->bucket != 0) == (used > 0 && huge->longest > 0));
  CHECK(used == 0 || huge->longest == tcmi_huge_page_longest(huge));
  CHECK(bits_find(huge->used, arena->committed[h], HUGE_PAGE_PAGES, true) ==
        HUGE_PAGE_PAGES);
  return used;
}

void
tcmi_page_heap_verify(void)
{
  size_t used, idle = 0;

  lock_acquire(&tcmi_page_heap_lock);
  used = tcmi_page_heap.mapped_pages;
  for (struct arena *arena = tcmi_page_heap.first; arena != NULL;
       arena = arena->next) {
    CHECK(arena->nbusy == bits_count_range(arena->busy, 0, arena->nhuge));
    CHECK(arena->nwarm == bits_count_range(arena->warm, 0, arena->nhuge));
    for (size_t h = 0; h < arena->nhuge; h++) {
      used += verify_huge_page_locked(arena, h);
      if (!bit_get(arena->whole, h))
        idle += tcmi_huge_page_idle_pages(&arena->huge_pages[h]);
    }
  }
  CHECK(used == tcmi_page_counts.used + tcmi_page_counts.set_aside);
  CHECK(idle == tcmi_page_counts.idle);
  CHECK((used + idle) << PAGE_SHIFT <= arena_committed_bytes());
  lock_release(&tcmi_page_heap_lock);
}
