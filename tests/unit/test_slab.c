/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include "base/atomics.h"
#include "base/bits.h"
#include "base/params.h"
#include "cache/slab.h"
#include "front/heap_check.h"
#include "heap/large.h"
#include "heap/page_heap.h"
#include "heap/pagemap.h"

#define MOST 20000

static void *blocks[MOST];

static struct tcm_heap *
heap_new(void)
{
  struct tcm_heap *heap = tcmi_slab_heap_new();

  ck_assert_ptr_nonnull(heap);
  return heap;
}

static void *
allocate(struct tcm_heap *heap, size_t size)
{
  void *block = size <= SIZE_CLASS_MAX
                    ? tcmi_slab_allocate(heap, size_class_of(size))
                    : tcmi_slab_allocate_large(heap, size, PAGE_SIZE, false);

  must_for(block != NULL, "%zu bytes", size);
  return block;
}

static enum block_verdict
judge(const void *block)
{
  return tcmi_slab_judge(pagemap_span((uintptr_t)block), (uintptr_t)block);
}

/* Frees a block; returns whether its slab left the heap. */
static bool
release(void *block)
{
  bool gone = false;

  must(tcmi_slab_free(pagemap_span((uintptr_t)block), (uintptr_t)block,
                      &gone) == BLOCK_VALID);
  return gone;
}

START_TEST(empty_heap)
{
  struct tcm_heap *heap = heap_new();

  ck_assert_uint_eq(heap->bytes, 0);
  ck_assert_ptr_null(tcmi_slab_take(heap, 1));
  tcmi_slab_verify(heap);
  tcmi_slab_heap_delete(heap);
  ck_assert(!slab_heap_is_alive(heap));
}
END_TEST

/* Each class: objects apart, aligned as the class promises, until three slabs
 * are full. */
START_TEST(every_class)
{
  size_t used = tcmi_page_heap_used_bytes();
  struct tcm_heap *heap = heap_new();
  unsigned c;

  for (c = 1; c < SIZE_CLASS_COUNT; c++) {
    size_t size = size_class_size(c), n = 0, i;
    while (heap->classes[c].count < 3 && n < MOST) {
      blocks[n] = allocate(heap, size);
      memory_fill(blocks[n], size, n);
      n++;
    }
    tcmi_slab_verify(heap);
    for (i = 0; i < n; i++) {
      must_for(memory_holds(blocks[i], size, i), "class %u, block %zu", c, i);
      must(slab_usable(pagemap_span((uintptr_t)blocks[i])) == size);
      must(judge(blocks[i]) == BLOCK_VALID);
      must(pagemap_tag((uintptr_t)blocks[i]) == 0);
      must(tcm_owns((char *)blocks[i] + size - 1));
    }
  }
  ck_assert_uint_eq(tcmi_page_heap_used_bytes() - used, heap->bytes);
  tcmi_heap_check();
  tcmi_slab_heap_delete(heap);
  ck_assert_uint_eq(tcmi_page_heap_used_bytes(), used);
  tcmi_heap_check();
}
END_TEST

/* The first slab has the pages of a span; each further one twice as many as
 * the one before, to a limit. */
START_TEST(slabs_grow)
{
  struct tcm_heap *heap = heap_new();
  size_t before = 0, last = 0, n = 0;

  while (n < MOST) {
    (void)allocate(heap, 64);
    n++;
    if (heap->bytes == before)
      continue;
    must(last == 0 || heap->bytes - before == min_size(2 * last, 131072));
    last = heap->bytes - before;
    must(before != 0 || last == 8192);
    before = heap->bytes;
  }
  ck_assert_uint_eq(last, 131072);
  ck_assert_uint_le(heap->bytes, n * 64 + last);
  tcmi_slab_heap_delete(heap);
}
END_TEST

/* A freed object is the next one taken, before fresh ones, lowest first. */
START_TEST(freed_objects_come_again)
{
  struct tcm_heap *heap = heap_new();
  size_t i;

  for (i = 0; i < 100; i++)
    blocks[i] = allocate(heap, 48);
  for (i = 0; i < 100; i += 10)
    (void)release(blocks[99 - i]);
  for (i = 9; i < 100; i += 10)
    must(allocate(heap, 48) == blocks[i]);
  must((char *)allocate(heap, 48) == (char *)blocks[99] + 48);
  tcmi_slab_verify(heap);
  tcmi_slab_heap_delete(heap);
}
END_TEST

/* Empty slabs are freed, except one; repeatedly allocating and freeing a block
 * at the border of a full slab does not take pages each time. */
START_TEST(empty_slabs_go_back)
{
  struct tcm_heap *heap = heap_new();
  size_t i, n = 0, gone = 0, full;

  while (heap->classes[size_class_of(200)].count < 6)
    blocks[n++] = allocate(heap, 200);
  full = heap->bytes;
  for (i = 0; i < 100; i++) {
    must(!release(blocks[n - 1]));
    must(allocate(heap, 200) == blocks[n - 1]);
    must(heap->bytes == full);
  }
  for (i = 0; i < n; i++) {
    gone += release(blocks[i]);
    if (i % 64 == 0)
      tcmi_slab_verify(heap);
  }
  ck_assert_uint_eq(gone, 5);
  tcmi_slab_verify(heap);
  ck_assert_uint_le(heap->bytes, 131072);
  tcmi_slab_heap_delete(heap);
}
END_TEST

