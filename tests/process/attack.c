/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An attack corpus: random programs that corrupt their heap and free wrong
 * pointers.  Each runs in a child.  It must end with a line from tcm, or
 * continue unharmed: it must never get a block that overlaps one that it has.
 *
 * The errors of the programs:
 *   free    a block twice, at once or after other calls, by either thread; an
 *           address inside a block; an address in no block
 *   corrupt overwrite free blocks, and memory past the end of a block in use
 *   race    two threads free one block at the same moment
 *
 * tcm writes its lines to descriptor 2 only while that is the same file as at
 * the start, so the program begins by executing itself with a file there.
 *
 * The model knows which blocks are in use.  No allocator can detect that a
 * pointer left from an earlier block frees a new block at the same address, so
 * such a pointer is used only while no block contains its memory.
 *
 * A program that overwrites a free block with the same byte everywhere never
 * writes the mark of a free block there, see lib/cache/mark.h.
 */
#include "../support/child.h"

#include <pthread.h>
#include <sys/mman.h>

#define LIVE 120
#define LEFT 40
#define STEPS 400
#define WRONG_EVERY 100
#define BURST 300
#define RACES 200
#define OVERLAP 3

struct block {
  char *start;
  size_t size;
};

static struct {
  uint64_t random;
  struct block live[LIVE];
  int nlive;
  struct block left[LEFT]; /* freed, and in no block since */
  int nleft;
  volatile sig_atomic_t is_writing; /* where it must not */
} program;

/* With TCM_CHECK=3, a freed large block is inaccessible for a while. */
static void
on_fault(int number)
{
  (void)number;
  _exit(program.is_writing ? 0 : HARNESS_FAIL);
}

static void
overwrite(char *from, size_t size)
{
  program.is_writing = 1;
  memset(from, (int)(harness_random(&program.random) >> 56), size);
  program.is_writing = 0;
}

static size_t
below(size_t n)
{
  return (size_t)(harness_random(&program.random) >> 11) % n;
}

static size_t
any_size(void)
{
  static const size_t most[] = {64, 64, 600, 4000, 40000, 300000};

  return below(most[below(6)]) + 1;
}

static int
overlaps(const struct block *a, const struct block *b)
{
  return a->start < b->start + b->size && b->start < a->start + a->size;
}

static void
check_new(const struct block *made)
{
  for (int i = 0; i < program.nlive; i++)
    if (overlaps(made, &program.live[i]))
      _exit(OVERLAP);
  for (int i = 0; i < program.nleft; i++)
    if (overlaps(made, &program.left[i]))
      program.left[i--] = program.left[--program.nleft];
}

static void
allocate(size_t size)
{
  struct block made = {harness_pointer(malloc(size)), size};

  if (made.start == NULL || program.nlive == LIVE)
    return;
  check_new(&made);
  memset(made.start, (int)below(256), below(2) ? size : size / 2);
  program.live[program.nlive++] = made;
}

static void
leave(struct block block)
{
  if (program.nleft == LEFT)
    program.left[0] = program.left[--program.nleft];
  program.left[program.nleft++] = block;
}

static void
release(void)
{
  struct block block;
  size_t i;

  if (program.nlive == 0)
    return;
  i = below((size_t)program.nlive);
  block = program.live[i];
  program.live[i] = program.live[--program.nlive];
  leave(block);
  free(harness_pointer(block.start));
}

static void *
free_it(void *pointer)
{
  free(pointer);
  return NULL;
}

static void
free_by(void *pointer, int thread)
{
  pthread_t other;

  pointer = harness_pointer(pointer);
  if (thread && pthread_create(&other, NULL, free_it, pointer) == 0)
    pthread_join(other, NULL);
  else
    free(pointer);
}

static void
free_again(void)
{
  if (program.nleft > 0)
    free_by(program.left[below((size_t)program.nleft)].start, below(4) == 0);
}

/* A block in use, or NULL. */
static const struct block *
any_live(void)
{
  return program.nlive == 0 ? NULL
                            : &program.live[below((size_t)program.nlive)];
}

static void
free_inside(void)
{
  const struct block *block = any_live();

  if (block != NULL && block->size > 16)
    free_by(block->start + 1 + below(block->size - 1), 0);
}

static void
free_nothing(void)
{
  static char object[64];

  switch (below(4)) {
  case 0:
    free_by(object + below(sizeof object), 0);
    break;
  case 1:
    free_by((void *)(uintptr_t)(16 + below(4096)), 0);
    break;
  case 2:
    free_by(program.live, 0);
    break;
  default:
    free_by((void *)(uintptr_t)harness_random(&program.random), 0);
  }
}

