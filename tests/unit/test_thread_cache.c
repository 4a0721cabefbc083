/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include "base/bits.h"
#include "base/options.h"
#include "base/params.h"
#include "cache/cache_owner.h"
#include "cache/central_list.h"
#include "cache/thread_cache_fast.h"
#include "cache/thread_cache_large.h"
#include "cache/transfer_cache.h"
#include "heap/large.h"
#include "heap/page_heap.h"
#include "heap/pagemap.h"

#define MIB ((size_t)1 << 20)

static struct thread_cache *cache;
static struct cache_owner *owner;
/* Bytes charged to the pool for caches of other threads that do not exist. */
static size_t others;

static void
setup(void)
{
  tcmi_options_init(NULL);
  ck_assert(tcmi_thread_cache_open());
  cache = tcmi_thread_cache;
  owner = owner_of(cache);
}

/* Checks T1 to T3, except for the budget. */
static void
expect_sound(void)
{
  size_t sum = 0;
  unsigned c;

  tcmi_thread_cache_verify();
  for (c = 1; c < SIZE_CLASS_COUNT; c++) {
    const struct bin_state *state = &owner->states[c];
    if (state->base == NULL) {
      must(state->cap == 0);
      must(bin_is_empty(&cache->bins[c]));
      must(cache->bins[c].top >= cache->bins[c].lim);
      continue;
    }
    sum += state->cap * size_class_size(c);
  }
  must(owner->capacity_bytes == sum);
  must(cache_charge(owner) == sum + owner->hot.large_charge);
  tcmi_cache_recharge(owner);
  must(tcmi_cache_registry.pool_bytes == owner->pooled + others);
  if (cache_charge(owner) <= CACHE_SHARE && others == 0)
    must(owner->pooled == 0 || tcmi_option(OPTION_cache_total_bytes) == 0);
}

/* Hides the size of the object from the compiler. */
static void *
hidden(void *pointer)
{
  __asm__("" : "+r"(pointer));
  return pointer;
}

static void *
get(unsigned c)
{
  void *object = thread_cache_pop(size_class_size(c));

  if (object == NULL) {
    object = tcmi_thread_cache_refill(cache, c);
    must(object != NULL && mark_take(object, cache->mark));
  }
  return object;
}

static void
put(unsigned c, void *object)
{
  if (thread_cache_try_push(object))
    return;
  must(mark_set(object, cache->mark));
  tcmi_thread_cache_push(cache, c, object);
}

static void
expect_nothing_left(void)
{
  unsigned c;

  tcmi_thread_cache_flush(cache);
  expect_sound();
  for (c = 1; c < SIZE_CLASS_COUNT; c++) {
    tcmi_transfer_flush(c);
    tcmi_central_verify(c);
    must(tcmi_central_lists[c].spans == 0);
  }
  must(tcmi_page_heap_used_bytes() == 0);
}

START_TEST(every_class_is_filled_and_emptied)
{
  static void *objects[300];
  unsigned c;
  int i;

  for (c = 1; c < SIZE_CLASS_COUNT; c++) {
    size_t size = size_class_size(c);
    for (i = 0; i < 300; i++) {
      objects[i] = get(c);
      must(pagemap_tag((uintptr_t)objects[i]) == 2 * c);
      memory_fill(objects[i], size, (uint64_t)i);
    }
    expect_sound();
    for (i = 0; i < 300; i++) {
      must(memory_holds(objects[i], size, (uint64_t)i));
      put(c, objects[i]);
    }
    expect_sound();
  }
  expect_nothing_left();
}
END_TEST

START_TEST(fresh_objects_come_in_ascending_order)
{
  unsigned c = size_class_of(64);
  char *before = get(c), *object;
  int i;

  for (i = 0; i < 60; i++) {
    object = get(c);
    ck_assert_ptr_eq(object, before + 64);
    before = object;
  }
}
END_TEST

