/* SPDX-License-Identifier: BSD-2-Clause */
/* tcm_walk_blocks: reports each block in use once, with its usable size, and no
 * free block, wherever a block comes from and wherever a free one is cached. */
#include "names.h"

#include "../support/child.h"

#include <pthread.h>

#ifdef TEST_DIRECT
#define walk_blocks tcm_walk_blocks
#define heap_new tcm_heap_new
#define heap_malloc tcm_heap_malloc
#define heap_delete tcm_heap_delete
#else
typedef struct tcm_heap tcm_heap;
static int (*walk_blocks)(int (*)(void *, size_t, void *), void *);
static tcm_heap *(*heap_new)(void);
static void *(*heap_malloc)(tcm_heap *, size_t);
static void (*heap_delete)(tcm_heap *);

__attribute__((constructor)) static void
find_all(void)
{
  names_find("tcm_walk_blocks", &walk_blocks);
  names_find("tcm_heap_new", &heap_new);
  names_find("tcm_heap_malloc", &heap_malloc);
  names_find("tcm_heap_delete", &heap_delete);
}
#endif

/* ---- What the test knows ------------------------------------------------- */

enum { KNOWN = 1 << 15 };

/* A block that the test allocated, and may have freed since. */
struct known {
  void *block;
  size_t size;
  int live;
  unsigned seen;
};

/* By address, open addressing. */
static struct known known[KNOWN];
static pthread_mutex_t known_lock = PTHREAD_MUTEX_INITIALIZER;

static struct known *
known_of(const void *block)
{
  size_t i = (size_t)((uintptr_t)block >> 4) * 40503 % KNOWN;

  while (known[i].block != NULL && known[i].block != block)
    i = (i + 1) % KNOWN;
  return &known[i];
}

static void *
keep(void *block)
{
  struct known *entry;

  REQUIRE(block != NULL);
  pthread_mutex_lock(&known_lock);
  entry = known_of(block);
  EXPECT_FOR(!entry->live, "%p is allocated twice", block);
  entry->block = block;
  entry->size = malloc_usable_size(block);
  entry->live = 1;
  pthread_mutex_unlock(&known_lock);
  return block;
}

static void
forget(const void *block)
{
  pthread_mutex_lock(&known_lock);
  known_of(block)->live = 0;
  pthread_mutex_unlock(&known_lock);
}

static void
drop(void *block)
{
  forget(block);
  free(block);
}

/* Frees all blocks that are left. */
static void
drop_all(void)
{
  size_t i;

  for (i = 0; i < KNOWN; i++)
    if (known[i].live)
      drop(known[i].block);
  memset(known, 0, sizeof known);
}

/* ---- Walks --------------------------------------------------------------- */

/* Counts the blocks that the test does not own: those of libc, which may lie
 * where the test had one. */
static int
see_at_rest(void *block, size_t size, void *others)
{
  struct known *entry = known_of(block);

  EXPECT_FOR(malloc_usable_size(block) == size, "%p has %zu bytes, not %zu",
             block, malloc_usable_size(block), size);
  if (!entry->live) {
    ++*(size_t *)others;
    return 0;
  }
  EXPECT_FOR(entry->size == size, "%p has %zu bytes, not %zu", block,
             entry->size, size);
  entry->seen++;
  return 0;
}

/* Each live block was seen once. */
static void
check_seen(void)
{
  size_t i;

  for (i = 0; i < KNOWN; i++) {
    if (known[i].live)
      EXPECT_FOR(known[i].seen == 1, "%p of %zu bytes was seen %u times",
                 known[i].block, known[i].size, known[i].seen);
    known[i].seen = 0;
  }
}

static void
check_at_rest(void)
{
  size_t others = 0;

  errno = 4711;
  EXPECT(walk_blocks(see_at_rest, &others) == 0);
  EXPECT(errno == 4711);
  check_seen();
#ifdef TEST_PREFIXED
  EXPECT_FOR(others == 0, "%zu", others);
#else
  EXPECT_FOR(others < 100, "%zu", others);
#endif
}

