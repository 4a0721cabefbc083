/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include "base/atomics.h"
#include "base/options.h"
#include "cache/cache_owner.h"
#include "cache/central_list.h"
#include "cache/thread_cache_fast.h"
#include "cache/thread_cache_large.h"
#include "cache/transfer_cache.h"
#include "heap/large.h"
#include "heap/page_heap.h"
#include "heap/pagemap.h"

static struct cache_registry *registry = &tcmi_cache_registry;

static void *
get(unsigned c)
{
  void *object = thread_cache_pop(size_class_size(c));

  if (object == NULL) {
    object = tcmi_thread_cache_refill(tcmi_thread_cache, c);
    must(object != NULL && mark_take(object, tcmi_free_mark));
  }
  return object;
}

static void
put(unsigned c, void *object)
{
  if (thread_cache_try_push(object))
    return;
  must(mark_set(object, tcmi_free_mark));
  tcmi_thread_cache_push(tcmi_thread_cache, c, object);
}

static void
use(unsigned c, int n)
{
  void *objects[64];
  int i;

  for (i = 0; i < n; i++)
    objects[i] = get(c);
  for (i = 0; i < n; i++)
    put(c, objects[i]);
}

/* Empties all tiers above the page heap; then no page may be in use. */
static void
expect_all_pages_free(void)
{
  unsigned c;

  while (tcmi_thread_cache_flush_orphan())
    ;
  for (c = 1; c < SIZE_CLASS_COUNT; c++) {
    tcmi_transfer_flush(c);
    tcmi_central_verify(c);
    must_for(tcmi_central_lists[c].spans == 0, "class %u", c);
  }
  must(tcmi_page_heap_used_bytes() == 0);
}

START_TEST(thread_begins_without_a_cache)
{
  ck_assert_int_eq(tcmi_thread_cache_state, CACHE_NONE);
  ck_assert_ptr_nonnull(tcmi_thread_cache);
  ck_assert_uint_eq(registry->ncaches, 0);
  tcmi_thread_cache_orphan();
  tcmi_thread_cache_verify();
  ck_assert_int_eq(tcmi_thread_cache_state, CACHE_NONE);
  ck_assert_uint_eq(registry->norphans, 0);
  ck_assert(!tcmi_thread_cache_flush_orphan());
}
END_TEST

START_TEST(life_of_a_cache)
{
  struct thread_cache *closed = tcmi_thread_cache, *cache;

  ck_assert(tcmi_thread_cache_open());
  cache = tcmi_thread_cache;
  ck_assert_ptr_ne(cache, closed);
  ck_assert_int_eq(tcmi_thread_cache_state, CACHE_OPEN);
  ck_assert_uint_eq(registry->ncaches, 1);
  use(9, 20);
  tcmi_thread_cache_orphan();
  ck_assert_ptr_eq(tcmi_thread_cache, closed);
  ck_assert_int_eq(tcmi_thread_cache_state, CACHE_GONE);
  ck_assert_uint_eq(registry->ncaches, 1);
  ck_assert_uint_eq(registry->norphans, 1);
  tcmi_thread_cache_orphan();
  ck_assert_uint_eq(registry->norphans, 1);
  /* The next open adopts it with its objects. */
  ck_assert(tcmi_thread_cache_open());
  ck_assert_ptr_eq(tcmi_thread_cache, cache);
  ck_assert_uint_gt(bin_count(owner_of(cache), 9), 0);
  ck_assert_uint_eq(registry->norphans, 0);
  tcmi_thread_cache_verify();
}
END_TEST

static unsigned flush_step; /* [atomic: acquire and release] */

static void *
flush_when_told(void *unused)
{
  (void)unused;
  must(tcmi_thread_cache_open());
  use(9, 20);
  atomic_store_release(&flush_step, 1);
  while (atomic_load_acquire(&flush_step) < 2)
    usleep(1000);
  tcmi_thread_cache_flush(tcmi_thread_cache);
  tcmi_thread_cache_orphan();
  return NULL;
}

/* Another thread can get an object as soon as the transfer cache has it.  It
 * must not be in the bin then, or a free of it looks like a second one. */
START_TEST(flushed_objects_leave_the_bin_first)
{
  pthread_t thread;
  int i;

  unit_thread(&thread, flush_when_told, NULL);
  while (atomic_load_acquire(&flush_step) < 1)
    usleep(1000);
  ck_assert_uint_gt(tcmi_thread_cache_objects(9), 0);
  lock_acquire(&tcmi_transfer_caches[9].lock);
  atomic_store_release(&flush_step, 2);
  for (i = 0; i < 10000 && tcmi_thread_cache_objects(9) > 0; i++)
    usleep(1000);
  ck_assert_uint_eq(tcmi_thread_cache_objects(9), 0);
  lock_release(&tcmi_transfer_caches[9].lock);
  unit_join(thread);
}
END_TEST

