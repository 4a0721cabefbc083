/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * calls.c - system calls that fail: each of them once, or all from one on, or
 * all from the start of the process.  Whatever fails, the program gets NULL
 * with ENOMEM, no block in use is lost, and the heap works again when calls
 * succeed again.  Also tests a kernel that does not overcommit, and a clock
 * that jumps.
 */
#include "kernel.h"

#include <malloc.h>
#include <pthread.h>
#include <sys/time.h>
#include <time.h>

#define MIB ((size_t)1 << 20)
#define HIT 10
#define FROM_START "TEST_FAILS_FROM_START"

enum { MOST = 120 };

static struct {
  unsigned char *start; /* or NULL */
  size_t size;
} held[MOST];
static size_t nheld;
static int may_fail; /* calls currently fail */

static void *
checked(void *block)
{
  CHILD_EXPECT(block != NULL || (may_fail && errno == ENOMEM));
  return block;
}

static void
mark(size_t i)
{
  if (held[i].start == NULL)
    return;
  held[i].start[0] = (unsigned char)i;
  held[i].start[held[i].size - 1] = (unsigned char)i;
}

static void
keep(void *block, size_t size)
{
  CHILD_EXPECT(nheld < MOST);
  held[nheld].start = (unsigned char *)checked(block);
  held[nheld].size = size;
  mark(nheld++);
}

static void
expect_contents(void)
{
  size_t i;

  for (i = 0; i < nheld; i++)
    CHILD_EXPECT(held[i].start == NULL ||
                 (held[i].start[0] == (unsigned char)i &&
                  held[i].start[held[i].size - 1] == (unsigned char)i));
}

static void
drop(size_t step)
{
  size_t i;

  for (i = 0; i < nheld; i += step) {
    free(held[i].start);
    held[i].start = NULL;
  }
}

static void
keep_all_sizes(void)
{
  static const size_t sizes[] = {1, 100, 1000, 5000, 20000, 200000, 3000000};
  size_t i;

  for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    unsigned char *zero;
    keep(malloc(harness_size(sizes[i])), sizes[i]);
    zero = (unsigned char *)checked(calloc(harness_size(sizes[i]), 2));
    CHILD_EXPECT(zero == NULL || memory_is_zero(zero, 2 * sizes[i]));
    keep(zero, 2 * sizes[i]);
    keep(memalign(8192, sizes[i]), sizes[i]);
  }
}

/* Blocks that grow, by copying and by moving their pages. */
static void
grow(void)
{
  size_t i, j;

  for (i = 0; i < 4; i++)
    keep(malloc(2 * MIB), 2 * MIB);
  for (j = 2; j <= 3; j++)
    for (i = nheld - 4; i < nheld; i++) {
      size_t size = (j == 2 ? 5 : 70) * MIB + i;
      void *moved;
      if (held[i].start == NULL)
        continue;
      moved = checked(realloc(held[i].start, size));
      if (moved == NULL)
        continue;
      held[i].start = (unsigned char *)moved;
      CHILD_EXPECT(held[i].start[0] == (unsigned char)i &&
                   held[i].start[held[i].size - 1] == (unsigned char)i);
      held[i].size = size;
      mark(i);
    }
}

static void *
use_in_thread(void *unused)
{
  void *block[100];
  size_t i;

  for (i = 0; i < 100; i++)
    block[i] = checked(malloc(harness_size(i * 40)));
  for (i = 0; i < 100; i++)
    free(block[i]);
  return unused;
}

/* libc may get no memory for the stack. */
static void
use_thread(void)
{
  pthread_t thread;
  int error = pthread_create(&thread, NULL, use_in_thread, NULL);

  CHILD_EXPECT(error == 0 || may_fail);
  if (error == 0)
    pthread_join(thread, NULL);
}

static void
use_gigabytes(void)
{
  size_t size = 3072 * MIB;
  unsigned char *block = (unsigned char *)malloc(harness_size(size));

  /* A machine may have no room for it. */
  CHILD_EXPECT(block != NULL || errno == ENOMEM);
  if (block != NULL)
    block[0] = block[size - 1] = 1;
  free(block);
}

