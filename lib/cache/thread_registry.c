/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A cache outlives its thread: orphaning it is one push onto a list, and the
 * next new thread adopts it warm.
 */
#include "config.h"

#include <string.h>

#include "base/atomics.h"
#include "base/bits.h"
#include "base/metadata.h"
#include "base/options.h"
#include "base/random.h"
#include "base/report.h"
#include "cache/cache_owner.h"
#include "cache/central_list.h"
#include "cache/live.h"
#include "cache/mark.h"
#include "cache/thread_bytes.h"
#include "cache/thread_cache.h"
#include "cache/thread_cache_large.h"
#include "cache/transfer_cache.h"
#include "heap/pagemap.h"

/* Bin 0 points here, and so do all bins of a closed cache.  Such a bin is
 * empty, because NO_OBJECT is below its top. */
static void *const nowhere[2] = {NO_OBJECT};
#define NO_BIN                                                       \
  {                                                                  \
    (void **)(uintptr_t)&nowhere[1], (void **)(uintptr_t)&nowhere[1] \
  }

/* For threads that take no samples; never written. */
static const uint64_t no_objects_left[SIZE_CLASS_COUNT];
#define NO_OBJECTS_LEFT ((uint64_t *)(uintptr_t)no_objects_left)

static const struct thread_cache closed_cache = {
    .bins = {[0 ... SIZE_CLASS_COUNT - 1] = NO_BIN},
    .objects_left = NO_OBJECTS_LEFT,
};

__thread struct thread_cache *tcmi_thread_cache =
    (struct thread_cache *)(uintptr_t)&closed_cache;
__thread uint8_t tcmi_thread_cache_state;
__thread struct thread_bytes tcmi_thread_bytes;

struct lock tcmi_registry_lock = LOCK_INITIALIZER(LOCK_REGISTRY);

struct cache_registry tcmi_cache_registry;

static void
owner_delete(struct cache_owner *owner)
{
  lock_acquire(&tcmi_registry_lock);
  if (tcmi_cache_registry.divert_next == &owner->link)
    tcmi_cache_registry.divert_next =
        list_after(&tcmi_cache_registry.caches, &owner->link);
  list_remove(&owner->link);
  tcmi_cache_registry.ncaches--;
  atomic_store_relaxed(&tcmi_cache_registry.sharers,
                       tcmi_cache_registry.sharers - 1);
  traffic_add(&tcmi_cache_registry.ended, &owner->traffic);
  lock_release(&tcmi_registry_lock);
  atomic_sub_relaxed(&tcmi_cache_registry.pool_bytes, owner->pooled);
  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++)
    if (owner->states[c].base != NULL)
      tcmi_metadata_free(owner->states[c].base - 1,
                         slots_bytes(owner->states[c].slots));
  if (owner->objects != NULL)
    tcmi_metadata_free(owner->objects, sizeof no_objects_left);
  if (owner->past != NULL)
    tcmi_metadata_free(owner->past, CACHE_PAST_BYTES);
  tcmi_metadata_free(owner, sizeof *owner);
}

static struct cache_owner *
orphan_adopt(void)
{
  struct cache_owner *owner;

  lock_acquire(&tcmi_registry_lock);
  owner = tcmi_cache_registry.orphans;
  if (owner != NULL) {
    tcmi_cache_registry.orphans = owner->next_orphan;
    atomic_store_relaxed(&tcmi_cache_registry.norphans,
                         tcmi_cache_registry.norphans - 1);
  }
  lock_release(&tcmi_registry_lock);
  return owner;
}

