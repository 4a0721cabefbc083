/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stress.c - threads that allocate, check, resize and free each other's
 * blocks, through the tcm_ names, so that sanitizers keep their own malloc.
 *
 *     stress [SECONDS [THREADS [SEED [BLOCKS]]]]
 *
 * BLOCKS is the number of blocks that the threads share.  At the end, the
 * program prints what it did and how much memory it held.
 *
 * Every block has a header with its size and a seed, and a pattern over its
 * whole length that follows from them.  The thread that frees or resizes the
 * block checks it first.  If two owners got the block at once, or its memory
 * was returned too early, the pattern is damaged.
 *
 *     own slots --exchange--> shared slots (atomic) --exchange--> own slots
 *                                  |
 *                    freed by whichever thread takes it out
 *
 * Threads also end and start all the time, so that blocks outlive the thread
 * that allocated them.  Once a second the process forks: the child must find
 * the shared blocks intact, and continues alone with them.  With the debug
 * core, system calls also fail all the time.
 */
#define TEST_DIRECT 1
#include "../support/harness.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

enum {
  OWN_SLOTS = 300,
  SHARED_SLOTS = 1024, /* by default */
  MAX_SHARED_SLOTS = 1 << 20,
  MAX_THREADS = 64,
  CHILD_STEPS = 2000,
  CHILD_SECONDS = 120, /* after which a child counts as hung */
  LIFE = 20000         /* steps after which a thread ends and another begins */
};

static const size_t max_size = (size_t)8 << 20;

struct header {
  uint64_t size; /* bytes of the block, this header included */
  uint64_t seed; /* of the pattern */
};

static _Atomic(struct header *) shared[MAX_SHARED_SLOTS];
static size_t nshared = SHARED_SLOTS;
static atomic_int stop;
static atomic_ulong steps, births, crossings, resizes, refusals;
static atomic_ulong made_bytes, verified;
static atomic_long held_bytes, peak_bytes;
static unsigned long forks, faults; /* [main thread] */
static uint64_t first_seed;

