/* SPDX-License-Identifier: BSD-2-Clause */
/* How many bytes of stack each call needs: coroutines and signal handlers have
 * few.  Each call runs on its own painted stack, in a new process that has
 * allocated nothing yet, except the stream for malloc_info.  The test counts
 * the overwritten bytes.  Names are bound at start, because the loader needs
 * more stack than any of these calls. */
#include "../support/child.h"

#include <malloc.h>
#include <stddef.h>
#include <sys/mman.h>
#include <ucontext.h>

#define STACK_BYTES ((size_t)256 << 10)
#define LIMIT 2048
#define PAINT 0xa5
#define COUNT 5000

static void *blocks[COUNT];
static FILE *sink;

static void
one_block(void)
{
  free(malloc(harness_size(100)));
}

static void
zeroed_block(void)
{
  free(calloc(harness_size(10), 700));
}

static void
aligned_block(void)
{
  void *block;

  if (posix_memalign(&block, 64, harness_size(1000)) != 0)
    _exit(HARNESS_FAIL);
  free(block);
}

static void
small_blocks(void)
{
  int i;

  for (i = 0; i < COUNT; i++)
    blocks[i] = malloc(harness_size((size_t)i * 7 % 3000 + 1));
  for (i = 0; i < COUNT; i++)
    free(blocks[i]);
}

static void
large_blocks(void)
{
  int i;

  for (i = 0; i < 300; i++)
    memset(blocks[i] = malloc(harness_size(300000)), 1, 1);
  for (i = 0; i < 300; i++)
    free(blocks[i]);
}

static void
huge_block(void)
{
  free(malloc(harness_size((size_t)200 << 20)));
}

static void
growing_block(void)
{
  int i;

  for (i = 0; i < 22; i++)
    blocks[0] = realloc(blocks[0], harness_size((size_t)10 << i));
  free(blocks[0]);
}

static void
impossible_block(void)
{
  if (malloc(harness_size(PTRDIFF_MAX / 2)) != NULL)
    _exit(HARNESS_FAIL);
}

static void
usable_size(void)
{
  void *block = malloc(harness_size(100));

  if (malloc_usable_size(block) < 100)
    _exit(HARNESS_FAIL);
  free(block);
}

static void
trim(void)
{
  small_blocks();
  malloc_trim(0);
}

static void
fork_once(void)
{
  if (fork() == 0)
    _exit(0);
}

#ifdef HAVE_STRUCT_MALLINFO2
static void
info(void)
{
  if (mallinfo2().arena == 1)
    _exit(HARNESS_FAIL);
}
#endif

static void
info_to_stream(void)
{
  if (malloc_info(0, sink) != 0)
    _exit(HARNESS_FAIL);
}

struct call {
  const char *name;
  void (*run)(void);
};

static const struct call calls[] = {
    {"malloc", one_block},
    {"calloc", zeroed_block},
    {"posix_memalign", aligned_block},
    {"small-blocks", small_blocks},
    {"large-blocks", large_blocks},
    {"huge-block", huge_block},
    {"realloc", growing_block},
    {"impossible-block", impossible_block},
    {"malloc_usable_size", usable_size},
    {"malloc_trim", trim},
    {"fork", fork_once},
#ifdef HAVE_STRUCT_MALLINFO2
    {"mallinfo2", info},
#endif
    {"malloc_stats", malloc_stats},
    {"malloc_info", info_to_stream},
};
#define NCALLS (sizeof calls / sizeof *calls)

static ucontext_t home, painted;
static void (*to_run)(void);

static void
run_it(void)
{
  to_run();
}

/* Measures the bytes that the call needs.  Each call has its own process. */
static int
measure(const struct call *call)
{
  unsigned char *volatile stack =
      mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  volatile size_t need = STACK_BYTES;

  if (stack == MAP_FAILED || getcontext(&painted) != 0)
    return HARNESS_ERROR;
  memset((void *)stack, PAINT, STACK_BYTES);
  painted.uc_stack.ss_sp = stack;
  painted.uc_stack.ss_size = STACK_BYTES;
  painted.uc_link = &home;
  to_run = call->run;
  makecontext(&painted, run_it, 0);
  if (swapcontext(&home, &painted) != 0)
    return HARNESS_ERROR;
  while (need > 0 && *stack++ == PAINT)
    need--;
  harness_say("%zu bytes of stack for %s", need, call->name);
  return need <= LIMIT ? HARNESS_PASS : HARNESS_FAIL;
}

static void
each_call(void)
{
  size_t i;

  for (i = 0; i < NCALLS; i++) {
    pid_t child = child_fork();
    if (child == 0) {
      setenv("LD_BIND_NOW", "1", 1);
      execl("/proc/self/exe", "stack", "--measure", calls[i].name,
            (char *)NULL);
      _exit(HARNESS_ERROR);
    }
    EXPECT_FOR(child_succeeded(child), "%s", calls[i].name);
  }
}

static const struct harness_case cases[] = {
    {"each-call", each_call},
};

int
main(int argc, char **argv)
{
  size_t i;

  if (argc != 3 || strcmp(argv[1], "--measure") != 0)
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
  if (strcmp(argv[2], "malloc_info") == 0)
    sink = fopen("/dev/null", "w");
  for (i = 0; i < NCALLS; i++)
    if (strcmp(argv[2], calls[i].name) == 0)
      return measure(&calls[i]);
  return HARNESS_ERROR;
}