static void
corrupt_free(void)
{
  struct block *block;

  if (program.nleft == 0)
    return;
  block = &program.left[below((size_t)program.nleft)];
  if (block->size > 40000)
    return; /* may be unmapped */
  overwrite(block->start, block->size);
}

static void
overflow(void)
{
  const struct block *block = any_live();

  if (block != NULL && block->size <= 40000)
    overwrite(block->start + block->size, 1 + below(16));
}

static void (*const wrongs[])(void) = {free_again,   free_inside,  free_nothing,
                                       corrupt_free, corrupt_free, corrupt_free,
                                       overflow,     overflow};

/* An invalid free that was not detected would show here. */
static void
use_all(void)
{
  for (int i = 0; i < BURST && program.nlive < LIVE; i++)
    allocate(any_size());
  while (program.nlive > 0)
    free(program.live[--program.nlive].start);
}

static void
run_program(void)
{
  for (int step = 0; step < STEPS; step++) {
    if (below(WRONG_EVERY) == 0)
      wrongs[below(sizeof wrongs / sizeof *wrongs)]();
    else if (below(2) == 0)
      allocate(any_size());
    else
      release();
  }
  use_all();
}

static pthread_barrier_t barrier;

static void *
free_at_once(void *pointer)
{
  pthread_barrier_wait(&barrier);
  free(pointer);
  return NULL;
}

static void *
allocate_some(void *size)
{
  for (int i = 0; i < LIVE / 2; i++)
    allocate(*(size_t *)size);
  return NULL;
}

/* Afterward a third thread adopts the cache of the second one. */
static void
run_race(void)
{
  size_t size = below(1000) + 1;
  void *pointer = malloc(size);
  pthread_t other;

  REQUIRE(pthread_barrier_init(&barrier, NULL, 2) == 0);
  REQUIRE(pthread_create(&other, NULL, free_at_once, pointer) == 0);
  free_at_once(pointer);
  pthread_join(other, NULL);
  (void)allocate_some(&size);
  REQUIRE(pthread_create(&other, NULL, allocate_some, &size) == 0);
  pthread_join(other, NULL);
}

/* How the programs ended. */
static struct {
  long told, unharmed, overlapped;
} ends;

static int
wrote_a_line(void)
{
  char text[6];

  return pread(STDERR_FILENO, text, sizeof text, 0) > 5 &&
         memcmp(text, "tcm: ", 5) == 0;
}

static void
judge(int status, uint64_t seed)
{
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && wrote_a_line())
    ends.told++;
  else if (status == 0)
    ends.unharmed++;
  else if (WIFEXITED(status) && WEXITSTATUS(status) == OVERLAP)
    ends.overlapped++;
  else
    EXPECT_FOR(0, "seed %llu, status %#x", (unsigned long long)seed,
               (unsigned)status);
}

static void
run_all(const char *what, void (*body)(void), long count)
{
  for (long i = 0; i < count; i++) {
    uint64_t seed = harness.seed + (uint64_t)i;
    pid_t child;
    int status;

    REQUIRE(ftruncate(STDERR_FILENO, 0) == 0);
    REQUIRE(lseek(STDERR_FILENO, 0, SEEK_SET) == 0);
    child = child_fork();
    if (child == 0) {
      signal(SIGSEGV, on_fault);
      program.random = seed;
      body();
      _exit(0);
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    judge(status, seed);
  }
  harness_say("  %s: %ld told, %ld unharmed; handed out twice: %ld", what,
              ends.told, ends.unharmed, ends.overlapped);
  EXPECT(ends.told > 0);
  EXPECT(ends.overlapped == 0);
}

static void
programs(void)
{
  run_all("programs", run_program, harness_count(300, 10000));
  EXPECT(ends.unharmed > 0);
}

static void
races(void)
{
  memset(&ends, 0, sizeof ends);
  run_all("races", run_race, harness_count(RACES, 50 * RACES));
}

static const struct harness_case cases[] = {
    {"programs", programs},
    {"races", races},
};

int
main(int argc, char **argv)
{
  if (getenv("ATTACK_MESSAGES") == NULL) {
    REQUIRE(setenv("ATTACK_MESSAGES", "1", 1) == 0);
    REQUIRE(dup2(memfd_create("messages", 0), STDERR_FILENO) >= 0);
    execv("/proc/self/exe", argv);
    return HARNESS_ERROR;
  }
  return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