START_TEST(last_freed_is_first_taken)
{
  unsigned c = size_class_of(200);
  void *a = get(c), *b = get(c);

  put(c, a);
  put(c, b);
  ck_assert_ptr_eq(get(c), b);
  ck_assert_ptr_eq(get(c), a);
}
END_TEST

/* Whatever the bins hold, an object is popped only while it is free. */
START_TEST(changed_object_stays_in_its_bin)
{
  unsigned c = size_class_of(64);
  size_t size = size_class_size(c);
  void *object = get(c), **top;

  put(c, object);
  top = cache->bins[c].top;
  ((word_of_block *)object)[0] = 1;
  ck_assert_ptr_eq(thread_cache_pop(size), object);
  /* Freed twice, because the program wrote to it in between. */
  ck_assert(thread_cache_try_push(object));
  mark_clear(object);
  ck_assert(thread_cache_try_push(object));
  ck_assert_ptr_eq(thread_cache_pop(size), object);
  ck_assert_ptr_null(thread_cache_pop(size));
  ck_assert_ptr_eq(cache->bins[c].top, top);
  mark_write(object, cache->mark + 1);
  ck_assert_ptr_null(thread_cache_pop(size));
  mark_write(object, cache->mark);
  ck_assert_ptr_eq(thread_cache_pop(size), object);
}
END_TEST

/* An empty bin, and that of a closed cache, with any mark. */
START_TEST(empty_bin_never_has_the_mark)
{
  ck_assert(!mark_is_set(NO_OBJECT, 0));
  ck_assert(!mark_is_set(NO_OBJECT, tcmi_free_mark));
  ck_assert_uint_eq(tcmi_free_mark % 2, 1);
}
END_TEST

/* ---- The fast path ------------------------------------------------------- */

/* Allocates runs, without touching them, until the heap continues in another
 * leaf.  Returns an object there; NULL if address space is short. */
static void *
get_beyond(unsigned c, uintptr_t window)
{
  for (unsigned i = 0; i < 3 * LEAF_SIZE / HUGE_PAGE_SIZE; i++) {
    void *object = i % 64 == 0 ? get(c) : NULL;
    if (object != NULL && ((uintptr_t)object ^ window) >= LEAF_SIZE)
      return object;
    if (tcmi_page_heap_alloc(HUGE_PAGE_PAGES, 1, RUN_SMALL) == 0)
      break;
  }
  return NULL;
}

START_TEST(window_reaches_beyond_the_first_leaf)
{
  unsigned c = size_class_of(32 << 10);
  char *near = get(c), *far;

  (void)get(size_class_of(3000));
  far = get_beyond(c, cache->window.start << BLOCK_ALIGN_SHIFT);
  if (far == NULL)
    return; /* not enough address space */
  for (int round = 0; round < 2; round++) {
    ck_assert(thread_cache_try_push(far));
    ck_assert(!thread_cache_try_push(far));
    ck_assert(!thread_cache_try_push(far + 1));
    ck_assert(!thread_cache_try_push(far + 4));
    ck_assert_uint_eq(thread_cache_tag_of(far), 0);
    ck_assert_ptr_eq(thread_cache_pop(size_class_size(c)), far);
    ck_assert(thread_cache_try_push(near));
    ck_assert_ptr_eq(thread_cache_pop(size_class_size(c)), near);
  }
}
END_TEST