static void
add(atomic_ulong *counter, unsigned long more)
{
  atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

/* @size more bytes are held; fewer if it is negative. */
static void
hold(long size)
{
  long held =
      size + atomic_fetch_add_explicit(&held_bytes, size, memory_order_relaxed);
  long peak = atomic_load_explicit(&peak_bytes, memory_order_relaxed);

  if (size > 0)
    add(&made_bytes, (unsigned long)size);
  while (held > peak && !atomic_compare_exchange_weak(&peak_bytes, &peak, held))
    ;
}

static _Noreturn void
give_up(const char *what, const void *block, size_t size)
{
  harness_say("FAIL %s: block %p of %zu bytes, seed %llu", what, block, size,
              (unsigned long long)first_seed);
  abort();
}

/* The word of the pattern at @index. */
static uint64_t
pattern(uint64_t seed, size_t index)
{
  return (seed + index) * 0x9e3779b97f4a7c15u;
}

/* Of a large block, the test writes and checks one word in 512 bytes, and all
 * words near both ends.  All of 8 MiB would take too much time. */
static size_t
step_after(size_t index, size_t count)
{
  return count > 2048 && index > 512 && index + 512 < count ? 64 : 1;
}

static void
write_pattern(struct header *block)
{
  uint64_t *word = (uint64_t *)(void *)(block + 1);
  size_t count = (block->size - sizeof *block) / sizeof *word, i;

  for (i = 0; i < count; i += step_after(i, count))
    word[i] = pattern(block->seed, i);
}

/* Checks the pattern of a block that was @size bytes long when written; @kept
 * bytes of it remain. */
static void
check_kept(const struct header *block, size_t size, size_t kept)
{
  const uint64_t *word = (const uint64_t *)(const void *)(block + 1);
  size_t count = (size - sizeof *block) / sizeof *word, i;
  size_t limit = (kept - sizeof *block) / sizeof *word;

  for (i = 0; i < count && i < limit; i += step_after(i, count))
    if (word[i] != pattern(block->seed, i))
      give_up("a byte changed", block, size);
  add(&verified, 1);
}

/* Mostly small.  All sizes from 16 bytes to 8 MiB occur, the large ones
 * rarely. */
static size_t
random_size(uint64_t r)
{
  size_t top = r % 1000 < 900   ? 512
               : r % 1000 < 985 ? (size_t)32 << 10
               : r % 1000 < 999 ? (size_t)1 << 20
                                : max_size;

  return sizeof(struct header) + (size_t)(r >> 20) % top;
}

static struct header *
finish(void *memory, size_t size, uint64_t seed)
{
  struct header *block = (struct header *)memory;

  if (block == NULL) {
    add(&refusals, 1);
    return NULL;
  }
  if (((uintptr_t)block & 15) != 0)
    give_up("not aligned to 16", block, size);
  if (tcm_malloc_usable_size(block) < size)
    give_up("usable size too small", block, size);
  block->size = size;
  block->seed = seed;
  write_pattern(block);
  hold((long)size);
  return block;
}

static void *
zeroed(size_t size)
{
  unsigned char *memory = (unsigned char *)tcm_calloc(1, size);

  if (memory != NULL &&
      (memory[0] != 0 || memcmp(memory, memory + 1, size - 1) != 0))
    give_up("calloc gave bytes that are not zero", memory, size);
  return memory;
}

static void *
aligned(size_t size, uint64_t r)
{
  size_t alignment = (size_t)16 << (r >> 10) % 13;
  void *memory = tcm_aligned_alloc(alignment, size);

  if (((uintptr_t)memory & (alignment - 1)) != 0)
    give_up("not aligned as asked", memory, size);
  return memory;
}

static struct header *
make_block(uint64_t r)
{
  size_t size = random_size(r);
  void *memory = (r >> 50) % 8 == 0   ? zeroed(size)
                 : (r >> 50) % 8 == 1 ? aligned(size, r)
                                      : tcm_malloc(size);

  return finish(memory, size, r);
}

static void
end_block(struct header *block, uint64_t r)
{
  if (block == NULL)
    return;
  check_kept(block, block->size, block->size);
  hold(-(long)block->size);
  if (r % 4 == 0)
    tcm_free_sized(block, block->size);
  else
    tcm_free(block);
}

static struct header *
resize_block(struct header *block, uint64_t r)
{
  size_t old = block->size, size = random_size(r);
  struct header *moved;

  check_kept(block, old, old);
  moved = (struct header *)tcm_realloc(block, size);
  if (moved == NULL) {
    add(&refusals, 1);
    check_kept(block, old, old);
    return block;
  }
  check_kept(moved, old, old < size ? old : size);
  hold(-(long)old);
  add(&resizes, 1);
  return finish(moved, size, r);
}

/* Puts @block where every thread can take it, and frees the block that was
 * there. */
static void
share_block(struct header *block, uint64_t r)
{
  struct header *other = atomic_exchange(&shared[(r >> 13) % nshared], block);

  if (other != NULL)
    add(&crossings, 1);
  end_block(other, r);
}

/* Blocks of one size that are allocated and freed together; every third one is
 * shared instead. */
static void
use_batch(uint64_t r)
{
  void *block[40];
  size_t size = sizeof(struct header) + (size_t)(r >> 20) % 2000, i;
  size_t n = tcm_malloc_batch(size, block, 1 + (r >> 8) % 40);

  for (i = 0; i < n; i++)
    finish(block[i], size, r + i);
  for (i = 0; i < n; i++)
    check_kept((struct header *)block[i], size, size);
  for (i = 0; i < n; i++) {
    if (i % 3 != 0) {
      hold(-(long)size);
      continue;
    }
    share_block((struct header *)block[i], r + i * 4096);
    block[i] = NULL;
  }
  tcm_free_batch(block, n);
}

static void
one_step(struct header **own, uint64_t *state)
{
  uint64_t r = harness_random(state), r2 = harness_random(state);
  struct header **slot = &own[(r >> 40) % OWN_SLOTS];

  switch (r % 16) {
  case 0:
  case 1:
    if (*slot != NULL)
      *slot = resize_block(*slot, r2);
    break;
  case 2:
  case 3:
  case 4:
    share_block(*slot, r2);
    *slot = make_block(r2);
    break;
  case 5:
    if (r2 % 64 == 0)
      use_batch(r2);
    if (r2 % 8192 == 1)
      tcm_release_free_memory();
    if (r2 % 4096 == 2)
      tcm_thread_idle();
    break;
  default:
    end_block(*slot, r2);
    *slot = make_block(r2);
  }
}

/* A thread takes some steps, and leaves some blocks to others at its end. */
static void *
live(void *seed)
{
  struct header *own[OWN_SLOTS];
  uint64_t state = (uint64_t)(uintptr_t)seed;
  size_t i;

  memset(own, 0, sizeof own);
  add(&births, 1);
  for (i = 0; i < LIFE && !atomic_load_explicit(&stop, memory_order_relaxed);
       i++)
    one_step(own, &state);
  add(&steps, i);
  for (i = 0; i < OWN_SLOTS; i++) {
    if (i % 2 == 0 && own[i] != NULL)
      share_block(own[i], harness_random(&state));
    else
      end_block(own[i], i);
  }
  return NULL;
}

/* Small stacks, so that the heap gets most of a limited address space. */
static pthread_attr_t attributes;

/* Starts a new thread each time the last one has ended.  If there is no memory
 * for a thread, it tries again. */
static void *
keep_alive(void *seed)
{
  uint64_t state = (uint64_t)(uintptr_t)seed;

  while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
    pthread_t thread;
    void *next = (void *)(uintptr_t)harness_random(&state);
    if (pthread_create(&thread, &attributes, live, next) == 0)
      pthread_join(thread, NULL);
    else
      usleep(1000);
  }
  return NULL;
}

