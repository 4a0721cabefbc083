/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rejected: a heap that only counts up and frees no single block, which needs
 * no bits.  free() and realloc() could then not tell a block in use from
 * another address, and a heap that lives long would only grow.
 */
#include "config.h"

#include "cache/slab.h"

#include "base/atomics.h"
#include "base/bits.h"
#include "base/metadata.h"
#include "base/params.h"
#include "base/report.h"
#include "cache/block_run.h"
#include "heap/large.h"
#include "heap/pagemap.h"

/* The first slab of a class has the pages of a span, which waste little; each
 * further one is twice as large, up to the size below which size_class_index()
 * is exact. */
#define SLAB_PAGES_MAX SPAN_MAX_PAGES
/* How many slabs of a deleted heap are removed under one lock pair. */
#define DELETE_BATCH 8

struct slab_lock tcmi_slab_locks[SLAB_LOCKS] = {
    [0 ... SLAB_LOCKS - 1] = {.lock = LOCK_INITIALIZER(LOCK_SLAB)}};

static struct lock *
lock_of(const struct tcm_heap *heap)
{
  uint32_t number = (uint32_t)((uintptr_t)heap >> 6) * 0x9e3779b1u;

  _Static_assert(SLAB_LOCKS == 16, "the upper four bits");
  return &tcmi_slab_locks[number >> 28].lock;
}

static size_t
descriptor_bytes(unsigned nobjs)
{
  return sizeof(struct slab) + sizeof(struct span) +
         (nobjs + 63) / 64 * sizeof(uint64_t);
}

static unsigned
in_use(const struct span *span)
{
  return (unsigned)slab_of(span)->fresh - slab_of(span)->nfree;
}

static bool
is_full(const struct span *span)
{
  return in_use(span) == span->nobjs;
}

/* ---- Slabs --------------------------------------------------------------- */

/* A slab of @nobjs objects of a class, or for one large block; in no list. */
static struct span *
slab_new(struct tcm_heap *heap, unsigned class_id, unsigned nobjs)
{
  struct slab *slab = tcmi_metadata_alloc_zeroed(descriptor_bytes(nobjs));
  struct span *span;

  if (slab == NULL)
    return NULL;
  span = (struct span *)(void *)(slab + 1);
  slab->heap = heap;
  slab->class_id = (uint8_t)class_id;
  span->nobjs = (uint16_t)nobjs;
  span->slab = true;
  return span;
}

static void
descriptor_delete(struct span *span)
{
  tcmi_metadata_free(slab_of(span), descriptor_bytes(span->nobjs));
}

/* Gives back a slab that is in no list. */
static void
slab_delete(struct span *span)
{
  tcmi_large_remove(span);
  descriptor_delete(span);
}

static void
slab_enter_locked(struct tcm_heap *heap, struct span *span)
{
  struct slab *slab = slab_of(span);

  lock_assert_held(lock_of(heap));
  list_push_front(&heap->slabs, &slab->link);
  counter_add(&heap->bytes, span_bytes(span));
  if (slab->class_id == 0)
    return;
  counter_add(&heap->classes[slab->class_id].count, 1u);
  if (!is_full(span))
    list_push_front(&heap->classes[slab->class_id].open, &span->link);
}

/* Removes the slab from its heap and from the pagemap, see H4. */
static void
slab_leave_locked(struct tcm_heap *heap, struct span *span)
{
  struct slab *slab = slab_of(span);

  lock_assert_held(lock_of(heap));
  list_remove(&slab->link);
  counter_add(&heap->bytes, (size_t)0 - span_bytes(span));
  for (size_t i = span_named_pages(span); i-- > 0;)
    atomic_store_relaxed(pagemap_span_place(span->start + (i << PAGE_SHIFT)),
                         NULL);
  if (slab->class_id == 0)
    return;
  counter_add(&heap->classes[slab->class_id].count, ~0u);
  if (!is_full(span))
    list_remove(&span->link);
}

static ALWAYS_INLINE void *
take_object(struct span *span)
{
  struct slab *slab = slab_of(span);
  size_t index = slab->fresh, i = slab->lowest;

  if (slab->nfree == 0) {
    slab->fresh++;
  } else {
    while (span->bits[i] == 0)
      i++;
    index = i * 64 + lowest_bit(span->bits[i]);
    span->bits[i] &= span->bits[i] - 1;
    slab->nfree--;
    slab->lowest = (uint16_t)i;
  }
  return (void *)(span->start + index * size_class_size(slab->class_id));
}

/* The bytes of the next slab of a class. */
static size_t
slab_bytes(const struct tcm_heap *heap, unsigned class_id)
{
  size_t pages = tcmi_size_classes[class_id].pages;
  unsigned count = atomic_load_relaxed(&heap->classes[class_id].count);

  for (; count > 0 && 2 * pages <= SLAB_PAGES_MAX; count--)
    pages *= 2;
  return tcmi_large_usable(pages << PAGE_SHIFT);
}

