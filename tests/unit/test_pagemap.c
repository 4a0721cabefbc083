/* SPDX-License-Identifier: BSD-2-Clause */
/* The arenas here have no memory: the pagemap never reads the pages it maps. */
#include "unit.h"

#include <sys/mman.h>

#include "base/metadata.h"
#include "heap/arena.h"
#include "heap/page_heap.h"
#include "heap/pagemap.h"

#define RANGE ((size_t)32 << 20)

static struct arena arena, other;

static bool
reserve(uintptr_t start, size_t size, struct arena *a)
{
  bool done;

  lock_acquire(&tcmi_page_heap_lock);
  done = tcmi_pagemap_reserve_locked(start, size, a);
  lock_release(&tcmi_page_heap_lock);
  return done;
}

static void
forget(uintptr_t start, size_t size)
{
  lock_acquire(&tcmi_page_heap_lock);
  tcmi_pagemap_forget_locked(start, size);
  lock_release(&tcmi_page_heap_lock);
}

static struct span *
make_span(uintptr_t start, uint32_t npages, uint8_t class_id)
{
  struct span *span = tcmi_span_new(0);

  must(span != NULL);
  span->start = start;
  span->npages = npages;
  span->class_id = class_id;
  return span;
}

static void
expect_foreign(uintptr_t address)
{
  must_for(pagemap_tag(address) == 0, "%#lx", (long)address);
  must_for(pagemap_span(address) == NULL, "%#lx", (long)address);
  must_for(pagemap_arena(address) == NULL, "%#lx", (long)address);
  must_for(tcmi_pagemap_find(address) == NULL, "%#lx", (long)address);
}

static void
expect_all_foreign(void)
{
  static char object[64];
  uint64_t state = unit_seed();
  void *mapping =
      mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int i;

  expect_foreign(0);
  for (i = 1; i < 70000; i++)
    expect_foreign((uintptr_t)i);
  expect_foreign((uintptr_t)&state);
  expect_foreign((uintptr_t)object);
  expect_foreign((uintptr_t)mapping);
  expect_foreign((uintptr_t)&expect_all_foreign);
  for (i = 0; i < 64; i++) {
    expect_foreign((uintptr_t)1 << i);
    expect_foreign(((uintptr_t)1 << i) - 1);
    expect_foreign(-((uintptr_t)1 << i));
  }
  for (i = 0; i < 100000; i++)
    expect_foreign((uintptr_t)harness_random(&state));
}

START_TEST(everything_is_foreign_at_first)
{
  expect_all_foreign();
}
END_TEST

/* P2, even while there is a heap. */
START_TEST(foreign_next_to_a_heap)
{
  unsigned char *block = tcm_malloc(100), *large = tcm_malloc(1 << 20);

  ck_assert_ptr_nonnull(block);
  ck_assert_ptr_nonnull(large);
  expect_all_foreign();
  ck_assert_uint_ne(pagemap_tag((uintptr_t)block), 0);
  tcm_free(block);
  tcm_free(large);
}
END_TEST

START_TEST(small_span_names_each_page)
{
  uintptr_t start = 10 * LEAF_SIZE + 5 * HUGE_PAGE_SIZE;
  struct span *span;
  uintptr_t page;

  ck_assert(reserve(start, RANGE, &arena));
  span = make_span(start + 7 * PAGE_SIZE, 5, 33);
  tcmi_pagemap_set(span);
  for (page = 0; page < 20; page++) {
    uintptr_t address = start + page * PAGE_SIZE + 123;
    bool inside = page >= 7 && page < 12;
    ck_assert_uint_eq(pagemap_tag(address), inside ? 66 : 0);
    ck_assert_ptr_eq(pagemap_span(address), inside ? span : NULL);
    ck_assert_ptr_eq(tcmi_pagemap_find(address), inside ? span : NULL);
    ck_assert_ptr_eq(pagemap_arena(address), &arena);
  }
  tcmi_pagemap_clear(span);
  for (page = 0; page < 20; page++) {
    ck_assert_uint_eq(pagemap_tag(start + page * PAGE_SIZE), 0);
    ck_assert_ptr_null(tcmi_pagemap_find(start + page * PAGE_SIZE));
  }
}
END_TEST

