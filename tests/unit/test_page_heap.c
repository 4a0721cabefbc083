/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "base/metadata.h"
#include "base/options.h"
#include "base/params.h"
#include "heap/arena.h"
#include "heap/huge_advice.h"
#include "heap/page_heap.h"
#include "heap/page_room.h"
#include "heap/pagemap.h"

#define MIB ((size_t)1 << 20)

static uintptr_t
alloc(size_t npages, size_t align, enum run_kind kind)
{
  uintptr_t start = tcmi_page_heap_alloc(npages, align, kind);

  must_for(start != 0, "%zu pages", npages);
  must(start % (align << PAGE_SHIFT) == 0);
  return start;
}

static struct page_heap_stats
stats_now(void)
{
  struct page_heap_stats stats;

  tcmi_page_heap_verify();
  tcmi_page_heap_stats(&stats);
  must(stats.used_bytes + stats.idle_bytes + stats.returned_bytes ==
       arena_committed_bytes());
  must(stats.used_bytes == tcmi_page_heap_used_bytes());
  return stats;
}

/* The resident pages of the run, as the kernel reports them. */
static size_t
resident_pages(uintptr_t start, size_t npages)
{
  size_t page = (size_t)sysconf(_SC_PAGESIZE), n = 0, i;
  size_t count = (npages << PAGE_SHIFT) / page;
  unsigned char *map = malloc(count);

  ck_assert_int_eq(mincore((void *)start, npages << PAGE_SHIFT, map), 0);
  for (i = 0; i < count; i++)
    n += map[i] & 1;
  free(map);
  return n * (page >> PAGE_SHIFT);
}

static void
touch(uintptr_t start, size_t npages)
{
  size_t i;

  for (i = 0; i < npages; i++)
    *(unsigned char *)(start + (i << PAGE_SHIFT)) = 0xee;
}

static bool
is_zero(uintptr_t start, size_t npages)
{
  return memory_is_zero((void *)start, npages << PAGE_SHIFT);
}

START_TEST(nothing_before_the_first_run)
{
  struct page_heap_stats stats = stats_now();

  ck_assert_uint_eq(stats.used_bytes, 0);
  ck_assert_uint_eq(stats.idle_bytes, 0);
  ck_assert_uint_eq(stats.returned_bytes, 0);
  ck_assert_uint_eq(tcmi_page_heap_base(), 0);
  ck_assert_uint_eq(tcmi_page_heap_release(SIZE_MAX), 0);
  ck_assert_uint_eq(arena_reserved_bytes(), 0);
}
END_TEST

START_TEST(one_run)
{
  uintptr_t start = alloc(3, 1, RUN_SMALL);

  ck_assert_uint_eq(tcmi_page_heap_base(), pagemap_arena(start)->start);
  ck_assert_uint_eq(stats_now().used_bytes, 3 * PAGE_SIZE);
  ck_assert(is_zero(start, 3));
  touch(start, 3);
  tcmi_page_heap_free(start, 3, RESIDENCY_FULL);
  ck_assert_uint_eq(stats_now().used_bytes, 0);
  ck_assert_uint_eq(stats_now().idle_bytes, 3 * PAGE_SIZE);
}
END_TEST

START_TEST(alignments)
{
  size_t align, n;

  for (align = 1; align <= (size_t)1 << 18; align *= 2)
    for (n = 1; n <= 1025; n += 512) {
      uintptr_t start = alloc(n, align, RUN_LARGE);
      touch(start, n);
      if (align % 4 == 0)
        tcmi_page_heap_free(start, n, RESIDENCY_FULL);
    }
  (void)stats_now();
}
END_TEST

START_TEST(kinds_lie_in_huge_pages_apart)
{
  uintptr_t small[64], large[64];
  size_t i, j;

  for (i = 0; i < 64; i++) {
    small[i] = alloc(2, 1, RUN_SMALL);
    large[i] = alloc(9, 1, RUN_LARGE);
  }
  for (i = 0; i < 64; i++)
    for (j = 0; j < 64; j++)
      must(small[i] >> HUGE_PAGE_SHIFT != large[j] >> HUGE_PAGE_SHIFT);
}
END_TEST

/* Runs of more than half a huge page leave no gaps between them.  The lowest
 * free pages that fit are used next, even across borders. */