/* A row of one leaf, as if address space were limited. */
START_TEST(window_moves_to_what_lies_outside)
{
  unsigned c = size_class_of(32 << 10);
  char *near = get(c), *far;
  struct pagemap_window whole, first;

  (void)get(size_class_of(3000));
  whole = first = cache->window;
  far = get_beyond(c, whole.start << BLOCK_ALIGN_SHIFT);
  if (far == NULL)
    return;
  first.npages = LEAF_PAGES;
  for (int round = 0; round < 2; round++) {
    cache->window = first;
    ck_assert(!thread_cache_try_push(far));
    ck_assert_uint_eq(thread_cache_tag_of(far), 2 * c);
    ck_assert(!thread_cache_try_push_outside(far + 1));
    ck_assert(!thread_cache_try_push_outside(far + 4));
    ck_assert(!thread_cache_try_push_outside(far + BLOCK_ALIGN));
    ck_assert_uint_eq(thread_cache_tag_of(far + BLOCK_ALIGN), 0);
    ck_assert(thread_cache_try_push_outside(far));
    ck_assert(!thread_cache_try_push_outside(far));
    ck_assert_uint_eq(thread_cache_tag_of(far), 0);
    ck_assert_ptr_eq(thread_cache_pop(size_class_size(c)), far);
    ck_assert_uint_eq(cache->window.npages, whole.npages);
    ck_assert_uint_eq(cache->window.start, whole.start);
    ck_assert(thread_cache_try_push(near));
    ck_assert_ptr_eq(thread_cache_pop(size_class_size(c)), near);
  }
  ck_assert(!thread_cache_try_push_outside(hidden(NULL)));
  ck_assert(!thread_cache_try_push_outside(hidden(&whole)));
  ck_assert(!thread_cache_try_push_outside(hidden((void *)~(uintptr_t)7)));
}
END_TEST

START_TEST(closed_cache_takes_nothing_from_outside)
{
  unsigned c = size_class_of(48);
  char *object = get(c);

  tcmi_thread_cache_detach(CACHE_CLOSED);
  ck_assert(!thread_cache_try_push_outside(object));
  ck_assert_uint_eq(thread_cache_tag_of(object), 0);
}
END_TEST

START_TEST(fast_push_takes_only_what_it_may)
{
  unsigned c = size_class_of(48);
  char *object = get(c), *other = get(c);
  static char foreign[64];

  /* The window opens with the first slow path that finds an arena. */
  (void)get(size_class_of(3000));
  ck_assert_uint_gt(cache->window.npages, 0);
  ck_assert(!thread_cache_try_push(hidden(NULL)));
  ck_assert(!thread_cache_try_push(hidden(foreign)));
  ck_assert(!thread_cache_try_push(hidden((void *)(uintptr_t)16)));
  ck_assert(!thread_cache_try_push(hidden(&object)));
  ck_assert(!thread_cache_try_push(object + 1));
  ck_assert(!thread_cache_try_push(object + 4));
  for (size_t inside = BLOCK_ALIGN; inside < 48; inside += BLOCK_ALIGN) {
    ck_assert(!thread_cache_try_push(object + inside));
    ck_assert(!thread_cache_try_push_outside(object + inside));
    ck_assert_uint_eq(thread_cache_tag_of(object + inside), 0);
  }
  ck_assert(thread_cache_try_push(object));
  /* A second free is left to the slow path, even after frees of others. */
  ck_assert(!thread_cache_try_push(object));
  ck_assert(thread_cache_try_push(other));
  ck_assert(!thread_cache_try_push(object));
  ck_assert(tcmi_object_is_free(c, object));
  ck_assert_ptr_eq(thread_cache_pop(48), other);
  ck_assert_ptr_eq(thread_cache_pop(48), object);
  ck_assert_uint_eq(thread_cache_tag_of(object), 2 * c);
  ck_assert(thread_cache_try_push(object));
  ck_assert_uint_eq(thread_cache_tag_of(object), 0);
  ck_assert_uint_eq(thread_cache_tag_of(hidden(foreign)), 0);
}
END_TEST

START_TEST(fast_pop_of_an_empty_or_closed_cache)
{
  size_t size;

  for (size = 0; size < 40000; size += 7)
    must(thread_cache_pop(size) == NULL);
  ck_assert_ptr_null(thread_cache_pop(SIZE_MAX));
  tcmi_thread_cache_detach(CACHE_CLOSED);
  for (size = 0; size < 40000; size += 7)
    must(thread_cache_pop(size) == NULL);
  ck_assert_ptr_null(thread_cache_pop(SIZE_MAX));
  ck_assert(!thread_cache_try_push(hidden(NULL)));
  ck_assert(!thread_cache_try_push(hidden(&size)));
}
END_TEST

