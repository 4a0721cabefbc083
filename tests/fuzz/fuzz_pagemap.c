/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pagemap, over a range of address space that contains a border of leaves.
 * H is a huge page, P a page of the range; A and S are slots.
 *
 *     reserve A H COUNT    an arena over COUNT huge pages that are in no arena
 *     forget A
 *     span S P PAGES CLASS a span over pages of one arena that are in no span;
 *                          class 0 is a large block
 *     clear S
 *     ask ADDRESS          looks up any address
 *     look P               looks up a page
 *     fail MASK NTH COUNT
 */
#include "fuzz.h"

#include "base/lock.h"
#include "base/params.h"
#include "cache/size_class.h"
#include "heap/arena.h"
#include "heap/page_heap.h"
#include "heap/pagemap.h"

#define ARENAS 8
#define SPANS 64
#define HUGE_PAGES 40 /* with the border of two leaves in the middle */
#define PAGES (HUGE_PAGES * HUGE_PAGE_PAGES)
#define BASE (50 * LEAF_SIZE - HUGE_PAGES / 2 * HUGE_PAGE_SIZE)

static struct {
  struct arena arena;
  size_t first, count; /* huge pages; count 0: no arena */
} arenas[ARENAS];

static struct span *spans[SPANS];

/* The expected span of each page. */
static struct span *naive[PAGES];

static uintptr_t
address_of(size_t page)
{
  return BASE + (page << PAGE_SHIFT);
}

static struct arena *
arena_of(size_t page)
{
  size_t h = page / HUGE_PAGE_PAGES, i;

  for (i = 0; i < ARENAS; i++)
    if (h >= arenas[i].first && h < arenas[i].first + arenas[i].count)
      return &arenas[i].arena;
  return NULL;
}

static void
expect_page(size_t page)
{
  uintptr_t address = address_of(page) + page % PAGE_SIZE;
  const struct span *span = naive[page];
  bool named =
      span != NULL && (span->class_id != 0 || span->start == address_of(page));

  FUZZ_MUST(pagemap_arena(address) == arena_of(page));
  FUZZ_MUST(pagemap_span(address) == (named ? span : NULL));
  FUZZ_MUST(pagemap_tag(address) == (span == NULL ? 0 : 2u * span->class_id));
  FUZZ_MUST(tcmi_pagemap_find(address) == span);
}

static void
expect_address(uintptr_t address)
{
  if (address >= BASE && address - BASE < (uintptr_t)PAGES << PAGE_SHIFT) {
    expect_page((address - BASE) >> PAGE_SHIFT);
    return;
  }
  FUZZ_MUST(pagemap_arena(address) == NULL);
  FUZZ_MUST(pagemap_span(address) == NULL);
  FUZZ_MUST(pagemap_tag(address) == 0);
  FUZZ_MUST(tcmi_pagemap_find(address) == NULL);
}

static void
reserve(size_t a, size_t h, size_t count)
{
  size_t i;
  bool done;

  h %= HUGE_PAGES;
  count = count % 16 + 1;
  if (arenas[a].count > 0 || h + count > HUGE_PAGES)
    return;
  for (i = h; i < h + count; i++)
    if (arena_of(i * HUGE_PAGE_PAGES) != NULL)
      return;
  lock_acquire(&tcmi_page_heap_lock);
  done =
      tcmi_pagemap_reserve_locked(BASE + (h << HUGE_PAGE_SHIFT),
                                  count << HUGE_PAGE_SHIFT, &arenas[a].arena);
  if (!done)
    tcmi_pagemap_forget_locked(BASE + (h << HUGE_PAGE_SHIFT),
                               count << HUGE_PAGE_SHIFT);
  lock_release(&tcmi_page_heap_lock);
  arenas[a].first = h;
  arenas[a].count = done ? count : 0;
}

static void
clear(size_t s)
{
  struct span *span = spans[s];
  size_t page, i;

  if (span == NULL)
    return;
  page = (span->start - BASE) >> PAGE_SHIFT;
  for (i = 0; i < span->npages; i++)
    naive[page + i] = NULL;
  tcmi_pagemap_clear(span);
  tcmi_span_delete(span);
  spans[s] = NULL;
}

static void
forget(size_t a)
{
  size_t s;

  if (arenas[a].count == 0)
    return;
  for (s = 0; s < SPANS; s++)
    if (spans[s] != NULL &&
        arena_of((spans[s]->start - BASE) >> PAGE_SHIFT) == &arenas[a].arena)
      clear(s);
  lock_acquire(&tcmi_page_heap_lock);
  tcmi_pagemap_forget_locked(BASE + (arenas[a].first << HUGE_PAGE_SHIFT),
                             arenas[a].count << HUGE_PAGE_SHIFT);
  lock_release(&tcmi_page_heap_lock);
  arenas[a].count = 0;
}

static void
set(size_t s, size_t page, size_t npages, size_t class_id)
{
  struct span *span;
  size_t i;

  page %= PAGES;
  class_id %= SIZE_CLASS_COUNT;
  npages = npages % (class_id == 0 ? 2000 : 32) + 1;
  if (page + npages > PAGES || spans[s] != NULL)
    return;
  for (i = 0; i < npages; i++)
    if (naive[page + i] != NULL || arena_of(page + i) == NULL ||
        arena_of(page + i) != arena_of(page))
      return;
  span = tcmi_span_new(0);
  if (span == NULL)
    return;
  span->start = address_of(page);
  span->npages = (uint32_t)npages;
  span->class_id = (uint8_t)class_id;
  spans[s] = span;
  for (i = 0; i < npages; i++)
    naive[page + i] = span;
  tcmi_pagemap_set(span);
  expect_page(page + npages - 1);
}

static void
do_op(const struct fuzz_op *op)
{
  const size_t *n = op->number;

  if (fuzz_is(op, "reserve"))
    reserve(n[0] % ARENAS, n[1], n[2]);
  else if (fuzz_is(op, "forget"))
    forget(n[0] % ARENAS);
  else if (fuzz_is(op, "span"))
    set(n[0] % SPANS, n[1], n[2], n[3]);
  else if (fuzz_is(op, "clear"))
    clear(n[0] % SPANS);
  else if (fuzz_is(op, "ask"))
    expect_address(n[0]);
  else if (fuzz_is(op, "look"))
    expect_page(n[0] % PAGES);
  else
    (void)fuzz_fail(op);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct fuzz_text text = fuzz_begin(data, size);
  struct fuzz_op op;
  size_t i;

  while (fuzz_next(&text, &op))
    do_op(&op);
  (void)tcmi_system_fail(0, 0, 0);
  for (i = 0; i < PAGES; i += 37)
    expect_page(i);
  expect_address(BASE - 1);
  expect_address(address_of(PAGES));
  for (i = 0; i < ARENAS; i++)
    forget(i);
  for (i = 0; i < PAGES; i += 101)
    expect_page(i);
  return 0;
}
