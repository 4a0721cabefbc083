/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rejected: linked lists through the free objects.  One bit per object, outside
 * the objects, detects a double free exactly, shows which pages are wholly
 * free, and touches no cold object.
 *
 * Rejected: keeping empty spans, up to an eighth of those of the class.  Loads
 * empty their spans in larger waves: "batches" took 13 to 16 spans per 1000
 * operations from the page heap instead of 15 to 21, and "server" as many as
 * before.
 *
 * Rejected: taking objects from the emptiest spans first, so that those of one
 * batch are neighbors.  batches@1 and batches@2 take as long, with 2 MiB more.
 */
#include "config.h"

#include "cache/central_list.h"

#include "base/atomics.h"
#include "base/bits.h"
#include "base/metadata.h"
#include "base/options.h"
#include "base/random.h"
#include "base/report.h"
#include "base/system.h"
#include "cache/block_run.h"
#include "cache/central_span.h"
#include "cache/live.h"
#include "cache/mark.h"
#include "heap/page_heap.h"
#include "heap/pagemap.h"

struct central_list tcmi_central_lists[SIZE_CLASS_COUNT] = {
    [0 ... SIZE_CLASS_COUNT - 1] = {.lock = LOCK_INITIALIZER(LOCK_CENTRAL)}};

void
tcmi_span_unlink_locked(struct central_list *list, struct span *span)
{
  lock_assert_held(&list->lock);
  if (span->bucket == 0)
    return;
  list_remove(&span->link);
  counter_sub(&list->lengths[span->bucket], 1);
  if (list_is_empty(&list->buckets[span->bucket]))
    list->nonempty &= ~(1u << span->bucket);
  span->bucket = 0;
}

void
tcmi_span_relink_locked(struct central_list *list, struct span *span)
{
  unsigned bucket = span_bucket(span);

  lock_assert_held(&list->lock);
  if (bucket == span->bucket || span->held)
    return;
  tcmi_span_unlink_locked(list, span);
  if (bucket == 0)
    return;
  list_push_front(&list->buckets[bucket], &span->link);
  counter_add(&list->lengths[bucket], 1);
  list->nonempty |= 1u << bucket;
  span->bucket = (uint8_t)bucket;
}

/* A span of the highest nonempty bucket, or NULL. */
static struct span *
fullest_span_locked(const struct central_list *list)
{
  lock_assert_held(&list->lock);
  if (list->nonempty == 0)
    return NULL;
  return list_entry(list_first(&list->buckets[bit_width(list->nonempty) - 1]),
                    struct span, link);
}

/* Creates a span of the class: in the pagemap, but in no list. */
static struct span *
span_create(unsigned class_id)
{
  const struct size_class *class = &tcmi_size_classes[class_id];
  struct span *span = spans_have_live()
                          ? tcmi_span_new_live(class->nobjs, class->pages)
                          : tcmi_span_new(class->nobjs);

  if (span == NULL)
    return NULL;
  span->class_id = (uint8_t)class_id;
  span->npages = class->pages;
  span->start =
      tcmi_page_heap_alloc_dirty(class->pages, class->size, &span->dirty);
  if (span->start == 0) {
    tcmi_span_delete(span);
    return NULL;
  }
  /* All objects count as freed, so that any of them can be handed out first. */
  if (unlikely(tcmi_option(OPTION_random_order) != 0)) {
    bits_set_range(span->bits, 0, span->nobjs);
    span->nfree = span->fresh = span->nobjs;
    tcmi_span_mark_pages(span, span->dirty);
  }
  tcmi_pagemap_set(span);
  return span;
}

/* Returns the spans that a batch emptied; takes the page heap lock and the
 * metadata lock once each. */
static void
spans_destroy(struct span *const *spans, unsigned n)
{
  for (unsigned i = 0; i < n; i++)
    tcmi_pagemap_clear(spans[i]);
  tcmi_page_heap_free_dirty(spans, n);
  tcmi_span_delete_all(spans, n);
}

void
tcmi_span_destroy(struct span *span)
{
  spans_destroy(&span, 1);
}

