/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include "base/bits.h"
#include "cache/cache_owner.h"
#include "cache/central_list.h"
#include "cache/transfer_cache.h"
#include "front/allocate.h"
#include "front/heap_check.h"
#include "heap/arena.h"
#include "heap/page_heap.h"
#include "heap/pagemap.h"

#define SIZE 512
#define MOST 2000

static void *blocks[MOST];
static unsigned class_id;

/* Fills every tier: blocks in use, bins, transfer cache, partly free spans,
 * large blocks, idle pages. */
static void
setup(void)
{
  int i;

  class_id = size_class_of(SIZE);
  for (i = 0; i < MOST; i++)
    blocks[i] = tcmi_allocate(i % 100 == 0 ? 60000 : SIZE);
  for (i = 0; i < MOST; i += 3)
    tcmi_free(blocks[i]);
}

static void
walk(void *unused)
{
  (void)unused;
  tcmi_heap_check();
}

START_TEST(sound_heap_passes)
{
  char text[256];

  tcmi_heap_check();
  ck_assert_int_eq(unit_child(walk, NULL, text, sizeof text), 0);
  ck_assert_str_eq(text, "");
  ck_assert_uint_gt(tcmi_transfer_caches[class_id].count, 0);
  ck_assert_uint_gt(tcmi_central_lists[class_id].free_objects, 0);
  (void)tcm_release_free_memory();
  tcmi_heap_check();
}
END_TEST

static void
foreign_in_transfer_cache(void *place)
{
  tcmi_transfer_caches[class_id].slots[0] = place;
  tcmi_heap_check();
}

static void
too_many_in_transfer_cache(void *unused)
{
  (void)unused;
  tcmi_transfer_caches[class_id].count =
      tcmi_transfer_caches[class_id].capacity + 1;
  tcmi_heap_check();
}

static void
foreign_in_bin(void *place)
{
  tcmi_thread_cache->bins[class_id].top[-1] = place;
  tcmi_heap_check();
}

static void
free_object_in_bin(void *unused)
{
  struct bin *bin = &tcmi_thread_cache->bins[class_id];
  void *object = bin->top[-1];

  (void)unused;
  tcmi_central_insert(class_id, &object, 1);
  tcmi_heap_check();
}

static void
free_objects_miscounted(void *unused)
{
  (void)unused;
  tcmi_central_lists[class_id].free_objects--;
  tcmi_heap_check();
}

static struct span *
span_of(void *block)
{
  return pagemap_span((uintptr_t)block);
}

static void
bit_flipped_in_span(void *block)
{
  span_of(block)->bits[0] ^= 2;
  tcmi_heap_check();
}

static void
map_entry_lost(void *block)
{
  struct pagemap_leaf *leaf = pagemap_leaf_of((uintptr_t)block);
  uintptr_t start = span_of(block)->start;

  leaf->chunks[pagemap_chunk_index(start)]->spans[pagemap_span_index(start)] =
      NULL;
  tcmi_heap_check();
}

static void
map_tag_wrong(void *block)
{
  struct pagemap_leaf *leaf = pagemap_leaf_of((uintptr_t)block);

  leaf->words[pagemap_page_index(span_of(block)->start)] += 2;
  tcmi_heap_check();
}

static void
page_freed_below_a_span(void *block)
{
  struct arena *arena = pagemap_arena((uintptr_t)block);
  size_t page = arena_page(arena, (uintptr_t)block);

  bit_clear(arena->huge_pages[page / HUGE_PAGE_PAGES].used,
            page % HUGE_PAGE_PAGES);
  tcmi_heap_check();
}

static void
longest_run_wrong(void *block)
{
  struct arena *arena = pagemap_arena((uintptr_t)block);
  size_t page = arena_page(arena, (uintptr_t)block);

  arena->huge_pages[page / HUGE_PAGE_PAGES].longest++;
  tcmi_heap_check();
}

/* A block whose span also has free objects, and so is in a list. */
static void *
block_of_a_listed_span(void)
{
  int i;

  for (i = 0; i < MOST; i++)
    if (i % 3 != 0 && i % 100 != 0 && span_of(blocks[i])->bucket != 0)
      return blocks[i];
  ck_abort_msg("no span has room");
  return NULL;
}

START_TEST(broken_heap_is_told)
{
  static long foreign[2];
  void *block = block_of_a_listed_span();

  unit_must_abort(foreign_in_transfer_cache, foreign, "broken invariant");
  unit_must_abort(too_many_in_transfer_cache, NULL, "broken invariant");
  unit_must_abort(foreign_in_bin, foreign, "broken invariant");
  unit_must_abort(free_object_in_bin, NULL, "broken invariant");
  unit_must_abort(free_objects_miscounted, NULL, "broken invariant");
  unit_must_abort(bit_flipped_in_span, block, "broken invariant");
  unit_must_abort(map_entry_lost, block, "broken invariant");
  unit_must_abort(map_tag_wrong, block, "broken invariant");
  unit_must_abort(page_freed_below_a_span, block, "broken invariant");
  unit_must_abort(longest_run_wrong, block, "broken invariant");
  tcmi_heap_check();
}
END_TEST

static int stop; /* [atomic: relaxed] */

static void *
churn(void *seed)
{
  uint64_t state = (uint64_t)(uintptr_t)seed;
  void *own[64] = {NULL};
  int i;

  while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
    size_t slot = unit_below(&state, 64);
    tcmi_free(own[slot]);
    own[slot] = tcmi_allocate(unit_below(&state, slot ? 2000 : 500000));
    must(own[slot] != NULL);
    if (slot == 7 && unit_below(&state, 20) == 0)
      (void)tcm_release_free_memory();
  }
  for (i = 0; i < 64; i++)
    tcmi_free(own[i]);
  return NULL;
}

/* The walk locks one structure at a time, so other threads can continue. */
START_TEST(walk_while_others_work)
{
  pthread_t threads[3];
  uintptr_t i;

  for (i = 0; i < 3; i++)
    unit_thread(&threads[i], churn, (void *)(i + 1));
  for (i = 0; i < 200; i++)
    tcmi_heap_check();
  __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
  for (i = 0; i < 3; i++)
    unit_join(threads[i]);
  tcmi_heap_check();
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("heap_check");

  tcase_add_checked_fixture(tests, setup, NULL);
  tcase_add_test(tests, sound_heap_passes);
  tcase_add_test(tests, broken_heap_is_told);
  tcase_add_test(tests, walk_while_others_work);
  return unit_run(tests);
}
