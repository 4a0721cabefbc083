/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * thread_cache_fast.h - the fast path: no lock, no atomic operation, no call,
 * no loop.
 *
 * Budget on x86-64, up to the ret: 16 instructions for malloc of a small size,
 * 28 for free, at most 53 if the window moves; a test counts them.
 *
 * A tag addresses its bin directly: 2 * class * 8 bytes = class * 16, the size
 * of a bin.  free checks an object before it caches it: tcm-internals(7),
 * "Invalid frees", explains how and why.
 */
#ifndef TCM_CACHE_THREAD_CACHE_FAST_H
#define TCM_CACHE_THREAD_CACHE_FAST_H

#include "base/atomics.h"
#include "base/bits.h"
#include "base/compiler.h"
#include "base/params.h"
#include "cache/mark.h"
#include "cache/size_class.h"
#include "cache/thread_cache.h"
#include "heap/pagemap.h"

_Static_assert(sizeof(struct bin) == 2 * sizeof(void *), "a bin is two words");

/* Hides from the compiler where a value came from.  The compiler then addresses
 * the bin in each instruction that uses it, instead of computing its address
 * first.  The other forms keep the result's register free for the result. */
#define OPAQUE(value) __asm__("" : "+r"(value))
#ifdef __x86_64__
#define OPAQUE_ASIDE(value) __asm__("" : "+d"(value))
#define OPAQUE_RESULT(value) __asm__("" : "+a"(value))
#else
#define OPAQUE_ASIDE(value) OPAQUE(value)
#define OPAQUE_RESULT(value) OPAQUE(value)
#endif

static inline uintptr_t
rotate_address(uintptr_t address)
{
  return address >> BLOCK_ALIGN_SHIFT |
         address << (sizeof address * 8 - BLOCK_ALIGN_SHIFT);
}

/* A free object for @size bytes, and the tag of its class; or NULL: take the
 * slow path, which needs the index of the tag. */
static ALWAYS_INLINE void *
thread_cache_pop_from(struct thread_cache *cache, size_t size,
                      size_t *tag_of_object, size_t *index_of_tag)
{
  void **top;
  void *object;
  size_t tag;

  if (likely(size <= SIZE_CLASS_SMALL_MAX)) {
    *index_of_tag = small_tag_index(size);
    tag = cache->tags[*index_of_tag];
    OPAQUE_ASIDE(tag);
  } else if (size <= SIZE_CLASS_MAX) {
    *index_of_tag = middle_tag_index(size);
    tag = cache->tags[*index_of_tag];
    OPAQUE_ASIDE(tag);
  } else {
    *index_of_tag = LARGE_TAG_INDEX;
    return NULL;
  }
  top = thread_cache_bin(cache, tag)->top;
  OPAQUE_ASIDE(tag);
  object = top[-1];
  OPAQUE_RESULT(object);
  *tag_of_object = tag;
  if (unlikely(!mark_is_set(object, cache->mark)))
    return NULL;
  thread_cache_bin(cache, tag)->top = top - 1;
  mark_clear(object);
  return object;
}

static ALWAYS_INLINE void *
thread_cache_pop(size_t size)
{
  size_t tag, index;

  return thread_cache_pop_from(tcmi_thread_cache, size, &tag, &index);
}

_Static_assert(sizeof(struct starts) == 8, "a tag counts halves of it");
_Static_assert(offsetof(struct size_class, size) == 0 &&
                   sizeof(struct size_class) == 16,
               "a tag counts halves of it");

/* The bytes of an object with that tag, in one instruction. */
static ALWAYS_INLINE size_t
thread_cache_tag_size(size_t tag)
{
  const char *first = (const char *)tcmi_size_classes;

  return *(const uint32_t *)(const void *)(first + 8 * tag);
}

/* The place of an address in the window, in steps of BLOCK_ALIGN; beyond all
 * pages if the address is not a multiple of BLOCK_ALIGN. */
static ALWAYS_INLINE uintptr_t
window_place(const struct pagemap_window *window, const void *object)
{
  return rotate_address((uintptr_t)object) - window->start;
}

/* Whether an object of the class begins at a place of its span. */
static ALWAYS_INLINE bool
is_start(size_t tag, uint32_t place)
{
  const char *first = (const char *)tcmi_starts;
  const struct starts *starts = (const void *)(first + 4 * tag);

  return place * starts->factor < starts->limit;
}