START_TEST(closed_cache_pushes_nothing)
{
  unsigned c = size_class_of(48);
  void *object = get(c);

  (void)get(size_class_of(3000));
  tcmi_thread_cache_detach(CACHE_CLOSED);
  ck_assert(!thread_cache_try_push(object));
  ck_assert_uint_eq(thread_cache_tag_of(object), 0);
}
END_TEST

/* ---- Capacity ------------------------------------------------------------ */

/* Allocates and frees @n objects. */
static void
swing(unsigned c, unsigned n)
{
  static void *objects[8192];
  unsigned i;

  for (i = 0; i < n; i++)
    objects[i] = get(c);
  for (i = 0; i < n; i++)
    put(c, objects[i]);
}

START_TEST(capacity_grows_with_the_swing)
{
  unsigned c = size_class_of(64), seen;
  int i;

  swing(c, 1);
  ck_assert_uint_le(owner->states[c].cap, 7);
  for (i = 0; i < 40; i++)
    swing(c, 500);
  seen = owner->states[c].cap;
  ck_assert_uint_ge(seen, 500);
  expect_sound();
  /* Once the bin holds the swing, nothing is flushed. */
  for (i = 0; i < 40; i++) {
    swing(c, 400);
    ck_assert_uint_eq(tcmi_transfer_caches[c].count, 0);
  }
}
END_TEST

/* Bytes that the budget cannot refuse: a kilobyte, or one object. */
static size_t
floor_bytes(unsigned c)
{
  size_t size = size_class_size(c);

  return min_size(max_size(1024 / size, 1), 7) * size;
}

START_TEST(budget_of_a_thread)
{
  uint64_t state = unit_seed();
  size_t floor = 0, budget = 65536;
  unsigned c;
  int i;

  ck_assert_int_eq(
      tcmi_option_change(OPTION_thread_cache_bytes, budget, SOURCE_API), 0);
  for (c = 1; c < SIZE_CLASS_COUNT; c++)
    floor += floor_bytes(c);
  for (i = 0; i < 4000; i++) {
    c = 1 + (unsigned)unit_below(&state, SIZE_CLASS_COUNT - 1);
    swing(c, 1 + (unsigned)unit_below(&state, 300));
    must_for(owner->capacity_bytes <= budget + floor, "%zu",
             owner->capacity_bytes);
    for (c = 1; c < SIZE_CLASS_COUNT; c++)
      must_for(owner->states[c].cap * size_class_size(c) <=
                   max_size(floor_bytes(c), budget),
               "class %u: %u slots", c, owner->states[c].cap);
  }
  expect_sound();
  expect_nothing_left();
}
END_TEST

/* Flushing an idle bin never increases its capacity. */
START_TEST(idle_bin_does_not_grow)
{
  unsigned idle = size_class_of(32768), busy = size_class_of(64), before;
  static void *objects[4096];
  int round, i;

  swing(idle, 2);
  before = owner->states[idle].cap;
  ck_assert_uint_gt(before, 0);
  for (round = 0; round < 4; round++) {
    for (i = 0; i < 4096; i++)
      objects[i] = get(busy);
    for (i = 0; i < 4096; i++)
      put(busy, objects[i]);
  }
  ck_assert_uint_le(owner->states[idle].cap, before);
  expect_sound();
}
END_TEST

