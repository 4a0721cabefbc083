/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The slow side: what happens when a bin is empty or full.
 *
 * The rule: a bin doubles on a miss, shrinks when idle, and all bins share one
 * budget.  "What caches may hold" in tcm-internals(7) has the rule in full;
 * each exception has a comment here that names the benchmark row that needs it,
 * as shape@threads of tests/bench, and what that row does without it.
 *
 * Every few slow paths check one other class: a bin or transfer cache that
 * holds as many objects as at the last check is idle, and is emptied.
 * Cached objects cost more than their own bytes: each keeps its whole span from
 * returning to the page heap, and a program that moves on to other sizes would
 * leave such spans behind in each class.
 *
 * Rejected: stealing capacity from other threads.  A thread's cache could then
 * change under it, and the fast path would need an atomic operation.
 * Rejected: flushing what a run of frees left as soon as the thread uses other
 * sizes.  A program that alternates between sizes pays more than others save.
 */
#include "config.h"

#include "cache/thread_cache.h"

#include <string.h>

#include "base/atomics.h"
#include "base/bits.h"
#include "base/metadata.h"
#include "base/options.h"
#include "base/params.h"
#include "base/random.h"
#include "base/report.h"
#include "cache/cache_owner.h"
#include "cache/central_list.h"
#include "cache/mark.h"
#include "cache/thread_bytes.h"
#include "cache/transfer_cache.h"
#include "heap/page_heap.h"
#include "heap/pagemap.h"

#define FIRST_SLOTS 7 /* with the one below, one granule */
/* The largest bin.  SLOTS_MAX holds a burst of a thousand blocks; one free
 * flushes at most half of it.  Without BYTES_MAX, crowd@1 caches 48 % more. */
#define SLOTS_MAX 2047
#define BYTES_MAX ((size_t)256 << 10)
/* Even in a small heap, bins may grow beyond two batches while the capacity of
 * all caches is at most this.  Without it, crowd@1 refills four times as
 * often. */
#define BURST_BYTES ((size_t)2 << 20)
/* Slow paths per idle check of one class.  With 1, crowd@1 refills 15 times as
 * often; without idle checks, stress@1 at TCM_THREAD_CACHE_BYTES=128K ends with
 * 4.5 times as much in its cache. */
#define CHECK_EVERY 8

/* The largest capacity that a bin may have. */
static unsigned
bin_most(unsigned c)
{
  size_t most = BYTES_MAX / size_class_size(c);

  return (unsigned)max_size(min_size(most, SLOTS_MAX),
                            2 * (size_t)tcmi_size_classes[c].batch);
}

/* The capacity that a bin begins with and may always have: a kilobyte or one
 * object.  With one object, growth-strings@1 refills 4 % more often. */
static unsigned
first_capacity(unsigned c)
{
  return (unsigned)min_size(max_size(1024 / size_class_size(c), 1),
                            FIRST_SLOTS);
}

/* Replaces the array of a bin with one of @slots slots. */
static bool
bin_move(struct cache_owner *owner, unsigned c, unsigned slots)
{
  struct bin_state *state = &owner->states[c];
  struct bin *bin = &owner->hot.bins[c];
  unsigned count = state->base == NULL ? 0 : bin_count(owner, c);
  void **array = tcmi_metadata_alloc(slots_bytes(slots));

  if (array == NULL)
    return false;
  array[0] = NO_OBJECT;
  if (count > 0)
    memcpy(array + 1, state->base, count * sizeof *array);
  if (state->base != NULL)
    tcmi_metadata_free(state->base - 1, slots_bytes(state->slots));
  atomic_store_relaxed(&state->base, array + 1);
  atomic_store_relaxed(&bin->top, array + 1 + count);
  bin->lim = array + 1 + state->cap;
  state->slots = (uint16_t)slots;
  return true;
}

/* Whether the bins of the cache may hold @bytes more. */
static bool
budget_allows(const struct cache_owner *owner, size_t bytes)
{
  return owner->capacity_bytes + bytes <=
             tcmi_option(OPTION_thread_cache_bytes) &&
         tcmi_cache_allows(owner, bytes);
}

