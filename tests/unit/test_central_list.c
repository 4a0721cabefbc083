/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <sys/mman.h>

#include "base/bits.h"
#include "base/lock.h"
#include "base/params.h"
#include "cache/central_list.h"
#include "cache/mark.h"
#include "heap/page_heap.h"
#include "heap/pagemap.h"

#define MOST 8192

static unsigned char *objects[MOST];
static unsigned count;

static void
expect_sound(unsigned c)
{
  struct central_list *list = &tcmi_central_lists[c];

  tcmi_central_verify(c);
  tcmi_page_heap_verify();
  must(list->spans * tcmi_size_classes[c].nobjs >= list->free_objects);
  must(list->clean_pages <= list->spans * tcmi_size_classes[c].pages);
}

/* Frees objects as free() does, with marks. */
static void
give_back(unsigned c, void *const *freed, unsigned n)
{
  tcmi_mark_objects(freed, n);
  tcmi_central_insert(c, freed, n);
}

/* Extracts @n objects, which must have marks; fills each with a pattern that
 * depends on its index. */
static void
extract(unsigned c, unsigned n)
{
  unsigned end = count + n, size = (unsigned)size_class_size(c), got;

  must(end <= MOST);
  while (count < end) {
    got = tcmi_central_extract(c, (void **)objects + count, end - count);
    must(got > 0);
    for (; got > 0; got--, count++) {
      must(objects[count] != NULL);
      must(mark_is_set(objects[count], tcmi_free_mark));
      must(pagemap_tag((uintptr_t)objects[count]) == 2 * c);
      memory_fill(objects[count], size, count);
    }
  }
}

static void
insert_one(unsigned c, unsigned i)
{
  give_back(c, (void *const *)&objects[i], 1);
  objects[i] = NULL;
}

static void
insert_all(unsigned c)
{
  unsigned i;

  for (i = 0; i < count; i++)
    if (objects[i] != NULL)
      insert_one(c, i);
  count = 0;
}

static unsigned
live(void)
{
  unsigned n = 0, i;

  for (i = 0; i < count; i++)
    n += objects[i] != NULL;
  return n;
}

static void
expect_contents(unsigned c)
{
  unsigned i;

  for (i = 0; i < count; i++)
    must(objects[i] == NULL || memory_holds(objects[i], size_class_size(c), i));
}

static void
expect_empty(unsigned c)
{
  struct central_list *list = &tcmi_central_lists[c];

  expect_sound(c);
  must(list->spans == 0 && list->free_objects == 0 && list->clean_pages == 0);
  must(list->nonempty == 0);
  must(tcmi_page_heap_used_bytes() == 0);
}

static int
compare(const void *a, const void *b)
{
  unsigned char *const *x = a, *const *y = b;

  return *x < *y ? -1 : *x > *y;
}

START_TEST(each_object_once_in_every_class)
{
  static unsigned char *sorted[MOST];
  unsigned c, i;

  for (c = 1; c < SIZE_CLASS_COUNT; c++) {
    unsigned n = 2 * tcmi_size_classes[c].nobjs + 3;
    extract(c, n);
    expect_contents(c);
    memcpy(sorted, objects, sizeof sorted);
    qsort(sorted, n, sizeof *sorted, compare);
    for (i = 1; i < n; i++)
      must(sorted[i] - sorted[i - 1] >= (ptrdiff_t)size_class_size(c));
    ck_assert_uint_eq(tcmi_central_lists[c].spans, 3);
    ck_assert_uint_eq(tcmi_central_lists[c].free_objects,
                      tcmi_size_classes[c].nobjs - 3);
    expect_sound(c);
    insert_all(c);
    expect_empty(c);
  }
}
END_TEST

START_TEST(fresh_objects_ascend_and_touch_little)
{
  void *batch[64];
  unsigned c = size_class_of(512), n, i;

  n = tcmi_central_extract(c, batch, 64);
  /* At most a system page of objects; a span has 16. */
  ck_assert_uint_eq(n, min_size(tcmi_system_page_size() / 512, 16));
  for (i = 1; i < n; i++)
    ck_assert_ptr_eq(batch[i], (char *)batch[i - 1] + 512);
  give_back(c, batch, n);
  expect_empty(c);
}
END_TEST