/* A block from a new slab. */
static void *
grow(struct tcm_heap *heap, unsigned class_id)
{
  struct lock *lock = lock_of(heap);
  size_t bytes = slab_bytes(heap, class_id);
  unsigned nobjs = (unsigned)(bytes / size_class_size(class_id));
  struct span *span = slab_new(heap, class_id, nobjs);
  void *object;

  if (span == NULL)
    return NULL;
  if (!tcmi_large_place(span, bytes, 1, /*zero=*/false)) {
    descriptor_delete(span);
    return NULL;
  }
  object = take_object(span);
  lock_acquire(lock);
  slab_enter_locked(heap, span);
  lock_release(lock);
  return object;
}

/* ---- Heaps --------------------------------------------------------------- */

struct tcm_heap *
tcmi_slab_heap_new(void)
{
  struct tcm_heap *heap = tcmi_metadata_alloc_zeroed(sizeof *heap);

  if (heap != NULL)
    atomic_store_relaxed(&heap->state, HEAP_ALIVE);
  return heap;
}

/* Removes DELETE_BATCH slabs from the heap, or the last ones. */
static unsigned
leave_some(struct tcm_heap *heap, struct span **gone)
{
  struct lock *lock = lock_of(heap);
  struct list *node;
  unsigned n = 0;

  lock_acquire(lock);
  atomic_store_relaxed(&heap->state, 0);
  while (n < DELETE_BATCH && (node = list_first(&heap->slabs)) != NULL) {
    struct slab *slab = list_entry(node, struct slab, link);
    gone[n] = (struct span *)(void *)(slab + 1);
    slab_leave_locked(heap, gone[n++]);
  }
  lock_release(lock);
  return n;
}

void
tcmi_slab_heap_delete(struct tcm_heap *heap)
{
  struct span *gone[DELETE_BATCH];
  unsigned n;

  if (config_debug)
    tcmi_slab_verify(heap);
  do {
    n = leave_some(heap, gone);
    for (unsigned i = 0; i < n; i++)
      slab_delete(gone[i]);
  } while (n == DELETE_BATCH);
  tcmi_metadata_free(heap, sizeof *heap);
}

/* ---- Blocks -------------------------------------------------------------- */

void *
tcmi_slab_take(struct tcm_heap *heap, unsigned class_id)
{
  struct lock *lock = lock_of(heap);
  struct list *node;
  void *object = NULL;

  lock_acquire(lock);
  node = list_first(&heap->classes[class_id].open);
  if (node != NULL) {
    struct span *span = list_entry(node, struct span, link);
    object = take_object(span);
    if (is_full(span))
      list_remove(&span->link);
  }
  lock_release(lock);
  return object;
}

void *
tcmi_slab_allocate(struct tcm_heap *heap, unsigned class_id)
{
  void *object = tcmi_slab_take(heap, class_id);

  return object != NULL ? object : grow(heap, class_id);
}

void *
tcmi_slab_allocate_large(struct tcm_heap *heap, size_t size, size_t align,
                         bool zero)
{
  struct lock *lock = lock_of(heap);
  struct span *span = slab_new(heap, 0, 1);

  if (span == NULL)
    return NULL;
  if (!tcmi_large_place(span, size, align, zero)) {
    descriptor_delete(span);
    return NULL;
  }
  lock_acquire(lock);
  slab_enter_locked(heap, span);
  lock_release(lock);
  return (void *)span->start;
}

/* Whether @block is in use; its number, if it is an object.  If two threads
 * free one block, the slab may have been deleted since the caller found it;
 * then the pagemap no longer has it, see H4. */
static ALWAYS_INLINE enum block_verdict
judge_locked(const struct span *span, uintptr_t block, const struct lock *lock,
             unsigned *number)
{
  const struct slab *slab = slab_of(span);
  uintptr_t offset = block - span->start;
  unsigned index;

  lock_assert_held(lock);
  if (pagemap_span(block) != span || !span->slab || lock_of(slab->heap) != lock)
    return BLOCK_FREE;
  if (slab->class_id == 0)
    return offset == 0 ? BLOCK_VALID : BLOCK_INTERIOR;
  *number = index = size_class_index(slab->class_id, offset);
  if (index >= span->nobjs || !size_class_is_start(slab->class_id, offset))
    return BLOCK_INTERIOR;
  return index >= slab->fresh || bit_get(span->bits, index) ? BLOCK_FREE
                                                            : BLOCK_VALID;
}

enum block_verdict
tcmi_slab_judge(const struct span *span, uintptr_t block)
{
  struct lock *lock = lock_of(slab_of(span)->heap);
  enum block_verdict verdict;
  unsigned index;

  lock_acquire(lock);
  verdict = judge_locked(span, block, lock, &index);
  lock_release(lock);
  return verdict;
}

/* Frees a block.  True if the slab is empty and left its heap.  An empty one
 * stays if no other slab of its class has a free object, so that repeatedly
 * allocating and freeing one object does not allocate and free pages. */