static void
work(void)
{
  nheld = 0;
  keep_all_sizes();
  drop(3);
  use_thread();
  grow();
  expect_contents();
  malloc_trim(0);
  expect_contents();
  use_gigabytes();
  drop(2);
  keep_all_sizes();
  expect_contents();
  drop(1);
  malloc_trim(0);
}

/* ---- One call fails, or all from one on -----------------------------------*/
static int
was_hit(unsigned kind, unsigned nth, unsigned count)
{
  pid_t child = child_fork();
  int status, survived;

  if (child == 0) {
    unsigned failed;
    may_fail = 1;
    kernel_arm(1u << kind, nth, count);
    work();
    failed = kernel_disarm();
    may_fail = 0;
    work();
    harness_walk_heap();
    _exit(failed > 0 ? HIT : 0);
  }
  REQUIRE(waitpid(child, &status, 0) == child);
  if (WIFSIGNALED(status))
    harness_say("  a child was ended by signal %d%s", WTERMSIG(status),
                WTERMSIG(status) == SIGALRM ? ": it hung" : "");
  survived = WIFEXITED(status) &&
             (WEXITSTATUS(status) == HIT || WEXITSTATUS(status) == 0);
  EXPECT_FOR(survived, "%s call %u%s", kernel_names[kind], nth,
             count > 1 ? " and all after it" : "");
  return WIFEXITED(status) && WEXITSTATUS(status) == HIT;
}

static void
fail_each(unsigned count)
{
  unsigned kind, nth, all = 0;

  for (kind = 0; kind < KERNEL_NCALLS && harness.failures == 0; kind++) {
    unsigned hits = 0;
    /* If an allocator makes very many calls, not each of them is tried. */
    for (nth = 1; harness.failures == 0 && was_hit(kind, nth, count); hits++)
      nth += nth < 150 ? 1 : nth / 5;
    harness_say("  %s: %u calls failed%s", kernel_names[kind], hits,
                count > 1 ? ", each with all after it" : "");
    EXPECT_FOR(hits > 0 || !harness_expects_tcm(), "%s", kernel_names[kind]);
    all += hits;
  }
  if (all == 0 && harness.failures == 0)
    harness_skip("the calls of this allocator cannot be seen from outside");
}

static void
one_fails(void)
{
  fail_each(1);
}

static void
all_fail_from_one_on(void)
{
  fail_each(~0u);
}

static int
calls_are_seen(void)
{
  free(malloc(harness_size(2 * MIB)));
  if (kernel.seen[KERNEL_MMAP] + kernel.seen[KERNEL_MPROTECT] + kernel.breaks >
      0)
    return 1;
  harness_skip("the calls of this allocator cannot be seen from outside");
  return 0;
}

/* ---- All fail from the start ----------------------------------------------*/
static __attribute__((section(".preinit_array"),
                      used)) void (*arm_early)(int, char **, char **);

static void
arm_at_start(int argc, char **argv, char **environment)
{
  (void)argc;
  (void)argv;
  for (; *environment != NULL; environment++)
    if (strncmp(*environment, FROM_START "=", sizeof FROM_START) == 0)
      kernel_arm((unsigned)atoi(*environment + sizeof FROM_START), 1, ~0u);
}

static void (*arm_early)(int, char **, char **) = arm_at_start;

/* Small blocks may come from memory that the process already has.  Nothing may
 * end the process. */
static int
start_without_memory(void)
{
  unsigned failed;

  alarm(CHILD_LIMIT);
  may_fail = 1;
  work();
  failed = kernel_disarm();
  may_fail = 0;
  work();
  harness_say("  %u calls failed", failed);
  return failed > 0 || !harness_expects_tcm() ? HARNESS_PASS : HARNESS_FAIL;
}