static struct cache_owner *
owner_new(void)
{
  struct cache_owner *owner = tcmi_metadata_alloc_zeroed(sizeof *owner);

  if (owner == NULL)
    return NULL;
  owner->hot.bins[0] = closed_cache.bins[0];
  owner->hot.objects_left = NO_OBJECTS_LEFT;
  tcmi_mark_init();
  owner->hot.mark = atomic_load_relaxed(&tcmi_free_mark);
  owner->order_random = tcmi_random(RANDOM_ORDER) + (uintptr_t)owner;
  memcpy(owner->hot.tags, tcmi_tags, sizeof tcmi_tags);
  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++) {
    owner->hot.bins[c].top = owner->hot.bins[c].lim = owner->hot.bins[0].top;
    owner->states[c].overflows = OVERFLOWS_MAX;
  }
  lock_acquire(&tcmi_registry_lock);
  list_push_front(&tcmi_cache_registry.caches, &owner->link);
  tcmi_cache_registry.ncaches++;
  atomic_store_relaxed(&tcmi_cache_registry.sharers,
                       tcmi_cache_registry.sharers + 1);
  lock_release(&tcmi_registry_lock);
  return owner;
}

/* The new owner has not allocated yet.  What it frees before it allocates comes
 * from other threads; see thread_cache_has_allocated(). */
static void
forget_allocations(struct cache_owner *owner)
{
  memset(owner->hot.tags, 0,
         small_tag_index(size_class_size(LINE_CLASS_MAX)) + 1);
  owner->hot.begun = 0;
  for (unsigned c = 1; c <= LINE_CLASS_MAX; c++) {
    owner->states[c].inherited =
        owner->states[c].base == NULL ? 0 : (uint16_t)bin_count(owner, c);
    if (owner_counts_objects(owner))
      owner->objects[c] = 0;
  }
}

void
tcmi_thread_cache_close_tags(struct thread_cache *cache)
{
  memset(cache->tags, 0, sizeof cache->tags);
}

void
tcmi_thread_cache_open_tags(struct thread_cache *cache)
{
  if (thread_counts())
    return;
  for (size_t i = 0; i < sizeof cache->tags; i++)
    if (thread_cache_has_allocated(cache, tcmi_tags[i] >> 1))
      cache->tags[i] = tcmi_tags[i];
}

/* Without memory for it, each object draws a new distance, which is only
 * slower: see tcmi_profile_allocate(). */
void
tcmi_thread_cache_count_objects(struct thread_cache *cache, bool on)
{
  struct cache_owner *owner = owner_of(cache);
  size_t bytes = sizeof no_objects_left;

  cache->objects_left = NO_OBJECTS_LEFT;
  if (!on)
    return;
  if (owner->objects == NULL)
    owner->objects = tcmi_metadata_alloc_zeroed(bytes);
  if (owner->objects == NULL)
    return;
  memset(owner->objects, 0, bytes);
  cache->objects_left = owner->objects;
}

void
tcmi_thread_cache_close(struct thread_cache *cache)
{
  tcmi_thread_cache_close_tags(cache);
  tcmi_thread_cache_flush_large(cache);
  cache->window.npages = 0;
  cache->view = (struct pagemap_view){UINTPTR_MAX - PAGE_SIZE + 1, 1, NULL};
  tcmi_thread_cache_count_objects(cache, false);
}

/* The next refill or overflow sets the window or the view. */
void
tcmi_thread_cache_reopen(struct thread_cache *cache)
{
  cache->view.npages = 0;
  if (cache->sample_left != 0)
    tcmi_thread_cache_count_objects(cache, true);
  else if (tcmi_thread_cache_state == CACHE_OPEN)
    tcmi_thread_cache_open_tags(cache);
}

/* The cache of a checked thread, see T7.  Each class counts as allocated from,
 * so the thread may also allocate what it freed before its first allocation:
 * thread_cache_pop_checked() has no instruction to spare for a test. */
static void
close_for_checks(struct cache_owner *owner)
{
  tcmi_thread_cache_close_tags(&owner->hot);
  owner->hot.window.npages = 0;
  owner->hot.begun = UINT8_MAX;
  owner->hot.sample_left = 0;
  tcmi_thread_cache_count_objects(&owner->hot, false);
}

/* If an owner is writing a tag now, see begin_to_allocate(), the class stays
 * open until that thread takes its next slow path. */
