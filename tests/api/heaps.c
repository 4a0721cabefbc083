/* SPDX-License-Identifier: BSD-2-Clause */
/* tcm_heap_new and its siblings: blocks that are freed alone or with their
 * heap, by any thread, while malloc has blocks too. */
#include "names.h"

#include "../support/child.h"

#include <pthread.h>

#ifdef TEST_DIRECT
#define heap_new tcm_heap_new
#define heap_malloc tcm_heap_malloc
#define heap_calloc tcm_heap_calloc
#define heap_aligned_alloc tcm_heap_aligned_alloc
#define heap_bytes tcm_heap_bytes
#define heap_delete tcm_heap_delete
#define option_set tcm_option_set
#else
typedef struct tcm_heap tcm_heap;
static tcm_heap *(*heap_new)(void);
static void *(*heap_malloc)(tcm_heap *, size_t);
static void *(*heap_calloc)(tcm_heap *, size_t, size_t);
static void *(*heap_aligned_alloc)(tcm_heap *, size_t, size_t);
static size_t (*heap_bytes)(const tcm_heap *);
static void (*heap_delete)(tcm_heap *);
static int (*option_set)(const char *, uint64_t);

__attribute__((constructor)) static void
find_all(void)
{
  names_find("tcm_heap_new", &heap_new);
  names_find("tcm_heap_malloc", &heap_malloc);
  names_find("tcm_heap_calloc", &heap_calloc);
  names_find("tcm_heap_aligned_alloc", &heap_aligned_alloc);
  names_find("tcm_heap_bytes", &heap_bytes);
  names_find("tcm_heap_delete", &heap_delete);
  names_find("tcm_option_set", &option_set);
}
#endif

static tcm_heap *
make_heap(void)
{
  tcm_heap *heap = heap_new();

  REQUIRE(heap != NULL);
  return heap;
}

/* A filled block of the heap. */
static void *
make_block(tcm_heap *heap, size_t size, uint64_t seed)
{
  void *block = heap_malloc(heap, harness_size(size));

  REQUIRE(block != NULL);
  EXPECT_FOR(memory_is_aligned(block, 16), "size %zu", size);
  EXPECT_FOR(malloc_usable_size(block) >= size, "size %zu", size);
  memory_fill(block, size, seed);
  return block;
}

static void
every_size(void)
{
  static void *block[3 * NAMES_SIZE_COUNT];
  tcm_heap *heap = make_heap();
  size_t i, sum = 0;

  for (i = 0; i < 3 * NAMES_SIZE_COUNT; i++) {
    block[i] = make_block(heap, names_sizes[i / 3], i);
    sum += names_sizes[i / 3];
    EXPECT(harness_owns(block[i]));
  }
  EXPECT_FOR(heap_bytes(heap) >= sum, "%zu of %zu", heap_bytes(heap), sum);
  for (i = 0; i < 3 * NAMES_SIZE_COUNT; i++) {
    EXPECT_FOR(memory_holds(block[i], names_sizes[i / 3], i), "block %zu", i);
    errno = 4711;
    if (i % 3 == 1)
      free(block[i]);
    EXPECT(errno == 4711);
  }
  heap_delete(heap);
  EXPECT(errno == 4711);
  EXPECT(!harness_owns(block[3 * NAMES_SIZE_COUNT - 1]));
}

static void
null_heap_is_allowed(void)
{
  errno = 4711;
  heap_delete(NULL);
  heap_delete(make_heap());
  EXPECT(errno == 4711);
}

/* A zeroed block in freed memory is zero up to its last usable byte. */
static void
calloc_is_zero(void)
{
  tcm_heap *heap = make_heap();
  size_t i, round;

  for (i = 0; i < NAMES_SIZE_COUNT && names_sizes[i] <= 3000000; i++) {
    for (round = 0; round < 3; round++) {
      size_t size = names_sizes[i], usable;
      unsigned char *block = (unsigned char *)heap_calloc(heap, 1, size);
      REQUIRE(block != NULL);
      usable = malloc_usable_size(block);
      EXPECT_FOR(memory_is_zero(block, usable), "size %zu", size);
      memset(block, 0xee, usable);
      free(block);
    }
  }
  errno = 0;
  EXPECT(heap_calloc(heap, harness_size(SIZE_MAX / 2), 3) == NULL);
  EXPECT(errno == ENOMEM);
  heap_delete(heap);
}

