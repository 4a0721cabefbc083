/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which objects of a span are handed out, and which of them need a mark.
 */
#include "config.h"

#include "base/atomics.h"
#include "base/bits.h"
#include "base/options.h"
#include "base/random.h"
#include "base/system.h"
#include "cache/central_span.h"
#include "cache/mark.h"
#include "heap/page_heap.h"

#define RANDOM_TRIES 8

/* The page where the object begins, as a bit. */
static uint32_t
start_page(const struct span *span, unsigned index)
{
  return span_page_mask(index * size_class_size(span->class_id), 1);
}

/* The pages under the objects that were ever handed out. */
static uint32_t
carved_pages(const struct span *span)
{
  return span->fresh == 0
             ? 0
             : span_page_mask(0, span->fresh * size_class_size(span->class_id));
}

/* Whether pages that were in use have since been returned to the OS. */
static bool
has_returned_pages(const struct span *span)
{
  return (carved_pages(span) & ~span->dirty) != 0;
}

/* Takes free objects of a span whose pages are all resident. */
static unsigned
take_bits(struct span *span, void **out, unsigned n)
{
  unsigned taken = 0;

  for (unsigned w = 0; taken < n && taken < span->nfree; w++) {
    while (span->bits[w] != 0 && taken < n) {
      unsigned bit = lowest_bit(span->bits[w]);
      span->bits[w] &= span->bits[w] - 1;
      out[taken++] = span_object(span, w * 64 + bit);
    }
  }
  span->nfree = (uint16_t)(span->nfree - taken);
  return taken;
}

void
tcmi_span_mark_pages(const struct span *span, uint32_t pages)
{
  uintptr_t mark = atomic_load_relaxed(&tcmi_free_mark);

  for (unsigned i = 0; pages != 0 && i < span->fresh; i++)
    if (bit_get(span->bits, i) && (start_page(span, i) & pages) != 0)
      mark_write(span_object(span, i), mark);
}

/* Makes pages resident again, and marks the free objects that begin there. */
static void
refault(struct span *span, uint32_t pages)
{
  pages &= ~span->dirty;
  span->dirty |= pages;
  tcmi_span_mark_pages(span, pages);
}

/* Takes free objects on resident pages; with @returned, also objects on pages
 * that were returned. */
static unsigned
take_bits_by_page(struct span *span, void **out, unsigned n, bool returned)
{
  unsigned taken = 0;

  for (unsigned i = 0; i < span->fresh && taken < n; i++) {
    uint32_t pages = span_object_pages(span, i);
    if (!bit_get(span->bits, i) || (!returned && (pages & ~span->dirty)))
      continue;
    refault(span, pages);
    bit_clear(span->bits, i);
    out[taken++] = span_object(span, i);
  }
  span->nfree = (uint16_t)(span->nfree - taken);
  return taken;
}

/* Hands out objects for the first time: at most a system page of them, so that
 * a small process does not touch memory that it may never need. */
static unsigned
take_fresh(struct span *span, void **out, unsigned n)
{
  size_t size = size_class_size(span->class_id);
  size_t most = max_size(tcmi_system_page_size() / size, 1);
  unsigned count =
      (unsigned)min_size(min_size(n, span->nobjs - (size_t)span->fresh), most);

  for (unsigned i = 0; i < count; i++) {
    span->dirty |= span_object_pages(span, span->fresh);
    out[i] = span_object(span, span->fresh++);
  }
  return count;
}

/* The index of a random free object.  If few are free, it is often the next one
 * after a random index. */
static unsigned
any_free_locked(struct central_list *list, const struct span *span)
{
  size_t i = 0;

  lock_assert_held(&list->lock);
  for (int tries = 0; tries < RANDOM_TRIES; tries++) {
    i = (size_t)tcmi_random_next(&list->random) % span->nobjs;
    if (bit_get(span->bits, i))
      return (unsigned)i;
  }
  i = bits_find(span->bits, i, span->nobjs, true);
  return (unsigned)(i < span->nobjs ? i : bits_find(span->bits, 0, i, true));
}

/* Takes free objects in random order; their pages may become resident. */
static unsigned
take_random_locked(struct central_list *list, struct span *span, void **out,
                   unsigned n)
{
  unsigned taken;

  lock_assert_held(&list->lock);
  if (list->random == 0)
    list->random = tcmi_random(RANDOM_ORDER) ^ (uintptr_t)list;
  for (taken = 0; taken < n && span->nfree > 0; taken++) {
    unsigned i = any_free_locked(list, span);
    refault(span, span_object_pages(span, i));
    bit_clear(span->bits, i);
    span->nfree--;
    out[taken] = span_object(span, i);
  }
  return taken;
}

unsigned
tcmi_span_take_locked(struct central_list *list, struct span *span, void **out,
                      unsigned n, bool *fresh)
{
  unsigned clean = span_clean_pages(span), taken;

  lock_assert_held(&list->lock);
  if (unlikely(tcmi_option(OPTION_random_order) != 0)) {
    taken = take_random_locked(list, span, out, n);
  } else if (likely(!has_returned_pages(span))) {
    taken = take_bits(span, out, n);
  } else {
    taken = take_bits_by_page(span, out, n, /*returned=*/false);
    if (taken == 0) {
      taken = take_bits_by_page(span, out, n, /*returned=*/true);
      tcmi_page_heap_count_faulted(clean - span_clean_pages(span));
    }
  }
  *fresh = taken == 0;
  if (taken == 0)
    taken = take_fresh(span, out, n);
  counter_sub(&list->clean_pages, clean - span_clean_pages(span));
  counter_sub(&list->free_objects, taken);
  central_note_idle_locked(list, span->class_id);
  tcmi_span_relink_locked(list, span);
  return taken;
}
