/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/bits.h"
#include "base/options.h"
#include "base/params.h"
#include "heap/arena.h"
#include "heap/hole.h"
#include "heap/large.h"
#include "heap/page_heap.h"
#include "heap/pagemap.h"

#define VERY_LARGE ((size_t)64 << 20)
#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

static struct span *
alloc(size_t size, size_t align, bool zero)
{
  void *block = tcmi_large_alloc(size, align, zero);
  struct span *span = pagemap_span((uintptr_t)block);

  must_for(block != NULL, "%zu bytes", size);
  must(memory_is_aligned(block, align));
  must(memory_is_aligned(block, tcmi_system_page_size()));
  must(span != NULL && span->class_id == 0);
  must(span->start == (uintptr_t)block);
  must(span_bytes(span) == tcmi_large_usable(size));
  must(span_bytes(span) >= size);
  return span;
}

static size_t
used_bytes(void)
{
  tcmi_page_heap_verify();
  return tcmi_page_heap_used_bytes();
}

START_TEST(usable_size_is_whole_pages)
{
  size_t page = tcmi_system_page_size();

  ck_assert_uint_eq(tcmi_large_usable(0), page);
  ck_assert_uint_eq(tcmi_large_usable(1), page);
  ck_assert_uint_eq(tcmi_large_usable(page), page);
  ck_assert_uint_eq(tcmi_large_usable(page + 1), 2 * page);
  ck_assert_uint_gt(tcmi_large_usable(PTRDIFF_MAX), PTRDIFF_MAX);
  tcmi_system_set_page_size(SYSTEM_PAGE_MAX);
  ck_assert_uint_eq(tcmi_large_usable(40000), SYSTEM_PAGE_MAX);
}
END_TEST

START_TEST(blocks_of_many_sizes)
{
  struct span *spans[40];
  size_t sum = 0, size = 1;
  int i;

  for (i = 0; i < 40; i++) {
    spans[i] = alloc(size, 1, false);
    memory_fill((void *)spans[i]->start, min_size(size, 4 * MIB), (uint64_t)i);
    sum += span_bytes(spans[i]);
    ck_assert_uint_eq(tcmi_large_stats.bytes, sum);
    ck_assert_uint_eq(tcmi_large_stats.count, (uint64_t)i + 1);
    ck_assert_uint_eq(used_bytes(), sum);
    size += size / 2 + 1000;
  }
  for (i = 0, size = 1; i < 40; i++) {
    ck_assert(memory_holds((void *)spans[i]->start, min_size(size, 4 * MIB),
                           (uint64_t)i));
    size += size / 2 + 1000;
    tcmi_large_free(spans[i]);
  }
  ck_assert_uint_eq(used_bytes(), 0);
  ck_assert_uint_eq(tcmi_large_stats.bytes, 0);
  ck_assert_uint_eq(tcmi_large_stats.count, 0);
}
END_TEST

START_TEST(alignments)
{
  size_t align;

  for (align = 1; align <= 512 * MIB; align *= 2) {
    struct span *span = alloc(100 * KIB, align, true);
    ck_assert(memory_is_zero((void *)span->start, 100 * KIB));
    memset((void *)span->start, 1, 100 * KIB);
    tcmi_large_free(span);
  }
  ck_assert_uint_eq(used_bytes(), 0);
}
END_TEST

START_TEST(zeroed_where_it_was_used)
{
  struct span *span = alloc(5 * MIB, 1, false);

  memset((void *)span->start, 0xff, 5 * MIB);
  tcmi_large_free(span);
  span = alloc(5 * MIB, 1, true);
  ck_assert(memory_is_zero((void *)span->start, 5 * MIB));
}
END_TEST

START_TEST(impossible_sizes)
{
  ck_assert_ptr_null(tcmi_large_alloc((size_t)1 << 46, 1, false));
  ck_assert_ptr_null(tcmi_large_alloc((size_t)1 << 60, 1, false));
  ck_assert_ptr_null(tcmi_large_alloc(PTRDIFF_MAX - PAGE_SIZE, 1, false));
  ck_assert_ptr_null(tcmi_large_alloc(MIB, (size_t)1 << 62, false));
  ck_assert_uint_eq(used_bytes(), 0);
  ck_assert_uint_eq(tcmi_large_stats.count, 0);
  (void)alloc(MIB, 1, false);
}
END_TEST

