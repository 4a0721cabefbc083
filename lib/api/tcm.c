/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interface of tcm.h, which says what each function does.
 */
#include "config.h"

#include "tcm.h"

#include <string.h>

#include "api/names.h"
#include "front/allocate.h"
#include "front/counting.h"
#include "front/heaps.h"
#include "heap/pagemap.h"
#include "observe/stats.h"
#include "observe/walk.h"
#include "process/release.h"
#include "profile/profile.h"

EXPORT void *
tcm_malloc(size_t size)
{
  return tcmi_allocate(size);
}

EXPORT void
tcm_free(void *ptr)
{
  tcmi_free(ptr);
}

EXPORT void *
tcm_calloc(size_t count, size_t size)
{
  return tcmi_allocate_zeroed(count, size);
}

EXPORT void *
tcm_realloc(void *ptr, size_t size)
{
  return tcmi_reallocate(ptr, size);
}

EXPORT void *
tcm_reallocarray(void *ptr, size_t count, size_t size)
{
  return name_reallocarray(tcmi_reallocate, ptr, count, size);
}

EXPORT void *
tcm_memalign(size_t alignment, size_t size)
{
  return name_memalign(tcmi_allocate_aligned, alignment, size);
}

EXPORT void *
tcm_aligned_alloc(size_t alignment, size_t size)
{
  return name_aligned_alloc(tcmi_allocate_aligned, alignment, size);
}

EXPORT int
tcm_posix_memalign(void **out, size_t alignment, size_t size)
{
  return name_posix_memalign(tcmi_allocate_aligned, out, alignment, size);
}

EXPORT void *
tcm_valloc(size_t size)
{
  return name_valloc(tcmi_allocate_aligned, size);
}

EXPORT void *
tcm_pvalloc(size_t size)
{
  return name_pvalloc(tcmi_allocate_aligned, size);
}

EXPORT size_t
tcm_malloc_usable_size(void *ptr)
{
  return name_usable_size(ptr);
}

EXPORT void
tcm_free_sized(void *ptr, size_t size)
{
  name_free_sized("free_sized", ptr, size, /*align=*/0);
}

EXPORT void
tcm_free_aligned_sized(void *ptr, size_t alignment, size_t size)
{
  name_free_sized("free_aligned_sized", ptr, size, alignment);
}

EXPORT size_t
tcm_expand(void *ptr, size_t size)
{
  return tcmi_expand(CALL_HERE("tcm_expand"), ptr, size);
}

EXPORT size_t
tcm_good_size(size_t size)
{
  return tcmi_good_size(size);
}

EXPORT void *
tcm_malloc_at_least(size_t size, size_t *actual)
{
  void *block = tcmi_allocate(size);

  if (block != NULL)
    *actual = tcmi_good_size(size);
  return block;
}

EXPORT size_t
tcm_release_free_memory(void)
{
  tcmi_guard_verify("tcm_release_free_memory");
  return tcmi_release_all();
}

EXPORT size_t
tcm_release_at_most(size_t bytes)
{
  return tcmi_release_at_most(bytes);
}

EXPORT int
tcm_malloc_trim(size_t pad)
{
  tcmi_guard_verify("tcm_malloc_trim");
  return tcmi_release_all_but(pad) > 0;
}

EXPORT void
tcm_thread_idle(void)
{
  if (thread_has_cache())
    tcmi_thread_cache_flush(tcmi_thread_cache);
}

EXPORT int
tcm_owns(const void *ptr)
{
  return tcmi_pagemap_find((uintptr_t)ptr) != NULL;
}

EXPORT tcm_heap *
tcm_heap_new(void)
{
  return tcmi_heap_new();
}

EXPORT void *
tcm_heap_malloc(tcm_heap *heap, size_t size)
{
  void *block = heap_take(heap, size);

  if (likely(block != NULL))
    return block;
  return tcmi_heap_allocate(CALL_HERE("tcm_heap_malloc"), heap, 1, size,
                            /*zero=*/false);
}

EXPORT void *
tcm_heap_calloc(tcm_heap *heap, size_t count, size_t size)
{
  size_t bytes;
  void *block;

  if (unlikely(__builtin_mul_overflow(count, size, &bytes)))
    bytes = SIZE_MAX;
  block = heap_take(heap, bytes);
  if (likely(block != NULL))
    return memset(block, 0, size_class_size(size_class_of(bytes)));
  return tcmi_heap_allocate(CALL_HERE("tcm_heap_calloc"), heap, 1, bytes,
                            /*zero=*/true);
}