static void
every_size(void)
{
  size_t i, n;

  for (i = 0; i < NAMES_SIZE_COUNT && names_sizes[i] <= 3000000; i++) {
    for (n = 0; n < 3; n++)
      keep(malloc(harness_size(names_sizes[i])));
    drop(keep(calloc(1, harness_size(names_sizes[i]))));
  }
  check_at_rest();
  drop_all();
  check_at_rest();
}

static void
alignments(void)
{
  size_t alignment;

  for (alignment = 16; alignment <= (size_t)4 << 20; alignment *= 2) {
    keep(memalign(harness_size(alignment), harness_size(100)));
    keep(memalign(harness_size(alignment), harness_size(5000)));
    drop(keep(memalign(harness_size(alignment), harness_size(40000))));
  }
  check_at_rest();
  drop_all();
}

/* Blocks that moved by their pages, that have their own mapping, and a large
 * one that the thread holds after its free. */
static void
large_blocks(void)
{
  void *block = malloc(harness_size(2000000)), *behind;

  behind = keep(malloc(harness_size(100000)));
  block = keep(realloc(block, harness_size(9000000)));
  if (!harness_is_guarded()) /* those fill their blocks */
    keep(malloc(harness_size((size_t)1200 << 20)));
  drop(keep(malloc(harness_size(50000))));
  check_at_rest();
  drop(behind);
  check_at_rest();
  forget(block);
  keep(realloc(block, harness_size(40000)));
  check_at_rest();
  drop_all();
}

static void
blocks_of_heaps(void)
{
  tcm_heap *heap = heap_new(), *other = heap_new();
  size_t i, n;

  REQUIRE(heap != NULL && other != NULL);
  for (i = 0; i < NAMES_SIZE_COUNT && names_sizes[i] <= 300000; i++) {
    for (n = 0; n < 40; n++)
      keep(
          heap_malloc(n % 2 == 0 ? heap : other, harness_size(names_sizes[i])));
    drop(keep(heap_malloc(heap, harness_size(names_sizes[i]))));
  }
  check_at_rest();
  heap_delete(heap);
  heap_delete(other);
  for (i = 0; i < KNOWN; i++)
    known[i].live = 0;
  check_at_rest();
  memset(known, 0, sizeof known);
}

static int
stop_at_third(void *block, size_t size, void *count)
{
  (void)block;
  (void)size;
  return ++*(int *)count == 3 ? 42 : 0;
}

static void
callback_ends_the_walk(void)
{
  int count = 0, i;

  for (i = 0; i < 5; i++)
    keep(malloc(harness_size(100)));
  EXPECT(walk_blocks(stop_at_third, &count) == 42);
  EXPECT(count == 3);
  drop_all();
}

/* Frees what it sees, and allocates. */
static int
see_and_free(void *block, size_t size, void *unused)
{
  struct known *entry = known_of(block);

  (void)unused;
  if (!entry->live)
    return 0;
  EXPECT(entry->size == size);
  drop(block);
  entry->seen++;
  free(malloc(size + 1000));
  free(calloc(1, harness_size(24)));
  return 0;
}

static void
callback_frees(void)
{
  size_t i;

  for (i = 0; i < 2000; i++)
    keep(malloc(harness_size(i * 37 % 9000)));
  EXPECT(walk_blocks(see_and_free, NULL) == 0);
  for (i = 0; i < KNOWN; i++) {
    EXPECT(!known[i].live);
    EXPECT_FOR(known[i].block == NULL || known[i].seen == 1, "%p: %u",
               known[i].block, known[i].seen);
  }
  memset(known, 0, sizeof known);
}

/* ---- Threads ------------------------------------------------------------- */

enum { THREADS = 4, EACH = 1500 };

