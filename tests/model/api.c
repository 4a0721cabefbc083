/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The whole API in one thread, checked against a list of the allocated blocks
 * and their contents: contents, alignment, zeroed memory, sizes, errno, and
 * statistics that are exact to the byte.
 */
#include "model.h"

#include "base/params.h"
#include "cache/size_class.h"
#include "front/heap_check.h"

#define MOST 1500
#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

struct block {
  unsigned char *start;
  size_t size;   /* requested bytes; these are marked */
  size_t usable; /* bytes */
  uint64_t seed;
  tcm_heap **heap; /* the place of its heap, or NULL */
};

static struct block blocks[MOST];
static size_t nblocks;
static uint64_t usable_sum, next_seed; /* the sum without the heaps */
static tcm_heap *heaps[3];

static size_t
random_size(void)
{
  size_t kind = below(200);

  if (kind == 0)
    return one_in(40) ? 64 * MIB + below(32 * MIB) : below(4 * MIB);
  if (kind < 8)
    return below(200 * KIB);
  if (kind < 40)
    return below(SIZE_CLASS_MAX + 1);
  if (kind < 50)
    return size_class_size(1 + (unsigned)below(SIZE_CLASS_COUNT - 1));
  return below(kind < 150 ? 300 : 3000);
}

static void
expect_apart(const struct block *block)
{
  const struct block *other;

  for (other = blocks; other < blocks + nblocks; other++)
    MUST(other == block || other->start + other->usable <= block->start ||
         block->start + block->usable <= other->start);
}

static void
expect_contents(const struct block *block)
{
  MUST(model_is_marked(block->start, block->size, block->size, block->seed));
}

/* Adds a block that was just allocated to the list. */
static void
add_in(tcm_heap **heap, void *start, size_t size, size_t align)
{
  struct block *block = &blocks[nblocks++];

  MUST(start != NULL);
  MUST(memory_is_aligned(start, align));
  MUST(memory_is_aligned(start, memory_least_alignment(size)));
  block->start = start;
  block->size = size;
  block->usable = tcm_malloc_usable_size(start);
  block->seed = next_seed++;
  block->heap = heap;
  MUST(block->usable >= size);
  MUST(tcm_owns(start) == 1);
  expect_apart(block);
  usable_sum += heap == NULL ? block->usable : 0;
  model_mark(start, size, block->seed);
}

static void
add(void *start, size_t size, size_t align)
{
  add_in(NULL, start, size, align);
}

static void
forget(size_t i)
{
  usable_sum -= blocks[i].heap == NULL ? blocks[i].usable : 0;
  blocks[i] = blocks[--nblocks];
}

/* Removes a block from the list. */
static struct block
take(size_t i)
{
  struct block block = blocks[i];

  expect_contents(&block);
  forget(i);
  return block;
}

/* Whether an allocation failed, which requires a cause and sets errno. */
static bool
failed(const void *start, unsigned faults)
{
  if (start != NULL)
    return false;
  MUST(faults > 0 && errno == ENOMEM);
  return true;
}

static void
do_malloc(void)
{
  size_t size = random_size(), actual = 0;
  void *start;

  model_arm_faults(6);
  errno = 0;
  start = one_in(4) ? tcm_malloc_at_least(size, &actual) : tcm_malloc(size);
  if (failed(start, model_disarm_faults()))
    return;
  MUST(actual == 0 || actual == tcm_malloc_usable_size(start));
  MUST(tcm_malloc_usable_size(start) == tcm_good_size(size));
  add(start, size, 1);
}

static void
do_calloc(void)
{
  size_t size = random_size(), count = 1 + below(4);
  void *start;

  model_arm_faults(6);
  errno = 0;
  start = tcm_calloc(count, size / count);
  if (failed(start, model_disarm_faults()))
    return;
  MUST(memory_is_zero(start, size / count * count));
  add(start, size / count * count, 1);
}

static void
do_aligned(void)
{
  size_t size = random_size(), align = (size_t)1 << below(one_in(9) ? 22 : 13);
  void *start = NULL;
  int error = 0;

  model_arm_faults(6);
  errno = 0;
  switch (below(5)) {
  case 0:
    align = align < sizeof(void *) ? sizeof(void *) : align;
    error = tcm_posix_memalign(&start, align, size);
    MUST((error == 0 || error == ENOMEM) && errno == error);
    break;
  case 1:
    start = tcm_aligned_alloc(align, size);
    break;
  case 2:
    start = tcm_memalign(align - align / 3, size);
    align = align - align / 3;
    align = (align & (align - 1)) == 0 ? align : 1;
    break;
  case 3:
    align = tcmi_system_page_size();
    start = tcm_valloc(size);
    break;
  default:
    align = tcmi_system_page_size();
    start = tcm_pvalloc(size);
    break;
  }
  if (!failed(start, model_disarm_faults()))
    add(start, size, align);
}