__attribute__((no_sanitize("thread"))) void
tcmi_thread_cache_close_all_tags(void)
{
  lock_acquire(&tcmi_registry_lock);
  for (struct list *node = list_first(&tcmi_cache_registry.caches);
       node != NULL; node = list_after(&tcmi_cache_registry.caches, node)) {
    struct thread_cache *cache =
        &list_entry(node, struct cache_owner, link)->hot;
    for (size_t i = 0; i < sizeof cache->tags; i++)
      *(volatile uint8_t *)&cache->tags[i] = 0;
  }
  lock_release(&tcmi_registry_lock);
}

/* If the owner is moving its window or view now, that stays open until the
 * thread is diverted again. */
static __attribute__((no_sanitize("thread"))) void
divert_other(struct thread_cache *cache)
{
  bool has_view = cache->view.spans != NULL;

  *(volatile bool *)&cache->diverted = true;
  *(volatile size_t *)&cache->window.npages = 0;
  /* The view of a thread that counts stays, see T8. */
  if (has_view)
    *(volatile size_t *)&cache->view.npages = 0;
}

bool
tcmi_thread_cache_divert_some(void)
{
  struct list *node;

  lock_acquire(&tcmi_registry_lock);
  node = tcmi_cache_registry.divert_next;
  if (node == NULL)
    node = list_first(&tcmi_cache_registry.caches);
  for (unsigned i = 0; i < DIVERT_STEP && node != NULL; i++) {
    divert_other(&list_entry(node, struct cache_owner, link)->hot);
    node = list_after(&tcmi_cache_registry.caches, node);
  }
  tcmi_cache_registry.divert_next = node;
  lock_release(&tcmi_registry_lock);
  return node != NULL;
}

bool
tcmi_thread_cache_open(void)
{
  bool checked = tcmi_option(OPTION_check) == CHECK_FREES;
  struct cache_owner *owner = orphan_adopt();

  if (owner == NULL)
    owner = owner_new();
  if (owner == NULL)
    return false;
  forget_allocations(owner);
  owner->is_told = false;
  atomic_store_relaxed(&owner->thread, lock_self());
  /* Before the fast path sees the cache. */
  if (checked)
    close_for_checks(owner);
  tcmi_thread_cache = &owner->hot;
  tcmi_thread_cache_state = checked ? CACHE_CHECKED : CACHE_OPEN;
  return true;
}

/* A thread that counts is always diverted.  A closed window diverts small
 * blocks, and so does a view without pages in a checked thread.  Large blocks
 * are diverted because none has the size of the charge, which is now 0. */
void
tcmi_thread_cache_divert(struct thread_cache *cache)
{
  if (thread_counts())
    return;
  cache->diverted = true;
  cache->window.npages = 0;
  cache->view.npages = 0;
  tcmi_thread_cache_flush_large(cache);
}

void
tcmi_thread_cache_detach(enum cache_state state)
{
  tcmi_thread_cache = (struct thread_cache *)(uintptr_t)&closed_cache;
  tcmi_thread_cache_state = (uint8_t)state;
}

void
tcmi_thread_cache_orphan(void)
{
  struct cache_owner *owner = owner_of(tcmi_thread_cache);

  if (!thread_has_cache())
    return;
  if (thread_counts()) {
    tcmi_thread_bytes.counts = false;
    tcmi_thread_cache_reopen(tcmi_thread_cache);
    tcmi_thread_bytes.counts = true;
  }
  tcmi_thread_cache_detach(CACHE_GONE);
  atomic_store_relaxed(&owner->thread, 0);
  lock_acquire(&tcmi_registry_lock);
  owner->next_orphan = tcmi_cache_registry.orphans;
  tcmi_cache_registry.orphans = owner;
  atomic_store_relaxed(&tcmi_cache_registry.norphans,
                       tcmi_cache_registry.norphans + 1);
  lock_release(&tcmi_registry_lock);
}

static void
owner_flush(struct cache_owner *owner)
{
  tcmi_thread_cache_flush_large(&owner->hot);
  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++)
    (void)tcmi_thread_cache_flush_class(&owner->hot, c);
}

void
tcmi_thread_cache_flush(struct thread_cache *cache)
{
  owner_flush(owner_of(cache));
}