START_TEST(budget_of_all_caches)
{
  unsigned c;
  int i;

  ck_assert_int_eq(tcmi_option_change(OPTION_cache_total_bytes, 0, SOURCE_API),
                   0);
  for (i = 0; i < 50; i++)
    for (c = 1; c < SIZE_CLASS_COUNT; c++)
      swing(c, 3 * tcmi_size_classes[c].batch);
  for (c = 1; c < SIZE_CLASS_COUNT; c++)
    if (owner->states[c].cap * size_class_size(c) > floor_bytes(c))
      must(owner->capacity_bytes <= tcmi_page_heap_used_bytes() / 4);
  expect_sound();
}
END_TEST

/* As if there were a thousand threads, and those with large caches had used up
 * the pool. */
static void
crowd(void)
{
  tcmi_cache_registry.sharers = 1000;
  tcmi_cache_registry.pool_bytes = others = 2 * CACHE_POOL;
}

/* The caches of other threads take nothing from a cache's own share. */
START_TEST(a_share_is_not_taken_by_others)
{
  unsigned sizes[] = {64, 256, 1024, 4096}, i, round, c;

  crowd();
  for (round = 0; round < 40; round++)
    for (i = 0; i < 4; i++)
      swing(size_class_of(sizes[i]), 100);
  for (i = 0; i < 4; i++) {
    c = size_class_of(sizes[i]);
    must_for(owner->states[c].cap >=
                 min_size(100, 2 * tcmi_size_classes[c].batch),
             "%u: %u", sizes[i], owner->states[c].cap);
  }
  ck_assert_uint_le(owner->capacity_bytes, CACHE_SHARE);
  expect_sound();
}
END_TEST

/* If the share is used up, a class that is used later takes capacity from the
 * largest bins: no bin stays at a kilobyte forever. */
START_TEST(late_class_gets_its_part_of_the_share)
{
  unsigned c, round, late = size_class_of(96);
  size_t floor = 0;

  crowd();
  for (round = 0; round < 40; round++)
    for (c = size_class_of(1024); c <= size_class_of(8192); c++)
      swing(c, 60);
  ck_assert_uint_gt(owner->capacity_bytes, CACHE_SHARE / 2);
  for (round = 0; round < 40; round++)
    swing(late, 100);
  ck_assert_uint_ge(owner->states[late].cap, 100);
  for (c = 1; c < SIZE_CLASS_COUNT; c++)
    floor += floor_bytes(c);
  ck_assert_uint_le(owner->capacity_bytes, CACHE_SHARE + floor);
  expect_sound();
}
END_TEST

/* If the pool is overdrawn, a cache beyond its share shrinks on its slow paths
 * until it is within its share. */
START_TEST(cache_beyond_its_share_gives_back)
{
  unsigned c, round;

  for (round = 0; round < 40; round++)
    for (c = size_class_of(1024); c <= size_class_of(8192); c++)
      swing(c, 60);
  ck_assert_uint_gt(owner->capacity_bytes, CACHE_SHARE);
  ck_assert_uint_gt(owner->pooled, 0);
  others = 2 * CACHE_POOL;
  tcmi_cache_registry.pool_bytes += others;
  for (round = 0; round < 300; round++)
    swing(size_class_of(64), 4000);
  ck_assert_uint_le(owner->capacity_bytes, CACHE_SHARE);
  ck_assert_uint_eq(owner->pooled, 0);
  expect_sound();
}
END_TEST

static unsigned
cached(unsigned c)
{
  return owner->states[c].base == NULL ? 0 : bin_count(owner, c);
}

/* Objects of a size that the program no longer uses do not stay cached. */
START_TEST(idle_bins_are_emptied)
{
  unsigned idle = size_class_of(512), busy = size_class_of(64);
  static void *objects[8192];
  int round, i;

  swing(idle, 30);
  ck_assert_uint_gt(cached(idle), 0);
  for (round = 0; round < 32; round++) {
    for (i = 0; i < 8192; i++)
      objects[i] = get(busy);
    for (i = 0; i < 8192; i++)
      put(busy, objects[i]);
  }
  ck_assert_uint_eq(cached(idle), 0);
  ck_assert_uint_eq(tcmi_transfer_caches[idle].count, 0);
  ck_assert_uint_eq(tcmi_central_lists[idle].spans, 0);
  expect_sound();
}
END_TEST