START_TEST(large_span_is_found_from_within)
{
  uintptr_t start = 10 * LEAF_SIZE;
  struct span *span, *before;

  ck_assert(reserve(start, RANGE, &arena));
  before = make_span(start, 2, 4);
  span = make_span(start + 2 * PAGE_SIZE, 1000, 0);
  tcmi_pagemap_set(before);
  tcmi_pagemap_set(span);
  ck_assert_uint_eq(pagemap_tag(span->start), 0);
  ck_assert_ptr_eq(pagemap_span(span->start), span);
  ck_assert_ptr_null(pagemap_span(span->start + PAGE_SIZE));
  ck_assert_ptr_eq(tcmi_pagemap_find(span->start + PAGE_SIZE), span);
  ck_assert_ptr_eq(tcmi_pagemap_find(span_end(span) - 1), span);
  ck_assert_ptr_null(tcmi_pagemap_find(span_end(span)));
  ck_assert_ptr_eq(tcmi_pagemap_find(span->start - 1), before);
  tcmi_pagemap_clear(span);
  ck_assert_ptr_null(tcmi_pagemap_find(span->start));
  /* Free pages after a span do not belong to it. */
  ck_assert_ptr_null(tcmi_pagemap_find(span->start + 5 * PAGE_SIZE));
  ck_assert_ptr_eq(tcmi_pagemap_find(start), before);
}
END_TEST

/* Leaves of arenas are in rows, unless address space is limited. */
START_TEST(row_of_leaves_is_one_window)
{
  struct pagemap_leaf *a, *b, *lone;
  uintptr_t start = 40 * LEAF_SIZE + 3 * HUGE_PAGE_SIZE;

  if (ROW_LEAVES == 1 || tcmi_system_address_space_is_limited())
    return;
  ck_assert(reserve(start, RANGE, &arena));
  ck_assert(reserve(start + LEAF_SIZE, RANGE, &arena));
  a = pagemap_leaf_of(start);
  b = pagemap_leaf_of(start + LEAF_SIZE);
  ck_assert_ptr_eq(b->words, a->words + LEAF_PAGES);
  ck_assert_uint_eq(a->window.start, 40 * LEAF_SIZE >> BLOCK_ALIGN_SHIFT);
  ck_assert_uint_ge(a->window.npages, ROW_LEAVES * LEAF_PAGES);
  ck_assert_ptr_eq(a->window.words, a->words);
  ck_assert_mem_eq(&b->window, &a->window, sizeof a->window);
  /* A block with its own mapping may lie anywhere, so it starts no row. */
  lock_acquire(&tcmi_page_heap_lock);
  ck_assert(tcmi_pagemap_reserve_large_locked(90 * LEAF_SIZE, PAGE_SIZE));
  lock_release(&tcmi_page_heap_lock);
  lone = pagemap_leaf_of(90 * LEAF_SIZE);
  ck_assert_uint_eq(lone->window.start, 90 * LEAF_SIZE >> BLOCK_ALIGN_SHIFT);
  ck_assert_uint_eq(lone->window.npages, LEAF_PAGES);
  /* A row ends before an existing leaf. */
  ck_assert(reserve(85 * LEAF_SIZE, RANGE, &arena));
  ck_assert_uint_eq(pagemap_leaf_of(85 * LEAF_SIZE)->window.npages,
                    5 * LEAF_PAGES);
}
END_TEST