START_TEST(freed_block_is_unknown)
{
  struct span *span = alloc(MIB, 1, false);
  uintptr_t start = span->start;

  ck_assert_ptr_eq(tcmi_pagemap_find(start + MIB / 2), span);
  tcmi_large_free(span);
  ck_assert_ptr_null(pagemap_span(start));
  ck_assert_ptr_null(tcmi_pagemap_find(start + MIB / 2));
}
END_TEST

START_TEST(shrinks_in_place)
{
  struct span *span = alloc(10 * MIB, 1, false);
  uintptr_t start = span->start;

  memory_fill((void *)start, 10 * MIB, 1);
  ck_assert(tcmi_large_resize(span, 3 * MIB + 1));
  ck_assert_uint_eq(span->start, start);
  ck_assert_uint_eq(span_bytes(span), tcmi_large_usable(3 * MIB + 1));
  ck_assert(memory_holds((void *)start, 3 * MIB + 1, 1));
  ck_assert_uint_eq(used_bytes(), span_bytes(span));
  ck_assert_uint_eq(tcmi_large_stats.bytes, span_bytes(span));
  ck_assert_ptr_null(tcmi_pagemap_find(start + 4 * MIB));
  ck_assert(tcmi_large_resize(span, 0));
  ck_assert_uint_eq(span_bytes(span), tcmi_system_page_size());
}
END_TEST

START_TEST(grows_in_place_where_it_can)
{
  struct span *span = alloc(MIB, 1, false), *wall;
  uintptr_t start = span->start;

  memory_fill((void *)start, MIB, 1);
  ck_assert(tcmi_large_resize(span, 8 * MIB));
  ck_assert_uint_eq(span->start, start);
  memory_fill((void *)start, 8 * MIB, 2);
  ck_assert_uint_eq(used_bytes(), 8 * MIB);
  ck_assert(tcmi_large_resize(span, MIB));
  wall = alloc(64 * KIB, 1, false);
  ck_assert_uint_gt(wall->start, start);
  ck_assert(!tcmi_large_resize(span, 16 * MIB));
  ck_assert_uint_eq(span_bytes(span), MIB);
  ck_assert(!tcmi_large_resize(span, (size_t)1 << 60));
  ck_assert_uint_eq(used_bytes(), MIB + 64 * KIB);
}
END_TEST

/* The pages of a freed block of any size are kept for the next block of that
 * size. */
START_TEST(very_large_stays_for_the_next)
{
  struct span *span = alloc(VERY_LARGE, 1, false);
  uintptr_t start = span->start;
  struct page_heap_stats stats;

  memset((void *)span->start, 1, VERY_LARGE);
  tcmi_large_free(span);
  tcmi_page_heap_stats(&stats);
  ck_assert_uint_eq(stats.used_bytes, 0);
  ck_assert_uint_eq(stats.idle_bytes, VERY_LARGE);
  span = alloc(VERY_LARGE, 1, true);
  ck_assert_uint_eq(span->start, start);
  ck_assert(memory_is_zero((void *)span->start, VERY_LARGE));
}
END_TEST

/* A block that needs fresh memory makes the heap return idle memory. */
START_TEST(growth_returns_what_is_idle)
{
  struct span *span = alloc(VERY_LARGE, 1, false), *larger;
  struct page_heap_stats stats;

  memset((void *)span->start, 1, VERY_LARGE);
  tcmi_large_free(span);
  larger = alloc(8 * VERY_LARGE, 1, false);
  tcmi_page_heap_stats(&stats);
  ck_assert_uint_eq(stats.idle_bytes, 0);
  ck_assert_uint_le(stats.released_bytes, VERY_LARGE);
  tcmi_large_free(larger);
}
END_TEST

/* A block directly followed by another, so that it cannot grow in place. */
static struct span *
walled(size_t size)
{
  struct span *span = alloc(size, 1, false);
  struct span *wall = alloc(size, 1, false);

  ck_assert_uint_eq(wall->start, span_end(span));
  memory_fill((void *)span->start, size, 1);
  return span;
}