/* Sets the capacity of a bin that holds at most @cap objects. */
static bool
bin_resize(struct cache_owner *owner, unsigned c, unsigned cap)
{
  struct bin_state *state = &owner->states[c];
  size_t size = size_class_size(c);
  size_t change = ((size_t)cap - state->cap) * size; /* may wrap: a sum */
  unsigned slots = max_size(state->slots, FIRST_SLOTS);

  while (slots < cap)
    slots = 2 * slots + 1;
  if (slots != state->slots && !bin_move(owner, c, slots))
    return false;
  owner->capacity_bytes += change;
  tcmi_cache_recharge(owner);
  state->cap = (uint16_t)cap;
  owner->hot.bins[c].lim = state->base + cap;
  return true;
}

static void
reverse(void **slots, unsigned n)
{
  for (unsigned i = 0; i < n / 2; i++) {
    void *object = slots[i];
    slots[i] = slots[n - 1 - i];
    slots[n - 1 - i] = object;
  }
}

/* Moves the @n objects at the bottom of a bin above those that stay, and then
 * out of the bin: another thread that can get an object must not find it in
 * this bin, see tcmi_object_is_free().  Returns the first one. */
static void **
bin_cut(struct cache_owner *owner, unsigned c, unsigned n)
{
  void **base = owner->states[c].base;
  unsigned left = bin_count(owner, c) - n;

  if (left > 0) {
    reverse(base, n);
    reverse(base + n, left);
    reverse(base, n + left);
  }
  atomic_store_relaxed(&owner->hot.bins[c].top, base + left);
  return base + left;
}

/* Flushes the @n coldest objects, those at the bottom of a bin, to the transfer
 * cache. */
static void
bin_flush(struct cache_owner *owner, unsigned c, unsigned n)
{
  struct bin_state *state = &owner->states[c];
  void **cut = bin_cut(owner, c, n);

  for (unsigned done = 0; done < n;) {
    unsigned part = (unsigned)min_size(n - done, SIZE_CLASS_BATCH_MAX);
    tcmi_transfer_insert(c, cut + done, part);
    done += part;
  }
  counter_add(&owner->traffic.flushes, 1);
  state->inherited -= (uint16_t)min_size(state->inherited, n);
}

/* The bin with the largest capacity in bytes; 0 if no bin has more than its
 * first capacity. */
static unsigned
largest_bin(const struct cache_owner *owner)
{
  size_t most = 0;
  unsigned largest = 0;

  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++) {
    size_t bytes = owner->states[c].cap * size_class_size(c);
    if (bytes > most && owner->states[c].cap > first_capacity(c)) {
      most = bytes;
      largest = c;
    }
  }
  return largest;
}

/* Halves the capacity of a bin. */
static void
bin_halve(struct cache_owner *owner, unsigned c)
{
  unsigned cap =
      (unsigned)max_size(owner->states[c].cap / 2, first_capacity(c));
  unsigned count = bin_count(owner, c);

  if (count > cap)
    bin_flush(owner, c, count - cap);
  (void)bin_resize(owner, c, cap);
}

/* Returns @cap, or the present capacity if the budget is used up.  Then the bin
 * first takes capacity from the largest bin, if that has twice what it needs.
 * Without that, at TCM_THREAD_CACHE_BYTES=128K: growth-strings@1 refills 62 %
 * more often.  If it took capacity from any larger bin, stress@1 would cache 70
 * % more memory. */
static unsigned
affordable(struct cache_owner *owner, unsigned c, unsigned cap)
{
  unsigned now = owner->states[c].cap, largest;
  size_t size = size_class_size(c), more = (cap - now) * size;

  if (cap <= now || budget_allows(owner, more))
    return cap;
  largest = largest_bin(owner);
  if (owner->states[largest].cap * size_class_size(largest) <
      2 * (size_t)cap * size)
    return now;
  bin_halve(owner, largest);
  return budget_allows(owner, more) ? cap : now;
}

/* The next larger capacity: double, but at most 2 KiB or one object more.
 * Without that limit, crowd@1 refills 10 % more often, and takes the lock of
 * the page heap 17 % more often. */