START_TEST(large_blocks)
{
  static const size_t sizes[] = {40000, 300000, 3000000, 100000000};
  size_t used = tcmi_page_heap_used_bytes(), i;
  struct tcm_heap *heap = heap_new();
  char *aligned = tcmi_slab_allocate_large(heap, 100, 65536, true);

  ck_assert_ptr_nonnull(aligned);
  ck_assert(memory_is_aligned(aligned, 65536));
  ck_assert(memory_is_zero((unsigned char *)aligned, 4096));
  for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    struct span *span;
    size_t npages;
    blocks[i] = allocate(heap, sizes[i]);
    span = pagemap_span((uintptr_t)blocks[i]);
    must(judge(blocks[i]) == BLOCK_VALID);
    must(tcmi_slab_judge(span, (uintptr_t)blocks[i] + 16) == BLOCK_INTERIOR);
    npages = span->npages;
    if (tcmi_large_resize(span, 2 * sizes[i]))
      tcmi_slab_resized(span, npages);
    tcmi_slab_verify(heap);
  }
  must(release(blocks[1]));
  tcmi_slab_verify(heap);
  tcmi_heap_check();
  tcmi_slab_heap_delete(heap);
  ck_assert_uint_eq(tcmi_page_heap_used_bytes(), used);
}
END_TEST

START_TEST(verdicts)
{
  struct tcm_heap *heap = heap_new();
  char *block = allocate(heap, 100), *end;
  struct span *span = pagemap_span((uintptr_t)block);
  bool gone;

  ck_assert_int_eq(judge(block), BLOCK_VALID);
  ck_assert_int_eq(judge(block + 16), BLOCK_INTERIOR);
  ck_assert_int_eq(judge(block + 112), BLOCK_FREE);
  end = block + span->nobjs * 112u;
  ck_assert_uint_lt((uintptr_t)end, span_end(span));
  ck_assert_int_eq(judge(end), BLOCK_INTERIOR);
  (void)release(block);
  ck_assert_int_eq(judge(block), BLOCK_FREE);
  ck_assert_int_eq(tcmi_slab_free(span, (uintptr_t)block, &gone), BLOCK_FREE);
  ck_assert(!gone);
  tcmi_slab_verify(heap);
  tcmi_slab_heap_delete(heap);
}
END_TEST

/* A thread finds the slab; then another thread frees its last block, or the
 * heap.  The descriptor is then free, or describes another slab. */
START_TEST(slab_that_is_gone)
{
  struct tcm_heap *heap = heap_new();
  char *block = allocate(heap, 100);
  struct span *span = pagemap_span((uintptr_t)block);
  bool gone;

  tcmi_slab_heap_delete(heap);
  ck_assert_ptr_null(pagemap_span((uintptr_t)block));
  ck_assert_int_eq(tcmi_slab_free(span, (uintptr_t)block, &gone), BLOCK_FREE);
  heap = heap_new();
  (void)allocate(heap, 3000);
  ck_assert_int_eq(tcmi_slab_free(span, (uintptr_t)block, &gone),
                   pagemap_span((uintptr_t)block) == NULL ? BLOCK_FREE
                                                          : BLOCK_VALID);
  tcmi_slab_heap_delete(heap);
}
END_TEST

/* Each system call fails in turn: nothing is lost. */
START_TEST(no_memory)
{
  static const size_t sizes[] = {64, 20000, 100000, (size_t)64 << 20};
  size_t i;
  unsigned n, failed;

  for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    for (n = 1;; n++) {
      size_t used = tcmi_page_heap_used_bytes(), k = 0;
      struct tcm_heap *heap = heap_new();
      (void)tcmi_system_fail(~0u, n, ~0u);
      while (k < 100 &&
             (sizes[i] <= SIZE_CLASS_MAX
                  ? tcmi_slab_allocate(heap, size_class_of(sizes[i]))
                  : tcmi_slab_allocate_large(heap, sizes[i], 1, k % 2)) != NULL)
        k++;
      failed = unit_fail_none();
      tcmi_slab_verify(heap);
      tcmi_slab_heap_delete(heap);
      must(tcmi_page_heap_used_bytes() == used);
      tcmi_heap_check();
      if (failed == 0)
        break;
    }
    ck_assert_uint_gt(n, 1);
  }
}
END_TEST

static void
lose_a_bit(void *unused)
{
  struct tcm_heap *heap = heap_new();
  char *block = allocate(heap, 100);

  (void)unused;
  (void)allocate(heap, 100);
  (void)release(block);
  pagemap_span((uintptr_t)block)->bits[0] = 0;
  tcmi_slab_verify(heap);
}

static void
miscount(void *unused)
{
  struct tcm_heap *heap = heap_new();

  (void)unused;
  (void)allocate(heap, 100);
  heap->bytes -= PAGE_SIZE;
  tcmi_slab_verify(heap);
}

START_TEST(verify_finds_faults)
{
  unit_must_abort(lose_a_bit, NULL, "nfree");
  unit_must_abort(miscount, NULL, "bytes");
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("slab");

  tcase_add_test(tests, empty_heap);
  tcase_add_test(tests, every_class);
  tcase_add_test(tests, slabs_grow);
  tcase_add_test(tests, freed_objects_come_again);
  tcase_add_test(tests, empty_slabs_go_back);
  tcase_add_test(tests, large_blocks);
  tcase_add_test(tests, verdicts);
  tcase_add_test(tests, slab_that_is_gone);
  tcase_add_test(tests, no_memory);
  tcase_add_test(tests, verify_finds_faults);
  return unit_run(tests);
}