/* The oldest orphan is the coldest, but the newest is first in the list.  The
 * order does not matter, because all beyond a few are flushed. */
bool
tcmi_thread_cache_flush_orphan(void)
{
  struct cache_owner *owner = orphan_adopt();

  if (owner == NULL)
    return false;
  owner_flush(owner);
  owner_delete(owner);
  return true;
}

/* Abandons the caches of threads that do not exist in the child: their last
 * writes may have been copied out of order.  The caches stay in the registry,
 * so that their objects are counted, but no longer count against the budget. */
void
tcmi_thread_cache_after_fork(void)
{
  struct cache_owner *own = owner_of(tcmi_thread_cache);
  bool open = thread_has_cache();
  size_t bytes = open ? own->pooled : 0;

  for (struct list *node = list_first(&tcmi_cache_registry.caches);
       node != NULL; node = list_after(&tcmi_cache_registry.caches, node))
    list_entry(node, struct cache_owner, link)->thread = 0;
  if (open) {
    own->thread = lock_self();
    own->is_told = false;
  }
  for (struct cache_owner *o = tcmi_cache_registry.orphans; o != NULL;
       o = o->next_orphan)
    bytes += o->pooled;
  atomic_store_relaxed(&tcmi_cache_registry.sharers,
                       tcmi_cache_registry.norphans + open);
  atomic_store_relaxed(&tcmi_cache_registry.pool_bytes, bytes);
}

/* Reads while the owner works: returns a number that was true a moment ago, or
 * 0 while the array is being replaced.  The loads are volatile, because clang's
 * thread sanitizer reports atomic ones against the plain stores of the fast
 * path even here. */
__attribute__((no_sanitize("thread"))) static unsigned
count_seen_from_outside(struct cache_owner *owner, unsigned c)
{
  void **base = *(void **volatile *)&owner->states[c].base;
  void **top = *(void **volatile *)&owner->hot.bins[c].top;
  size_t count = (size_t)(top - base);

  return base == NULL || count > owner->states[c].slots ? 0 : (unsigned)count;
}

/* Whether the bin holds @object, read in the same way.  An array that was just
 * replaced is still readable; then the new one is read, too. */
__attribute__((no_sanitize("thread"))) static bool
is_seen_from_outside(struct cache_owner *owner, unsigned c, const void *object)
{
  void **volatile *place = (void **volatile *)&owner->states[c].base;
  void *volatile *base;
  bool found;

  do {
    unsigned count = count_seen_from_outside(owner, c);
    base = *place;
    found = false;
    for (unsigned i = 0; i < count && !found; i++)
      found = base[i] == object;
  } while (base != *place);
  return found;
}

bool
tcmi_object_is_free(unsigned class_id, void *object)
{
  struct span *span = pagemap_span((uintptr_t)object);
  bool found = span == NULL ||
               tcmi_central_judge(span, (uintptr_t)object) != BLOCK_VALID ||
               tcmi_transfer_holds(class_id, object);

  lock_acquire(&tcmi_registry_lock);
  for (struct list *node = list_first(&tcmi_cache_registry.caches);
       node != NULL && !found;
       node = list_after(&tcmi_cache_registry.caches, node))
    found = is_seen_from_outside(list_entry(node, struct cache_owner, link),
                                 class_id, object);
  lock_release(&tcmi_registry_lock);
  return found;
}

/* Copies up to @room objects of a bin while the owner works; returns how many.
 * Copies them again if the array was replaced meanwhile, because the old one
 * may then hold anything.  Reads the number of slots first, because arrays only
 * grow. */
__attribute__((no_sanitize("thread"))) static size_t
copy_bin(struct cache_owner *owner, unsigned c, uintptr_t *out, size_t room)
{
  struct bin_state *state = &owner->states[c];
  void *volatile *base;
  size_t n;

  do {
    size_t slots = *(uint16_t volatile *)&state->slots;
    base = *(void **volatile *)&state->base;
    n = (size_t)(*(void **volatile *)&owner->hot.bins[c].top - base);
    n = base == NULL || n > slots ? 0 : min_size(n, room);
    for (size_t i = 0; i < n; i++)
      out[i] = (uintptr_t)base[i];
  } while (base != *(void **volatile *)&state->base);
  return n;
}