START_TEST(large_runs_cross_borders)
{
  const size_t n = 300, count = 16, bytes = n << PAGE_SHIFT;
  uintptr_t runs[16];
  size_t i;

  for (i = 0; i < count; i++) {
    runs[i] = alloc(n, 1, RUN_LARGE);
    ck_assert_uint_eq(runs[i], runs[0] + i * bytes);
    touch(runs[i], n);
  }
  ck_assert_uint_eq(stats_now().used_bytes, count * bytes);
  tcmi_page_heap_free(runs[5], n, RESIDENCY_FULL);
  tcmi_page_heap_free(runs[6], n, RESIDENCY_FULL);
  tcmi_page_heap_free(runs[11], n, RESIDENCY_FULL);
  ck_assert_uint_eq(alloc(2 * n - 40, 1, RUN_LARGE), runs[5]);
  ck_assert_uint_eq(alloc(n - 1, 1, RUN_LARGE), runs[11]);
  ck_assert_uint_eq(stats_now().used_bytes, count * bytes - (41 << PAGE_SHIFT));
}
END_TEST

START_TEST(holes_are_filled_before_fresh_huge_pages)
{
  uintptr_t runs[256], hole;
  int i;

  for (i = 0; i < 256; i++)
    runs[i] = alloc(8, 1, RUN_SMALL);
  hole = runs[100];
  tcmi_page_heap_free(hole, 8, RESIDENCY_FULL);
  ck_assert_uint_eq(alloc(5, 1, RUN_SMALL), hole);
  ck_assert_uint_eq(alloc(3, 1, RUN_SMALL), hole + 5 * PAGE_SIZE);
}
END_TEST

START_TEST(resident_pages_are_preferred)
{
  uintptr_t start = alloc(200, 1, RUN_LARGE), cold, warm;

  /* Two holes of the same length; only the second is resident. */
  cold = start + 10 * PAGE_SIZE;
  warm = start + 100 * PAGE_SIZE;
  touch(warm, 20);
  tcmi_page_heap_free(cold, 20, RESIDENCY_KEPT);
  tcmi_page_heap_free(warm, 20, RESIDENCY_FULL);
  ck_assert_uint_eq(alloc(20, 1, RUN_LARGE), warm);
  ck_assert_uint_eq(alloc(20, 1, RUN_LARGE), cold);
}
END_TEST

START_TEST(empty_resident_huge_page_is_preferred)
{
  uintptr_t a = alloc(HUGE_PAGE_PAGES, 1, RUN_LARGE);
  uintptr_t b = alloc(HUGE_PAGE_PAGES, 1, RUN_LARGE);

  touch(b, HUGE_PAGE_PAGES);
  tcmi_page_heap_free(a, HUGE_PAGE_PAGES, RESIDENCY_KEPT);
  tcmi_page_heap_free(b, HUGE_PAGE_PAGES, RESIDENCY_FULL);
  (void)stats_now();
  ck_assert_uint_eq(alloc(4, 1, RUN_SMALL) >> HUGE_PAGE_SHIFT,
                    b >> HUGE_PAGE_SHIFT);
}
END_TEST

/* calloc of fresh pages touches none. */
START_TEST(clearing_fresh_pages_touches_none)
{
  uintptr_t start = alloc(3000, 1, RUN_LARGE);

  tcmi_page_heap_clear(start, 3000);
  ck_assert_uint_eq(resident_pages(start, 3000), 0);
  ck_assert(is_zero(start, 3000));
}
END_TEST

START_TEST(clearing_used_pages_clears_them)
{
  uintptr_t start = alloc(3000, 1, RUN_LARGE), again;

  touch(start + 500 * PAGE_SIZE, 2000);
  tcmi_page_heap_free(start, 500, RESIDENCY_KEPT);
  tcmi_page_heap_free(start + 500 * PAGE_SIZE, 2000, RESIDENCY_FULL);
  tcmi_page_heap_free(start + 2500 * PAGE_SIZE, 500, RESIDENCY_KEPT);
  again = alloc(3000, 1, RUN_LARGE);
  ck_assert_uint_eq(again, start);
  tcmi_page_heap_clear(again, 3000);
  ck_assert_uint_eq(resident_pages(again, 500), 0);
  ck_assert_uint_eq(resident_pages(again + 2500 * PAGE_SIZE, 500), 0);
  ck_assert(is_zero(again, 3000));
}
END_TEST

/* Used pieces with clean pages between them take one system call; if it fails,
 * the pieces are cleared with memset(). */
