/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "front/heaps.h"

#include <errno.h>

#include "front/allocate.h"
#include "front/guard.h"
#include "front/raw.h"
#include "process/background.h"

static ALWAYS_INLINE void
check_alive(struct call call, const struct tcm_heap *heap)
{
  if (unlikely(!slab_heap_is_alive(heap)))
    tcmi_misuse(call, "heap was deleted", (uintptr_t)heap);
}

struct tcm_heap *
tcmi_heap_new(void)
{
  struct tcm_heap *heap;

  tcmi_enter_allocation();
  heap = tcmi_slab_heap_new();
  if (unlikely(heap == NULL))
    errno = ENOMEM;
  return heap;
}

void *
tcmi_heap_allocate(struct call call, struct tcm_heap *heap, size_t align,
                   size_t size, bool zero)
{
  void *block;

  check_alive(call, heap);
  tcmi_enter_allocation();
  block = guard_is_on()
              ? tcmi_guard_allocate(call.from, heap, align, size, zero)
              : tcmi_raw_allocate_in(heap, align, size, zero);
  if (unlikely(block == NULL))
    errno = ENOMEM;
  return block;
}

void
tcmi_heap_delete(struct call call, struct tcm_heap *heap)
{
  if (heap == NULL)
    return;
  check_alive(call, heap);
  if (guard_is_on())
    tcmi_guard_forget_heap(call, heap);
  tcmi_slab_heap_delete(heap);
  background_poll();
}

size_t
tcmi_heap_bytes(struct call call, const struct tcm_heap *heap)
{
  check_alive(call, heap);
  return atomic_load_relaxed(&heap->bytes);
}
