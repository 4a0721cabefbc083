/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The page heap.  S is a slot for one run of pages:
 *
 *     small S PAGES            allocates a run of up to 32 pages
 *     large S PAGES SHIFT      allocates a run aligned to 2^SHIFT pages
 *     zero S PAGES             allocates a large run and clears it
 *     free S                   frees the run, resident
 *     unmap S                  frees the run after returning its memory
 *     head S PAGES             frees its first pages
 *     tail S PAGES             frees its last pages
 *     extend S PAGES           extends the run by PAGES
 *     write S PAGE             writes to one page
 *     release                  returns all free pages to the OS
 *     fail MASK NTH COUNT
 */
#include "fuzz.h"

#include "base/params.h"
#include "heap/arena.h"
#include "heap/page_heap.h"

#define SLOTS 64
#define PAGES_MAX 70000

static struct slot {
  uintptr_t start; /* 0: none */
  size_t npages;
  uint32_t dirty; /* of a small run */
  bool small;
  bool written; /* page holds a mark */
  size_t page;
} slots[SLOTS];

static size_t used_pages;

static uintptr_t *
mark_of(const struct slot *slot)
{
  return (uintptr_t *)(slot->start + (slot->page << PAGE_SHIFT));
}

static void
expect_mark(const struct slot *slot)
{
  if (slot->written)
    FUZZ_MUST(*mark_of(slot) == (uintptr_t)mark_of(slot));
}

static void
write_page(struct slot *slot, size_t page)
{
  expect_mark(slot);
  slot->page = page;
  slot->written = true;
  *mark_of(slot) = (uintptr_t)mark_of(slot);
  if (slot->small)
    slot->dirty |= (uint32_t)1 << page;
}

static void
give(struct slot *slot)
{
  if (slot->start == 0)
    return;
  expect_mark(slot);
  if (slot->small) {
    struct span span = {.start = slot->start,
                        .npages = (uint32_t)slot->npages,
                        .dirty = slot->dirty};
    struct span *spans[] = {&span};
    tcmi_page_heap_free_dirty(spans, 1);
  } else
    tcmi_page_heap_free(slot->start, slot->npages, RESIDENCY_FULL);
  used_pages -= slot->npages;
  slot->start = 0;
}

static void
unmap(struct slot *slot)
{
  size_t bytes = slot->npages << PAGE_SHIFT;

  if (slot->start == 0 || slot->small ||
      tcmi_system_discard((void *)slot->start, bytes) != 0)
    return;
  tcmi_page_heap_free(slot->start, slot->npages, RESIDENCY_NONE);
  used_pages -= slot->npages;
  slot->start = 0;
}

static void
enter(struct slot *slot, size_t align)
{
  const struct slot *other;
  size_t end = slot->start + (slot->npages << PAGE_SHIFT);

  slot->written = false;
  if (slot->start == 0)
    return;
  FUZZ_MUST(slot->start % (align << PAGE_SHIFT) == 0);
  used_pages += slot->npages;
  for (other = slots; other < slots + SLOTS; other++)
    FUZZ_MUST(other == slot || other->start == 0 || other->start >= end ||
              other->start + (other->npages << PAGE_SHIFT) <= slot->start);
}

static void
take_small(struct slot *slot, size_t npages)
{
  size_t i;

  give(slot);
  slot->small = true;
  slot->npages = npages % 32 + 1;
  slot->start = tcmi_page_heap_alloc_dirty(slot->npages, 64, &slot->dirty);
  enter(slot, 1);
  if (slot->start == 0)
    return;
  for (i = 0; i < slot->npages; i++)
    FUZZ_MUST(
        slot->dirty >> i & 1 ||
        memory_is_zero((void *)(slot->start + (i << PAGE_SHIFT)), PAGE_SIZE));
}

static void
take_large(struct slot *slot, size_t npages, size_t align, bool zero)
{
  size_t i;

  give(slot);
  slot->small = false;
  slot->npages = npages % PAGES_MAX + 1;
  slot->start = tcmi_page_heap_alloc(slot->npages, align, RUN_LARGE);
  enter(slot, align);
  if (slot->start == 0 || !zero)
    return;
  tcmi_page_heap_clear(slot->start, slot->npages);
  for (i = 0; i < slot->npages; i += 1 + slot->npages / 100)
    FUZZ_MUST(
        memory_is_zero((void *)(slot->start + (i << PAGE_SHIFT)), PAGE_SIZE));
}

/* Frees @n pages at one end of a run. */
static void
trim(struct slot *slot, size_t n, bool head)
{
  if (slot->start == 0 || slot->small || slot->npages < 2)
    return;
  expect_mark(slot);
  n = n % (slot->npages - 1) + 1;
  tcmi_page_heap_free(head ? slot->start
                           : slot->start + ((slot->npages - n) << PAGE_SHIFT),
                      n, RESIDENCY_FULL);
  slot->npages -= n;
  slot->start += head ? n << PAGE_SHIFT : 0;
  if (slot->page < n && head)
    slot->written = false;
  slot->page -= head ? n : 0;
  if (slot->page >= slot->npages)
    slot->written = false;
  used_pages -= n;
  expect_mark(slot);
}

static void
extend(struct slot *slot, size_t n)
{
  size_t more = slot->npages + n % 3000 + 1;

  if (slot->start == 0 || slot->small ||
      !tcmi_page_heap_extend(slot->start, slot->npages, more))
    return;
  used_pages -= slot->npages;
  slot->npages = more;
  expect_mark(slot);
  slot->written = false;
  enter(slot, 1);
}

static void
do_op(const struct fuzz_op *op)
{
  struct slot *slot = &slots[op->number[0] % SLOTS];

  if (fuzz_is(op, "small"))
    take_small(slot, op->number[1]);
  else if (fuzz_is(op, "large"))
    take_large(slot, op->number[1], (size_t)1 << op->number[2] % 15, false);
  else if (fuzz_is(op, "zero"))
    take_large(slot, op->number[1], 1, true);
  else if (fuzz_is(op, "free"))
    give(slot);
  else if (fuzz_is(op, "unmap"))
    unmap(slot);
  else if (fuzz_is(op, "head"))
    trim(slot, op->number[1], true);
  else if (fuzz_is(op, "tail"))
    trim(slot, op->number[1], false);
  else if (fuzz_is(op, "extend"))
    extend(slot, op->number[1]);
  else if (fuzz_is(op, "write") && slot->start != 0)
    write_page(slot, op->number[1] % slot->npages);
  else if (fuzz_is(op, "release"))
    (void)tcmi_page_heap_release(SIZE_MAX);
  else
    (void)fuzz_fail(op);
}

static void
expect_sums(void)
{
  struct page_heap_stats stats;

  tcmi_page_heap_verify();
  tcmi_page_heap_stats(&stats);
  FUZZ_MUST(stats.used_bytes == used_pages << PAGE_SHIFT);
  FUZZ_MUST(stats.used_bytes + stats.idle_bytes + stats.returned_bytes ==
            arena_committed_bytes());
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct fuzz_text text = fuzz_begin(data, size);
  struct fuzz_op op;
  size_t i;

  for (i = 0; fuzz_next(&text, &op); i++) {
    do_op(&op);
    if (i % 64 == 0)
      expect_sums();
  }
  (void)tcmi_system_fail(0, 0, 0);
  for (i = 0; i < SLOTS; i++)
    give(&slots[i]);
  (void)tcmi_page_heap_release(SIZE_MAX);
  expect_sums();
  FUZZ_MUST(used_pages == 0);
  return 0;
}
