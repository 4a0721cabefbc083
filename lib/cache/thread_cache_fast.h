/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * thread_cache_fast.h - the fast path, alone: no lock, no atomic operation, no
 * call, no loop.
 *
 * Budget on x86-64, to the ret: malloc of a small size 14 instructions, free
 * 20, and 44 at most where the window moves; a test counts them in the library.
 *
 * A tag addresses its bin directly: 2 * class * 8 bytes = class * 16, the size
 * of a bin.  The prefetch in free is for the malloc that will hand the object
 * out again: its first touch is then a hit.
 */
#ifndef TCM_CACHE_THREAD_CACHE_FAST_H
#define TCM_CACHE_THREAD_CACHE_FAST_H

#include "base/atomics.h"
#include "base/bits.h"
#include "base/compiler.h"
#include "base/params.h"
#include "cache/size_class.h"
#include "cache/thread_cache.h"
#include "heap/pagemap.h"

_Static_assert(sizeof(struct bin) == 2 * sizeof(void *), "a bin is two words");

/* A value whose origin the compiler forgets: it then addresses the bin afresh
 * each time, in the instruction that uses it, instead of computing its address
 * first.  The other forms leave the register of the result to the result. */
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
  return address >> 3 | address << (sizeof address * 8 - 3);
}

/* A free object for @size bytes, and the tag of its class; or NULL: take the
 * slow path. */
static ALWAYS_INLINE void *
thread_cache_pop_tagged(size_t size, size_t *tag_of_object)
{
  struct thread_cache *cache = tcmi_thread_cache;
  void **top;
  void *object;
  size_t tag;

  if (likely(size <= SIZE_CLASS_SMALL_MAX)) {
    tag = cache->small_tags[(size + 7) >> 3];
    OPAQUE_ASIDE(tag);
  } else if (size <= SIZE_CLASS_MAX) {
    tag = cache->middle_tags[(size + 127) >> 7];
    OPAQUE_ASIDE(tag);
  } else {
    return NULL;
  }
  top = thread_cache_bin(cache, tag)->top;
  OPAQUE_ASIDE(tag);
  object = top[-1];
  OPAQUE_RESULT(object);
  if (likely(object != NULL))
    thread_cache_bin(cache, tag)->top = top - 1;
  *tag_of_object = tag;
  return object;
}

static ALWAYS_INLINE void *
thread_cache_pop(size_t size)
{
  size_t tag;

  return thread_cache_pop_tagged(size, &tag);
}

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

/* Which page of the window holds a rotated address; none of them if it is no
 * multiple of 8. */
static ALWAYS_INLINE size_t
window_page(const struct thread_cache *cache, uintptr_t rotated)
{
  return (rotated - cache->window.start) >> (PAGE_SHIFT - 3);
}

/* Keeps a block for the next malloc; false: take the slow path. */
static ALWAYS_INLINE bool
thread_cache_try_push(void *object)
{
  struct thread_cache *cache = tcmi_thread_cache;
  size_t page = window_page(cache, rotate_address((uintptr_t)object));
  void **top;
  size_t tag;

  if (unlikely(page >= cache->window.npages))
    return false;
  tag = cache->window.tags[page];
  top = thread_cache_bin(cache, tag)->top;
  OPAQUE(tag);
  if (unlikely(top >= thread_cache_bin(cache, tag)->lim) ||
      unlikely(top[-1] == object))
    return false;
  __builtin_prefetch(object, 1);
  OPAQUE(tag);
  *top = object;
  thread_cache_bin(cache, tag)->top = top + 1;
  return true;
}

/* The leaf of the pagemap for a rotated address: NULL too if the address is no
 * multiple of 8. */
static ALWAYS_INLINE struct pagemap_leaf *
leaf_of_rotated(uintptr_t rotated)
{
  uintptr_t i = rotated >> (LEAF_SHIFT - 3);

  return unlikely(i >= ROOT_LENGTH)
             ? NULL
             : atomic_load_acquire(&tcmi_pagemap_root[i]);
}

/* The slow side's first step: pushes an object outside the window, which then
 * moves to the object's row.  With a closed window each free takes the slow path,
 * see tcmi_thread_cache_divert().
 *
 * Rejected: a second window: three rows miss both. */
static ALWAYS_INLINE bool
thread_cache_try_push_outside(void *object)
{
  struct thread_cache *cache = tcmi_thread_cache;
  uintptr_t rotated = rotate_address((uintptr_t)object);
  struct pagemap_leaf *leaf = leaf_of_rotated(rotated);
  struct bin *bin;
  void **top;
  size_t tag;

  if (unlikely(leaf == NULL) || unlikely(cache->window.npages == 0))
    return false;
  tag = leaf->window.tags[(rotated - leaf->window.start) >> (PAGE_SHIFT - 3)];
  bin = thread_cache_bin(cache, tag);
  top = bin->top;
  if (top >= bin->lim || top[-1] == object)
    return false;
  cache->window = leaf->window;
  __builtin_prefetch(object, 1);
  *top = object;
  bin->top = top + 1;
  return true;
}

/* The tag of the class of a block, or 0: a large block, none of the heap's, or
 * one that was just freed.  In a closed cache every tag counts as 0. */
static ALWAYS_INLINE size_t
thread_cache_tag_of(const void *object)
{
  struct thread_cache *cache = tcmi_thread_cache;
  uintptr_t rotated = rotate_address((uintptr_t)object);
  size_t page = window_page(cache, rotated), tag;

  if (likely(page < cache->window.npages)) {
    tag = cache->window.tags[page];
  } else {
    struct pagemap_leaf *leaf = leaf_of_rotated(rotated);
    if (leaf == NULL || cache->window.npages == 0)
      return 0;
    tag = atomic_load_relaxed(
        &leaf->tags[rotated >> (PAGE_SHIFT - 3) & (LEAF_PAGES - 1)]);
  }
  if (unlikely(thread_cache_bin(cache, tag)->top[-1] == object))
    return 0;
  return tag;
}

/* The slow side's first step of a thread that takes samples: as
 * thread_cache_pop(), with its tags replaced by those of the tables, and the
 * bytes counted.  NULL too when the next sample is due. */
static ALWAYS_INLINE void *
thread_cache_pop_counted(size_t size)
{
  struct thread_cache *cache = tcmi_thread_cache;
  struct bin *bin;
  size_t tag, bytes;
  void *object;

  if (size >= cache->sample_left || size > SIZE_CLASS_MAX)
    return NULL;
  tag = 2 * (size_t)size_class_of(size);
  bytes = thread_cache_tag_size(tag);
  bin = thread_cache_bin(cache, tag);
  object = bin->top[-1];
  if (object == NULL || bytes >= cache->sample_left ||
      !thread_cache_has_allocated(cache, (unsigned)tag >> 1))
    return NULL;
  cache->sample_left -= bytes;
  bin->top--;
  return object;
}

#endif /* TCM_CACHE_THREAD_CACHE_FAST_H */
