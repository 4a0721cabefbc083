/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <sys/mman.h>

#include "base/bits.h"
#include "base/metadata.h"
#include "base/options.h"
#include "base/params.h"
#include "heap/arena.h"
#include "heap/large.h"
#include "heap/mapped.h"
#include "heap/page_heap.h"
#include "heap/pagemap.h"

#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)
#define PAGES(bytes) ((bytes) >> PAGE_SHIFT)

static struct span *
make(size_t bytes, size_t align)
{
  struct span *span = tcmi_span_new(0);

  must(span != NULL);
  if (!tcmi_mapped_new(span, PAGES(bytes), PAGES(align))) {
    tcmi_span_delete(span);
    return NULL;
  }
  return span;
}

static void
drop(struct span *span)
{
  tcmi_mapped_delete(span);
  tcmi_span_delete(span);
}

static size_t
used_bytes(void)
{
  tcmi_page_heap_verify();
  return tcmi_page_heap_used_bytes();
}

START_TEST(block_is_known_and_counted)
{
  struct span *a = make(3 * MIB, PAGE_SIZE), *b = make(5 * MIB, PAGE_SIZE);
  struct mapped_range ranges[3];

  ck_assert(memory_is_zero((void *)a->start, 3 * MIB));
  memset((void *)a->start, 1, 3 * MIB);
  ck_assert_ptr_eq(pagemap_span(a->start), a);
  ck_assert_ptr_eq(tcmi_pagemap_find(a->start), a);
  ck_assert_ptr_eq(tcmi_pagemap_find(a->start + 3 * MIB - 1), a);
  ck_assert_ptr_eq(tcmi_pagemap_find(b->start + 4 * MIB), b);
  ck_assert_ptr_null(pagemap_arena(a->start));
  ck_assert_uint_eq(pagemap_tag(a->start), 0);
  ck_assert_uint_eq(used_bytes(), 8 * MIB);
  ck_assert_uint_eq(arena_committed_bytes(), 8 * MIB);
  ck_assert_uint_eq(arena_reserved_bytes(), 8 * MIB);
  ck_assert_uint_eq(tcmi_mapped_read(0, ranges, 3), 2);
  ck_assert_uint_eq(tcmi_mapped_read(1, ranges, 3), 1);
  ck_assert_uint_eq(ranges[0].start, a->start);
  ck_assert_uint_eq(ranges[0].size, 3 * MIB);
  drop(a);
  drop(b);
  ck_assert_uint_eq(used_bytes(), 0);
  ck_assert_uint_eq(arena_committed_bytes(), 0);
  ck_assert_uint_eq(arena_reserved_bytes(), 0);
  ck_assert_uint_eq(tcmi_mapped_read(0, ranges, 3), 0);
}
END_TEST

START_TEST(alignments)
{
  for (size_t align = PAGE_SIZE; align <= GIB; align *= 2) {
    struct span *span = make(2 * MIB, align);
    must(span != NULL && span->start % align == 0);
    memset((void *)span->start, 1, 2 * MIB);
    drop(span);
  }
  ck_assert_ptr_null(make(2 * MIB, (size_t)1 << (sizeof(size_t) * 8 - 1)));
  ck_assert_uint_eq(used_bytes(), 0);
}
END_TEST

/* Metadata and lookups of a huge block cost no more than of a small one. */
START_TEST(untouched_block_has_a_constant_cost)
{
  long before, most = 0;

  drop(make(2 * MIB, PAGE_SIZE));
  before = memory_resident_bytes();
  for (unsigned shift = 31; shift < sizeof(size_t) * 8 - 2; shift++) {
    struct span *span = make((size_t)1 << shift, PAGE_SIZE);
    if (span == NULL)
      break;
    long now = memory_resident_bytes() - before;
    most = now > most ? now : most;
    ck_assert_ptr_eq(tcmi_pagemap_find(span_end(span) - 1), span);
    ck_assert_ptr_eq(tcmi_pagemap_find(span->start + span_bytes(span) / 2),
                     span);
    drop(span);
  }
  if (!TCM_SANITIZED)
    ck_assert_int_lt(most, 512 << 10);
  ck_assert_uint_eq(used_bytes(), 0);
}
END_TEST

