/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include "base/bits.h"
#include "base/params.h"
#include "cache/size_class.h"
#include "cache/thread_cache.h"
#include "heap/span.h"

#define FOR_EACH_CLASS(c) for (c = 1; c < SIZE_CLASS_COUNT; c++)

START_TEST(sizes_ascend_and_end_at_the_largest)
{
  unsigned c;

  ck_assert_uint_eq(size_class_size(1), 16);
  for (c = 2; c < SIZE_CLASS_COUNT; c++)
    ck_assert_uint_gt(size_class_size(c), size_class_size(c - 1));
  ck_assert_uint_eq(size_class_size(SIZE_CLASS_COUNT - 1), SIZE_CLASS_MAX);
}
END_TEST

START_TEST(each_size_gets_the_smallest_class)
{
  size_t size;

  for (size = 0; size <= SIZE_CLASS_MAX; size++) {
    unsigned c = size_class_of(size);
    must_for(c >= 1 && c < SIZE_CLASS_COUNT, "%zu", size);
    must_for(size_class_size(c) >= size, "%zu", size);
    must_for(c == 1 || size_class_size(c - 1) < size, "%zu", size);
  }
}
END_TEST

/* C1: a request above 128 bytes wastes at most 11.2 % of its block. */
START_TEST(waste_has_its_bound)
{
  size_t size, worst = 0;

  for (size = 129; size <= SIZE_CLASS_MAX; size++) {
    size_t block = size_class_size(size_class_of(size));
    size_t permille = (block - size) * 1000 / block;
    worst = max_size(worst, permille);
    must_for((block - size) * 1000 <= block * 112, "%zu", size);
  }
  ck_assert_uint_gt(worst, 50);
}
END_TEST

/* C2: sizes are multiples of BLOCK_ALIGN, and larger ones of 128. */
START_TEST(sizes_keep_alignments)
{
  unsigned c;

  FOR_EACH_CLASS(c)
  {
    size_t size = size_class_size(c);
    ck_assert(size % BLOCK_ALIGN == 0);
    if (size > SIZE_CLASS_SMALL_MAX)
      ck_assert_uint_eq(size % 128, 0);
  }
}
END_TEST

START_TEST(spans_hold_what_they_say)
{
  unsigned c;

  FOR_EACH_CLASS(c)
  {
    const struct size_class *class = &tcmi_size_classes[c];
    size_t bytes = (size_t) class->pages * PAGE_SIZE;
    size_t used = (size_t) class->nobjs * class->size;
    ck_assert_uint_ge(class->pages, 1);
    ck_assert_uint_le(class->pages, SPAN_MAX_PAGES);
    ck_assert_uint_le(used, bytes);
    ck_assert_uint_lt(bytes - used, class->size);
    ck_assert_uint_le((bytes - used) * 1000, bytes * 35);
    ck_assert_uint_ge(class->batch, 1);
    ck_assert_uint_le(class->batch, SIZE_CLASS_BATCH_MAX);
    /* Spans count their objects in 16 bits. */
    ck_assert_uint_le(class->nobjs, UINT16_MAX);
  }
}
END_TEST

START_TEST(every_byte_of_a_span_finds_its_object)
{
  unsigned c;

  FOR_EACH_CLASS(c)
  {
    const struct size_class *class = &tcmi_size_classes[c];
    size_t bytes = (size_t) class->pages * PAGE_SIZE, offset;
    for (offset = 0; offset < bytes; offset++)
      must_for(size_class_index(c, offset) == offset / class->size,
               "class %u offset %zu", c, offset);
  }
}
END_TEST

/* What free() checks: whether an object begins here. */
START_TEST(objects_begin_at_multiples_of_their_size)
{
  unsigned c;

  FOR_EACH_CLASS(c)
  {
    const struct size_class *class = &tcmi_size_classes[c];
    uint32_t places = (uint32_t)(class->pages * PAGE_SIZE / BLOCK_ALIGN);
    for (uint32_t place = 0; place < places; place++) {
      size_t offset = place * BLOCK_ALIGN;
      bool wanted = offset % class->size == 0;
      must_for((place * tcmi_starts[c].factor < tcmi_starts[c].limit) == wanted,
               "class %u place %u", c, place);
      must_for(size_class_is_start(c, offset) == wanted, "class %u place %u", c,
               place);
    }
  }
}
END_TEST

/* C3: a tag is twice a class, also in the tables that a thread cache copies. */
START_TEST(tags_agree)
{
  size_t i;

  for (i = 0; i <= SIZE_CLASS_SMALL_MAX; i += 16)
    ck_assert_uint_eq(tcmi_tags[small_tag_index(i)], 2 * size_class_of(i));
  for (; i <= SIZE_CLASS_MAX; i += 128)
    ck_assert_uint_eq(tcmi_tags[middle_tag_index(i)], 2 * size_class_of(i));
  ck_assert_uint_eq(middle_tag_index(SIZE_CLASS_MAX) + 1, LARGE_TAG_INDEX);
  ck_assert_uint_eq(tcmi_tags[LARGE_TAG_INDEX], 0);
  ck_assert_uint_lt(2 * (SIZE_CLASS_COUNT - 1), 256);
  ck_assert_uint_eq(size_class_size(LINE_CLASS_MAX), 64);
}
END_TEST

START_TEST(aligned_class_is_the_least_one)
{
  size_t align, size;
  unsigned c;

  for (align = 1; align <= PAGE_SIZE; align *= 2)
    for (size = 0; size <= SIZE_CLASS_MAX; size += size < 2048 ? 1 : 61) {
      unsigned best = 0;
      for (c = SIZE_CLASS_COUNT - 1; c >= 1; c--)
        if (size_class_size(c) >= max_size(size, 1) &&
            size_class_size(c) % align == 0)
          best = c;
      must_for(tcmi_size_class_aligned(size, align) == best, "%zu, %zu", size,
               align);
    }
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("size_class");

  tcase_add_test(tests, sizes_ascend_and_end_at_the_largest);
  tcase_add_test(tests, each_size_gets_the_smallest_class);
  tcase_add_test(tests, waste_has_its_bound);
  tcase_add_test(tests, sizes_keep_alignments);
  tcase_add_test(tests, spans_hold_what_they_say);
  tcase_add_test(tests, every_byte_of_a_span_finds_its_object);
  tcase_add_test(tests, objects_begin_at_multiples_of_their_size);
  tcase_add_test(tests, tags_agree);
  tcase_add_test(tests, aligned_class_is_the_least_one);
  return unit_run(tests);
}