START_TEST(empty_span_goes_back_at_once)
{
  unsigned c = size_class_of(256), nobjs = tcmi_size_classes[c].nobjs, i;

  extract(c, 3 * nobjs);
  ck_assert_uint_eq(tcmi_central_lists[c].spans, 3);
  for (i = 0; i < nobjs; i++)
    insert_one(c, i);
  ck_assert_uint_eq(tcmi_central_lists[c].spans, 2);
  ck_assert_uint_eq(tcmi_page_heap_used_bytes(),
                    2u * tcmi_size_classes[c].pages << PAGE_SHIFT);
  expect_sound(c);
  expect_contents(c);
}
END_TEST

static uint64_t
taken(enum lock_rank rank)
{
  return tcmi_lock_counts[rank].taken;
}

/* Creating a span takes the page heap lock and the metadata lock once each, and
 * so does freeing all spans that a batch empties. */
START_TEST(spans_go_back_together)
{
  unsigned c = size_class_of(8192), n = 16;
  uint64_t heap, metadata, spans;

  extract(c, n);
  spans = tcmi_central_lists[c].spans;
  ck_assert_uint_gt(spans, 2);
  heap = taken(LOCK_PAGE_HEAP);
  metadata = taken(LOCK_METADATA);
  give_back(c, (void *const *)objects, n);
  count = 0;
  ck_assert_uint_eq(tcmi_central_lists[c].spans, 0);
  ck_assert_uint_eq(taken(LOCK_PAGE_HEAP), heap + 1);
  ck_assert_uint_eq(taken(LOCK_METADATA), metadata + 1);
  extract(c, 1);
  ck_assert_uint_eq(taken(LOCK_PAGE_HEAP), heap + 2);
  ck_assert_uint_eq(taken(LOCK_METADATA), metadata + 2);
  expect_sound(c);
}
END_TEST

START_TEST(fullest_span_is_preferred)
{
  unsigned c = size_class_of(128), nobjs = tcmi_size_classes[c].nobjs, i;
  struct span *full, *sparse;
  void *object;

  extract(c, 2 * nobjs);
  sparse = pagemap_span((uintptr_t)objects[0]);
  full = pagemap_span((uintptr_t)objects[nobjs]);
  ck_assert_ptr_ne(sparse, full);
  for (i = 1; i < nobjs; i++)
    insert_one(c, i);
  for (i = nobjs; i < nobjs + 5; i++)
    insert_one(c, i);
  for (i = 0; i < 5; i++) {
    ck_assert_uint_eq(tcmi_central_extract(c, &object, 1), 1);
    ck_assert_ptr_eq(pagemap_span((uintptr_t)object), full);
  }
  ck_assert_uint_eq(tcmi_central_extract(c, &object, 1), 1);
  ck_assert_ptr_eq(pagemap_span((uintptr_t)object), sparse);
  expect_sound(c);
}
END_TEST

/* ---- Returning pages ----------------------------------------------------- */

/* Whether the page holds part of an object that is in use. */
static bool
page_is_needed(uintptr_t page, size_t size)
{
  unsigned i;

  for (i = 0; i < count; i++) {
    uintptr_t object = (uintptr_t)objects[i];
    if (object != 0 && object < page + PAGE_SIZE && object + size > page)
      return true;
  }
  return false;
}

static bool
is_resident(uintptr_t page)
{
  unsigned char map[1];

  ck_assert_int_eq(mincore((void *)page, PAGE_SIZE, map), 0);
  return map[0] & 1;
}