START_TEST(clearing_pieces_is_one_call)
{
  const unsigned discard = 1u << SYSTEM_DISCARD;

  for (unsigned failing = 1; failing <= 2; failing++) {
    /* Two sizes, because what the heap learns from the first applies to its
     * size. */
    size_t n = failing == 1 ? 1000 : 400;
    uintptr_t start = alloc(n, 1, RUN_LARGE);
    for (size_t piece = 0; piece < n; piece += 200) {
      touch(start + (piece << PAGE_SHIFT), 100);
      tcmi_page_heap_free(start + (piece << PAGE_SHIFT), 100, RESIDENCY_FULL);
      tcmi_page_heap_free(start + ((piece + 100) << PAGE_SHIFT), 100,
                          RESIDENCY_KEPT);
    }
    ck_assert_uint_eq(alloc(n, 1, RUN_LARGE), start);
    (void)tcmi_system_fail(discard, failing, 1);
    tcmi_page_heap_clear(start, n);
    ck_assert_uint_eq(tcmi_system_fail(0, 0, 0), failing == 1 ? 1 : 0);
    if (failing == 2)
      /* Only the first page and those of a probe. */
      ck_assert_uint_le(resident_pages(start, n),
                        65 * tcmi_system_page_size() >> PAGE_SHIFT);
    ck_assert(is_zero(start, n));
    ck_assert_int_eq(tcmi_system_discard((void *)start, n << PAGE_SHIFT), 0);
    tcmi_page_heap_free(start, n, RESIDENCY_NONE);
  }
}
END_TEST

/* Growth asks for huge pages, however often memory in them was returned. */
START_TEST(advice_does_not_wear_out)
{
  struct arena *arena;

  tcmi_options_init(NULL);
  ck_assert_int_eq(tcmi_option_change(OPTION_huge_pages, 2, SOURCE_API), 0);
  for (int i = 0; i < 10000; i++) {
    uintptr_t start = alloc(8, 1, RUN_SMALL);
    arena = pagemap_arena(start);
    must(bit_get(arena->advised, arena_page(arena, start) / HUGE_PAGE_PAGES));
    touch(start, 8);
    tcmi_page_heap_free(start, 8, RESIDENCY_FULL);
    (void)tcmi_page_heap_release(SIZE_MAX);
    must(!bit_get(arena->advised, arena_page(arena, start) / HUGE_PAGE_PAGES));
  }
  tcmi_page_heap_verify();
}
END_TEST

/* A huge page in which all runs are for spans of objects; returns its address
 * after it was broken. */
static uintptr_t
broken_huge_page(void)
{
  uintptr_t start = alloc(8, 1, RUN_SMALL);
  size_t i;

  must(start % HUGE_PAGE_SIZE == 0);
  for (i = 1; i < HUGE_PAGE_PAGES / 8; i++)
    must(alloc(8, 1, RUN_SMALL) == start + (i << (PAGE_SHIFT + 3)));
  touch(start, HUGE_PAGE_PAGES);
  lock_acquire(&tcmi_trim_lock);
  must(tcmi_huge_discard(pagemap_arena(start), start, 64 << PAGE_SHIFT) == 0);
  lock_release(&tcmi_trim_lock);
  return start;
}

static int
collapse(uintptr_t start)
{
  int result;

  lock_acquire(&tcmi_trim_lock);
  result = tcmi_huge_collapse(start);
  lock_release(&tcmi_trim_lock);
  return result;
}

static bool
is_advised(uintptr_t start)
{
  const struct arena *arena = pagemap_arena(start);

  return bit_get(arena->advised, arena_page(arena, start) / HUGE_PAGE_PAGES);
}