/* What is known of objects that leave a span. */
struct state_of_objects {
  bool fresh; /* [owner thread] never used: they have no mark */
  bool zero;  /* [owner thread] the first one is all zero */
};

/* Gets a span from the page heap and takes objects from it at once.  If the
 * caller came back for them later, it might find objects in other spans first,
 * and the new span would stay in its list with none in use.  0: no memory. */
static unsigned
central_grow(struct central_list *list, unsigned class_id, void **out,
             unsigned n, struct state_of_objects *state)
{
  struct span *span = span_create(class_id);
  unsigned taken;

  if (span == NULL)
    return 0;
  state->zero =
      span->nfree == 0 && (span_object_pages(span, 0) & span->dirty) == 0;
  lock_acquire(&list->lock);
  counter_add(&list->spans, 1);
  counter_add(&list->free_objects, span->nobjs);
  counter_add(&list->clean_pages, span_clean_pages(span));
  taken = tcmi_span_take_locked(list, span, out, n, &state->fresh);
  lock_release(&list->lock);
  return taken;
}

static unsigned
extract_new(struct central_list *list, unsigned class_id, void **out,
            unsigned n)
{
  struct state_of_objects state;

  n = central_grow(list, class_id, out, n, &state);
  if (n > 0 && state.fresh)
    tcmi_mark_objects(out, n);
  return n;
}

unsigned
tcmi_central_extract(unsigned class_id, void **out, unsigned n)
{
  struct central_list *list = &tcmi_central_lists[class_id];
  unsigned taken = 0, marked = 0;
  bool fresh = false;
  struct span *span;

  lock_acquire(&list->lock);
  while (taken < n && !fresh && (span = fullest_span_locked(list)) != NULL) {
    marked = taken;
    taken += tcmi_span_take_locked(list, span, out + taken, n - taken, &fresh);
  }
  lock_release(&list->lock);
  if (taken == 0)
    return extract_new(list, class_id, out, n);
  if (fresh)
    tcmi_mark_objects(out + marked, taken - marked);
  return taken;
}

unsigned
tcmi_central_extract_new(unsigned class_id, void **out, unsigned n)
{
  return extract_new(&tcmi_central_lists[class_id], class_id, out, n);
}

void *
tcmi_central_extract_one(unsigned class_id, bool *zero)
{
  struct central_list *list = &tcmi_central_lists[class_id];
  struct state_of_objects state = {.fresh = false};
  void *object = NULL;
  struct span *span;

  lock_acquire(&list->lock);
  span = fullest_span_locked(list);
  if (span != NULL) {
    if (span->nfree == 0)
      state.zero = (span_object_pages(span, span->fresh) & span->dirty) == 0;
    (void)tcmi_span_take_locked(list, span, &object, 1, &state.fresh);
  }
  lock_release(&list->lock);
  if (object == NULL)
    (void)central_grow(list, class_id, &object, 1, &state);
  *zero = state.zero;
  if (object != NULL && !state.fresh)
    tcmi_mark_take(object);
  return object;
}

static bool
span_holds(const struct span *span, const void *object)
{
  return (uintptr_t)object - span->start < span_bytes(span);
}

/* What is wrong with freeing @object, an address in the span; or
 * BLOCK_VALID. */
static enum block_verdict
judge_locked(const struct span *span, uintptr_t object)
{
  unsigned index = size_class_index(span->class_id, object - span->start);

  lock_assert_held(&tcmi_central_lists[span->class_id].lock);
  if ((uintptr_t)span_object(span, index) != object)
    return BLOCK_INTERIOR;
  if (index >= span->fresh || bit_get(span->bits, index))
    return BLOCK_FREE;
  return BLOCK_VALID;
}

enum block_verdict
tcmi_central_judge(struct span *span, uintptr_t object)
{
  struct central_list *list = &tcmi_central_lists[span->class_id];
  enum block_verdict verdict;

  lock_acquire(&list->lock);
  verdict = judge_locked(span, object);
  lock_release(&list->lock);
  return verdict;
}