/* Compares the residency of every page of every span with the kernel's. */
static void
expect_residency(unsigned c, uintptr_t const *spans, unsigned nspans)
{
  unsigned i, p;

  for (i = 0; i < nspans; i++)
    for (p = 0; p < tcmi_size_classes[c].pages; p++) {
      uintptr_t page = spans[i] + ((uintptr_t)p << PAGE_SHIFT);
      if (pagemap_tag(page) != 2 * c)
        continue;
      must_for(is_resident(page) == page_is_needed(page, size_class_size(c)),
               "class %u, span %u, page %u", c, i, p);
    }
}

static unsigned
collect_spans(uintptr_t *spans)
{
  unsigned n = 0, i, j;

  for (i = 0; i < count; i++) {
    uintptr_t start = pagemap_span((uintptr_t)objects[i])->start;
    for (j = 0; j < n && spans[j] != start; j++)
      ;
    if (j == n)
      spans[n++] = start;
  }
  return n;
}

static void
release_half_of_class(unsigned c, uint64_t *state)
{
  uintptr_t spans[8];
  uint64_t clean;
  unsigned i, nspans;
  size_t bytes;

  extract(c, 3 * tcmi_size_classes[c].nobjs);
  nspans = collect_spans(spans);
  for (i = 0; i < count; i++)
    if (unit_below(state, 4) != 0 || i % 64 < 20)
      insert_one(c, i);
  clean = tcmi_central_lists[c].clean_pages;
  bytes = tcmi_central_release(c, SIZE_MAX);
  expect_sound(c);
  must(tcmi_central_lists[c].clean_pages - clean == bytes >> PAGE_SHIFT);
  expect_residency(c, spans, nspans);
  expect_contents(c);
  must(tcmi_central_release(c, SIZE_MAX) == 0);
}

START_TEST(pages_of_every_class_come_and_go)
{
  uint64_t state = unit_seed();
  unsigned c, left;

  if (sysconf(_SC_PAGESIZE) != (long)PAGE_SIZE)
    return;
  for (c = 1; c < SIZE_CLASS_COUNT; c++) {
    release_half_of_class(c, &state);
    /* Refill: objects in use keep their contents, free ones may have any
     * contents, and no object is handed out twice. */
    left = live();
    extract(c, 3 * tcmi_size_classes[c].nobjs - left);
    expect_sound(c);
    expect_contents(c);
    insert_all(c);
    expect_empty(c);
    (void)tcmi_page_heap_release(SIZE_MAX);
  }
}
END_TEST

START_TEST(refills_prefer_resident_pages)
{
  unsigned c = size_class_of(1024), i, got;
  void *batch[8];
  struct span *span;
  size_t faulted;

  extract(c, 8);
  span = pagemap_span((uintptr_t)objects[0]);
  /* All objects on the first page are free, and one on the second. */
  for (i = 0; i < 5; i++)
    insert_one(c, i);
  ck_assert_uint_eq(tcmi_central_release(c, SIZE_MAX), PAGE_SIZE);
  faulted = tcmi_page_counts.faulted;
  got = tcmi_central_extract(c, batch, 8);
  ck_assert_uint_eq(got, 5);
  ck_assert_uint_eq(tcmi_page_counts.faulted, faulted + 1);
  ck_assert_uint_eq((uintptr_t)batch[0], span->start + 4096);
  ck_assert_uint_eq((uintptr_t)batch[1], span->start);
  for (i = 1; i < 5; i++)
    mark_clear(batch[i]);
  ck_assert(memory_is_zero(batch[1], 4096));
  expect_sound(c);
}
END_TEST

START_TEST(refused_return_keeps_the_pages)
{
  unsigned c = size_class_of(1024), i;
  struct span *span;
  uint32_t dirty;

  extract(c, 8);
  span = pagemap_span((uintptr_t)objects[0]);
  dirty = span->dirty;
  for (i = 0; i < 4; i++)
    insert_one(c, i);
  unit_fail_all(1u << SYSTEM_DISCARD);
  ck_assert_uint_eq(tcmi_central_release(c, SIZE_MAX), 0);
  ck_assert_uint_eq(unit_fail_none(), 1);
  ck_assert_uint_eq(span->dirty, dirty);
  expect_sound(c);
  expect_contents(c);
  ck_assert_uint_eq(tcmi_central_release(c, SIZE_MAX), PAGE_SIZE);
}
END_TEST