static void
do_realloc(size_t i)
{
  struct block block = blocks[i];
  size_t size =
      one_in(4) ? block.size + below(block.size / 4 + 100) : random_size();
  void *start;

  expect_contents(&block);
  model_arm_faults(3);
  errno = 0;
  start = one_in(3) ? tcm_reallocarray(block.start, 1, size)
                    : tcm_realloc(block.start, size);
  if (size == 0) {
    (void)model_disarm_faults();
    MUST(start == NULL && errno == 0);
    forget(i);
    return;
  }
  if (failed(start, model_disarm_faults())) {
    expect_contents(&block);
    return;
  }
  MUST(model_is_marked(start, block.size, size < block.size ? size : block.size,
                       block.seed));
  forget(i);
  add_in(block.heap, start, size, 1);
}

/* A block grows in place, or stays as it is. */
static void
do_expand(size_t i)
{
  struct block block = blocks[i];
  size_t size = block.size + below(block.size / 2 + 100), usable;

  expect_contents(&block);
  model_arm_faults(3);
  errno = 0;
  usable = tcm_expand(block.start, size);
  (void)model_disarm_faults();
  expect_contents(&block);
  if (usable == 0) {
    MUST(errno == ENOMEM && size > block.usable);
    return;
  }
  MUST(usable >= size);
  (void)take(i);
  add_in(block.heap, block.start, size, 1);
}

/* A block of a heap, which is made first if it does not exist. */
static void
do_heap(void)
{
  tcm_heap **heap = &heaps[below(sizeof heaps / sizeof *heaps)];
  size_t size = random_size(), align = one_in(9) ? (size_t)1 << below(18) : 1;
  bool zero = one_in(3);
  void *start = NULL;

  model_arm_faults(6);
  errno = 0;
  if (*heap == NULL)
    *heap = tcm_heap_new();
  if (*heap == NULL)
    align = 1;
  else if (align > 1)
    start = tcm_heap_aligned_alloc(*heap, align, size);
  else
    start =
        zero ? tcm_heap_calloc(*heap, 1, size) : tcm_heap_malloc(*heap, size);
  if (failed(start, model_disarm_faults()))
    return;
  MUST(!zero || align > 1 || memory_is_zero(start, size));
  add_in(heap, start, size, align);
  MUST(tcm_heap_bytes(*heap) >= size);
}

static void
do_delete(tcm_heap **heap)
{
  size_t i = 0;

  while (i < nblocks)
    if (blocks[i].heap == heap && *heap != NULL)
      (void)take(i);
    else
      i++;
  errno = 4711;
  tcm_heap_delete(*heap);
  MUST(errno == 4711);
  *heap = NULL;
}

static void
do_impossible(void)
{
  static const size_t sizes[] = {SIZE_MAX, PTRDIFF_MAX, (size_t)PTRDIFF_MAX + 1,
                                 (size_t)1 << 47};
  size_t size = harness_size(sizes[below(4)]);

  errno = 0;
  MUST(tcm_malloc(size) == NULL && errno == ENOMEM);
  errno = 0;
  MUST(tcm_calloc(size / 3, 7) == NULL && errno == ENOMEM);
  errno = 0;
  MUST(tcm_memalign(harness_size(1000), size) == NULL && errno == ENOMEM);
  errno = 0;
  MUST(tcm_aligned_alloc(harness_size(48), 100) == NULL && errno == EINVAL);
  if (nblocks == 0)
    return;
  errno = 0;
  MUST(tcm_realloc(blocks[0].start, size) == NULL && errno == ENOMEM);
  errno = 0;
  MUST(tcm_reallocarray(blocks[0].start, size / 3, 7) == NULL &&
       errno == ENOMEM);
  expect_contents(&blocks[0]);
}

static void
do_free(size_t i)
{
  struct block block = take(i);

  errno = 4711;
  if (one_in(4))
    tcm_free_sized(block.start, block.size);
  else
    tcm_free(block.start);
  MUST(errno == 4711);
}

static void
do_batch(void)
{
  void *batch[200];
  size_t size = random_size() % (100 * KIB), n, got, i;

  n = below(200);
  if (n > MOST - nblocks)
    n = MOST - nblocks;
  model_arm_faults(3);
  errno = 0;
  got = tcm_malloc_batch(size, batch, n);
  MUST(model_disarm_faults() > 0 ? got <= n : got == n);
  MUST(got == n || errno == ENOMEM);
  for (i = 0; i < got; i++)
    add(batch[i], size, 1);
}

static void
do_free_batch(void)
{
  void *batch[300];
  size_t n = below(300), i;

  for (i = 0; i < n; i++)
    batch[i] = nblocks == 0 || one_in(10) ? NULL : take(below(nblocks)).start;
  errno = 4711;
  tcm_free_batch(batch, n);
  MUST(errno == 4711);
}