void
tcmi_central_blocks(unsigned class_id, uintptr_t start, struct block_run *run)
{
  struct central_list *list = &tcmi_central_lists[class_id];
  const struct span *span;

  lock_acquire(&list->lock);
  lock_acquire(&tcmi_metadata_lock);
  span = block_run_span_locked(start);
  if (span != NULL && span->class_id == class_id && span->start == start)
    block_run_copy_locked(run, span, size_class_size(class_id), span->fresh);
  lock_release(&tcmi_metadata_lock);
  lock_release(&list->lock);
}

static const char *
misuse_of(enum block_verdict verdict)
{
  return verdict == BLOCK_INTERIOR ? "pointer not at the start of a block"
                                   : "double free";
}

/* Drops the lock before the abort: the program's SIGABRT handler may
 * allocate. */
static void
reject_locked(struct central_list *list, enum block_verdict verdict,
              uintptr_t object)
{
  lock_assert_held(&list->lock);
  lock_release(&list->lock);
  tcmi_misuse(call_unknown("free"), misuse_of(verdict), object);
}

void
tcmi_span_leave_locked(struct central_list *list, struct span *span)
{
  lock_assert_held(&list->lock);
  tcmi_span_unlink_locked(list, span);
  counter_sub(&list->spans, 1);
  counter_sub(&list->free_objects, span->nobjs);
  counter_sub(&list->clean_pages, span_clean_pages(span));
  central_note_idle_locked(list, span->class_id);
}

/* Sets the bits of free objects, and stops at the first one not in the span or
 * not in use.  Returns how many.  This is most of the cost of freeing when
 * there are too many blocks for the caches, so it writes only the bits. */
static unsigned
set_free_bits(struct span *span, unsigned class_id, void *const *objects,
              unsigned n)
{
  uintptr_t start = span->start, bytes = span_bytes(span);
  size_t size = size_class_size(class_id);
  unsigned fresh = span->fresh, done;

  for (done = 0; done < n; done++) {
    uintptr_t offset = (uintptr_t)objects[done] - start;
    unsigned index = size_class_index(class_id, offset);
    if (offset >= bytes || index * size != offset || index >= fresh ||
        bit_get(span->bits, index))
      break;
    bit_set(span->bits, index);
  }
  return done;
}

/* Frees objects, and stops at the first one of another span.  Returns how
 * many; *@emptied is the span if nothing in it is in use anymore, or NULL. */
static unsigned
insert_locked(struct central_list *list, unsigned class_id,
              void *const *objects, unsigned n, struct span **emptied)
{
  struct span *span = pagemap_span((uintptr_t)objects[0]);
  unsigned done;

  lock_assert_held(&list->lock);
  if (unlikely(span == NULL || span->class_id != class_id))
    reject_locked(list, BLOCK_FREE, (uintptr_t)objects[0]);
  done = set_free_bits(span, class_id, objects, n);
  span->nfree = (uint16_t)(span->nfree + done);
  counter_add(&list->free_objects, done);
  if (unlikely(done < n && span_holds(span, objects[done])))
    reject_locked(list, judge_locked(span, (uintptr_t)objects[done]),
                  (uintptr_t)objects[done]);
  *emptied = NULL;
  if (span_outstanding(span) > 0 || span->held) {
    tcmi_span_relink_locked(list, span);
  } else {
    tcmi_span_leave_locked(list, span);
    *emptied = span;
  }
  return done;
}

/* In a large heap, each object of a batch may be in a different span, and no
 * span in the processor's caches.  Prefetching loads them in parallel. */
static void
prefetch_spans(void *const *objects, unsigned n)
{
  uintptr_t page = 0;

  for (unsigned i = 0; i < n; i++) {
    struct span *span;
    if ((uintptr_t)objects[i] >> PAGE_SHIFT == page)
      continue;
    page = (uintptr_t)objects[i] >> PAGE_SHIFT;
    span = pagemap_span((uintptr_t)objects[i]);
    __builtin_prefetch(span, 1);
  }
}

/* If a program frees an object twice, the central list must not count it as
 * free while it is in use again. */
static void
check_marks(void *const *objects, unsigned n)
{
  uintptr_t mark = atomic_load_relaxed(&tcmi_free_mark);

  for (unsigned i = 0; i < n; i++)
    if (unlikely(!mark_is_set(objects[i], mark)))
      tcmi_misuse(call_unknown("free"), "free block was changed",
                  (uintptr_t)objects[i]);
}