/* Before a collapse: pages without memory are counted, and become resident. */
START_TEST(clean_pages_are_found_and_filled)
{
  unsigned c = size_class_of(1024), i;
  uintptr_t start, end;
  size_t faulted, clean;

  extract(c, 500);
  start = round_down((uintptr_t)objects[0], PAGE_SIZE);
  end = pagemap_span((uintptr_t)objects[499])->start + PAGE_SIZE;
  clean = tcmi_central_clean_pages(start, (end - start) >> PAGE_SHIFT, false);
  for (i = 0; i < 500; i++)
    if (i % 8 >= 2)
      insert_one(c, i);
  ck_assert_uint_gt(tcmi_central_release(c, SIZE_MAX), 0);
  ck_assert_uint_ge(
      tcmi_central_clean_pages(start, (end - start) >> PAGE_SHIFT, false),
      clean + 50);
  faulted = tcmi_page_counts.faulted;
  clean = tcmi_central_clean_pages(start, (end - start) >> PAGE_SHIFT, true);
  ck_assert_uint_eq(tcmi_page_counts.faulted, faulted + clean);
  ck_assert_uint_eq(
      tcmi_central_clean_pages(start, (end - start) >> PAGE_SHIFT, false), 0);
  expect_sound(c);
  expect_contents(c);
  extract(c, 500);
  expect_contents(c);
  insert_all(c);
  expect_empty(c);
  /* Pages without a span of objects have none to fill. */
  ck_assert_uint_eq(
      tcmi_central_clean_pages(start, (end - start) >> PAGE_SHIFT, true), 0);
}
END_TEST

START_TEST(larger_system_pages)
{
  unsigned c = size_class_of(4096), i;

  tcmi_system_set_page_size(16384);
  extract(c, 256);
  for (i = 0; i < 256; i++)
    if (i % 16 >= 3)
      insert_one(c, i);
  /* A system page with an object in use is not returned. */
  ck_assert_uint_eq(tcmi_central_release(c, SIZE_MAX) % 16384, 0);
  expect_sound(c);
  expect_contents(c);
  extract(c, 500);
  expect_contents(c);
  insert_all(c);
  expect_empty(c);
}
END_TEST

/* ---- What is known to be zero -------------------------------------------- */

static void
use_one(unsigned c)
{
  size_t size = size_class_size(c);
  bool zero;

  objects[count] = tcmi_central_extract_one(c, &zero);
  must(objects[count] != NULL);
  must(!zero || memory_is_zero(objects[count], size));
  memory_fill(objects[count], size, count);
  count++;
}

START_TEST(zero_is_zero)
{
  uint64_t state = unit_seed();
  unsigned classes[] = {size_class_of(64), size_class_of(3000),
                        size_class_of(4096), size_class_of(9000),
                        size_class_of(32768)};
  unsigned k, step, i;

  for (k = 0; k < sizeof classes / sizeof *classes; k++) {
    unsigned c = classes[k];
    for (step = 0; step < 2000; step++) {
      switch (unit_below(&state, 8)) {
      case 0:
        (void)tcmi_central_release(c, SIZE_MAX);
        break;
      case 1:
      case 2:
      case 3:
        if (count > 0 && (i = (unsigned)unit_below(&state, count)) < count) {
          memory_fill(objects[i], size_class_size(c), i);
          give_back(c, (void *const *)&objects[i], 1);
          objects[i] = objects[--count];
          objects[count] = NULL;
        }
        break;
      default:
        if (count < 200)
          use_one(c);
        break;
      }
    }
    insert_all(c);
    expect_empty(c);
  }
}
END_TEST