START_TEST(range_over_several_leaves)
{
  uintptr_t start = 20 * LEAF_SIZE - 3 * HUGE_PAGE_SIZE;
  size_t size = 2 * LEAF_SIZE + 6 * HUGE_PAGE_SIZE;
  struct span *span;

  ck_assert(reserve(start, size, &arena));
  ck_assert_ptr_null(pagemap_arena(start - 1));
  ck_assert_ptr_eq(pagemap_arena(start), &arena);
  ck_assert_ptr_eq(pagemap_arena(20 * LEAF_SIZE - 1), &arena);
  ck_assert_ptr_eq(pagemap_arena(20 * LEAF_SIZE), &arena);
  ck_assert_ptr_eq(pagemap_arena(21 * LEAF_SIZE), &arena);
  ck_assert_ptr_eq(pagemap_arena(start + size - 1), &arena);
  ck_assert_ptr_null(pagemap_arena(start + size));
  span = make_span(20 * LEAF_SIZE - 2 * PAGE_SIZE, 4, 7);
  tcmi_pagemap_set(span);
  ck_assert_uint_eq(pagemap_tag(20 * LEAF_SIZE - 1), 14);
  ck_assert_uint_eq(pagemap_tag(20 * LEAF_SIZE), 14);
  ck_assert_uint_eq(pagemap_tag(20 * LEAF_SIZE + 2 * PAGE_SIZE), 0);
  tcmi_pagemap_clear(span);
  forget(start, size);
  ck_assert_ptr_null(pagemap_arena(start));
  ck_assert_ptr_null(pagemap_arena(21 * LEAF_SIZE));
  ck_assert_ptr_null(pagemap_arena(start + size - 1));
}
END_TEST

START_TEST(forgotten_range_is_reserved_again)
{
  uintptr_t start = 12 * LEAF_SIZE;

  ck_assert(reserve(start, RANGE, &arena));
  ck_assert(reserve(start + RANGE, RANGE, &other));
  forget(start, RANGE);
  ck_assert_ptr_null(pagemap_arena(start + RANGE - 1));
  ck_assert_ptr_eq(pagemap_arena(start + RANGE), &other);
  ck_assert(reserve(start, RANGE, &other));
  ck_assert_ptr_eq(pagemap_arena(start), &other);
}
END_TEST

START_TEST(above_the_user_limit)
{
  uintptr_t limit = (uintptr_t)ROOT_LENGTH << LEAF_SHIFT;

  ck_assert(!reserve(limit, RANGE, &arena));
  ck_assert(!reserve(limit - HUGE_PAGE_SIZE, RANGE, &arena));
  forget(limit - HUGE_PAGE_SIZE, RANGE);
  expect_foreign(limit - 1);
  expect_foreign(limit);
}
END_TEST

/* A range costs only the part of the pagemap for its own pages, of which only
 * touched pages are resident: here, one page of each plane. */
static size_t
resident_pages(const void *start, size_t size)
{
  size_t page = tcmi_system_page_size(), resident = 0, i;
  size_t length = (size + page - 1) / page;
  unsigned char *map = malloc(length);

  ck_assert_int_eq(mincore((void *)(uintptr_t)start, length * page, map), 0);
  for (i = 0; i < length; i++)
    resident += map[i] & 1;
  free(map);
  return resident;
}

START_TEST(small_process_pays_little)
{
  size_t page = tcmi_system_page_size(), before;
  struct pagemap_leaf *leaf;

  ck_assert_ptr_nonnull(tcmi_span_new(0));
  before = tcmi_metadata_mapped_bytes();
  ck_assert(reserve(14 * LEAF_SIZE, RANGE, &arena));
  tcmi_pagemap_set(make_span(14 * LEAF_SIZE, 2, 5));
  ck_assert_uint_le(tcmi_metadata_mapped_bytes() - before,
                    (RANGE >> PAGE_SHIFT) * 9 + 3 * page);
  leaf = tcmi_pagemap_root[14];
  ck_assert_uint_eq(
      resident_pages(leaf, sizeof *leaf) +
          resident_pages(leaf->words, LEAF_PAGES * sizeof leaf->words[0]) +
          resident_pages(leaf->chunks[0], sizeof *leaf->chunks[0]),
      3);
}
END_TEST

/* A lookup inside a large block does not take longer if the block is larger: it
 * reads only the entries of one huge page. */