START_TEST(broken_huge_page_is_collapsed_when_full)
{
  uintptr_t start;
  bool full;
  int result;

  tcmi_options_init(NULL);
  ck_assert_int_eq(tcmi_option_change(OPTION_huge_pages, 2, SOURCE_API), 0);
  ck_assert_uint_eq(tcmi_huge_next_broken(0, &full), 0);
  start = broken_huge_page();
  ck_assert(!is_advised(start));
  ck_assert_uint_eq(tcmi_huge_broken, 1);
  ck_assert_uint_eq(tcmi_huge_next_broken(0, &full), start);
  ck_assert(full);
  ck_assert_uint_eq(tcmi_huge_next_broken(start + 1, &full), 0);

  /* After memory was returned, however little, a pass must find it full
   * again. */
  ck_assert(!tcmi_huge_note_refilled(start));
  ck_assert(tcmi_huge_note_refilled(start));
  lock_acquire(&tcmi_trim_lock);
  ck_assert_int_eq(tcmi_huge_discard(pagemap_arena(start), start, PAGE_SIZE),
                   0);
  lock_release(&tcmi_trim_lock);
  ck_assert(!tcmi_huge_note_refilled(start));

  /* With too many pages free, it is not collapsed. */
  tcmi_page_heap_free(start, 24, RESIDENCY_NONE);
  ck_assert_uint_eq(tcmi_huge_next_broken(0, &full), start);
  ck_assert(!full);
  ck_assert_int_eq(collapse(start), -EAGAIN);
  ck_assert_uint_eq(alloc(16, 1, RUN_SMALL), start);
  result = collapse(start);
  if (result == 0) {
    ck_assert(is_advised(start));
    ck_assert_uint_eq(resident_pages(start, HUGE_PAGE_PAGES), HUGE_PAGE_PAGES);
  }
  ck_assert_uint_eq(tcmi_huge_broken, 0);
  ck_assert_uint_eq(tcmi_huge_next_broken(0, &full), 0);
  tcmi_page_heap_verify();
}
END_TEST

START_TEST(refused_collapse_leaves_small_pages)
{
  uintptr_t start;
  unsigned call;

  tcmi_options_init(NULL);
  ck_assert_int_eq(tcmi_option_change(OPTION_huge_pages, 2, SOURCE_API), 0);
  for (call = 1; call <= 2; call++) {
    start = broken_huge_page();
    /* The first call advises, the second collapses. */
    (void)tcmi_system_fail(1u << SYSTEM_ADVISE, call, 1);
    ck_assert_int_lt(collapse(start), 0);
    ck_assert_uint_eq(tcmi_system_fail(0, 0, 0), 1);
    ck_assert(!is_advised(start));
    tcmi_page_heap_verify();
  }
  start = broken_huge_page();
  ck_assert_uint_eq(tcmi_huge_broken, 1);
  ck_assert_int_eq(tcmi_option_change(OPTION_huge_pages, 0, SOURCE_API), 0);
  ck_assert_int_eq(collapse(start), -EAGAIN);
  /* No pass tries again. */
  ck_assert_uint_eq(tcmi_huge_broken, 0);
}
END_TEST

START_TEST(empty_huge_page_is_not_broken)
{
  uintptr_t start;
  bool full;

  tcmi_options_init(NULL);
  ck_assert_int_eq(tcmi_option_change(OPTION_huge_pages, 2, SOURCE_API), 0);
  start = broken_huge_page();
  tcmi_page_heap_free(start, HUGE_PAGE_PAGES, RESIDENCY_FULL);
  ck_assert_uint_eq(tcmi_huge_next_broken(0, &full), start);
  ck_assert(!full);
  ck_assert_uint_eq(tcmi_huge_broken, 0);
  ck_assert_uint_eq(tcmi_huge_next_broken(0, &full), 0);
  tcmi_page_heap_verify();
}
END_TEST

START_TEST(dirty_bits_survive)
{
  struct span span = {.npages = 32}, *spans[] = {&span};
  uint32_t dirty = 0xf00ff0a5;
  uintptr_t start;
  size_t i;

  start = span.start = tcmi_page_heap_alloc_dirty(32, 64, &span.dirty);
  ck_assert_uint_ne(start, 0);
  ck_assert_uint_eq(span.dirty, 0);
  for (i = 0; i < 32; i++)
    if (dirty >> i & 1)
      touch(start + (i << PAGE_SHIFT), 1);
  span.dirty = dirty;
  tcmi_page_heap_free_dirty(spans, 1);
  ck_assert_uint_eq(stats_now().idle_bytes,
                    (size_t)__builtin_popcount(dirty) * PAGE_SIZE);
  span.dirty = 0;
  ck_assert_uint_eq(tcmi_page_heap_alloc_dirty(32, 64, &span.dirty), start);
  ck_assert_uint_eq(span.dirty, dirty);
  tcmi_page_heap_clear(start, 32);
  ck_assert(is_zero(start, 32));
}
END_TEST