static void
impossible_sizes(void)
{
  tcm_heap *heap = make_heap();
  size_t i;

  for (i = 0; i < NAMES_IMPOSSIBLE_COUNT; i++) {
    errno = 0;
    EXPECT(heap_malloc(heap, harness_size(names_impossible[i])) == NULL);
    EXPECT(errno == ENOMEM);
    errno = 0;
    EXPECT(heap_aligned_alloc(heap, 64, harness_size(names_impossible[i])) ==
           NULL);
    EXPECT(errno == ENOMEM);
  }
  free(make_block(heap, 100, 1));
  heap_delete(heap);
}

static void
alignments(void)
{
  tcm_heap *heap = make_heap();
  size_t alignment, i;

  for (alignment = 1; alignment <= (size_t)4 << 20; alignment *= 2) {
    for (i = 0; i < NAMES_SIZE_COUNT && names_sizes[i] <= 70000; i += 3) {
      void *block = heap_aligned_alloc(heap, harness_size(alignment),
                                       harness_size(names_sizes[i]));
      REQUIRE(block != NULL);
      EXPECT_FOR(memory_is_aligned(block, alignment), "%zu, %zu", alignment,
                 names_sizes[i]);
      memset(block, 1, names_sizes[i]);
      if (i % 2 == 0)
        free(block);
    }
  }
  for (i = 0; i < 100; i += 3) {
    errno = 0;
    EXPECT(heap_aligned_alloc(heap, harness_size(i == 0 ? 0 : 2 * i + 1), 10) ==
           NULL);
    EXPECT_FOR(errno == EINVAL, "%zu", i);
  }
  heap_delete(heap);
}

/* Resizes a filled block of @size bytes. */
static void *
resize(void *block, size_t size, size_t wanted, uint64_t seed)
{
  void *moved = realloc(block, harness_size(wanted));

  REQUIRE(moved != NULL);
  EXPECT_FOR(memory_holds(moved, size < wanted ? size : wanted, seed),
             "%zu to %zu bytes", size, wanted);
  EXPECT(malloc_usable_size(moved) >= wanted);
  memory_fill(moved, wanted, seed);
  return moved;
}

/* A block that realloc moves stays in its heap: it is freed with the heap. */
static void
realloc_stays_in_the_heap(void)
{
  static const size_t sizes[] = {1,     10,     100,     1000,    30000,
                                 40000, 300000, 3000000, 9000000, 5000000,
                                 35000, 500,    50000,   20};
  size_t count = sizeof sizes / sizeof *sizes, from, i;

  for (from = 0; from < count; from++) {
    tcm_heap *heap = make_heap();
    void *block = make_block(heap, sizes[from], from), *kept;
    for (i = from + 1; i < count; i++) {
      block = resize(block, sizes[i - 1], sizes[i], from);
      EXPECT_FOR(heap_bytes(heap) >= sizes[i], "%zu", heap_bytes(heap));
    }
    errno = 0;
    kept = realloc(block, harness_size(SIZE_MAX / 2));
    EXPECT(kept == NULL && errno == ENOMEM);
    EXPECT(memory_holds(block, sizes[count - 1], from));
    heap_delete(heap);
    EXPECT(!harness_owns(block));
  }
}

static void
realloc_to_nothing(void)
{
  tcm_heap *heap = make_heap();
  void *block = make_block(heap, 100000, 1);

  EXPECT(realloc(block, harness_size(0)) == NULL);
  EXPECT(heap_bytes(heap) == 0);
  heap_delete(heap);
}

static void
sized_frees(void)
{
  void *symbol = NAMES_FIND(free_sized);
  tcm_heap *heap = make_heap();
  void (*function)(void *, size_t);
  size_t i;

  EXPECT(symbol != NULL);
  if (symbol == NULL)
    return;
  memcpy(&function, &symbol, sizeof function);
  for (i = 0; i < NAMES_SIZE_COUNT; i++)
    function(make_block(heap, names_sizes[i], i), names_sizes[i]);
  heap_delete(heap);
}

