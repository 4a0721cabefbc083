/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include "base/metadata.h"
#include "heap/span.h"

START_TEST(new_span_is_empty)
{
  static const unsigned counts[] = {0, 1, 63, 64, 65, 170, 512, 1024};
  size_t i, w;

  for (i = 0; i < sizeof counts / sizeof *counts; i++) {
    struct span *span = tcmi_span_new(counts[i]);
    ck_assert_ptr_nonnull(span);
    ck_assert(memory_is_aligned(span, 64));
    ck_assert_uint_eq(span->nobjs, counts[i]);
    ck_assert_uint_eq(span->nfree, 0);
    ck_assert_uint_eq(span->fresh, 0);
    ck_assert_uint_eq(span->dirty, 0);
    ck_assert_uint_eq(span->class_id, 0);
    ck_assert_uint_eq(span->bucket, 0);
    ck_assert(!span->held);
    ck_assert_ptr_null(span->link.next);
    for (w = 0; w < (counts[i] + 63) / 64; w++)
      ck_assert_uint_eq(span->bits[w], 0);
    ck_assert_uint_eq(span_available(span), counts[i]);
    ck_assert_uint_eq(span_outstanding(span), 0);
    tcmi_span_delete(span);
  }
}
END_TEST

/* The live bits follow the others; both kinds can be deleted together. */
START_TEST(span_with_live_bits)
{
  static const unsigned counts[] = {1, 64, 65, 1024};
  struct span *spans[3];
  size_t i, w;

  for (i = 0; i < sizeof counts / sizeof *counts; i++) {
    spans[0] = tcmi_span_new_live(counts[i], SPAN_MAX_PAGES);
    spans[1] = tcmi_span_new(counts[i]);
    spans[2] = tcmi_span_new_live(counts[i], SPAN_MAX_PAGES);
    for (w = 0; w < 3; w++)
      ck_assert_ptr_nonnull(spans[w]);
    ck_assert_uint_eq(spans[0]->npages, SPAN_MAX_PAGES);
    ck_assert_uint_eq(spans[0]->live, (counts[i] + 63) / 64);
    ck_assert_uint_eq(spans[1]->live, 0);
    for (w = 0; w < spans[0]->live + SPAN_MAX_PAGES * LIVE_WORDS; w++)
      ck_assert_uint_eq(spans[0]->bits[w], 0);
    memset(spans[0]->bits, 0xff,
           (spans[0]->live + SPAN_MAX_PAGES * LIVE_WORDS) * sizeof(uint64_t));
    ck_assert_uint_eq(spans[1]->bits[0], 0);
    ck_assert_uint_eq(spans[2]->bits[0], 0);
    tcmi_span_delete_all(spans, 3);
    ck_assert_ptr_eq(tcmi_span_new(counts[i]), spans[1]);
  }
}
END_TEST

START_TEST(place_and_counts)
{
  struct span *span = tcmi_span_new(100);

  ck_assert_ptr_nonnull(span);
  span->start = 0x10000;
  span->npages = 3;
  span->fresh = 40;
  span->nfree = 15;
  ck_assert_uint_eq(span_bytes(span), 3 * PAGE_SIZE);
  ck_assert_uint_eq(span_end(span), 0x10000 + 3 * PAGE_SIZE);
  ck_assert_uint_eq(span_available(span), 75);
  ck_assert_uint_eq(span_outstanding(span), 25);
  /* A large block may be larger than 4 GiB. */
  span->npages = UINT32_MAX;
  ck_assert_uint_eq(span_bytes(span), (size_t)UINT32_MAX << PAGE_SHIFT);
  tcmi_span_delete(span);
}
END_TEST

START_TEST(deleted_descriptor_is_used_again)
{
  struct span *first = tcmi_span_new(1024), *again;
  size_t mapped;
  int i;

  ck_assert_ptr_nonnull(first);
  memset(first->bits, 0xff, 1024 / 8);
  tcmi_span_delete(first);
  again = tcmi_span_new(1024);
  ck_assert_ptr_eq(again, first);
  ck_assert(memory_is_zero(again->bits, 1024 / 8));
  mapped = tcmi_metadata_mapped_bytes();
  for (i = 0; i < 10000; i++)
    tcmi_span_delete(tcmi_span_new((unsigned)i % 1024));
  ck_assert_uint_eq(tcmi_metadata_mapped_bytes(), mapped);
}
END_TEST

START_TEST(no_memory_no_span)
{
  unit_fail_all(1u << SYSTEM_MAP);
  ck_assert_ptr_null(tcmi_span_new(64));
  ck_assert_uint_gt(unit_fail_none(), 0);
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("span");

  tcase_add_test(tests, new_span_is_empty);
  tcase_add_test(tests, span_with_live_bits);
  tcase_add_test(tests, place_and_counts);
  tcase_add_test(tests, deleted_descriptor_is_used_again);
  tcase_add_test(tests, no_memory_no_span);
  return unit_run(tests);
}
