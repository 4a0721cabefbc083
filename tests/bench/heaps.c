/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * heaps.c - blocks of a heap that is freed at once.
 *
 * tcm and mimalloc have such heaps; their functions are looked up at run time.
 * With an allocator that has none, the blocks come from malloc and are freed
 * one by one: what the same program would do there.
 */
#include "workload.h"

#include <dlfcn.h>
#include <string.h>

#define BLOCKS 1000
#define SIZE 64

struct heap_functions {
  void *(*make)(void);
  void *(*allocate)(void *heap, size_t size);
  void (*destroy)(void *heap); /* frees all blocks */
};

/* Whether the allocator has all three. */
static int
find(struct heap_functions *functions, const char *make, const char *allocate,
     const char *destroy)
{
  void *symbols[3] = {dlsym(RTLD_DEFAULT, make), dlsym(RTLD_DEFAULT, allocate),
                      dlsym(RTLD_DEFAULT, destroy)};

  memcpy(&functions->make, &symbols[0], sizeof functions->make);
  memcpy(&functions->allocate, &symbols[1], sizeof functions->allocate);
  memcpy(&functions->destroy, &symbols[2], sizeof functions->destroy);
  return symbols[0] != NULL && symbols[1] != NULL && symbols[2] != NULL;
}

static int
find_any(struct heap_functions *functions)
{
  return find(functions, "tcm_heap_new", "tcm_heap_malloc",
              "tcm_heap_delete") ||
         find(functions, "mi_heap_new", "mi_heap_malloc", "mi_heap_destroy");
}

static void *
label(void *block)
{
  return block_label(block, SIZE);
}

static void
pair_run(const struct work *work)
{
  struct heap_functions functions;
  void *heap = find_any(&functions) ? functions.make() : NULL;

  for (uint64_t i = 0; i < work->ops; i++) {
    void *block = heap != NULL ? functions.allocate(heap, SIZE) : malloc(SIZE);
    escape(label(block));
    free(block);
  }
  if (heap != NULL)
    functions.destroy(heap);
}

static void
build_with_malloc(void **blocks)
{
  for (unsigned i = 0; i < BLOCKS; i++)
    blocks[i] = block_new(SIZE);
  for (unsigned i = 0; i < BLOCKS; i++)
    block_free(blocks[i]);
}

static void
build_heap(const struct heap_functions *functions, void **blocks)
{
  void *heap = functions->make();

  if (heap == NULL)
    die("no heap");
  for (unsigned i = 0; i < BLOCKS; i++)
    blocks[i] = label(functions->allocate(heap, SIZE));
  for (unsigned i = 0; i < BLOCKS; i++)
    block_check(blocks[i]);
  functions->destroy(heap);
}

static void
build_run(const struct work *work)
{
  struct heap_functions functions;
  int found = find_any(&functions);
  void **blocks = table_new(BLOCKS, sizeof *blocks);

  for (uint64_t i = 0; i < work->ops; i += BLOCKS)
    if (found)
      build_heap(&functions, blocks);
    else
      build_with_malloc(blocks);
  table_free(blocks, BLOCKS, sizeof *blocks);
}

const struct shape heaps_shapes[] = {
    {"heap-pair", pair_run, "one block of a heap, freed alone"},
    {"heap-build", build_run,
     "one of the 1000 blocks of a heap that is freed at once"},
    {0}};