/* The cache with exactly @i older ones, or NULL. */
static struct cache_owner *
owner_at_locked(size_t i)
{
  const struct list *head = &tcmi_cache_registry.caches;
  struct list *node = list_last(head);

  lock_assert_held(&tcmi_registry_lock);
  while (node != NULL && i-- > 0)
    node = list_before(head, node);
  return node == NULL ? NULL : list_entry(node, struct cache_owner, link);
}

bool
tcmi_thread_cache_copy(size_t i, uintptr_t *out, size_t room, size_t *n)
{
  struct cache_owner *owner;

  *n = 0;
  lock_acquire(&tcmi_registry_lock);
  owner = owner_at_locked(i);
  for (unsigned c = 1; owner != NULL && c < SIZE_CLASS_COUNT; c++)
    *n += copy_bin(owner, c, out + *n, room - *n);
  lock_release(&tcmi_registry_lock);
  return owner != NULL;
}

uint64_t
tcmi_thread_cache_objects(unsigned c)
{
  struct thread_cache_stats stats;

  tcmi_thread_cache_stats(&stats);
  return stats.objects[c];
}

/* Takes the size of the held span from the charge: the span itself may be gone
 * before it is read. */
static void
add_owner_locked(struct thread_cache_stats *stats, struct cache_owner *owner)
{
  lock_assert_held(&tcmi_registry_lock);
  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++) {
    unsigned count = count_seen_from_outside(owner, c);
    stats->objects[c] += count;
    stats->bytes += count * size_class_size(c);
  }
  if (atomic_load_relaxed(&owner->hot.large) != NULL) {
    uint64_t bytes = atomic_load_relaxed(&owner->hot.large_charge);
    stats->large_blocks++;
    stats->large_bytes += bytes;
    stats->bytes += bytes;
  }
  stats->caches++;
  traffic_add(&stats->traffic, &owner->traffic);
}

/* Reads without the lock if this thread already holds it: then this is a signal
 * handler that interrupted it.  The forward links are valid at each step. */
void
tcmi_thread_cache_stats(struct thread_cache_stats *stats)
{
  enum acquire_result result = tcmi_lock_acquire_bounded(&tcmi_registry_lock);
  struct list *head = &tcmi_cache_registry.caches;
  size_t most = tcmi_cache_registry.ncaches + 1;

  *stats = (struct thread_cache_stats){.complete = result != ACQUIRE_BUSY};
  if (result == ACQUIRE_BUSY)
    return;
  for (struct list *node = list_first(head);
       node != NULL && node != head && stats->caches < most; node = node->next)
    add_owner_locked(stats, list_entry(node, struct cache_owner, link));
  traffic_add(&stats->traffic, &tcmi_cache_registry.ended);
  stats->orphans = tcmi_cache_registry.norphans;
  if (result == ACQUIRE_TAKEN)
    tcmi_lock_release_bounded(&tcmi_registry_lock);
}

static void
verify_bin(struct cache_owner *owner, unsigned c)
{
  struct bin_state *state = &owner->states[c];
  unsigned count;

  if (state->base == NULL)
    return;
  count = bin_count(owner, c);
  CHECK(state->base[-1] == NO_OBJECT);
  CHECK(count <= state->cap && state->cap <= state->slots);
  CHECK(owner->hot.bins[c].lim == state->base + state->cap);
  for (unsigned i = 0; i < count; i++) {
    uintptr_t object = (uintptr_t)state->base[i];
    CHECK(pagemap_tag(object) == 2 * c);
    CHECK(tcmi_central_judge(pagemap_span(object), object) == BLOCK_VALID);
    CHECK(!live_holds(object));
  }
}

void
tcmi_thread_cache_verify(void)
{
  if (!thread_has_cache())
    return;
  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++)
    verify_bin(owner_of(tcmi_thread_cache), c);
}