START_TEST(fresh_page_is_known_to_be_zero)
{
  unsigned c = size_class_of(8192);
  bool zero = false;
  void *object = tcmi_central_extract_one(c, &zero);

  ck_assert_ptr_nonnull(object);
  ck_assert(zero);
  /* Once the pages were used, they are not known to be zero. */
  memset(object, 1, 8192);
  give_back(c, &object, 1);
  object = tcmi_central_extract_one(c, &zero);
  ck_assert(!zero);
}
END_TEST

/* ---- Marks --------------------------------------------------------------- */

static void
take_one(void *class_id)
{
  bool zero;

  (void)tcmi_central_extract_one(*(unsigned *)class_id, &zero);
}

static void
flush_one(void *object)
{
  tcmi_central_insert(size_class_of(1024), &object, 1);
}

/* If the program freed an object twice, a cache may flush it while it is in use
 * again, or the program may get it while the central list has it, too. */
START_TEST(object_in_use_is_not_free)
{
  unsigned c = size_class_of(1024), i;
  void *batch[8];

  extract(c, 8);
  mark_clear(objects[6]);
  unit_must_abort(flush_one, objects[6], "free(): free block was changed");
  give_back(c, (void *const *)&objects[6], 1);
  mark_clear(objects[6]);
  for (i = 0; i < 4; i++)
    insert_one(c, i);
  ck_assert_uint_eq(tcmi_central_release(c, SIZE_MAX), PAGE_SIZE);
  ck_assert_uint_eq(tcmi_central_extract(c, batch, 5), 5);
  ck_assert_ptr_eq(batch[0], objects[6]);
  ck_assert(!mark_is_set(batch[0], tcmi_free_mark));
  for (i = 1; i < 5; i++)
    ck_assert(mark_is_set(batch[i], tcmi_free_mark));
  give_back(c, (void *const *)&objects[6], 1);
  mark_clear(objects[6]);
  unit_must_abort(take_one, &c, "malloc(): free block was changed");
}
END_TEST

/* As if the kernel had discarded a part of the pages before it refused. */
START_TEST(refused_return_keeps_the_marks)
{
  unsigned c = size_class_of(1024), i;
  void *batch[8];

  extract(c, 8);
  for (i = 0; i < 5; i++) {
    give_back(c, (void *const *)&objects[i], 1);
    mark_clear(objects[i]);
  }
  mark_write(objects[4], tcmi_free_mark);
  unit_fail_all(1u << SYSTEM_DISCARD);
  ck_assert_uint_eq(tcmi_central_release(c, SIZE_MAX), 0);
  ck_assert_uint_eq(unit_fail_none(), 1);
  ck_assert_uint_eq(tcmi_central_extract(c, batch, 5), 5);
  for (i = 0; i < 5; i++)
    ck_assert(mark_is_set(batch[i], tcmi_free_mark));
}
END_TEST

/* ---- Misuse -------------------------------------------------------------- */

static void
insert(void *object)
{
  give_back(size_class_of(64), &object, 1);
}

static void
insert_as_another_class(void *object)
{
  give_back(size_class_of(80), &object, 1);
}

static void
insert_pair(void *object)
{
  void *pair[2] = {object, object};

  give_back(size_class_of(64), pair, 2);
}

START_TEST(misuse_is_told)
{
  unsigned c = size_class_of(64);
  uintptr_t foreign[2] = {0, 0};
  unsigned char *object;

  extract(c, 10);
  object = objects[3];
  unit_must_abort(insert_pair, object, "double free");
  unit_must_abort(insert, object + 8, "not at the start of a block");
  unit_must_abort(insert, object + 56, "not at the start of a block");
  /* An object that was never handed out. */
  unit_must_abort(insert, object + 100 * 64, "double free");
  unit_must_abort(insert_as_another_class, object, "tcm: free()");
  unit_must_abort(insert, foreign, "tcm: free()");
  insert_one(c, 3);
  unit_must_abort(insert, object, "double free");
  insert_all(c);
  /* Now the whole span is freed. */
  unit_must_abort(insert, object, "tcm: free()");
}
END_TEST