static pthread_barrier_t barrier;
static int stop;

static size_t
some_size(uint64_t *random)
{
  uint64_t r = harness_random(random);

  return r % 100 == 0 ? 40000 : (size_t)(r >> 8) % (r % 10 == 0 ? 20000 : 300);
}

/* Leaves blocks in use and free ones in its cache, and waits. */
static void *
leave_blocks(void *number)
{
  uint64_t random = harness.seed + (uint64_t)(uintptr_t)number;
  void *blocks[EACH];
  size_t i;

  for (i = 0; i < EACH; i++)
    blocks[i] = keep(malloc(some_size(&random)));
  for (i = 0; i < EACH; i++)
    if (harness_random(&random) % 3 != 0)
      drop(blocks[i]);
  pthread_barrier_wait(&barrier);
  pthread_barrier_wait(&barrier);
  return NULL;
}

static void
threads_wait(void)
{
  pthread_t threads[THREADS];
  size_t i;

  REQUIRE(pthread_barrier_init(&barrier, NULL, THREADS + 1) == 0);
  for (i = 0; i < THREADS; i++)
    REQUIRE(pthread_create(&threads[i], NULL, leave_blocks, (void *)i) == 0);
  pthread_barrier_wait(&barrier);
  check_at_rest();
  pthread_barrier_wait(&barrier);
  for (i = 0; i < THREADS; i++)
    REQUIRE(pthread_join(threads[i], NULL) == 0);
  /* The caches are orphaned now. */
  check_at_rest();
  drop_all();
  check_at_rest();
}

/* Blocks of other sizes and of the same ones come and go. */
static void *
churn(void *number)
{
  uint64_t random = harness.seed + (uint64_t)(uintptr_t)number;
  void *blocks[64] = {NULL};

  while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
    size_t i = (size_t)harness_random(&random) % 64;
    if (i % 8 == 0) {
      blocks[i] = realloc(blocks[i], 30000 + some_size(&random));
    } else {
      free(blocks[i]);
      blocks[i] = malloc(some_size(&random) + 1);
    }
    REQUIRE(blocks[i] != NULL);
    *(char *)blocks[i] = 1;
  }
  for (size_t i = 0; i < 64; i++)
    free(blocks[i]);
  return NULL;
}

static int
see_at_work(void *block, size_t size, void *unused)
{
  struct known *entry = known_of(block);

  (void)unused;
  if (entry->live) {
    EXPECT_FOR(entry->size == size, "%p has %zu bytes, not %zu", block,
               entry->size, size);
    entry->seen++;
  }
  return 0;
}

static void
walk_at_work(void)
{
  EXPECT(walk_blocks(see_at_work, NULL) == 0);
  check_seen();
}

static void
threads_work(void)
{
  pthread_t threads[THREADS];
  uint64_t random = 1;
  long n;
  size_t i;

  for (i = 0; i < EACH; i++)
    keep(malloc(some_size(&random)));
  stop = 0;
  for (i = 0; i < THREADS; i++)
    REQUIRE(pthread_create(&threads[i], NULL, churn, (void *)i) == 0);
  for (n = harness_count(20, 2000); n > 0; n--)
    walk_at_work();
  /* The other threads' caches are copied in the middle of an operation. */
  EXPECT(child_run(walk_at_work));
  __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
  for (i = 0; i < THREADS; i++)
    REQUIRE(pthread_join(threads[i], NULL) == 0);
  drop_all();
}

int
main(int argc, char **argv)
{
  static const struct harness_case cases[] = {
      {"every_size", every_size},
      {"alignments", alignments},
      {"large_blocks", large_blocks},
      {"blocks_of_heaps", blocks_of_heaps},
      {"callback_ends_the_walk", callback_ends_the_walk},
      {"callback_frees", callback_frees},
      {"threads_wait", threads_wait},
      {"threads_work", threads_work},
  };

  return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