/* Caches a block for the next malloc; false: take the slow path. */
static ALWAYS_INLINE bool
thread_cache_try_push(void *object)
{
  struct thread_cache *cache = tcmi_thread_cache;
  uintptr_t place = window_place(&cache->window, object);
  size_t page = place >> PLACES_SHIFT;
  unsigned word;
  void **top;
  size_t tag;

  if (unlikely(page >= cache->window.npages))
    return false;
  word = cache->window.words[page];
  tag = page_word_tag(word);
  top = thread_cache_bin(cache, tag)->top;
  OPAQUE(tag);
  if (unlikely(top >= thread_cache_bin(cache, tag)->lim) ||
      unlikely(!is_start(tag, page_word_place(word, place))) ||
      unlikely(!mark_set(object, cache->mark)))
    return false;
  OPAQUE(tag);
  *top = object;
  thread_cache_bin(cache, tag)->top = top + 1;
  return true;
}

/* The pagemap leaf for a rotated address, or NULL; always NULL if the address
 * is not a multiple of 16. */
static ALWAYS_INLINE struct pagemap_leaf *
leaf_of_rotated(uintptr_t rotated)
{
  uintptr_t i = rotated >> (LEAF_SHIFT - BLOCK_ALIGN_SHIFT);

  return unlikely(i >= ROOT_LENGTH)
             ? NULL
             : atomic_load_acquire(&tcmi_pagemap_root[i]);
}

/* The first step of the slow path: pushes an object outside the window, and
 * moves the window to the object's row.  With a closed window, each free takes
 * the slow path, see tcmi_thread_cache_divert().
 *
 * Rejected: a second window.  Frees that alternate among three rows would miss
 * both windows. */
static ALWAYS_INLINE bool
thread_cache_try_push_outside(void *object)
{
  struct thread_cache *cache = tcmi_thread_cache;
  struct pagemap_leaf *leaf;
  struct bin *bin;
  uintptr_t place;
  unsigned word;
  void **top;
  size_t tag;

  if (unlikely(cache->window.npages == 0))
    return false;
  leaf = leaf_of_rotated(rotate_address((uintptr_t)object));
  if (unlikely(leaf == NULL))
    return false;
  place = window_place(&leaf->window, object);
  word = leaf->window.words[place >> PLACES_SHIFT];
  tag = page_word_tag(word);
  bin = thread_cache_bin(cache, tag);
  top = bin->top;
  if (top >= bin->lim || !is_start(tag, page_word_place(word, place)) ||
      !mark_set(object, cache->mark))
    return false;
  cache->window = leaf->window;
  *top = object;
  bin->top = top + 1;
  return true;
}

/* The tag of a block's class; 0 for a large block, an address outside the heap,
 * or a block that is already free.  In a closed cache every tag counts as 0. */
static ALWAYS_INLINE size_t
thread_cache_tag_of(const void *object)
{
  struct thread_cache *cache = tcmi_thread_cache;
  uintptr_t place = window_place(&cache->window, object);
  unsigned word;
  size_t tag;

  if (likely(place >> PLACES_SHIFT < cache->window.npages)) {
    word = cache->window.words[place >> PLACES_SHIFT];
  } else {
    struct pagemap_leaf *leaf =
        leaf_of_rotated(rotate_address((uintptr_t)object));
    if (leaf == NULL || cache->window.npages == 0)
      return 0;
    place = window_place(&leaf->window, object);
    word = leaf->window.words[place >> PLACES_SHIFT];
  }
  tag = page_word_tag(word);
  if (unlikely(tag == 0) ||
      unlikely(!is_start(tag, page_word_place(word, place))) ||
      unlikely(mark_is_set(object, cache->mark)))
    return 0;
  return tag;
}

/* The first step of the slow path: pops like thread_cache_pop(), but with a tag
 * of the table, and counts the object.  NULL if the next sample may be due, or
 * if the thread takes no samples. */
static ALWAYS_INLINE void *
thread_cache_pop_counted(struct thread_cache *cache, size_t tag)
{
  void **top;
  void *object;

  if (unlikely(*thread_cache_objects_left(cache, tag) <= 1))
    return NULL;
  OPAQUE(tag);
  top = thread_cache_bin(cache, tag)->top;
  OPAQUE(tag);
  object = top[-1];
  OPAQUE_RESULT(object);
  if (unlikely(!mark_is_set(object, cache->mark)))
    return NULL;
  OPAQUE(cache);
  --*thread_cache_objects_left(cache, tag);
  thread_cache_bin(cache, tag)->top = top - 1;
  mark_clear(object);
  return object;
}

#endif /* TCM_CACHE_THREAD_CACHE_FAST_H */