/* No cache has a share: all its capacity is charged to the pool. */
static void
charge_all(void)
{
  tcmi_options_init(NULL);
  ck_assert_int_eq(tcmi_option_change(OPTION_cache_total_bytes, 0, SOURCE_API),
                   0);
}

START_TEST(orphan_is_flushed_and_gone)
{
  charge_all();
  ck_assert(tcmi_thread_cache_open());
  use(9, 20);
  use(60, 20);
  tcmi_thread_cache_orphan();
  ck_assert_uint_gt(registry->pool_bytes, 0);
  ck_assert(tcmi_thread_cache_flush_orphan());
  ck_assert(!tcmi_thread_cache_flush_orphan());
  ck_assert_uint_eq(registry->ncaches, 0);
  ck_assert_uint_eq(registry->norphans, 0);
  ck_assert_uint_eq(registry->sharers, 0);
  ck_assert_uint_eq(registry->pool_bytes, 0);
  expect_all_pages_free();
}
END_TEST

/* The large block that an ended thread held is freed, and so is its charge. */
START_TEST(orphan_with_a_held_block)
{
  void *block;

  ck_assert(tcmi_thread_cache_open());
  block = tcmi_large_alloc(1 << 20, 1, false);
  ck_assert(tcmi_thread_cache_keep_large(tcmi_thread_cache,
                                         pagemap_span((uintptr_t)block)));
  tcmi_thread_cache_orphan();
  ck_assert(tcmi_thread_cache_flush_orphan());
  ck_assert_uint_eq(registry->pool_bytes, 0);
  ck_assert_uint_eq(tcmi_large_stats.count, 0);
  expect_all_pages_free();
}
END_TEST

START_TEST(no_memory_is_no_cache)
{
  struct thread_cache *closed = tcmi_thread_cache;

  unit_fail_all(1u << SYSTEM_MAP);
  ck_assert(!tcmi_thread_cache_open());
  ck_assert_uint_gt(unit_fail_none(), 0);
  ck_assert_ptr_eq(tcmi_thread_cache, closed);
  ck_assert_int_ne(tcmi_thread_cache_state, CACHE_OPEN);
  ck_assert_uint_eq(registry->ncaches, 0);
  ck_assert(tcmi_thread_cache_open());
}
END_TEST

/* ---- Numbers ------------------------------------------------------------- */

static void *
hold_and_orphan(void *argument)
{
  unsigned c = (unsigned)(uintptr_t)argument;

  must(tcmi_thread_cache_open());
  use(c, 40);
  tcmi_thread_cache_orphan();
  return NULL;
}

START_TEST(numbers_of_all_caches)
{
  struct thread_cache_stats stats;
  uint64_t expected = 0, objects;
  pthread_t threads[4];
  unsigned c = 20;
  uintptr_t i;

  ck_assert(tcmi_thread_cache_open());
  use(c, 30);
  objects = bin_count(owner_of(tcmi_thread_cache), c);
  ck_assert_uint_eq(tcmi_thread_cache_objects(c), objects);
  for (i = 0; i < 4; i++)
    unit_thread(&threads[i], hold_and_orphan, (void *)(uintptr_t)c);
  for (i = 0; i < 4; i++)
    unit_join(threads[i]);
  tcmi_thread_cache_stats(&stats);
  ck_assert_uint_ge(stats.caches, 2);
  ck_assert_uint_eq(stats.orphans, stats.caches - 1);
  for (c = 1; c < SIZE_CLASS_COUNT; c++)
    expected += tcmi_thread_cache_objects(c) * size_class_size(c);
  ck_assert_uint_eq(stats.bytes, expected);
  ck_assert_uint_gt(tcmi_thread_cache_objects(20), objects);
}
END_TEST

START_TEST(held_blocks_are_counted)
{
  struct thread_cache_stats stats;
  void *block;

  ck_assert(tcmi_thread_cache_open());
  block = tcmi_large_alloc(1 << 20, 1, false);
  ck_assert(tcmi_thread_cache_keep_large(tcmi_thread_cache,
                                         pagemap_span((uintptr_t)block)));
  tcmi_thread_cache_stats(&stats);
  ck_assert_uint_eq(stats.large_blocks, 1);
  ck_assert_uint_eq(stats.large_bytes, 1 << 20);
  ck_assert_uint_eq(stats.bytes, 1 << 20);
}
END_TEST