enum { MANY = 4000 };
static void *many[2][MANY];

static size_t
many_size(size_t i)
{
  return i % 200 == 0 ? 40000 : i * 13 % 1500;
}

/* malloc reuses the memory of a deleted heap, but not that of a live one. */
static void
deleted_memory_is_used_again(void)
{
  tcm_heap *kept = make_heap(), *heap = make_heap();
  size_t i;

  for (i = 0; i < MANY; i++) {
    many[0][i] = make_block(kept, many_size(i), i);
    many[1][i] = make_block(heap, many_size(i), MANY + i);
    if (i % 3 == 0)
      free(many[1][i]);
  }
  heap_delete(heap);
  for (i = 0; i < MANY; i++) {
    many[1][i] = malloc(harness_size(many_size(i)));
    REQUIRE(many[1][i] != NULL);
    memory_fill(many[1][i], many_size(i), 2 * MANY + i);
  }
  for (i = 0; i < MANY; i++) {
    EXPECT_FOR(memory_holds(many[0][i], many_size(i), i), "block %zu", i);
    EXPECT_FOR(memory_holds(many[1][i], many_size(i), 2 * MANY + i),
               "block %zu", i);
    free(many[1][i]);
    if (i % 2 == 0)
      free(many[0][i]);
  }
  heap_delete(kept);
}

/* A heap whose blocks were all freed one by one holds little memory. */
static void
freed_memory_leaves_the_heap(void)
{
  tcm_heap *heap = make_heap();
  size_t i, most;

  for (i = 0; i < MANY; i++)
    many[0][i] = make_block(heap, 700, i);
  most = heap_bytes(heap);
  EXPECT_FOR(most >= (size_t)MANY * 700, "%zu", most);
  EXPECT_FOR(most <= (size_t)MANY * 1000, "%zu", most);
  for (i = 0; i < MANY; i++)
    free(many[0][i]);
  EXPECT_FOR(heap_bytes(heap) <= 131072, "%zu of %zu", heap_bytes(heap), most);
  heap_delete(heap);
}

static void
hard_limit(void)
{
  tcm_heap *heap = make_heap();
  size_t n = 0;
  void *block;

  REQUIRE(option_set("hard_limit_bytes", (uint64_t)48 << 20) == 0);
  errno = 0;
  while ((block = heap_malloc(heap, harness_size(100000))) != NULL && n < 10000)
    n++;
  EXPECT_FOR(n > 50 && n < 500, "%zu", n);
  EXPECT(errno == ENOMEM);
  errno = 0;
  while ((block = heap_calloc(heap, 1, harness_size(30000))) != NULL &&
         n < 10000)
    n++;
  EXPECT(errno == ENOMEM && n < 10000);
  heap_delete(heap);
  heap = make_heap();
  (void)make_block(heap, 1000000, 1);
  heap_delete(heap);
  REQUIRE(option_set("hard_limit_bytes", 0) == 0);
}

enum { THREADS = 4, SLOTS = 512, HEAPS = 3 };

/* A block that any thread may take: its first word is its size. */
static size_t *slots[SLOTS];
static tcm_heap *heaps[HEAPS];
static int stop;

static void
check_and_free(size_t *block)
{
  if (block == NULL)
    return;
  EXPECT(memory_holds(block + 1, block[0] - sizeof *block, block[0]));
  free(block);
}

/* One step of a thread: exchanges a block in a slot for a new one, from a heap
 * or from malloc; or resizes it. */