static void
all_fail_from_the_start(void)
{
  unsigned kind;
  char mask[16];

  if (!calls_are_seen())
    return;
  for (kind = 0; kind <= KERNEL_NCALLS && harness.failures == 0; kind++) {
    snprintf(mask, sizeof mask, "%u",
             kind == KERNEL_NCALLS ? (1u << kind) - 1 : 1u << kind);
    REQUIRE(setenv(FROM_START, mask, 1) == 0);
    EXPECT_FOR(child_again("--start"), "%s",
               kind == KERNEL_NCALLS ? "all kinds" : kernel_names[kind]);
  }
  unsetenv(FROM_START);
}

/* ---- For strace: the same work, whatever fails ----------------------------*/
static int
work_with_failures(void)
{
  alarm(CHILD_LIMIT);
  harness_prove_allocator();
  harness_say("begin");
  may_fail = 1;
  work();
  return HARNESS_PASS;
}

/* ---- A kernel that does not overcommit ------------------------------------*/
static void
fill_budget(void)
{
  enum { COUNT = 40 << 10 };
  static void *block[COUNT];
  long before = memory_proc_field("/proc/self/status", "\nVmData:") * 1024;
  size_t i, more = 0;
  void *rest;

  kernel.budget = before + (long)(64 * MIB);
  for (i = 0; i < COUNT; i++) {
    CHILD_EXPECT((block[i] = malloc(harness_size(1000))) != NULL);
    memset(block[i], 1, 1000);
  }
  errno = 0;
  CHILD_EXPECT(malloc(harness_size(256 * MIB)) == NULL && errno == ENOMEM);
  while ((rest = malloc(harness_size(MIB / 2))) != NULL && more < 1000) {
    *(void **)rest = NULL;
    more++;
  }
  CHILD_EXPECT(more < 1000);
  for (i = 0; i < COUNT; i++)
    free(block[i]);
  rest = malloc(harness_size(24 * MIB));
  CHILD_EXPECT(rest != NULL);
  memset(rest, 1, 24 * MIB);
  harness_say("  40 MiB of small blocks and %zu of half a MiB in 64 MiB", more);
}

static void
no_overcommit(void)
{
  if (calls_are_seen())
    EXPECT(child_run(fill_budget));
}

/* ---- A clock that jumps ---------------------------------------------------*/
static unsigned clock_reads; /* [atomic: relaxed] */
static int clock_jumps;

static time_t
jump(void)
{
  static const time_t seconds[] = {0, 1, 4000000000, 2, -5, 86400, 86399};
  unsigned turn = __atomic_fetch_add(&clock_reads, 1, __ATOMIC_RELAXED);

  return seconds[turn % (sizeof seconds / sizeof *seconds)];
}

KERNEL_VISIBLE int
clock_gettime(clockid_t clock, struct timespec *now)
{
  int error = (int)syscall(SYS_clock_gettime, clock, now);

  if (error == 0 && clock_jumps)
    now->tv_sec = jump();
  return error;
}

KERNEL_VISIBLE int
gettimeofday(struct timeval *restrict now, void *restrict zone)
{
  struct timespec precise;
  int error = clock_gettime(CLOCK_REALTIME, &precise);

  (void)zone;
  now->tv_sec = precise.tv_sec;
  now->tv_usec = precise.tv_nsec / 1000;
  return error;
}

static void
work_while_it_jumps(void)
{
  int turn;

  clock_jumps = 1;
  for (turn = 0; turn < 30; turn++) {
    work();
    usleep(10000);
  }
  harness_say("  the clock was read %u times", clock_reads);
}

static void
clock_that_jumps(void)
{
  EXPECT(child_run(work_while_it_jumps));
}

static const struct harness_case cases[] = {
    {"one-fails", one_fails},
    {"all-fail-from-one-on", all_fail_from_one_on},
    {"all-fail-from-the-start", all_fail_from_the_start},
    {"no-overcommit", no_overcommit},
    {"clock-that-jumps", clock_that_jumps},
};

int
main(int argc, char **argv)
{
  if (argc == 2 && strcmp(argv[1], "--start") == 0)
    return start_without_memory();
  if (argc == 2 && strcmp(argv[1], "--work") == 0)
    return work_with_failures();
  return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