START_TEST(verdicts)
{
  unsigned c = size_class_of(48);
  uintptr_t object;
  struct span *span;

  extract(c, 5);
  object = (uintptr_t)objects[2];
  span = pagemap_span(object);
  ck_assert_int_eq(tcmi_central_judge(span, object), BLOCK_VALID);
  ck_assert_int_eq(tcmi_central_judge(span, object + 1), BLOCK_INTERIOR);
  ck_assert_int_eq(tcmi_central_judge(span, object + 47), BLOCK_INTERIOR);
  ck_assert_int_eq(tcmi_central_judge(span, object + 100 * 48), BLOCK_FREE);
  insert_one(c, 2);
  ck_assert_int_eq(tcmi_central_judge(span, object), BLOCK_FREE);
}
END_TEST

/* ---- Refusals ------------------------------------------------------------ */

#define HIT 10

static void
extract_with_nth_refused(void *nth)
{
  unsigned c = size_class_of(2048), got;
  void *object = NULL;
  bool hit;

  (void)tcmi_system_fail(~0u, *(unsigned *)nth, 1);
  got = tcmi_central_extract(c, &object, 1);
  hit = unit_fail_none() > 0;
  must(got == 1 || hit);
  expect_sound(c);
  give_back(c, &object, got);
  expect_empty(c);
  extract(c, 10);
  insert_all(c);
  expect_empty(c);
  _exit(hit ? HIT : 0);
}

/* Each child starts fresh; after its nth call fails, the list is sound. */
START_TEST(each_refused_call)
{
  char text[256];
  unsigned n, failures;
  int status;

  for (n = 1;; n++) {
    status = unit_child(extract_with_nth_refused, &n, text, sizeof text);
    ck_assert_msg(status == 0 || WEXITSTATUS(status) == HIT, "call %u: %s", n,
                  text);
    if (status == 0)
      break;
  }
  failures = n - 1;
  ck_assert_uint_gt(failures, 4);
}
END_TEST

START_TEST(no_memory_is_no_object)
{
  unsigned c = size_class_of(2048);
  bool zero = true;

  unit_fail_all(~0u);
  ck_assert_uint_eq(tcmi_central_extract(c, (void **)objects, 10), 0);
  ck_assert_ptr_null(tcmi_central_extract_one(c, &zero));
  ck_assert(!zero);
  ck_assert_uint_gt(unit_fail_none(), 0);
  expect_empty(c);
  extract(c, 10);
}
END_TEST

/* ---- Threads ------------------------------------------------------------- */

static int stop; /* [atomic: relaxed] */

static void *
churn(void *seed)
{
  uint64_t state = (uint64_t)(uintptr_t)seed;
  unsigned c = size_class_of(640);
  void *own[200];
  unsigned n = 0, i, step;

  for (step = 0; step < 3000; step++) {
    unsigned want = 1 + (unsigned)unit_below(&state, 30);
    if (unit_below(&state, 2) && n + want <= 200) {
      unsigned got = tcmi_central_extract(c, own + n, want);
      must(got > 0);
      for (i = n; i < n + got; i++)
        memory_fill(own[i], 640, (uintptr_t)own[i]);
      n += got;
    } else {
      want = want > n ? n : want;
      for (i = n - want; i < n; i++)
        must(memory_holds(own[i], 640, (uintptr_t)own[i]));
      n -= want;
      give_back(c, own + n, want);
    }
  }
  give_back(c, own, n);
  return NULL;
}

/* Also fills the pages of the first arena, as before a collapse. */
static void *
release_all_the_time(void *unused)
{
  uintptr_t base;
  bool fill = false;

  (void)unused;
  while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
    (void)tcmi_central_release(size_class_of(640), SIZE_MAX);
    base = tcmi_page_heap_base();
    if (base != 0)
      (void)tcmi_central_clean_pages(base, HUGE_PAGE_PAGES, fill);
    fill = !fill;
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
  expect_empty(size_class_of(640));
}
END_TEST

static pthread_barrier_t barrier;

