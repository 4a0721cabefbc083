/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include "base/bits.h"
#include "cache/central_list.h"
#include "cache/mark.h"
#include "cache/transfer_cache.h"
#include "heap/page_heap.h"
#include "heap/pagemap.h"

#define BATCH 32

static unsigned class_id;
static struct transfer_cache *transfer;

static void
setup(void)
{
  class_id = size_class_of(512);
  transfer = &tcmi_transfer_caches[class_id];
}

/* Takes @n objects, in as many calls as it needs. */
static void
take(void **out, unsigned n)
{
  while (n > 0) {
    unsigned got = tcmi_transfer_remove(class_id, out, n);
    must(got > 0 && got <= n);
    out += got;
    n -= got;
  }
}

static void
expect_empty(void)
{
  tcmi_central_verify(class_id);
  tcmi_page_heap_verify();
  ck_assert_uint_eq(transfer->count, 0);
  ck_assert_uint_eq(tcmi_central_lists[class_id].spans, 0);
  ck_assert_uint_eq(tcmi_page_heap_used_bytes(), 0);
}

START_TEST(no_array_before_the_first_batch)
{
  void *batch[BATCH];

  take(batch, BATCH);
  ck_assert_ptr_null(transfer->slots);
  ck_assert_uint_eq(transfer->capacity, 0);
  tcmi_transfer_insert(class_id, batch, BATCH);
  ck_assert_ptr_nonnull(transfer->slots);
  ck_assert_uint_eq(transfer->capacity,
                    TRANSFER_BATCHES * tcmi_size_classes[class_id].batch);
  ck_assert_uint_eq(transfer->count, BATCH);
}
END_TEST

START_TEST(what_was_given_is_taken_first)
{
  void *batch[BATCH], *again[BATCH];
  unsigned i, j, found = 0;

  take(batch, BATCH);
  tcmi_transfer_insert(class_id, batch, BATCH);
  ck_assert_uint_eq(tcmi_transfer_remove(class_id, again, BATCH), BATCH);
  for (i = 0; i < BATCH; i++)
    for (j = 0; j < BATCH; j++)
      found += batch[i] == again[j];
  ck_assert_uint_eq(found, BATCH);
  ck_assert_uint_eq(transfer->count, 0);
}
END_TEST

START_TEST(what_does_not_fit_goes_on)
{
  unsigned n = 3 * TRANSFER_BATCHES * tcmi_size_classes[class_id].batch, i;
  void **objects = malloc(n * sizeof *objects);

  take(objects, n);
  for (i = 0; i < n; i += 8)
    tcmi_transfer_insert(class_id, objects + i, 8);
  ck_assert_uint_eq(transfer->count, transfer->capacity);
  ck_assert_uint_eq(tcmi_central_lists[class_id].spans *
                            tcmi_size_classes[class_id].nobjs -
                        tcmi_central_lists[class_id].free_objects,
                    transfer->count);
  tcmi_transfer_flush(class_id);
  expect_empty();
  free(objects);
}
END_TEST

START_TEST(flush_empties_every_class)
{
  unsigned c;

  for (c = 1; c < SIZE_CLASS_COUNT; c++) {
    void *batch[SIZE_CLASS_BATCH_MAX];
    unsigned n = tcmi_transfer_remove(c, batch, tcmi_size_classes[c].batch);
    ck_assert_uint_gt(n, 0);
    tcmi_transfer_insert(c, batch, n);
    ck_assert_uint_eq(tcmi_transfer_caches[c].count, n);
  }
  for (c = 1; c < SIZE_CLASS_COUNT; c++) {
    tcmi_transfer_flush(c);
    tcmi_transfer_flush(c);
    ck_assert_uint_eq(tcmi_transfer_caches[c].count, 0);
  }
  ck_assert_uint_eq(tcmi_page_heap_used_bytes(), 0);
}
END_TEST

/* Without memory for the array, all objects bypass it. */
START_TEST(no_memory_for_the_array)
{
  void *batch[BATCH];
  int i;

  take(batch, BATCH);
  unit_fail_all(1u << SYSTEM_MAP);
  /* Uses up the free metadata, so that the array cannot be allocated. */
  for (i = 0; i < 3000; i++)
    if (tcmi_span_new(1024) == NULL)
      break;
  tcmi_transfer_insert(class_id, batch, BATCH / 2);
  if (transfer->capacity == 0)
    ck_assert_uint_eq(transfer->count, 0);
  tcmi_transfer_insert(class_id, batch + BATCH / 2, BATCH / 2);
  ck_assert_uint_gt(unit_fail_none(), 0);
  tcmi_transfer_flush(class_id);
  expect_empty();
  take(batch, BATCH);
  tcmi_transfer_insert(class_id, batch, BATCH);
  ck_assert_uint_eq(transfer->count, BATCH);
}
END_TEST

START_TEST(no_memory_is_no_object)
{
  void *object;

  unit_fail_all(~0u);
  ck_assert_uint_eq(tcmi_transfer_remove(class_id, &object, 1), 0);
  ck_assert_uint_gt(unit_fail_none(), 0);
  ck_assert_uint_eq(tcmi_transfer_remove(class_id, &object, 1), 1);
}
END_TEST

/* ---- Threads that pass batches to each other ----------------------------- */

#define NTHREADS 4
#define MARK 0x5ca1ab1eu

static int owners[1 << 16]; /* [atomic: relaxed] by address of the object */

/* Adds @change to the number of owners of an object. */
static void
own(void *object, int change)
{
  int *owner =
      &owners[(uintptr_t)object / 512 % (sizeof owners / sizeof *owners)];

  must(__atomic_add_fetch(owner, change, __ATOMIC_RELAXED) == (change > 0));
}

static void *
pass_on(void *seed)
{
  uint64_t state = (uint64_t)(uintptr_t)seed;
  void *batch[BATCH];
  unsigned n, i;
  int step;

  for (step = 0; step < 5000; step++) {
    n = tcmi_transfer_remove(class_id, batch,
                             1 + (unsigned)unit_below(&state, BATCH));
    must(n > 0);
    for (i = 0; i < n; i++) {
      own(batch[i], 1);
      memory_fill(batch[i], 512, (uintptr_t)seed ^ i);
    }
    if (step % 64 == 0)
      sched_yield();
    for (i = 0; i < n; i++) {
      must(memory_holds(batch[i], 512, (uintptr_t)seed ^ i));
      own(batch[i], -1);
    }
    tcmi_mark_objects(batch, n);
    tcmi_transfer_insert(class_id, batch, n);
    if (unit_below(&state, 200) == 0)
      tcmi_transfer_flush(class_id);
  }
  return NULL;
}

START_TEST(threads_pass_batches)
{
  pthread_t threads[NTHREADS];
  uintptr_t i;

  for (i = 0; i < NTHREADS; i++)
    unit_thread(&threads[i], pass_on, (void *)(i + MARK));
  for (i = 0; i < NTHREADS; i++)
    unit_join(threads[i]);
  tcmi_transfer_flush(class_id);
  expect_empty();
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("transfer_cache");

  tcase_add_checked_fixture(tests, setup, NULL);
  tcase_add_test(tests, no_array_before_the_first_batch);
  tcase_add_test(tests, what_was_given_is_taken_first);
  tcase_add_test(tests, what_does_not_fit_goes_on);
  tcase_add_test(tests, flush_empties_every_class);
  tcase_add_test(tests, no_memory_for_the_array);
  tcase_add_test(tests, no_memory_is_no_object);
  tcase_add_test(tests, threads_pass_batches);
  return unit_run(tests);
}