#ifdef TCM_DEBUG
void tcmi_heap_check(void);
unsigned tcmi_system_fail(unsigned mask, unsigned nth, unsigned count);
#else
/* Without the debug core there is no heap check, and no call fails. */
static void
tcmi_heap_check(void)
{
}

static unsigned
tcmi_system_fail(unsigned mask, unsigned nth, unsigned count)
{
  (void)mask, (void)nth, (void)count;
  return 0;
}
#endif

/* The only thread of a child: every shared block must be intact, two of three
 * are freed, and the heap continues to work. */
static _Noreturn void
live_as_child(uint64_t state)
{
  struct header *own[OWN_SLOTS];
  size_t i;

  alarm(CHILD_SECONDS);
  memset(own, 0, sizeof own);
  for (i = 0; i < nshared; i++) {
    struct header *block = atomic_load(&shared[i]);
    if (block == NULL)
      continue;
    check_kept(block, block->size, block->size);
    if (i % 3 != 0)
      end_block(atomic_exchange(&shared[i], NULL), i);
  }
  for (i = 0; i < CHILD_STEPS; i++)
    one_step(own, &state);
  for (i = 0; i < OWN_SLOTS; i++)
    end_block(own[i], i);
  tcmi_heap_check();
  _exit(HARNESS_PASS);
}

/* A fork that fails for lack of memory is no error. */
static void
fork_once(uint64_t state)
{
  int status;
  pid_t child = fork();

  if (child == 0)
    live_as_child(state);
  if (child < 0)
    return;
  while (waitpid(child, &status, 0) != child)
    if (errno != EINTR)
      give_up("no child to wait for", NULL, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != HARNESS_PASS)
    give_up("a child failed", NULL, (size_t)status);
  forks++;
}