START_TEST(grows_and_moves_with_its_contents)
{
  struct span *span = make(3 * MIB, PAGE_SIZE);
  size_t size = 3 * MIB;

  for (int i = 0; i < 6; i++) {
    uintptr_t before = span->start;
    size_t next = size * 2 + PAGE_SIZE;
    void *wall = mmap((char *)span_end(span), PAGE_SIZE, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memory_fill((void *)span->start, size, (uint64_t)i);
    if (!tcmi_mapped_resize(span, PAGES(next), /*may_move=*/false)) {
      ck_assert_uint_eq(span->start, before);
      ck_assert_ptr_eq(pagemap_span(before), span);
      ck_assert_uint_eq(used_bytes(), size);
      must(tcmi_mapped_resize(span, PAGES(next), /*may_move=*/true));
    }
    must(memory_holds((void *)span->start, size, (uint64_t)i));
    must(memory_is_zero((char *)span->start + size, next - size));
    must(pagemap_span(span->start) == span);
    must(tcmi_pagemap_find(span_end(span) - 1) == span);
    if (span->start != before)
      must(pagemap_span(before) == NULL);
    ck_assert_uint_eq(used_bytes(), next);
    size = next;
    munmap(wall, PAGE_SIZE);
  }
  ck_assert(tcmi_mapped_resize(span, 20, false));
  ck_assert(memory_holds((void *)span->start, 20 * PAGE_SIZE, 5));
  ck_assert_uint_eq(used_bytes(), 20 * PAGE_SIZE);
  ck_assert_ptr_null(tcmi_pagemap_find(span_end(span)));
  drop(span);
  ck_assert_uint_eq(used_bytes(), 0);
}
END_TEST

START_TEST(each_refused_call)
{
  for (unsigned n = 1;; n++) {
    struct span *span;
    (void)tcmi_system_fail(~0u, n, 1);
    span = make(3 * MIB, 4 * MIB);
    if (span != NULL)
      drop(span);
    ck_assert_uint_eq(used_bytes(), 0);
    if (unit_fail_none() == 0)
      break;
  }
}
END_TEST

/* The pagemap cannot hold the new place, so the block moves back. */
START_TEST(block_comes_back_where_it_was)
{
  struct span *span = make(3 * MIB, PAGE_SIZE);
  uintptr_t start = span->start;
  void *wall = mmap((char *)span_end(span), PAGE_SIZE, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  memory_fill((void *)start, 3 * MIB, 7);
  for (size_t i = 0; i < ROOT_LENGTH; i++)
    if (tcmi_pagemap_root[i] != NULL)
      tcmi_pagemap_root[i]->writable = 0;
  unit_fail_all(1u << SYSTEM_COMMIT | 1u << SYSTEM_MAP);
  ck_assert(!tcmi_mapped_resize(span, PAGES(64 * MIB), /*may_move=*/true));
  ck_assert_uint_gt(unit_fail_none(), 0);
  ck_assert_uint_eq(span->start, start);
  ck_assert_ptr_eq(pagemap_span(start), span);
  ck_assert(memory_holds((void *)start, 3 * MIB, 7));
  memset((void *)start, 1, 3 * MIB);
  ck_assert_uint_eq(used_bytes(), 3 * MIB);
  ck_assert(tcmi_mapped_resize(span, PAGES(64 * MIB), /*may_move=*/true));
  drop(span);
  munmap(wall, PAGE_SIZE);
}
END_TEST

START_TEST(hard_limit_counts_it)
{
  struct span *span;

  tcmi_options_init(NULL);
  ck_assert_int_eq(
      tcmi_option_change(OPTION_hard_limit_bytes, 16 * MIB, SOURCE_API), 0);
  ck_assert_ptr_null(make(17 * MIB, PAGE_SIZE));
  span = make(5 * MIB, PAGE_SIZE);
  ck_assert_ptr_nonnull(span);
  ck_assert(!tcmi_mapped_resize(span, PAGES(17 * MIB), true));
  ck_assert(tcmi_mapped_resize(span, PAGES(10 * MIB), true));
  ck_assert_ptr_null(make(8 * MIB, PAGE_SIZE));
  drop(span);
  ck_assert_uint_eq(used_bytes(), 0);
}
END_TEST

/* A block larger than any arena is one mapping: the kernel sees its size. */
START_TEST(large_blocks_beyond_arenas_are_mapped)
{
  void *block = tcmi_large_alloc(GIB + 1, PAGE_SIZE, true);
  struct span *span = pagemap_span((uintptr_t)block);

  if (block == NULL)
    return;
  ck_assert(span->mapped);
  ck_assert_ptr_null(pagemap_arena((uintptr_t)block));
  ck_assert_uint_eq(*((char *)block + GIB), 0);
  ck_assert_uint_eq(tcmi_large_stats.bytes, GIB + tcmi_system_page_size());
  ck_assert(tcmi_large_resize(span, 100000));
  ck_assert_uint_eq(tcmi_large_stats.bytes, span_bytes(span));
  tcmi_large_free(span);
  block = tcmi_large_alloc(MIB, 2 * GIB, false);
  if (block != NULL) {
    ck_assert_uint_eq((uintptr_t)block % (2 * GIB), 0);
    tcmi_large_free(pagemap_span((uintptr_t)block));
  }
  ck_assert_uint_eq(tcmi_large_stats.bytes, 0);
  ck_assert_uint_eq(used_bytes(), 0);
}
END_TEST

static void *
churn(void *seed)
{
  uint64_t state = (uint64_t)(uintptr_t)seed;
  struct span *spans[8] = {NULL};

  for (int i = 0; i < 2000; i++) {
    struct span **span = &spans[unit_below(&state, 8)];
    size_t size = (1 + unit_below(&state, 900)) * PAGE_SIZE;
    if (*span == NULL) {
      *span = make(size, PAGE_SIZE);
      must(*span != NULL);
    } else if (i % 3 == 0) {
      must(*(struct span **)((*span)->start) == *span);
      must(tcmi_mapped_resize(*span, PAGES(size), true));
    } else {
      must(*(struct span **)((*span)->start) == *span);
      must(tcmi_pagemap_find(span_end(*span) - 1) == *span);
      drop(*span);
      *span = NULL;
      continue;
    }
    *(struct span **)((*span)->start) = *span;
    *(char *)(span_end(*span) - 1) = 1;
  }
  for (int i = 0; i < 8; i++)
    if (spans[i] != NULL)
      drop(spans[i]);
  return NULL;
}

START_TEST(threads_share_the_books)
{
  pthread_t threads[4];

  for (uintptr_t i = 0; i < 4; i++)
    unit_thread(&threads[i], churn, (void *)(i + 1));
  for (int i = 0; i < 20; i++)
    tcmi_page_heap_verify();
  for (int i = 0; i < 4; i++)
    unit_join(threads[i]);
  ck_assert_uint_eq(used_bytes(), 0);
  ck_assert_uint_eq(tcmi_mapped_blocks.count, 0);
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("mapped");

  tcase_add_test(tests, block_is_known_and_counted);
  tcase_add_test(tests, alignments);
  tcase_add_test(tests, untouched_block_has_a_constant_cost);
  tcase_add_test(tests, grows_and_moves_with_its_contents);
  tcase_add_test(tests, each_refused_call);
  tcase_add_test(tests, block_comes_back_where_it_was);
  tcase_add_test(tests, hard_limit_counts_it);
  tcase_add_test(tests, large_blocks_beyond_arenas_are_mapped);
  tcase_add_test(tests, threads_share_the_books);
  return unit_run(tests);
}