/* In the child of a fork, the budget counts only the caches that exist. */
START_TEST(budget_after_a_fork)
{
  size_t own;
  pthread_t thread;

  charge_all();
  ck_assert(tcmi_thread_cache_open());
  use(30, 40);
  own = registry->pool_bytes;
  ck_assert_uint_gt(own, 0);
  unit_thread(&thread, hold_and_orphan, (void *)(uintptr_t)12);
  unit_join(thread);
  registry->pool_bytes += 12345;
  registry->sharers += 7;
  tcmi_thread_cache_after_fork();
  ck_assert_uint_eq(registry->pool_bytes, own + registry->orphans->pooled);
  ck_assert_uint_eq(registry->sharers, 2);
}
END_TEST

/* ---- Threads that come and go -------------------------------------------- */

#define NSLOTS 512

/* Objects on their way from one thread to another. */
static void *slots[NSLOTS]; /* [atomic: acquire and release] */

static void *
exchange(void *object)
{
  unsigned i = (unsigned)(uintptr_t)object / 64 % NSLOTS;

  return __atomic_exchange_n(&slots[i], object, __ATOMIC_ACQ_REL);
}

static void *
short_life(void *seed)
{
  uint64_t state = (uint64_t)(uintptr_t)seed;
  int i;

  must(tcmi_thread_cache_open());
  for (i = 0; i < 300; i++) {
    unsigned c = 1 + (unsigned)unit_below(&state, 30);
    void *object = get(c), *other;
    memory_fill(object, size_class_size(c), c);
    other = exchange(object);
    if (other != NULL) {
      c = pagemap_tag((uintptr_t)other) / 2;
      must(memory_holds(other, size_class_size(c), c));
      put(c, other);
    }
  }
  tcmi_thread_cache_verify();
  tcmi_thread_cache_orphan();
  return NULL;
}

START_TEST(generations_of_threads)
{
  pthread_t threads[6];
  uintptr_t round, i;

  for (round = 0; round < 60; round++) {
    for (i = 0; i < 6; i++)
      unit_thread(&threads[i], short_life, (void *)(round * 6 + i + 1));
    for (i = 0; i < 6; i++)
      unit_join(threads[i]);
    must(registry->ncaches <= 6);
    must(registry->norphans == registry->ncaches);
  }
  ck_assert(tcmi_thread_cache_open());
  for (i = 0; i < NSLOTS; i++)
    if (slots[i] != NULL)
      put(pagemap_tag((uintptr_t)slots[i]) / 2, slots[i]);
  tcmi_thread_cache_orphan();
  expect_all_pages_free();
  ck_assert_uint_eq(registry->ncaches, 0);
  ck_assert_uint_eq(registry->sharers, 0);
  ck_assert_uint_eq(registry->pool_bytes, 0);
}
END_TEST

static int stop; /* [atomic: relaxed] */

static void *
look_from_outside(void *unused)
{
  struct thread_cache_stats stats;

  while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
    tcmi_thread_cache_stats(&stats);
    /* No cache holds more than its maximum, even in a torn read. */
    must(stats.bytes < (uint64_t)1 << 30);
    must(stats.caches <= 6);
  }
  return unused;
}

static void *
free_and_allocate_large(void *seed)
{
  uint64_t state = (uint64_t)(uintptr_t)seed;
  int i;

  must(tcmi_thread_cache_open());
  for (i = 0; i < 2000; i++) {
    size_t size = (1 + unit_below(&state, 4)) << 18;
    struct span *span =
        tcmi_thread_cache_take_large(tcmi_thread_cache, size >> PAGE_SHIFT);
    if (span == NULL)
      span = pagemap_span((uintptr_t)tcmi_large_alloc(size, 1, false));
    must(span != NULL);
    if (i % 8 == 0)
      must(tcmi_large_resize(span, size / 2));
    if (!tcmi_thread_cache_keep_large(tcmi_thread_cache, span))
      tcmi_large_free(span);
    use(1 + (unsigned)unit_below(&state, 20), 30);
  }
  tcmi_thread_cache_orphan();
  return NULL;
}

/* The numbers, including those of large blocks, are read while the owners
 * work. */
START_TEST(numbers_are_read_meanwhile)
{
  pthread_t threads[3], reader;
  uintptr_t i;

  unit_thread(&reader, look_from_outside, NULL);
  for (i = 0; i < 3; i++)
    unit_thread(&threads[i], free_and_allocate_large, (void *)(i + 1));
  for (i = 0; i < 3; i++)
    unit_join(threads[i]);
  __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
  unit_join(reader);
  expect_all_pages_free();
}
END_TEST