static unsigned
next_capacity(struct cache_owner *owner, unsigned c, unsigned most)
{
  unsigned cap = owner->states[c].cap;
  size_t step = min_size(cap + 1, max_size(2048 / size_class_size(c), 1));

  return affordable(owner, c, (unsigned)min_size(cap + step, most));
}

/* Flushes all but the first @keep objects of a bin to the central list. */
static void
bin_to_central(struct cache_owner *owner, unsigned c, unsigned keep)
{
  void **kept = owner->states[c].base + keep;
  unsigned left = bin_count(owner, c) - keep;

  counter_add(&owner->traffic.flushes, 1);
  atomic_store_relaxed(&owner->hot.bins[c].top, kept);
  tcmi_central_insert(c, kept, left);
}

/* Flushes all objects of a bin to the central list, where they can empty whole
 * spans. */
static void
bin_reclaim(struct cache_owner *owner, unsigned c)
{
  struct bin_state *state = &owner->states[c];

  bin_to_central(owner, c, 0);
  (void)bin_resize(owner, c, first_capacity(c));
  state->inherited = 0;
  state->overflows = OVERFLOWS_MAX;
}

/* Checks the next class for idleness, except @busy, whose bin is full or empty
 * now; see the head of this file.  Without the check of the transfer cache,
 * batches@1 at TCM_THREAD_CACHE_BYTES=128K has a 6 % higher peak. */
static void
shrink_if_idle(struct cache_owner *owner, unsigned busy)
{
  unsigned c = owner->last_checked =
      owner->last_checked % (SIZE_CLASS_COUNT - 1) + 1;
  struct bin_state *state = &owner->states[c];
  unsigned count = state->base == NULL ? 0 : bin_count(owner, c);
  unsigned shared = atomic_load_relaxed(&tcmi_transfer_caches[c].count);

  if (c == busy)
    return;
  if (count > 0 && count == state->seen) {
    bin_reclaim(owner, c);
    count = 0;
  }
  if (shared > 0 && shared == state->seen_shared) {
    tcmi_transfer_flush(c);
    shared = 0;
  }
  state->seen = (uint16_t)count;
  state->seen_shared = (uint16_t)shared;
}

static bool
order_is_random(void)
{
  return unlikely(tcmi_option(OPTION_random_order) != 0);
}

/* Sets the window to the row of the first arena, once that exists; in a checked
 * thread, the view. */
static void
window_ensure(struct thread_cache *cache)
{
  struct pagemap_leaf *leaf;
  uintptr_t base;

  if (likely((cache->window.npages | cache->view.npages) != 0) ||
      cache->diverted || order_is_random())
    return;
  base = tcmi_page_heap_base();
  if (base == 0 || (leaf = pagemap_leaf_of(base)) == NULL)
    return;
  if (tcmi_thread_cache_state == CACHE_CHECKED)
    cache->view = tcmi_pagemap_view(base);
  else
    cache->window = leaf->window;
}

void
tcmi_thread_cache_rejoin(struct thread_cache *cache)
{
  cache->diverted = false;
  window_ensure(cache);
}

/* A thread without a view is diverted. */
void
tcmi_thread_cache_move_view(struct thread_cache *cache, const void *object)
{
  uintptr_t address = (uintptr_t)object;

  if (cache->view.npages != 0 && !thread_counts() &&
      (address - cache->view.start) >> PAGE_SHIFT >= cache->view.npages)
    cache->view = tcmi_pagemap_view(address);
}

static void
slow_path_tick(struct cache_owner *owner, unsigned busy)
{
  unsigned largest;

  if (++owner->ticks % CHECK_EVERY == 0) {
    shrink_if_idle(owner, busy);
    if (unlikely(tcmi_cache_is_over(owner)) &&
        (largest = largest_bin(owner)) != 0)
      bin_halve(owner, largest);
  }
  if (atomic_load_relaxed(&tcmi_cache_registry.norphans) > ORPHANS_MAX)
    (void)tcmi_thread_cache_flush_orphan();
}