static size_t
pages_of(unsigned c, size_t objects)
{
  return objects * (round_up(size_class_size(c), PAGE_SIZE) / PAGE_SIZE);
}

/* How many pages a sleeping thread can pin if each object is on its own pages:
 * the bounds that background.h and tcm(7) state, for bins with two batches and
 * for bins that a fluctuating load has grown. */
START_TEST(bins_lie_on_few_pages)
{
  size_t two_batches = 0, grown = 0, bytes = 8 * MIB;

  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++) {
    size_t size = size_class_size(c), batches = 2 * tcmi_size_classes[c].batch;
    size_t most = max_size(min_size(((size_t)256 << 10) / size, 2047), batches);
    size_t held = min_size(most, bytes / size);
    two_batches += pages_of(c, batches);
    grown += pages_of(c, held);
    bytes -= held * size;
  }
  must_for(two_batches <= 4752, "%zu", two_batches);
  must_for(grown <= 38117, "%zu", grown);
}
END_TEST

/* How much a thread that has stopped allocating can leave in its cache when it
 * sleeps: the bound that background.h states. */
START_TEST(who_only_frees_keeps_little)
{
  enum { MANY = 20000 };
  static void *objects[MANY];
  size_t pages = 0, size, n, i;
  unsigned c;

  for (c = 1; c < SIZE_CLASS_COUNT; c++) {
    size = size_class_size(c);
    n = min_size(MANY, 128 * MIB / size);
    for (i = 0; i < n; i++)
      objects[i] = get(c);
    for (i = 0; i < n; i++)
      put(c, objects[i]);
    must_for(owner->states[c].cap <= max_size(4096 / size, 7), "%zu: %u", size,
             owner->states[c].cap);
    pages += pages_of(c, owner->states[c].cap);
    expect_sound();
  }
  must_for(pages <= 1127, "%zu", pages);
}
END_TEST

START_TEST(random_use)
{
  uint64_t state = unit_seed();
  static struct {
    void *object;
    unsigned c;
  } slots[3000];
  int step;

  for (step = 0; step < 200000; step++) {
    size_t i = unit_below(&state, 3000);
    if (slots[i].object != NULL) {
      must(*(size_t *)slots[i].object == i);
      put(slots[i].c, slots[i].object);
      slots[i].object = NULL;
    } else {
      slots[i].c =
          (unsigned)unit_below(&state, step % 16 ? 20 : SIZE_CLASS_COUNT - 1) +
          1;
      slots[i].object = get(slots[i].c);
      *(size_t *)slots[i].object = i;
    }
    if (step % 5000 == 0) {
      expect_sound();
      if (step % 3 == 0)
        tcmi_thread_cache_flush(cache);
    }
  }
  for (step = 0; step < 3000; step++)
    if (slots[step].object != NULL)
      put(slots[step].c, slots[step].object);
  expect_nothing_left();
}
END_TEST

/* ---- Refusals ------------------------------------------------------------ */

static void
use_up_metadata(void)
{
  while (tcmi_span_new(1024) != NULL)
    ;
  while (tcmi_span_new(0) != NULL)
    ;
}

START_TEST(no_memory_for_a_bin)
{
  unsigned c = size_class_of(512), other = size_class_of(640);
  void *objects[16];
  int i;

  objects[0] = get(c);
  objects[1] = get(other);
  unit_fail_all(1u << SYSTEM_MAP);
  use_up_metadata();
  /* These bins exist already; a new thread would have none. */
  for (i = 2; i < 12; i++)
    objects[i] = get(c);
  for (i = 2; i < 12; i++)
    put(c, objects[i]);
  ck_assert_uint_gt(unit_fail_none(), 0);
  expect_sound();
  put(c, objects[0]);
  put(other, objects[1]);
  expect_sound();
}
END_TEST