static void *
take_one_at_once(void *unused)
{
  unsigned c = size_class_of(64);
  int round;

  for (round = 0; round < 300; round++) {
    void *object = NULL;
    pthread_barrier_wait(&barrier);
    must(tcmi_central_extract(c, &object, 1) == 1);
    pthread_barrier_wait(&barrier);
    /* The main thread checks the list here. */
    pthread_barrier_wait(&barrier);
    give_back(c, &object, 1);
  }
  return unused;
}

/* Threads that find the class empty at the same time each create a span.  No
 * span may remain with no object in use. */
START_TEST(threads_that_grow_at_once)
{
  pthread_t threads[3];
  int i, round;

  pthread_barrier_init(&barrier, NULL, 4);
  for (i = 0; i < 3; i++)
    unit_thread(&threads[i], take_one_at_once, NULL);
  for (round = 0; round < 300; round++) {
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    expect_sound(size_class_of(64));
    must(tcmi_central_lists[size_class_of(64)].spans <= 3);
    pthread_barrier_wait(&barrier);
  }
  for (i = 0; i < 3; i++)
    unit_join(threads[i]);
  expect_empty(size_class_of(64));
}
END_TEST

/* ---- Verification finds errors ------------------------------------------- */

static void
spoil_nfree(void *span)
{
  ((struct span *)span)->nfree++;
  tcmi_central_verify(size_class_of(64));
}

static void
spoil_bits(void *span)
{
  ((struct span *)span)->bits[0] ^= 1;
  tcmi_central_verify(size_class_of(64));
}

static void
spoil_dirty(void *span)
{
  ((struct span *)span)->dirty = 0;
  tcmi_central_verify(size_class_of(64));
}

static void
spoil_sum(void *unused)
{
  (void)unused;
  tcmi_central_lists[size_class_of(64)].free_objects++;
  tcmi_central_verify(size_class_of(64));
}

static void
spoil_bucket(void *span)
{
  ((struct span *)span)->bucket++;
  tcmi_central_verify(size_class_of(64));
}

START_TEST(verify_finds_broken_books)
{
  struct span *span;

  extract(size_class_of(64), 10);
  insert_one(size_class_of(64), 5);
  span = pagemap_span((uintptr_t)objects[0]);
  unit_must_abort(spoil_nfree, span, "broken invariant");
  unit_must_abort(spoil_bits, span, "broken invariant");
  unit_must_abort(spoil_dirty, span, "broken invariant");
  unit_must_abort(spoil_sum, span, "broken invariant");
  unit_must_abort(spoil_bucket, span, "broken invariant");
  expect_sound(size_class_of(64));
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("central_list");

  tcmi_mark_init();
  tcase_add_test(tests, each_object_once_in_every_class);
  tcase_add_test(tests, fresh_objects_ascend_and_touch_little);
  tcase_add_test(tests, empty_span_goes_back_at_once);
  tcase_add_test(tests, spans_go_back_together);
  tcase_add_test(tests, fullest_span_is_preferred);
  tcase_add_test(tests, pages_of_every_class_come_and_go);
  tcase_add_test(tests, refills_prefer_resident_pages);
  tcase_add_test(tests, refused_return_keeps_the_pages);
  tcase_add_test(tests, clean_pages_are_found_and_filled);
  tcase_add_test(tests, larger_system_pages);
  tcase_add_test(tests, zero_is_zero);
  tcase_add_test(tests, fresh_page_is_known_to_be_zero);
  tcase_add_test(tests, object_in_use_is_not_free);
  tcase_add_test(tests, refused_return_keeps_the_marks);
  tcase_add_test(tests, misuse_is_told);
  tcase_add_test(tests, verdicts);
  tcase_add_test(tests, each_refused_call);
  tcase_add_test(tests, no_memory_is_no_object);
  tcase_add_test(tests, threads_and_a_releaser);
  tcase_add_test(tests, threads_that_grow_at_once);
  tcase_add_test(tests, verify_finds_broken_books);
  return unit_run(tests);
}