static void
expect_sums(void)
{
  struct tcm_stats s;
  uint64_t heap_sum = 0;
  size_t i;

  MUST(tcm_stats(&s, sizeof s) == 0);
  for (i = 0; i < sizeof heaps / sizeof *heaps; i++)
    heap_sum += heaps[i] == NULL ? 0 : tcm_heap_bytes(heaps[i]);
  MUST(s.in_use_bytes == usable_sum + heap_sum);
  MUST(s.in_use_bytes + s.thread_cache_bytes + s.transfer_cache_bytes +
           s.central_list_bytes + s.page_heap_bytes + s.returned_bytes +
           s.metadata_bytes ==
       s.mapped_bytes);
  MUST(s.mapped_bytes <= s.reserved_bytes);
  MUST(s.large_bytes <= s.in_use_bytes);
}

static void
do_release(void)
{
  size_t i;

  model_arm_faults(2);
  if (one_in(3))
    (void)tcm_malloc_trim(0);
  else
    (void)(one_in(2) ? tcm_release_at_most(below(4000000))
                     : tcm_release_free_memory());
  (void)model_disarm_faults();
  for (i = 0; i < nblocks; i++)
    expect_contents(&blocks[i]);
}

static void
do_whole_heap(void)
{
  switch (below(5)) {
  case 4:
    model.action = "heap delete";
    do_delete(&heaps[below(sizeof heaps / sizeof *heaps)]);
    break;
  case 0:
    model.action = "release";
    do_release();
    break;
  case 1:
    model.action = "idle";
    tcm_thread_idle();
    break;
  case 2:
    model.action = "heap check";
    tcmi_heap_check();
    break;
  default:
    model.action = "impossible";
    do_impossible();
    break;
  }
}

static void
do_allocation(size_t kind)
{
  if (kind < 20) {
    model.action = "heap";
    do_heap();
  } else if (kind < 60) {
    model.action = "malloc";
    do_malloc();
  } else if (kind < 80) {
    model.action = "calloc";
    do_calloc();
  } else {
    model.action = "aligned";
    do_aligned();
  }
}

static void
do_step(void)
{
  size_t kind = below(1000);

  /* Phases in which the heap fills alternate with phases in which it drains. */
  if (nblocks < MOST && kind < (model.step / 3000 % 2 ? 350u : 480u)) {
    do_allocation(below(100));
  } else if (kind < 490) {
    model.action = "batch";
    do_batch();
  } else if (kind < 500) {
    model.action = "free batch";
    do_free_batch();
  } else if (kind > 992) {
    do_whole_heap();
  } else if (nblocks > 0 && kind < 515) {
    model.action = "expand";
    do_expand(below(nblocks));
  } else if (nblocks > 0 && kind < 600) {
    model.action = "realloc";
    do_realloc(below(nblocks));
  } else if (nblocks > 0) {
    model.action = "free";
    do_free(below(nblocks));
  }
}

static void
run_steps(long steps)
{
  for (model.step = 0; model.step < steps; model.step++) {
    do_step();
    if (model.step % 64 == 0)
      expect_sums();
  }
  model.action = "end";
  for (size_t i = 0; i < sizeof heaps / sizeof *heaps; i++)
    do_delete(&heaps[i]);
  while (nblocks > 0)
    do_free(nblocks - 1);
  expect_sums();
  (void)tcm_release_free_memory();
  tcmi_heap_check();
  expect_sums();
  MUST(tcm_release_free_memory() == 0);
  MUST(model.failed > 0);
}

static void
run_checked(long steps)
{
  setenv("TCM_CHECK", "1", 1);
  run_steps(steps);
}

static void
run_with_pages_of_64_kib(long steps)
{
  setenv("TCM_PAGE_SIZE", "65536", 1);
  run_steps(steps);
}

static void
run_with_little_room(long steps)
{
  setenv("TCM_ARENA_BYTES", "4M", 1);
  setenv("TCM_THREAD_CACHE_BYTES", "64K", 1);
  setenv("TCM_CACHE_TOTAL_BYTES", "0", 1);
  run_steps(steps);
}

static void
plain(void)
{
  model_run(run_steps, 3, 60000);
}

static void
every_free_checked(void)
{
  model_run(run_checked, 2, 30000);
}

static void
pages_of_64_kib(void)
{
  model_run(run_with_pages_of_64_kib, 2, 30000);
}

static void
little_room(void)
{
  model_run(run_with_little_room, 2, 30000);
}

static const struct harness_case cases[] = {
    {"plain", plain},
    {"every_free_checked", every_free_checked},
    {"pages_of_64_kib", pages_of_64_kib},
    {"little_room", little_room},
};

MODEL_MAIN(cases)