START_TEST(extend_in_place)
{
  uintptr_t start = alloc(100, 1, RUN_LARGE);

  ck_assert(tcmi_page_heap_extend(start, 100, 300));
  touch(start, 300);
  ck_assert_uint_eq(stats_now().used_bytes, 300 * PAGE_SIZE);
  /* Across the border of a huge page, and across several. */
  ck_assert(tcmi_page_heap_extend(start, 300, 700));
  ck_assert(tcmi_page_heap_extend(start, 700, 3000));
  touch(start, 3000);
  ck_assert_uint_eq(stats_now().used_bytes, 3000 * PAGE_SIZE);
  tcmi_page_heap_free(start, 3000, RESIDENCY_FULL);
  ck_assert_uint_eq(stats_now().used_bytes, 0);
}
END_TEST

START_TEST(extend_stops_at_a_neighbor)
{
  uintptr_t a = alloc(10, 1, RUN_LARGE), b = alloc(10, 1, RUN_LARGE);
  struct arena *arena = pagemap_arena(a);
  size_t left;

  ck_assert_uint_eq(b, a + 10 * PAGE_SIZE);
  ck_assert(!tcmi_page_heap_extend(a, 10, 11));
  tcmi_page_heap_free(b, 10, RESIDENCY_FULL);
  ck_assert(tcmi_page_heap_extend(a, 10, 20));
  /* Up to the end of the arena, and past it. */
  left = (arena_end(arena) - a) / PAGE_SIZE;
  ck_assert(!tcmi_page_heap_extend(a, 20, left + 1));
  ck_assert(tcmi_page_heap_extend(a, 20, left));
  (void)stats_now();
}
END_TEST

START_TEST(refused_extension_changes_nothing)
{
  uintptr_t start = alloc(10, 1, RUN_LARGE);
  struct page_heap_stats before = stats_now(), after;

  unit_fail_all(1u << SYSTEM_COMMIT);
  ck_assert(!tcmi_page_heap_extend(start, 10, 4000));
  ck_assert_uint_gt(unit_fail_none(), 0);
  after = stats_now();
  ck_assert_int_eq(memcmp(&before, &after, sizeof before), 0);
  ck_assert(tcmi_page_heap_extend(start, 10, 4000));
}
END_TEST

START_TEST(parts_are_given_back)
{
  uintptr_t start = alloc(2000, 1, RUN_LARGE);

  touch(start, 2000);
  tcmi_page_heap_free(start + 700 * PAGE_SIZE, 600, RESIDENCY_FULL);
  ck_assert_uint_eq(stats_now().used_bytes, 1400 * PAGE_SIZE);
  tcmi_page_heap_free(start, 700, RESIDENCY_FULL);
  tcmi_page_heap_free(start + 1300 * PAGE_SIZE, 700, RESIDENCY_FULL);
  ck_assert_uint_eq(stats_now().used_bytes, 0);
  ck_assert_uint_eq(alloc(2000, 1, RUN_LARGE), start);
}
END_TEST

START_TEST(release_returns_what_is_free)
{
  uintptr_t start = alloc(4000, 1, RUN_LARGE), kept;
  struct page_heap_stats stats;

  touch(start, 4000);
  kept = start + 1000 * PAGE_SIZE;
  tcmi_page_heap_free(start, 1000, RESIDENCY_FULL);
  tcmi_page_heap_free(kept + PAGE_SIZE, 2999, RESIDENCY_FULL);
  ck_assert_uint_eq(tcmi_page_heap_release(SIZE_MAX), 3999 * PAGE_SIZE);
  ck_assert_uint_eq(resident_pages(start, 1000), 0);
  ck_assert_uint_eq(resident_pages(kept, 1), 1);
  ck_assert_uint_eq(resident_pages(kept + PAGE_SIZE, 2999), 0);
  ck_assert_uint_eq(*(unsigned char *)kept, 0xee);
  stats = stats_now();
  ck_assert_uint_eq(stats.idle_bytes, 0);
  ck_assert_uint_eq(stats.used_bytes, PAGE_SIZE);
  ck_assert_uint_eq(stats.released_bytes, 3999 * PAGE_SIZE);
  ck_assert_uint_eq(tcmi_page_heap_release(SIZE_MAX), 0);
  ck_assert_uint_eq(alloc(512, 1, RUN_LARGE), start);
  tcmi_page_heap_clear(start, 512);
  ck_assert_uint_eq(resident_pages(start, 512), 0);
}
END_TEST

