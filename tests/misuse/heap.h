/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * heap.h - blocks of a heap of the program, for the programs of misuse.h.
 *
 * Another allocator has no such heaps: the program then exits with 99, as for
 * any missing function.
 */
#ifndef TCM_TESTS_MISUSE_HEAP_H
#define TCM_TESTS_MISUSE_HEAP_H

#include "misuse.h"

static void *
heap_new(void)
{
  void *symbol = dlsym(RTLD_DEFAULT, "tcm_heap_new"), *heap;
  void *(*call)(void);

  if (symbol == NULL)
    _exit(99);
  memcpy(&call, &symbol, sizeof call);
  heap = call();
  if (heap == NULL)
    _exit(99);
  return heap;
}

/* One of two blocks of the heap. */
static __attribute__((unused)) void *
heap_block(void *heap, size_t size)
{
  void *symbol = dlsym(RTLD_DEFAULT, "tcm_heap_malloc"), *block;
  void *(*call)(void *, size_t);

  if (symbol == NULL)
    _exit(99);
  memcpy(&call, &symbol, sizeof call);
  block = call(heap, size);
  if (block == NULL || hidden(call(heap, size)) == NULL)
    _exit(99);
  memset(block, 1, size);
  return hidden(block);
}

static __attribute__((unused)) void
heap_delete(void *heap)
{
  call_by_name("tcm_heap_delete", heap);
}

#endif /* TCM_TESTS_MISUSE_HEAP_H */