EXPORT void *
tcm_heap_aligned_alloc(tcm_heap *heap, size_t alignment, size_t size)
{
  void *block;

  if (unlikely(!is_power_of_two(alignment))) {
    errno = EINVAL;
    return NULL;
  }
  if (alignment <= BLOCK_ALIGN && (block = heap_take(heap, size)) != NULL)
    return block;
  return tcmi_heap_allocate(CALL_HERE("tcm_heap_aligned_alloc"), heap,
                            alignment, size, /*zero=*/false);
}

EXPORT size_t
tcm_heap_bytes(const tcm_heap *heap)
{
  return tcmi_heap_bytes(CALL_HERE("tcm_heap_bytes"), heap);
}

EXPORT void
tcm_heap_delete(tcm_heap *heap)
{
  tcmi_heap_delete(CALL_HERE("tcm_heap_delete"), heap);
}

EXPORT int
tcm_option_get(const char *name, uint64_t *value)
{
  enum option_id id = tcmi_option_find(name);

  tcmi_process_start();
  if (id == OPTION_COUNT) {
    errno = ENOENT;
    return -1;
  }
  *value = tcmi_option(id);
  return 0;
}

EXPORT int
tcm_option_set(const char *name, uint64_t value)
{
  enum option_id id = tcmi_option_find(name);
  int error;

  tcmi_process_start();
  error =
      id == OPTION_COUNT ? -ENOENT : tcmi_option_change(id, value, SOURCE_API);
  tcmi_profile_apply();
  if (error == 0)
    return 0;
  errno = -error;
  return -1;
}

EXPORT int
tcm_option_info(size_t index, struct tcm_option_info *info)
{
  const struct option_row *option;

  tcmi_process_start();
  if (index >= OPTION_COUNT) {
    errno = ENOENT;
    return -1;
  }
  option = &tcmi_option_table[index];
  info->name = option->name;
  info->help = option->help;
  info->value = tcmi_option((enum option_id)index);
  info->default_value = option->default_value;
  info->min = option->min;
  info->max = option->max;
  info->source =
      (enum tcm_option_source)tcmi_option_source((enum option_id)index);
  info->fixed = option->fixed;
  return 0;
}

EXPORT int
tcm_stats(struct tcm_stats *stats, size_t size)
{
  struct tcm_stats own;

  if (size == 0) {
    errno = EINVAL;
    return -1;
  }
  tcmi_stats_collect(&own);
  memset(stats, 0, size);
  memcpy(stats, &own, min_size(size, sizeof own));
  return 0;
}

EXPORT int
tcm_count_thread_bytes(int on)
{
  tcmi_enter_allocation();
  if (tcmi_counting_set(on != 0))
    return 0;
  errno = ENOMEM;
  return -1;
}

EXPORT int
tcm_thread_bytes(struct tcm_thread_bytes *bytes, size_t size)
{
  struct tcm_thread_bytes own = {tcmi_thread_bytes.allocated,
                                 tcmi_thread_bytes.freed};

  if (size == 0) {
    errno = EINVAL;
    return -1;
  }
  memset(bytes, 0, size);
  memcpy(bytes, &own, min_size(size, sizeof own));
  return 0;
}

static void
to_descriptor(void *to, const char *text, size_t length)
{
  tcmi_system_write(*(int *)to, text, length);
}

EXPORT int
tcm_stats_print(int fd, enum tcm_stats_format format)
{
  if (format == TCM_STATS_TEXT)
    tcmi_stats_print_text(to_descriptor, &fd);
  else if (format == TCM_STATS_JSON)
    tcmi_stats_print_json(to_descriptor, &fd);
  else if (format == TCM_STATS_XML)
    tcmi_stats_print_xml(to_descriptor, &fd);
  else {
    errno = EINVAL;
    return -1;
  }
  return 0;
}

EXPORT int
tcm_walk_blocks(tcm_block_callback callback, void *arg)
{
  int result;

  tcmi_process_start();
  if (tcmi_walk_blocks(callback, arg, &result))
    return result;
  errno = ENOMEM;
  return -1;
}

EXPORT const char *
tcm_version(void)
{
  return PACKAGE_VERSION;
}