/* If there are many orphaned caches, slow paths flush all but a few. */
START_TEST(orphans_do_not_pile_up)
{
  struct thread_cache *caches[20];
  static void *objects[4096];
  int i;

  for (i = 0; i < 20; i++) {
    ck_assert(tcmi_thread_cache_open());
    use(5 + (unsigned)i, 40);
    caches[i] = tcmi_thread_cache;
    /* As if each cache had its own thread; they are orphaned later. */
    tcmi_thread_cache_detach(CACHE_NONE);
  }
  for (i = 0; i < 20; i++) {
    tcmi_thread_cache = caches[i];
    tcmi_thread_cache_state = CACHE_OPEN;
    tcmi_thread_cache_orphan();
  }
  ck_assert_uint_eq(registry->norphans, 20);
  ck_assert(tcmi_thread_cache_open());
  for (i = 0; i < 4096; i++)
    objects[i] = get(10);
  for (i = 0; i < 4096; i++)
    put(10, objects[i]);
  ck_assert_uint_le(registry->norphans, ORPHANS_MAX);
  tcmi_thread_cache_orphan();
  expect_all_pages_free();
}
END_TEST

#define CACHES (2 * DIVERT_STEP + 5)

/* Makes caches as if each was another thread's, and uses a block in each. */
static void
open_caches(struct thread_cache **caches)
{
  size_t i;

  for (i = 0; i < CACHES; i++) {
    tcmi_thread_cache_detach(CACHE_NONE);
    ck_assert(tcmi_thread_cache_open());
    caches[i] = tcmi_thread_cache;
    use(10, 40);
    must(caches[i]->window.npages != 0 && !caches[i]->diverted);
  }
}

START_TEST(all_are_diverted_in_steps)
{
  static struct thread_cache *caches[CACHES];
  size_t i;

  open_caches(caches);
  ck_assert(tcmi_thread_cache_divert_some());
  ck_assert(tcmi_thread_cache_divert_some());
  ck_assert(!tcmi_thread_cache_divert_some());
  for (i = 0; i < CACHES; i++)
    must(caches[i]->diverted && caches[i]->window.npages == 0);
  /* No refill or overflow changes that. */
  use(12, 60);
  ck_assert(tcmi_thread_cache->diverted);
  ck_assert_uint_eq(tcmi_thread_cache->window.npages, 0);
  tcmi_thread_cache_rejoin(tcmi_thread_cache);
  ck_assert_uint_ne(tcmi_thread_cache->window.npages, 0);
  /* The next pass begins with the first. */
  ck_assert(tcmi_thread_cache_divert_some());
}
END_TEST

/* The cache at which the next step would begin is deleted. */
START_TEST(the_next_to_divert_ends)
{
  static struct thread_cache *caches[CACHES];
  size_t i, rest = 0;

  open_caches(caches);
  ck_assert(tcmi_thread_cache_divert_some());
  for (i = 0; i < CACHES; i++)
    if (&owner_of(caches[i])->link == registry->divert_next)
      break;
  must(i < CACHES);
  tcmi_thread_cache = caches[i];
  tcmi_thread_cache_state = CACHE_OPEN;
  tcmi_thread_cache_orphan();
  ck_assert(tcmi_thread_cache_flush_orphan());
  caches[i] = NULL;
  while (tcmi_thread_cache_divert_some())
    rest++;
  ck_assert_uint_eq(rest, 1);
  for (i = 0; i < CACHES; i++)
    must(caches[i] == NULL || caches[i]->diverted);
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("thread_registry");

  tcase_add_test(tests, thread_begins_without_a_cache);
  tcase_add_test(tests, life_of_a_cache);
  tcase_add_test(tests, orphan_is_flushed_and_gone);
  tcase_add_test(tests, orphan_with_a_held_block);
  tcase_add_test(tests, no_memory_is_no_cache);
  tcase_add_test(tests, numbers_of_all_caches);
  tcase_add_test(tests, held_blocks_are_counted);
  tcase_add_test(tests, budget_after_a_fork);
  tcase_add_test(tests, generations_of_threads);
  tcase_add_test(tests, numbers_are_read_meanwhile);
  tcase_add_test(tests, orphans_do_not_pile_up);
  tcase_add_test(tests, flushed_objects_leave_the_bin_first);
  tcase_add_test(tests, all_are_diverted_in_steps);
  tcase_add_test(tests, the_next_to_divert_ends);
  return unit_run(tests);
}