START_TEST(growing_pages_move_out_of_the_arena)
{
  struct span *span = walled(4 * MIB), *next;
  uintptr_t before = span->start;

  ck_assert(!tcmi_large_resize(span, 9 * MIB));
  ck_assert(tcmi_large_move(span, 9 * MIB));
  ck_assert(span->mapped && span->start != before);
  ck_assert_ptr_eq(pagemap_span(span->start), span);
  ck_assert_ptr_eq(tcmi_pagemap_find(span_end(span) - 1), span);
  ck_assert_ptr_null(pagemap_span(before));
  ck_assert(memory_holds((void *)span->start, 4 * MIB, 1));
  ck_assert(memory_is_zero((char *)span->start + 4 * MIB, 5 * MIB));
  ck_assert_uint_eq(used_bytes(), 13 * MIB);
  ck_assert_uint_eq(tcmi_large_stats.bytes, 13 * MIB);
  ck_assert_uint_eq(tcmi_large_stats.count, 2);
  /* The arena has fresh pages in the old place. */
  next = alloc(4 * MIB, 1, true);
  ck_assert_uint_eq(next->start, before);
  ck_assert(memory_is_zero((void *)next->start, 4 * MIB));
  memset((void *)next->start, 1, 4 * MIB);
  ck_assert(tcmi_large_move(span, 30 * MIB));
  ck_assert(memory_holds((void *)span->start, 4 * MIB, 1));
  tcmi_large_free(span);
  tcmi_large_free(next);
  ck_assert_uint_eq(used_bytes(), 4 * MIB);
}
END_TEST

/* A block cannot move and grow to a size that the kernel refuses to map. */
START_TEST(growth_is_the_kernels_to_refuse)
{
  struct span *span = walled(4 * MIB);
  size_t size;
  void *block;

  for (size = (size_t)1 << 31; size < PTRDIFF_MAX / 4; size *= 2) {
    block = tcmi_large_alloc(size, 1, false);
    if (block == NULL)
      break;
    tcmi_large_free(pagemap_span((uintptr_t)block));
  }
  ck_assert(!tcmi_large_move(span, size + 8 * MIB));
  ck_assert(tcmi_large_move(span, 9 * MIB));
  ck_assert(!tcmi_large_move(span, size + 18 * MIB));
  ck_assert(memory_holds((void *)span->start, 4 * MIB, 1));
  ck_assert_uint_eq(used_bytes(), 13 * MIB);
}
END_TEST

START_TEST(small_blocks_do_not_move_out)
{
  struct span *span = walled(REMAP_MIN_SIZE / 2);

  ck_assert(!tcmi_large_move(span, REMAP_MIN_SIZE));
  ck_assert(memory_holds((void *)span->start, REMAP_MIN_SIZE / 2, 1));
}
END_TEST

START_TEST(refused_move)
{
  struct span *span = walled(4 * MIB);
  uintptr_t before = span->start;

  unit_fail_all(1u << SYSTEM_MOVE);
  ck_assert(!tcmi_large_move(span, 9 * MIB));
  ck_assert_uint_ge(unit_fail_none(), 1);
  ck_assert_uint_eq(span->start, before);
  ck_assert_ptr_eq(tcmi_pagemap_find(before + MIB), span);
  ck_assert(memory_holds((void *)before, 4 * MIB, 1));
  ck_assert_uint_eq(used_bytes(), 8 * MIB);
  tcmi_large_free(span);
  ck_assert_uint_eq(used_bytes(), 4 * MIB);
}
END_TEST

/* ---- A wrapper around mremap() ------------------------------------------- */

/* mremap() calls this after a move, before it returns. [owner thread] */
static void (*after_mremap)(void *from, size_t size);

void *mremap(void *from, size_t size, size_t new_size, int flags, ...);

void *
mremap(void *from, size_t size, size_t new_size, int flags, ...)
{
  void *to = NULL, *result;
  va_list arguments;

  va_start(arguments, flags);
  if (flags & MREMAP_FIXED)
    to = va_arg(arguments, void *);
  va_end(arguments);
  result = (void *)syscall(SYS_mremap, from, size, new_size, flags, to);
  if (after_mremap != NULL && result != MAP_FAILED && result != from)
    after_mremap(from, size);
  return result;
}

static unsigned char *taken;