/* Whether the caches would be small compared with the heap if each had the
 * capacity of this one.  Without that, exchange@2 caches 2.5 times as much
 * memory; without the share of the heap, exchange@2 with 60,000 blocks moves
 * batches three times as often. */
static bool
may_hold_bursts(const struct cache_owner *owner)
{
  uint64_t caches = atomic_load_relaxed(&tcmi_cache_registry.sharers);

  return owner->capacity_bytes * caches <=
         max_size(tcmi_page_heap_used_bytes() / 8, BURST_BYTES);
}

/* The new capacity for a bin that ran empty. */
static unsigned
capacity_after_miss(struct cache_owner *owner, unsigned c)
{
  struct bin_state *state = &owner->states[c];
  unsigned most = 2 * tcmi_size_classes[c].batch;
  bool overflowed = state->overflows > 0;

  state->overflows = 0;
  if (state->cap == 0)
    return first_capacity(c);
  if (state->cap < most)
    return next_capacity(owner, c, most);
  /* Without overflowed, lifo@1 flushes five times as often. */
  if (!overflowed || !may_hold_bursts(owner))
    return state->cap;
  return affordable(owner, c,
                    (unsigned)min_size(2u * state->cap + 1, bin_most(c)));
}

static void
count_refill(struct cache_owner *owner, unsigned n)
{
  counter_add(&owner->traffic.refills, 1);
  counter_add(&owner->traffic.objects, n);
}

/* Fills an empty bin with objects of a new span, of which no other thread has a
 * part.  The bin stays empty if there is no memory. */
static void
fill_with_new(struct cache_owner *owner, unsigned c)
{
  unsigned n = affordable(owner, c, tcmi_size_classes[c].batch);
  void *batch[SIZE_CLASS_BATCH_MAX];
  void **base;

  if (!bin_resize(owner, c, n))
    return;
  n = tcmi_central_extract_new(c, batch, n);
  count_refill(owner, n);
  base = owner->states[c].base;
  for (unsigned i = 0; i < n; i++)
    base[i] = batch[n - 1 - i];
  atomic_store_relaxed(&owner->hot.bins[c].top, base + n);
}

/* The thread's first allocation from a class up to a cache line.  What it freed
 * before came from other threads, which may still use other objects in the same
 * lines.  So what it freed is flushed. */
static void
begin_to_allocate(struct cache_owner *owner, unsigned c)
{
  struct bin_state *state = &owner->states[c];
  unsigned count = state->base == NULL ? 0 : bin_count(owner, c);
  size_t i = small_tag_index(size_class_size(c));

  owner->hot.begun |= (uint8_t)(1 << c);
  if (owner->hot.sample_left == 0 && tcmi_thread_cache_state == CACHE_OPEN &&
      !thread_counts())
    do
      owner->hot.tags[i] = (uint8_t)(2 * c);
    while (i-- > 0 && tcmi_tags[i] == 2 * c);
  if (count <= state->inherited)
    return;
  bin_to_central(owner, c, state->inherited);
  if (state->inherited == 0)
    fill_with_new(owner, c);
}

/* Not inlined: the tick has a batch on the stack too, and the frames must not
 * add up. */
static NOINLINE void *
refill(struct thread_cache *cache, unsigned c)
{
  struct cache_owner *owner = owner_of(cache);
  void *batch[SIZE_CLASS_BATCH_MAX];
  struct bin *bin = &cache->bins[c];
  unsigned cap, n;
  void **top;

  if (unlikely(!thread_cache_has_allocated(cache, c))) {
    begin_to_allocate(owner, c);
    if (!bin_is_empty(bin)) {
      atomic_store_relaxed(&bin->top, bin->top - 1);
      return *bin->top;
    }
  }
  cap = capacity_after_miss(owner, c);
  if (cap != owner->states[c].cap && !bin_resize(owner, c, cap) &&
      owner->states[c].cap == 0) {
    n = tcmi_transfer_remove(c, batch, 1);
    count_refill(owner, n);
    return n > 0 ? batch[0] : NULL;
  }
  cap = owner->states[c].cap;
  n = (unsigned)min_size((cap + 1) / 2, tcmi_size_classes[c].batch);
  n = tcmi_transfer_remove(c, batch, n);
  count_refill(owner, n);
  if (n == 0)
    return NULL;
  /* Pushed from the highest address down, so that they are handed out in
   * ascending order.  Without the prefetch, pipeline@2 takes 8 % more time:
   * malloc reads the mark of objects that another processor wrote last. */
  top = bin->top;
  for (unsigned i = n; i-- > 1;) {
    prefetch_to_write(batch[i]);
    *top++ = batch[i];
  }
  atomic_store_relaxed(&bin->top, top);
  window_ensure(cache);
  return batch[0];
}