/* Some of the system calls of the next tenth of a second fail. */
static void
arm_faults(uint64_t r)
{
  unsigned mask = r % 2 == 0 ? ~0u : 1u << (r >> 8) % 7;

  faults += tcmi_system_fail(mask, 1 + (unsigned)(r >> 16) % 4,
                             1 + (unsigned)(r >> 24) % 3);
}

/* The invariants must also hold while all threads work. */
static void
disturb(unsigned seconds, uint64_t *state)
{
  struct timespec now;
  time_t end;
  int turn;

  clock_gettime(CLOCK_MONOTONIC, &now);
  end = now.tv_sec + (time_t)seconds;
  do {
    for (turn = 0; turn < 10; turn++) {
      arm_faults(harness_random(state));
      usleep(100000);
    }
    fork_once(harness_random(state));
    tcmi_heap_check();
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while (now.tv_sec < end);
  faults += tcmi_system_fail(0, 0, 0);
}

static void
run(unsigned seconds, int threads)
{
  pthread_t keeper[MAX_THREADS];
  uint64_t state = first_seed;
  size_t slot;
  int i;

  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, (size_t)256 << 10);
  for (i = 0; i < threads; i++)
    if (pthread_create(&keeper[i], &attributes, keep_alive,
                       (void *)(uintptr_t)harness_random(&state)) != 0)
      give_up("no thread", NULL, 0);
  disturb(seconds, &state);
  atomic_store(&stop, 1);
  for (i = 0; i < threads; i++)
    pthread_join(keeper[i], NULL);
  for (slot = 0; slot < nshared; slot++)
    end_block(atomic_exchange(&shared[slot], NULL), 1);
  tcmi_heap_check();
}

/* All blocks were freed, so nothing may be in use.  Blocks of libc's malloc do
 * not count. */
static int
check_end(void)
{
  struct tcm_stats stats;

  if (tcm_stats(&stats, sizeof stats) != 0)
    return 0;
  harness_say("in use at the end: %llu bytes; large blocks: %llu",
              (unsigned long long)stats.in_use_bytes,
              (unsigned long long)stats.large_count);
  return stats.in_use_bytes == 0 && stats.large_count == 0 && held_bytes == 0;
}

static void
report(void)
{
  struct rusage usage;

  getrusage(RUSAGE_SELF, &usage);
  harness_say("%lu steps, %lu threads born, %lu blocks freed by others, "
              "%lu resized, %lu refused",
              (unsigned long)steps, (unsigned long)births,
              (unsigned long)crossings, (unsigned long)resizes,
              (unsigned long)refusals);
  harness_say("%lu MiB allocated, at most %ld MiB held at once and %ld MiB "
              "resident, %lu blocks verified",
              (unsigned long)made_bytes >> 20, (long)peak_bytes >> 20,
              usage.ru_maxrss >> 10, (unsigned long)verified);
  harness_say("%lu forks, %lu system calls failed", forks, faults);
}

int
main(int argc, char **argv)
{
  unsigned seconds = argc > 1 ? (unsigned)atoi(argv[1]) : 10;
  int threads = argc > 2 ? atoi(argv[2]) : 6;

  first_seed = argc > 3 ? strtoull(argv[3], NULL, 0) : 20240229;
  if (argc > 4)
    nshared = strtoull(argv[4], NULL, 0);
  if (threads < 1 || threads > MAX_THREADS || nshared < 1 ||
      nshared > MAX_SHARED_SLOTS)
    return HARNESS_ERROR;
  harness_say("seed %llu, %d threads, %u seconds",
              (unsigned long long)first_seed, threads, seconds);
  run(seconds, threads);
  report();
  if (steps == 0 || crossings == 0 || resizes == 0 || verified == 0)
    return HARNESS_FAIL;
#ifdef TCM_DEBUG
  if (faults == 0)
    return HARNESS_FAIL;
#endif
  return check_end() ? HARNESS_PASS : HARNESS_FAIL;
}