static void
step(uint64_t *random)
{
  uint64_t r = harness_random(random);
  size_t slot = (size_t)r % SLOTS, kind = (size_t)(r >> 16) % 8;
  size_t size = kind == 0 ? 40000 : 16 + (size_t)(r >> 24) % 1000;
  size_t *block = __atomic_exchange_n(&slots[slot], NULL, __ATOMIC_ACQ_REL);

  if (kind == 1 && block != NULL) {
    EXPECT(memory_holds(block + 1, block[0] - sizeof *block, block[0]));
    block = (size_t *)realloc(block, size);
  } else {
    check_and_free(block);
    block = (size_t *)(kind == 2 ? malloc(size)
                                 : heap_malloc(heaps[kind % HEAPS], size));
  }
  REQUIRE(block != NULL);
  block[0] = size;
  memory_fill(block + 1, size - sizeof *block, size);
  check_and_free(__atomic_exchange_n(&slots[slot], block, __ATOMIC_ACQ_REL));
}

static void *
work(void *number)
{
  uint64_t random = harness.seed + (uint64_t)(uintptr_t)number;
  long n = harness_count(4000, 400000);

  while (n-- > 0 && !__atomic_load_n(&stop, __ATOMIC_RELAXED))
    step(&random);
  return NULL;
}

/* Holds the lock of one heap or another for much of its time. */
static void *
hammer(void *number)
{
  size_t i = (size_t)number;

  while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
    free(heap_malloc(heaps[i++ % HEAPS], harness_size(64)));
  return NULL;
}

/* One thread works; the others do too, or repeat the work until they are
 * stopped. */
static void
start_threads(pthread_t *threads, void *(*others)(void *))
{
  size_t i;

  stop = 0;
  for (i = 0; i < HEAPS; i++)
    heaps[i] = make_heap();
  for (i = 0; i < THREADS; i++)
    REQUIRE(pthread_create(&threads[i], NULL, i == 0 ? work : others,
                           (void *)(i + 1)) == 0);
}

/* Frees the blocks of malloc; those of the heaps are freed with their heap. */
static void
end_threads(pthread_t *threads)
{
  size_t i;

  for (i = 0; i < THREADS; i++)
    REQUIRE(pthread_join(threads[i], NULL) == 0);
  for (i = 0; i < SLOTS; i++)
    if (slots[i] != NULL)
      EXPECT(memory_holds(slots[i] + 1, slots[i][0] - sizeof *slots[i],
                          slots[i][0]));
  for (i = 0; i < HEAPS; i++)
    heap_delete(heaps[i]);
  memset(slots, 0, sizeof slots);
}

static void
threads_share_heaps(void)
{
  pthread_t threads[THREADS];

  start_threads(threads, work);
  end_threads(threads);
}

/* In the child: each heap works, whichever thread held its lock. */
static void
use_in_child(void)
{
  size_t i;

  for (i = 0; i < HEAPS; i++) {
    void *block = heap_malloc(heaps[i], 100);
    CHILD_EXPECT(block != NULL);
    block = realloc(block, 50000);
    CHILD_EXPECT(block != NULL);
    free(block);
    free(heap_calloc(heaps[i], 10, 10));
    heap_delete(heaps[i]);
  }
  heap_delete(heap_new());
}

static void
fork_while_threads_work(void)
{
  pthread_t threads[THREADS];
  long i;

  start_threads(threads, hammer);
  for (i = harness_count(20, 500); i > 0; i--)
    EXPECT(child_run(use_in_child));
  __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
  end_threads(threads);
}

static const struct harness_case cases[] = {
    {"every-size", every_size},
    {"null-heap-is-allowed", null_heap_is_allowed},
    {"calloc-is-zero", calloc_is_zero},
    {"impossible-sizes", impossible_sizes},
    {"alignments", alignments},
    {"realloc-stays-in-the-heap", realloc_stays_in_the_heap},
    {"realloc-to-nothing", realloc_to_nothing},
    {"sized-frees", sized_frees},
    {"deleted-memory-is-used-again", deleted_memory_is_used_again},
    {"freed-memory-leaves-the-heap", freed_memory_leaves_the_heap},
    {"hard-limit", hard_limit},
    {"threads-share-heaps", threads_share_heaps},
    {"fork-while-threads-work", fork_while_threads_work},
};

int
main(int argc, char **argv)
{
#ifndef TEST_DIRECT
  if (heap_new == NULL) {
    harness_say("the allocator has no heaps");
    return HARNESS_SKIP;
  }
#endif
  return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