static ALWAYS_INLINE bool
free_locked(struct span *span, unsigned index)
{
  struct slab *slab = slab_of(span);
  struct list *open = &slab->heap->classes[slab->class_id].open;

  lock_assert_held(lock_of(slab->heap));
  if (slab->class_id == 0) {
    slab_leave_locked(slab->heap, span);
    return true;
  }
  if (is_full(span))
    list_push_front(open, &span->link);
  bit_set(span->bits, index);
  slab->nfree++;
  slab->lowest = (uint16_t)min_size(slab->lowest, index / 64);
  if (in_use(span) > 0 || open->next == open->prev)
    return false;
  slab_leave_locked(slab->heap, span);
  return true;
}

enum block_verdict
tcmi_slab_free(struct span *span, uintptr_t block, bool *gone)
{
  struct lock *lock = lock_of(slab_of(span)->heap);
  enum block_verdict verdict;
  unsigned index = 0;

  lock_acquire(lock);
  verdict = judge_locked(span, block, lock, &index);
  *gone = verdict == BLOCK_VALID && free_locked(span, index);
  lock_release(lock);
  if (unlikely(*gone))
    slab_delete(span);
  return verdict;
}

void
tcmi_slab_resized(const struct span *span, size_t npages)
{
  struct tcm_heap *heap = slab_of(span)->heap;

  lock_acquire(lock_of(heap));
  counter_add(&heap->bytes, (span->npages - npages) << PAGE_SHIFT);
  lock_release(lock_of(heap));
}

/* The slab that begins at @start, or NULL. */
static const struct span *
slab_at_locked(uintptr_t start)
{
  const struct span *span = block_run_span_locked(start);

  lock_assert_held(&tcmi_metadata_lock);
  return span != NULL && span->slab && span->start == start ? span : NULL;
}

bool
tcmi_slab_blocks(uintptr_t start, struct block_run *run)
{
  const struct span *span;
  struct tcm_heap *heap;

  lock_acquire(&tcmi_metadata_lock);
  span = slab_at_locked(start);
  heap = span == NULL ? NULL : slab_of(span)->heap;
  lock_release(&tcmi_metadata_lock);
  if (heap == NULL)
    return false;
  lock_acquire(lock_of(heap));
  lock_acquire(&tcmi_metadata_lock);
  span = slab_at_locked(start);
  if (span != NULL && slab_of(span)->heap == heap)
    block_run_copy_locked(run, span, slab_usable(span),
                          slab_of(span)->class_id == 0 ? 1
                                                       : slab_of(span)->fresh);
  lock_release(&tcmi_metadata_lock);
  lock_release(lock_of(heap));
  return true;
}

/* ---- Debug --------------------------------------------------------------- */

static void
verify_slab_locked(const struct tcm_heap *heap, const struct span *span)
{
  const struct slab *slab = slab_of(span);
  size_t named = span_named_pages(span) - 1;

  lock_assert_held(lock_of(heap));
  CHECK(slab->heap == heap && span->slab && span->class_id == 0);
  CHECK(pagemap_span(span->start) == span && pagemap_tag(span->start) == 0);
  CHECK(pagemap_span(span->start + (named << PAGE_SHIFT)) == span);
  if (slab->class_id == 0)
    return;
  CHECK(slab->fresh <= span->nobjs && !span->mapped);
  CHECK(span->nobjs * size_class_size(slab->class_id) <= span_bytes(span));
  CHECK(bits_count_range(span->bits, 0, slab->fresh) == slab->nfree);
  CHECK(bits_find(span->bits, slab->fresh, span->nobjs, true) == span->nobjs);
  CHECK(bits_find(span->bits, 0, span->nobjs, true) / 64 >= slab->lowest);
}

static void
verify_class(const struct slab_class *class, unsigned class_id, size_t nopen)
{
  const struct list *node = list_first(&class->open);
  unsigned empty = 0;

  for (; node != NULL; node = list_after(&class->open, node)) {
    const struct span *span = list_entry(node, struct span, link);
    CHECK(slab_of(span)->class_id == class_id && !is_full(span));
    empty += in_use(span) == 0;
    nopen--;
  }
  CHECK(nopen == 0 && empty <= 1);
}

void
tcmi_slab_verify(struct tcm_heap *heap)
{
  size_t count[SIZE_CLASS_COUNT] = {0}, nopen[SIZE_CLASS_COUNT] = {0};
  size_t bytes = 0;
  struct list *node;

  lock_acquire(lock_of(heap));
  CHECK(slab_heap_is_alive(heap));
  node = list_first(&heap->slabs);
  for (; node != NULL; node = list_after(&heap->slabs, node)) {
    struct slab *slab = list_entry(node, struct slab, link);
    const struct span *span = (struct span *)(void *)(slab + 1);
    verify_slab_locked(heap, span);
    bytes += span_bytes(span);
    count[slab->class_id]++;
    nopen[slab->class_id] += !is_full(span);
  }
  CHECK(bytes == heap->bytes);
  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++) {
    CHECK(heap->classes[c].count == count[c]);
    verify_class(&heap->classes[c], c, nopen[c]);
  }
  lock_release(lock_of(heap));
}
