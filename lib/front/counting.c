/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "front/counting.h"

#include "cache/thread_cache_fast.h"
#include "front/guard.h"
#include "heap/pagemap.h"
#include "profile/guard_records.h"
#include "profile/profile.h"

bool
tcmi_counting_set(bool on)
{
  if (tcmi_thread_cache_state == CACHE_NONE)
    return false;
  if (tcmi_thread_bytes.counts == on)
    return true;
  tcmi_thread_bytes.counts = on;
  if (!thread_has_cache())
    return true;
  if (on)
    tcmi_thread_cache_close(tcmi_thread_cache);
  else
    tcmi_thread_cache_reopen(tcmi_thread_cache);
  return true;
}

size_t
tcmi_counted_bytes(const void *block)
{
  uintptr_t address = (uintptr_t)block;
  const struct span *span = pagemap_span(address);
  size_t size = 0;

  if (span == NULL || span->slab)
    return 0;
  if (guard_is_on())
    return tcmi_guard_is_in_use(address, &size) ? size : 0;
  if (span->class_id != 0)
    return size_class_size(span->class_id);
  return span->sample != 0 ? tcmi_profile_usable(span) : span_bytes(span);
}

void
tcmi_count_allocated(const void *block)
{
  tcmi_thread_bytes.allocated += tcmi_counted_bytes(block);
}

void
tcmi_count_freed(const void *block)
{
  tcmi_thread_bytes.freed += tcmi_counted_bytes(block);
}

void
tcmi_count_resized(size_t before, const void *block)
{
  tcmi_thread_bytes.freed += before;
  tcmi_count_allocated(block);
}

void *
tcmi_counting_pop(size_t size)
{
  struct thread_cache *cache = tcmi_thread_cache;
  struct bin *bin;
  void *object;
  size_t tag;

  if (tcmi_thread_cache_state != CACHE_OPEN || size > SIZE_CLASS_MAX ||
      cache->sample_left != 0)
    return NULL;
  tag = size_tag_of(size);
  bin = thread_cache_bin(cache, tag);
  object = bin->top[-1];
  if (!thread_cache_has_allocated(cache, (unsigned)tag >> 1) ||
      !mark_take(object, cache->mark))
    return NULL;
  bin->top--;
  tcmi_thread_bytes.allocated += thread_cache_tag_size(tag);
  return object;
}

bool
tcmi_counting_push(void *object)
{
  struct thread_cache *cache = tcmi_thread_cache;
  struct pagemap_leaf *leaf =
      leaf_of_rotated(rotate_address((uintptr_t)object));
  struct bin *bin;
  uintptr_t place;
  unsigned word;
  size_t tag;

  if (tcmi_thread_cache_state != CACHE_OPEN || leaf == NULL)
    return false;
  place = window_place(&leaf->window, object);
  word = leaf->window.words[place >> PLACES_SHIFT];
  tag = page_word_tag(word);
  bin = thread_cache_bin(cache, tag);
  if (bin->top >= bin->lim || !is_start(tag, page_word_place(word, place)) ||
      !mark_set(object, cache->mark))
    return false;
  *bin->top++ = object;
  tcmi_thread_bytes.freed += thread_cache_tag_size(tag);
  return true;
}