START_TEST(deep_inside_a_large_span)
{
  static const size_t ends[] = {3 * HUGE_PAGE_SIZE, LEAF_SIZE - HUGE_PAGE_SIZE,
                                LEAF_SIZE, 2 * LEAF_SIZE + 5 * HUGE_PAGE_SIZE,
                                3 * LEAF_SIZE};
  uintptr_t start = 40 * LEAF_SIZE - 9 * PAGE_SIZE;
  struct span *span = make_span(start, 9, 0);
  size_t i, at;

  ck_assert(
      reserve(start - HUGE_PAGE_SIZE + 9 * PAGE_SIZE, 4 * LEAF_SIZE, &arena));
  tcmi_pagemap_set(span);
  for (i = 0; i < 10; i++) {
    size_t end = i < 5 ? ends[i] : ends[9 - i];
    size_t npages = 9 + (end >> PAGE_SHIFT) + i;
    tcmi_pagemap_resize(span, npages);
    span->npages = (uint32_t)npages;
    for (at = start; at < span_end(span); at += HUGE_PAGE_SIZE / 2 - PAGE_SIZE)
      must(tcmi_pagemap_find(at) == span);
    ck_assert_ptr_eq(tcmi_pagemap_find(span_end(span) - 1), span);
    for (at = span_end(span); at < start + 4 * LEAF_SIZE - 2 * HUGE_PAGE_SIZE;
         at += HUGE_PAGE_SIZE / 2 - PAGE_SIZE)
      must(tcmi_pagemap_find(at) == NULL);
    ck_assert_ptr_null(tcmi_pagemap_find(start - 1));
  }
  tcmi_pagemap_clear(span);
  for (at = start; at < start + 3 * LEAF_SIZE; at += HUGE_PAGE_SIZE)
    must(tcmi_pagemap_find(at) == NULL);
}
END_TEST

/* A range that is reserved, forgotten and reserved again is counted once. */
START_TEST(metadata_is_counted_once)
{
  size_t before;
  int i;

  ck_assert(reserve(16 * LEAF_SIZE, RANGE, &arena));
  forget(16 * LEAF_SIZE, RANGE);
  before = tcmi_metadata_mapped_bytes();
  for (i = 0; i < 100; i++) {
    ck_assert(reserve(16 * LEAF_SIZE, RANGE, &arena));
    forget(16 * LEAF_SIZE, RANGE);
  }
  ck_assert_uint_eq(tcmi_metadata_mapped_bytes(), before);
}
END_TEST

/* A refused call leaves no trace, and a later attempt succeeds. */
START_TEST(refused_memory)
{
  uintptr_t start = 30 * LEAF_SIZE - HUGE_PAGE_SIZE;
  unsigned n, failures = 0;

  for (n = 1;; n++) {
    bool done;
    (void)tcmi_system_fail(~0u, n, 1);
    done = reserve(start, RANGE, &arena);
    if (unit_fail_none() == 0) {
      ck_assert(done);
      break;
    }
    failures++;
    if (!done)
      forget(start, RANGE);
    ck_assert_ptr_eq(pagemap_arena(start), done ? &arena : NULL);
  }
  /* Leaves are never removed, so each attempt gets one step further. */
  ck_assert_uint_ge(failures, 4);
  ck_assert_ptr_eq(pagemap_arena(start + RANGE - 1), &arena);
}
END_TEST

/* ---- Threads that read while the map grows ------------------------------- */

#define NRANGES 300
#define NREADERS 3

static struct arena published[NRANGES];
static struct span *handed[NRANGES]; /* [atomic: release, acquire] */
static int done_publishing;          /* [atomic: relaxed] */

/* Each in another leaf, so that most reservations publish a leaf. */
static uintptr_t
range_start(size_t i)
{
  return (100 + i) * LEAF_SIZE + i * HUGE_PAGE_SIZE;
}