static void *
use_without_bins(void *object)
{
  unsigned c = size_class_of(512);
  void *own;
  int i;

  must(tcmi_thread_cache_open());
  unit_fail_all(1u << SYSTEM_MAP);
  use_up_metadata();
  must(owner_of(tcmi_thread_cache)->states[c].base == NULL);
  for (i = 0; i < 20; i++) {
    own = tcmi_thread_cache_refill(tcmi_thread_cache, c);
    must(own != NULL && own != object);
    tcmi_thread_cache_push(tcmi_thread_cache, c, own);
  }
  must(mark_set(object, tcmi_free_mark));
  tcmi_thread_cache_push(tcmi_thread_cache, c, object);
  must(owner_of(tcmi_thread_cache)->states[c].base == NULL);
  must(unit_fail_none() > 0);
  tcmi_thread_cache_verify();
  tcmi_thread_cache_orphan();
  return NULL;
}

/* A cache that cannot allocate its bins moves objects one by one. */
START_TEST(no_memory_for_any_bin)
{
  pthread_t thread;

  unit_thread(&thread, use_without_bins, get(size_class_of(512)));
  unit_join(thread);
  ck_assert(tcmi_thread_cache_flush_orphan());
  expect_nothing_left();
}
END_TEST

START_TEST(no_memory_is_no_object)
{
  unit_fail_all(~0u);
  ck_assert_ptr_null(tcmi_thread_cache_refill(cache, 5));
  ck_assert_uint_gt(unit_fail_none(), 0);
  expect_sound();
  ck_assert_ptr_nonnull(tcmi_thread_cache_refill(cache, 5));
}
END_TEST

/* ---- The large block freed last ------------------------------------------ */

static struct span *
large(size_t size)
{
  void *block = tcmi_large_alloc(size, 1, false);

  must(block != NULL);
  return pagemap_span((uintptr_t)block);
}

START_TEST(held_block_is_for_its_own_size)
{
  struct span *span = large(MIB);
  size_t npages = span->npages;

  ck_assert_ptr_null(tcmi_thread_cache_take_large(cache, npages));
  ck_assert(tcmi_thread_cache_keep_large(cache, span));
  ck_assert(span->held);
  expect_sound();
  ck_assert_ptr_eq(tcmi_thread_cache_take_large(cache, npages), span);
  ck_assert(!span->held);
  ck_assert_ptr_null(tcmi_thread_cache_take_large(cache, npages));
  ck_assert(tcmi_thread_cache_keep_large(cache, span));
  /* A request for another size frees it first. */
  ck_assert_ptr_null(tcmi_thread_cache_take_large(cache, npages + 1));
  ck_assert_uint_eq(tcmi_page_heap_used_bytes(), 0);
  ck_assert_uint_eq(tcmi_large_stats.count, 0);
  expect_sound();
}
END_TEST

START_TEST(one_block_is_held_at_a_time)
{
  struct span *a = large(MIB), *b = large(2 * MIB);

  ck_assert(tcmi_thread_cache_keep_large(cache, a));
  ck_assert(tcmi_thread_cache_keep_large(cache, b));
  ck_assert_uint_eq(tcmi_page_heap_used_bytes(), 2 * MIB);
  ck_assert_ptr_eq(owner->hot.large, b);
  expect_sound();
  tcmi_thread_cache_flush(cache);
  ck_assert_ptr_null(owner->hot.large);
  ck_assert_uint_eq(owner->hot.large_charge, 0);
  ck_assert_uint_eq(tcmi_page_heap_used_bytes(), 0);
  expect_sound();
}
END_TEST