START_TEST(refused_release_keeps_the_books)
{
  uintptr_t start = alloc(4000, 1, RUN_LARGE);

  touch(start, 4000);
  tcmi_page_heap_free(start, 4000, RESIDENCY_FULL);
  unit_fail_all(1u << SYSTEM_DISCARD);
  ck_assert_uint_eq(tcmi_page_heap_release(SIZE_MAX), 0);
  ck_assert_uint_gt(unit_fail_none(), 0);
  ck_assert_uint_eq(stats_now().idle_bytes, 4000 * PAGE_SIZE);
  ck_assert_uint_eq(alloc(4000, 1, RUN_LARGE), start);
  tcmi_page_heap_clear(start, 4000);
  ck_assert(is_zero(start, 4000));
}
END_TEST

/* On a kernel with larger pages, only whole system pages can be returned. */
START_TEST(release_with_larger_system_pages)
{
  uintptr_t start;

  tcmi_system_set_page_size(SYSTEM_PAGE_MAX);
  start = alloc(512, 16, RUN_LARGE);
  touch(start, 512);
  tcmi_page_heap_free(start + 3 * PAGE_SIZE, 400, RESIDENCY_FULL);
  ck_assert_uint_eq(tcmi_page_heap_release(SIZE_MAX), 384 * PAGE_SIZE);
  (void)stats_now();
  ck_assert_uint_eq(resident_pages(start, 16), 16);
  ck_assert_uint_eq(*(unsigned char *)(start + 2 * PAGE_SIZE), 0xee);
  ck_assert_uint_eq(*(unsigned char *)(start + 403 * PAGE_SIZE), 0xee);
}
END_TEST

/* Near a limit, empty address space is unmapped: whole arenas, and the ends of
 * others. */
START_TEST(unused_address_space_goes_back)
{
  uintptr_t runs[40], first = alloc(1, 1, RUN_SMALL), last;
  size_t reserved, i;

  for (i = 0; i < 40; i++) {
    runs[i] = alloc(8 * MIB / PAGE_SIZE, 1, RUN_LARGE);
    *(volatile char *)runs[i] = 1;
  }
  last = runs[39];
  reserved = arena_reserved_bytes();
  ck_assert_uint_ge(reserved, 320 * MIB);
  for (i = 0; i < 39; i++)
    tcmi_page_heap_free(runs[i], 8 * MIB / PAGE_SIZE, RESIDENCY_FULL);
  (void)stats_now();
  ck_assert(tcmi_page_heap_give_space());
  (void)stats_now();
  ck_assert_uint_lt(arena_reserved_bytes(), reserved);
  ck_assert_uint_le(arena_reserved_bytes(), 300 * MIB);
  ck_assert_ptr_nonnull(pagemap_arena(first));
  ck_assert_ptr_nonnull(pagemap_arena(last));
  ck_assert_ptr_null(pagemap_arena(arena_end(pagemap_arena(last))));
  *(volatile char *)last = 2;
  ck_assert(!tcmi_page_heap_give_space());
  tcmi_page_heap_free(last, 8 * MIB / PAGE_SIZE, RESIDENCY_FULL);
  ck_assert(tcmi_page_heap_give_space());
  ck_assert_uint_eq(arena_reserved_bytes(), HUGE_PAGE_SIZE);
  (void)stats_now();
  last = alloc(8 * MIB / PAGE_SIZE, 1, RUN_LARGE);
  memset((void *)last, 1, 8 * MIB);
  (void)stats_now();
}
END_TEST

START_TEST(refused_release_keeps_address_space)
{
  size_t reserved;

  (void)alloc(1, 1, RUN_SMALL);
  tcmi_page_heap_free(alloc(60 * MIB / PAGE_SIZE, 1, RUN_LARGE),
                      60 * MIB / PAGE_SIZE, RESIDENCY_FULL);
  reserved = arena_reserved_bytes();
  unit_fail_all(1u << SYSTEM_RELEASE);
  ck_assert(!tcmi_page_heap_give_space());
  ck_assert_uint_gt(unit_fail_none(), 0);
  ck_assert_uint_eq(arena_reserved_bytes(), reserved);
  (void)stats_now();
}
END_TEST