static void *
reader(void *seed)
{
  uint64_t state = (uint64_t)(uintptr_t)seed;
  size_t seen = 0;

  while (!__atomic_load_n(&done_publishing, __ATOMIC_RELAXED) || seen < 100) {
    size_t i = unit_below(&state, NRANGES);
    struct arena *found = pagemap_arena(range_start(i));
    struct span *span = __atomic_load_n(&handed[i], __ATOMIC_ACQUIRE);
    must(found == NULL || found == &published[i]);
    must(pagemap_arena(range_start(i) - 1) == NULL);
    if (span == NULL)
      continue;
    /* A span is in the pagemap before another thread gets it. */
    must(pagemap_span(span->start) == span);
    must(pagemap_tag(span->start) == 2u * span->class_id);
    must(pagemap_arena(span->start) == &published[i]);
    seen++;
  }
  return NULL;
}

START_TEST(readers_see_what_was_published)
{
  pthread_t threads[NREADERS];
  uintptr_t i;

  for (i = 0; i < NREADERS; i++)
    unit_thread(&threads[i], reader, (void *)(i + 1));
  for (i = 0; i < NRANGES; i++) {
    struct span *span = make_span(range_start(i), 2, (uint8_t)(i % 70 + 1));
    must(reserve(range_start(i), HUGE_PAGE_SIZE, &published[i]));
    tcmi_pagemap_set(span);
    __atomic_store_n(&handed[i], span, __ATOMIC_RELEASE);
    sched_yield();
  }
  __atomic_store_n(&done_publishing, 1, __ATOMIC_RELAXED);
  for (i = 0; i < NREADERS; i++)
    unit_join(threads[i]);
}
END_TEST

/* ---- Threads that free one large block at once --------------------------- */

static struct span *wanted;
static unsigned winners; /* [atomic: relaxed] */
static pthread_barrier_t start_together;

static void *
claim(void *unused)
{
  for (int i = 0; i < 2000; i++) {
    pthread_barrier_wait(&start_together);
    if (pagemap_claim(wanted->start, wanted))
      __atomic_add_fetch(&winners, 1, __ATOMIC_RELAXED);
    pthread_barrier_wait(&start_together);
  }
  return unused;
}

START_TEST(one_thread_gets_the_block)
{
  pthread_t threads[2];
  int i;

  ck_assert(reserve(14 * LEAF_SIZE, RANGE, &arena));
  wanted = make_span(14 * LEAF_SIZE, 100, 0);
  tcmi_pagemap_set(wanted);
  pthread_barrier_init(&start_together, NULL, 3);
  for (i = 0; i < 2; i++)
    unit_thread(&threads[i], claim, NULL);
  for (i = 0; i < 2000; i++) {
    pthread_barrier_wait(&start_together);
    pthread_barrier_wait(&start_together);
    must_for(__atomic_exchange_n(&winners, 0, __ATOMIC_RELAXED) == 1, "%d", i);
    must(pagemap_span(wanted->start) == NULL);
    pagemap_unclaim(wanted->start, wanted);
  }
  for (i = 0; i < 2; i++)
    unit_join(threads[i]);
  wanted->held = true;
  ck_assert(!pagemap_claim(wanted->start, wanted));
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("pagemap");

  tcase_add_test(tests, everything_is_foreign_at_first);
  tcase_add_test(tests, foreign_next_to_a_heap);
  tcase_add_test(tests, small_span_names_each_page);
  tcase_add_test(tests, large_span_is_found_from_within);
  tcase_add_test(tests, row_of_leaves_is_one_window);
  tcase_add_test(tests, range_over_several_leaves);
  tcase_add_test(tests, forgotten_range_is_reserved_again);
  tcase_add_test(tests, above_the_user_limit);
  tcase_add_test(tests, small_process_pays_little);
  tcase_add_test(tests, deep_inside_a_large_span);
  tcase_add_test(tests, metadata_is_counted_once);
  tcase_add_test(tests, refused_memory);
  tcase_add_test(tests, readers_see_what_was_published);
  tcase_add_test(tests, one_thread_gets_the_block);
  return unit_run(tests);
}