void *
tcmi_thread_cache_refill(struct thread_cache *cache, unsigned c)
{
  slow_path_tick(owner_of(cache), c);
  return refill(cache, c);
}

/* The new capacity for a full bin: more, up to two batches; or a few objects if
 * its thread only frees, because that thread may sleep with a full bin: without
 * that, pipeline@8 ends with 2.8 times as much in its caches.  Those few are 4
 * KiB: with 2 KiB, pipeline@2 flushes twice as often.  If a bin grew only on a
 * miss, pipeline@2 would flush six times as often. */
static unsigned
capacity_after_overflow(struct cache_owner *owner, unsigned c)
{
  struct bin_state *state = &owner->states[c];
  unsigned most = 2 * tcmi_size_classes[c].batch;

  if (state->overflows < OVERFLOWS_MAX)
    state->overflows++;
  if (state->overflows == OVERFLOWS_MAX)
    most = (unsigned)min_size(
        most, max_size(4096 / size_class_size(c), first_capacity(c)));
  if (state->cap == 0)
    return first_capacity(c);
  if (state->cap < most)
    return next_capacity(owner, c, most);
  return state->overflows == OVERFLOWS_MAX ? most : state->cap;
}

/* Grows or shrinks a full bin; false if it must be flushed instead. */
static bool
bin_adjust(struct cache_owner *owner, unsigned c)
{
  unsigned cap = capacity_after_overflow(owner, c);
  unsigned now = owner->states[c].cap;

  if (cap < now) {
    bin_flush(owner, c, bin_count(owner, c) - cap / 2);
    return bin_resize(owner, c, cap);
  }
  return cap > now && bin_resize(owner, c, cap);
}

void
tcmi_thread_cache_overflow(struct thread_cache *cache, unsigned c, void *object)
{
  struct cache_owner *owner = owner_of(cache);
  struct bin *bin = &cache->bins[c];
  unsigned count;

  window_ensure(cache);
  slow_path_tick(owner, c);
  if (!bin_adjust(owner, c)) {
    count = owner->states[c].base == NULL ? 0 : bin_count(owner, c);
    if (count == 0) {
      /* Not even the first array could be allocated. */
      tcmi_transfer_insert(c, &object, 1);
      return;
    }
    bin_flush(owner, c, (count + 1) / 2);
  }
  atomic_store_relaxed(&bin->top, bin->top + 1);
  bin->top[-1] = object;
}

/* Swaps the object on top of a bin, which was just freed, with a random one. */
static void
swap_top(struct cache_owner *owner, unsigned c)
{
  void **top = owner->hot.bins[c].top - 1;
  void **any =
      top - tcmi_random_next(&owner->order_random) % bin_count(owner, c);
  void *object = *any;

  *any = *top;
  *top = object;
}

void
tcmi_thread_cache_push(struct thread_cache *cache, unsigned c, void *object)
{
  struct bin *bin = &cache->bins[c];

  if (bin->top >= bin->lim) {
    tcmi_thread_cache_overflow(cache, c, object);
    return;
  }
  *bin->top = object;
  atomic_store_relaxed(&bin->top, bin->top + 1);
  if (order_is_random())
    swap_top(owner_of(cache), c);
}

unsigned
tcmi_thread_cache_flush_class(struct thread_cache *cache, unsigned c)
{
  struct cache_owner *owner = owner_of(cache);
  unsigned count = owner->states[c].base == NULL ? 0 : bin_count(owner, c);

  if (count > 0)
    bin_flush(owner, c, count);
  return count;
}