/* After a refusal, the next attempt does not try many sizes again. */
START_TEST(refusals_cost_few_calls)
{
  (void)alloc(1, 1, RUN_SMALL);
  while (tcmi_page_heap_alloc(HUGE_PAGE_PAGES, 1, RUN_SMALL) != 0)
    unit_fail_all(1u << SYSTEM_RESERVE);
  (void)unit_fail_none();
  unit_fail_all(1u << SYSTEM_RESERVE);
  ck_assert_uint_eq(tcmi_page_heap_alloc(HUGE_PAGE_PAGES, 1, RUN_SMALL), 0);
  ck_assert_uint_le(unit_fail_none(), 2);
  ck_assert_uint_ne(tcmi_page_heap_alloc(HUGE_PAGE_PAGES, 1, RUN_SMALL), 0);
  unit_fail_all(1u << SYSTEM_COMMIT);
  ck_assert_uint_eq(tcmi_page_heap_alloc(4 * HUGE_PAGE_PAGES, 1, RUN_SMALL), 0);
  (void)unit_fail_none();
  unit_fail_all(1u << SYSTEM_COMMIT);
  ck_assert_uint_eq(tcmi_page_heap_alloc(4 * HUGE_PAGE_PAGES, 1, RUN_SMALL), 0);
  ck_assert_uint_le(unit_fail_none(), 3);
}
END_TEST

/* A program that tries repeatedly at its limit must not use up the limit for
 * arenas that it cannot use. */
START_TEST(failures_at_a_limit_reserve_nothing)
{
  struct rlimit limit;
  size_t reserved, metadata;
  int i;

  if (TCM_SANITIZED)
    return;
  (void)alloc(1, 1, RUN_SMALL);
  limit.rlim_cur = limit.rlim_max =
      (rlim_t)memory_proc_field("/proc/self/status", "\nVmData:") * 1024 +
      64 * MIB;
  ck_assert_int_eq(setrlimit(RLIMIT_DATA, &limit), 0);
  for (i = 0; i < 100; i++) {
    ck_assert_uint_eq(tcmi_page_heap_alloc(200 * MIB / PAGE_SIZE, 1, RUN_LARGE),
                      0);
    if (i == 0) {
      reserved = arena_reserved_bytes();
      metadata = tcmi_metadata_mapped_bytes();
    }
  }
  ck_assert_uint_eq(arena_reserved_bytes(), reserved);
  ck_assert_uint_eq(tcmi_metadata_mapped_bytes(), metadata);
  (void)alloc(40 * MIB / PAGE_SIZE, 1, RUN_LARGE);
  (void)stats_now();
}
END_TEST

/* When the nth call fails, there is a complete run or none, and the counts are
 * right. */
START_TEST(each_refused_call)
{
  unsigned n, failures = 0;
  uintptr_t start;

  for (n = 1;; n++) {
    struct page_heap_stats before = stats_now();
    (void)tcmi_system_fail(~0u, n, 1);
    start = tcmi_page_heap_alloc(20000, 1, RUN_LARGE);
    if (unit_fail_none() == 0)
      break;
    failures++;
    if (start == 0)
      ck_assert_uint_eq(stats_now().used_bytes, before.used_bytes);
    else
      touch(start, 20000);
  }
  ck_assert_uint_ne(start, 0);
  ck_assert_uint_gt(failures, 2);
  (void)stats_now();
}
END_TEST

/* ---- Threads ------------------------------------------------------------- */

struct run {
  uintptr_t start;
  size_t npages;
};

static int stop; /* [atomic: relaxed] */

static void
stamp(const struct run *run)
{
  size_t i;

  for (i = 0; i < run->npages; i++)
    *(uintptr_t *)(run->start + (i << PAGE_SHIFT)) = (uintptr_t)run ^ i;
}

static void
expect_stamps(const struct run *run)
{
  size_t i;

  for (i = 0; i < run->npages; i++)
    must(*(uintptr_t *)(run->start + (i << PAGE_SHIFT)) ==
         ((uintptr_t)run ^ i));
}

static void *
churn(void *seed)
{
  uint64_t state = (uint64_t)(uintptr_t)seed;
  struct run runs[32] = {{0, 0}};
  int i;

  for (i = 0; i < 4000; i++) {
    struct run *run = &runs[unit_below(&state, 32)];
    if (run->npages > 0) {
      size_t more = run->npages + unit_below(&state, 5);
      expect_stamps(run);
      if (more > run->npages &&
          tcmi_page_heap_extend(run->start, run->npages, more)) {
        run->npages = more;
        stamp(run);
        continue;
      }
      tcmi_page_heap_free(run->start, run->npages, RESIDENCY_FULL);
    }
    run->npages = 1 + unit_below(&state, i % 50 ? 40 : 1500);
    run->start = alloc(run->npages, 1, i % 2 ? RUN_LARGE : RUN_SMALL);
    if (i % 4 == 0) {
      tcmi_page_heap_clear(run->start, run->npages);
      must(is_zero(run->start, run->npages));
    }
    stamp(run);
  }
  for (i = 0; i < 32; i++)
    if (runs[i].npages > 0)
      tcmi_page_heap_free(runs[i].start, runs[i].npages, RESIDENCY_FULL);
  return NULL;
}