START_TEST(held_block_counts_against_the_budget)
{
  struct span *span = large(100 * MIB), *small;

  ck_assert(!tcmi_thread_cache_keep_large(cache, span));
  ck_assert_ptr_null(owner->hot.large);
  tcmi_large_free(span);
  ck_assert_int_eq(tcmi_option_change(OPTION_cache_total_bytes, 0, SOURCE_API),
                   0);
  small = large(8 * MIB);
  ck_assert(!tcmi_thread_cache_keep_large(cache, small));
  tcmi_large_free(small);
  ck_assert_uint_eq(tcmi_page_heap_used_bytes(), 0);
  expect_sound();
}
END_TEST

/* ---- Verification finds errors ------------------------------------------- */

static void
spoil_bottom(void *unused)
{
  owner->states[size_class_of(64)].base[-1] = unused;
  tcmi_thread_cache_verify();
}

static void
spoil_object(void *foreign)
{
  cache->bins[size_class_of(64)].top[-1] = foreign;
  tcmi_thread_cache_verify();
}

static void
spoil_place(void *unused)
{
  (void)unused;
  cache->bins[size_class_of(64)].top[-1] =
      (char *)cache->bins[size_class_of(64)].top[-1] + 8;
  tcmi_thread_cache_verify();
}

static void
spoil_limit(void *unused)
{
  (void)unused;
  cache->bins[size_class_of(64)].lim++;
  tcmi_thread_cache_verify();
}

START_TEST(verify_finds_broken_bins)
{
  swing(size_class_of(64), 20);
  unit_must_abort(spoil_bottom, &cache, "broken invariant");
  unit_must_abort(spoil_object, &cache, "broken invariant");
  unit_must_abort(spoil_place, NULL, "broken invariant");
  unit_must_abort(spoil_limit, NULL, "broken invariant");
  expect_sound();
}
END_TEST

static void
add_tests(TCase *tests)
{
  tcase_add_checked_fixture(tests, setup, NULL);
  tcase_add_test(tests, every_class_is_filled_and_emptied);
  tcase_add_test(tests, fresh_objects_come_in_ascending_order);
  tcase_add_test(tests, last_freed_is_first_taken);
  tcase_add_test(tests, changed_object_stays_in_its_bin);
  tcase_add_test(tests, empty_bin_never_has_the_mark);
  tcase_add_test(tests, window_reaches_beyond_the_first_leaf);
  tcase_add_test(tests, window_moves_to_what_lies_outside);
  tcase_add_test(tests, closed_cache_takes_nothing_from_outside);
  tcase_add_test(tests, fast_push_takes_only_what_it_may);
  tcase_add_test(tests, fast_pop_of_an_empty_or_closed_cache);
  tcase_add_test(tests, closed_cache_pushes_nothing);
  tcase_add_test(tests, capacity_grows_with_the_swing);
  tcase_add_test(tests, budget_of_a_thread);
  tcase_add_test(tests, idle_bin_does_not_grow);
  tcase_add_test(tests, budget_of_all_caches);
  tcase_add_test(tests, a_share_is_not_taken_by_others);
  tcase_add_test(tests, late_class_gets_its_part_of_the_share);
  tcase_add_test(tests, cache_beyond_its_share_gives_back);
  tcase_add_test(tests, idle_bins_are_emptied);
  tcase_add_test(tests, bins_lie_on_few_pages);
  tcase_add_test(tests, who_only_frees_keeps_little);
  tcase_add_test(tests, random_use);
  tcase_add_test(tests, no_memory_for_a_bin);
  tcase_add_test(tests, no_memory_for_any_bin);
  tcase_add_test(tests, no_memory_is_no_object);
  tcase_add_test(tests, held_block_is_for_its_own_size);
  tcase_add_test(tests, one_block_is_held_at_a_time);
  tcase_add_test(tests, held_block_counts_against_the_budget);
  tcase_add_test(tests, verify_finds_broken_bins);
}

int
main(void)
{
  TCase *tests = unit_case("thread_cache");

  add_tests(tests);
  return unit_run(tests);
}