/* As if another thread mapped something at that moment. */
static void
map_into_old_range(void *from, size_t size)
{
  size_t page = tcmi_system_page_size();

  after_mremap = NULL;
  taken = mmap((char *)from + size / 2, page, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  must(taken == (unsigned char *)from + size / 2);
  memset(taken, 0x77, page);
}

START_TEST(nothing_is_mapped_over_what_others_took)
{
  struct span *span = walled(4 * MIB), *next;
  uintptr_t before = span->start;
  size_t i;

  after_mremap = map_into_old_range;
  ck_assert(tcmi_large_move(span, 9 * MIB));
  ck_assert_ptr_nonnull(taken);
  for (i = 0; i < tcmi_system_page_size(); i++)
    must(taken[i] == 0x77);
  ck_assert(memory_holds((void *)span->start, 4 * MIB, 1));
  /* While the page is mapped, the arena does not hand out that place. */
  ck_assert_uint_eq(used_bytes(), 13 * MIB);
  ck_assert_uint_eq(tcmi_large_stats.bytes, 13 * MIB);
  ck_assert_ptr_null(tcmi_pagemap_find(before));
  next = alloc(4 * MIB, 1, false);
  ck_assert_uint_ne(next->start, before);
  tcmi_large_free(next);
  tcmi_large_free(span);
  tcmi_holes_close();
  (void)tcmi_page_heap_release(SIZE_MAX);
  ck_assert_uint_eq(taken[0], 0x77);
  ck_assert_uint_eq(used_bytes(), 4 * MIB);
  /* Once it is unmapped, the arena does. */
  ck_assert_int_eq(munmap(taken, tcmi_system_page_size()), 0);
  tcmi_holes_close();
  ck_assert_uint_eq(used_bytes(), 4 * MIB);
  next = alloc(4 * MIB, 1, true);
  ck_assert_uint_eq(next->start, before);
  memset((void *)next->start, 1, 4 * MIB);
  ck_assert_uint_eq(used_bytes(), 8 * MIB);
  tcmi_large_free(next);
}
END_TEST

/* The pagemap cannot hold the new place.  Nothing has been mapped in the old
 * one, so the block moves back. */
START_TEST(unnamed_place_is_left_again)
{
  struct span *span = walled(4 * MIB);
  uintptr_t before = span->start;

  unit_fail_all(1u << SYSTEM_MAP | 1u << SYSTEM_COMMIT);
  ck_assert(!tcmi_large_move(span, 9 * MIB));
  ck_assert_uint_gt(unit_fail_none(), 0);
  ck_assert_uint_eq(span->start, before);
  ck_assert_ptr_eq(tcmi_pagemap_find(before + MIB), span);
  ck_assert(memory_holds((void *)before, 4 * MIB, 1));
  memset((void *)before, 2, 4 * MIB);
  ck_assert_uint_eq(used_bytes(), 8 * MIB);
  ck_assert(tcmi_large_move(span, 9 * MIB));
}
END_TEST

START_TEST(each_refused_call)
{
  unsigned n, failures = 0;
  void *block;

  for (n = 1;; n++) {
    size_t before = used_bytes();
    (void)tcmi_system_fail(~0u, n, 1);
    block = tcmi_large_alloc(60 * MIB, 1, true);
    if (unit_fail_none() == 0)
      break;
    failures++;
    if (block == NULL)
      ck_assert_uint_eq(used_bytes(), before);
    else
      memset(block, 1, 60 * MIB);
  }
  ck_assert_ptr_nonnull(block);
  ck_assert_uint_gt(failures, 2);
}
END_TEST

static void *
churn(void *seed)
{
  uint64_t state = (uint64_t)(uintptr_t)seed;
  struct span *spans[16] = {NULL};
  int i;

  for (i = 0; i < 3000; i++) {
    struct span **span = &spans[unit_below(&state, 16)];
    size_t size = 33 * KIB + unit_below(&state, i % 20 ? 100 * KIB : 3 * MIB);
    if (*span == NULL) {
      *span = alloc(size, 1, i % 4 == 0);
    } else if (i % 3 == 0) {
      must(*(struct span **)((*span)->start) == *span);
      (void)!tcmi_large_resize(*span, size);
    } else {
      must(*(struct span **)((*span)->start) == *span);
      tcmi_large_free(*span);
      *span = NULL;
      continue;
    }
    *(struct span **)((*span)->start) = *span;
    *(char *)(span_end(*span) - 1) = 1;
  }
  for (i = 0; i < 16; i++)
    if (spans[i] != NULL)
      tcmi_large_free(spans[i]);
  return NULL;
}

START_TEST(threads_share_the_books)
{
  pthread_t threads[4];
  uintptr_t i;

  for (i = 0; i < 4; i++)
    unit_thread(&threads[i], churn, (void *)(i + 1));
  for (i = 0; i < 4; i++)
    unit_join(threads[i]);
  ck_assert_uint_eq(used_bytes(), 0);
  ck_assert_uint_eq(tcmi_large_stats.bytes, 0);
  ck_assert_uint_eq(tcmi_large_stats.count, 0);
}
END_TEST

/* Advised huge pages inside a range of an arena. */
static size_t
advised(uintptr_t start, size_t bytes)
{
  const struct arena *arena = pagemap_arena(start);
  struct huge_range range =
      huge_range_inside(arena_page(arena, start), bytes >> PAGE_SHIFT);

  return bits_count_range(arena->advised, range.first, range.end - range.first);
}

/* Writes to one page in @step, frees the block, and returns its memory. */
static void
use_and_free(struct span *span, size_t step)
{
  for (size_t at = 0; at < span_bytes(span); at += step * PAGE_SIZE)
    *(char *)(span->start + at) = 1;
  tcmi_large_free(span);
  (void)tcmi_page_heap_release(SIZE_MAX);
}

/* A heap of 40 MiB; credit allows at most a quarter of that. */
START_TEST(huge_pages_on_credit)
{
  struct span *other = alloc(20 * MIB, 1, false), *span;

  tcmi_options_init(NULL);
  span = alloc(20 * MIB, 1, false);
  ck_assert_uint_eq(advised(span->start, 20 * MIB), 0);
  use_and_free(span, 1);
  span = alloc(12 * MIB, 1, false);
  ck_assert_uint_eq(advised(span->start, 12 * MIB), 0);
  tcmi_large_free(span);
  span = alloc(9 * MIB, 1, true);
  ck_assert_uint_eq(advised(span->start, 9 * MIB), 0);
  tcmi_large_free(span);
  span = alloc(9 * MIB, 1, false);
  ck_assert_uint_eq(advised(span->start, 9 * MIB), 0); /* it holds memory */
  tcmi_large_free(span);
  (void)tcmi_page_heap_release(SIZE_MAX);
  span = alloc(9 * MIB, 1, false);
  ck_assert_uint_eq(advised(span->start, 9 * MIB), 4);
  use_and_free(span, 1);
  span = alloc(20 * MIB, 1, false);
  use_and_free(span, 2);
  span = alloc(9 * MIB, 1, false);
  ck_assert_uint_eq(advised(span->start, 9 * MIB), 0);
  tcmi_large_free(span);
  tcmi_large_free(other);
}
END_TEST

START_TEST(freed_and_moved_blocks_lose_the_advice)
{
  struct span *span = alloc(VERY_LARGE, 1, false);
  uintptr_t start;

  tcmi_large_free(span);
  (void)tcmi_page_heap_release(SIZE_MAX);
  tcmi_options_init(NULL);
  ck_assert_int_eq(tcmi_option_change(OPTION_huge_pages, 2, SOURCE_API), 0);
  for (int moves = 0; moves < 2; moves++) {
    span = alloc(8 * MIB, 1, false);
    start = span->start;
    ck_assert_uint_eq(advised(start, 8 * MIB), 4);
    if (moves == 1)
      ck_assert(tcmi_large_move(span, 30 * MIB));
    tcmi_large_free(span);
    ck_assert_uint_eq(advised(start, 8 * MIB), 0);
    (void)tcmi_page_heap_release(SIZE_MAX);
  }
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("large");

  tcase_add_test(tests, usable_size_is_whole_pages);
  tcase_add_test(tests, blocks_of_many_sizes);
  tcase_add_test(tests, alignments);
  tcase_add_test(tests, zeroed_where_it_was_used);
  tcase_add_test(tests, impossible_sizes);
  tcase_add_test(tests, freed_block_is_unknown);
  tcase_add_test(tests, shrinks_in_place);
  tcase_add_test(tests, grows_in_place_where_it_can);
  tcase_add_test(tests, very_large_stays_for_the_next);
  tcase_add_test(tests, growth_returns_what_is_idle);
  tcase_add_test(tests, growing_pages_move_out_of_the_arena);
  tcase_add_test(tests, growth_is_the_kernels_to_refuse);
  tcase_add_test(tests, small_blocks_do_not_move_out);
  tcase_add_test(tests, refused_move);
  tcase_add_test(tests, nothing_is_mapped_over_what_others_took);
  tcase_add_test(tests, unnamed_place_is_left_again);
  tcase_add_test(tests, each_refused_call);
  tcase_add_test(tests, threads_share_the_books);
  tcase_add_test(tests, huge_pages_on_credit);
  tcase_add_test(tests, freed_and_moved_blocks_lose_the_advice);
  return unit_run(tests);
}