static void
insert_batch(unsigned class_id, void *const *objects, unsigned n)
{
  struct central_list *list = &tcmi_central_lists[class_id];
  struct span *emptied[SIZE_CLASS_BATCH_MAX];
  unsigned nemptied = 0;

  check_marks(objects, n);
  prefetch_spans(objects, n);
  lock_acquire(&list->lock);
  for (unsigned i = 0; i < n;) {
    i += insert_locked(list, class_id, objects + i, n - i, &emptied[nemptied]);
    nemptied += emptied[nemptied] != NULL;
  }
  lock_release(&list->lock);
  if (nemptied > 0)
    spans_destroy(emptied, nemptied);
}

void
tcmi_central_insert(unsigned class_id, void *const *objects, unsigned n)
{
  for (unsigned done = 0; done < n;) {
    unsigned part = (unsigned)min_size(n - done, SIZE_CLASS_BATCH_MAX);
    insert_batch(class_id, objects + done, part);
    done += part;
  }
}

void
tcmi_central_insert_one(struct call call, unsigned class_id, void *object)
{
  struct span *span = pagemap_span((uintptr_t)object);
  enum block_verdict verdict;

  if (unlikely(span == NULL))
    tcmi_misuse(call, "double free", (uintptr_t)object);
  verdict = tcmi_central_judge(span, (uintptr_t)object);
  if (unlikely(verdict != BLOCK_VALID))
    tcmi_misuse(call, misuse_of(verdict), (uintptr_t)object);
  tcmi_central_insert(class_id, &object, 1);
}

/* A live bit is at the start of an object that was handed out and is not
 * free. */
static void
verify_live_locked(const struct span *span)
{
  lock_assert_held(&tcmi_central_lists[span->class_id].lock);
  if (span->live == 0 || !spans_have_live())
    return;
  for (size_t i = 0; i < span->npages * LIVE_WORDS * 64; i++)
    CHECK(!live_get(span, i) ||
          judge_locked(span, span->start + i * BLOCK_ALIGN) == BLOCK_VALID);
}

static void
verify_span_locked(unsigned class_id, unsigned bucket, const struct span *span)
{
  lock_assert_held(&tcmi_central_lists[class_id].lock);
  CHECK(span->class_id == class_id && span->bucket == bucket && !span->held);
  CHECK(span_bucket(span) == bucket);
  CHECK(span_outstanding(span) > 0);
  CHECK(span->fresh <= span->nobjs && span->nfree <= span->fresh);
  CHECK(bits_count_range(span->bits, 0, span->fresh) == span->nfree);
  CHECK(bits_count_range(span->bits, 0, span->nobjs) == span->nfree);
  CHECK(pagemap_span(span->start) == span);
  CHECK(pagemap_span(span_end(span) - 1) == span);
  CHECK(pagemap_tag(span->start) == 2 * class_id);
  for (unsigned i = 0; i < span->fresh; i++)
    CHECK(bit_get(span->bits, i) ||
          (span_object_pages(span, i) & ~span->dirty) == 0);
  verify_live_locked(span);
}

void
tcmi_central_verify(unsigned class_id)
{
  struct central_list *list = &tcmi_central_lists[class_id];
  uint64_t available = 0;

  lock_acquire(&list->lock);
  for (unsigned bucket = 1; bucket < CENTRAL_BUCKETS; bucket++) {
    struct list *head = &list->buckets[bucket];
    unsigned length = 0;
    CHECK(list_is_empty(head) == !(list->nonempty >> bucket & 1));
    for (struct list *node = list_first(head); node != NULL;
         node = list_after(head, node)) {
      struct span *span = list_entry(node, struct span, link);
      verify_span_locked(class_id, bucket, span);
      available += span_available(span);
      length++;
    }
    CHECK(length == list->lengths[bucket]);
  }
  for (struct list *node = list_first(&list->held); node != NULL;
       node = list_after(&list->held, node))
    available += span_available(list_entry(node, struct span, link));
  CHECK(available == list->free_objects);
  lock_release(&list->lock);
}