static void *
release_all_the_time(void *unused)
{
  (void)unused;
  while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
    (void)tcmi_page_heap_release(SIZE_MAX);
    sched_yield();
  }
  return NULL;
}

START_TEST(threads_and_a_releaser)
{
  pthread_t threads[3], releaser;
  uintptr_t i;

  unit_thread(&releaser, release_all_the_time, NULL);
  for (i = 0; i < 3; i++)
    unit_thread(&threads[i], churn, (void *)(i + 1));
  for (i = 0; i < 3; i++)
    unit_join(threads[i]);
  __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
  unit_join(releaser);
  ck_assert_uint_eq(stats_now().used_bytes, 0);
}
END_TEST

/* ---- Verification finds errors ------------------------------------------- */

static void
spoil_count(void *start)
{
  pagemap_arena((uintptr_t)start)->huge_pages[0].nused++;
  tcmi_page_heap_verify();
}

static void
spoil_busy(void *start)
{
  *pagemap_arena((uintptr_t)start)->busy ^= 1;
  tcmi_page_heap_verify();
}

static void
spoil_resident(void *start)
{
  struct arena *arena = pagemap_arena((uintptr_t)start);
  bit_set(arena->huge_pages[0].resident, 500);
  tcmi_page_heap_verify();
}

static void
spoil_committed(void *start)
{
  pagemap_arena((uintptr_t)start)->committed[0] = 1;
  tcmi_page_heap_verify();
}

START_TEST(verify_finds_broken_books)
{
  void *start = (void *)alloc(7, 1, RUN_SMALL);

  ck_assert_uint_eq(
      arena_page(pagemap_arena((uintptr_t)start), (uintptr_t)start), 0);
  unit_must_abort(spoil_count, start, "broken invariant");
  unit_must_abort(spoil_busy, start, "broken invariant");
  unit_must_abort(spoil_resident, start, "broken invariant");
  unit_must_abort(spoil_committed, start, "broken invariant");
  tcmi_page_heap_verify();
}
END_TEST

static void
add_tests(TCase *tests)
{
  tcase_add_test(tests, nothing_before_the_first_run);
  tcase_add_test(tests, one_run);
  tcase_add_test(tests, alignments);
  tcase_add_test(tests, kinds_lie_in_huge_pages_apart);
  tcase_add_test(tests, large_runs_cross_borders);
  tcase_add_test(tests, holes_are_filled_before_fresh_huge_pages);
  tcase_add_test(tests, resident_pages_are_preferred);
  tcase_add_test(tests, empty_resident_huge_page_is_preferred);
  tcase_add_test(tests, clearing_fresh_pages_touches_none);
  tcase_add_test(tests, clearing_used_pages_clears_them);
  tcase_add_test(tests, clearing_pieces_is_one_call);
  tcase_add_test(tests, advice_does_not_wear_out);
  tcase_add_test(tests, broken_huge_page_is_collapsed_when_full);
  tcase_add_test(tests, refused_collapse_leaves_small_pages);
  tcase_add_test(tests, empty_huge_page_is_not_broken);
  tcase_add_test(tests, dirty_bits_survive);
  tcase_add_test(tests, extend_in_place);
  tcase_add_test(tests, extend_stops_at_a_neighbor);
  tcase_add_test(tests, refused_extension_changes_nothing);
  tcase_add_test(tests, parts_are_given_back);
  tcase_add_test(tests, release_returns_what_is_free);
  tcase_add_test(tests, refused_release_keeps_the_books);
  tcase_add_test(tests, release_with_larger_system_pages);
  tcase_add_test(tests, unused_address_space_goes_back);
  tcase_add_test(tests, refused_release_keeps_address_space);
  tcase_add_test(tests, refusals_cost_few_calls);
  tcase_add_test(tests, failures_at_a_limit_reserve_nothing);
  tcase_add_test(tests, each_refused_call);
  tcase_add_test(tests, threads_and_a_releaser);
  tcase_add_test(tests, verify_finds_broken_books);
}

int
main(void)
{
  TCase *tests = unit_case("page_heap");

  add_tests(tests);
  return unit_run(tests);
}
