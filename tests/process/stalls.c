/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * No call stalls.  The heap has 512 MiB in blocks of 1 KiB.  A random half of
 * them is freed, and tcm's own thread or the program's calls return memory to
 * the OS.  Meanwhile no malloc and no free takes more than 1 ms.
 *
 * The test reads the processor time of the thread before and after each call,
 * so other processes do not count.  The call's system calls do count, and so
 * does what the machine charges to the running thread: interrupts, and a
 * virtual machine's pauses.  On some virtual machines a loop that does nothing
 * has such a pause of more than 1 ms every second while another thread returns
 * memory.  So each call has two controls: right after it, without tcm, a read
 * of a block in use and the same system calls on memory of the test.  On most
 * machines no control takes more than 1 ms, and then no call may.  On the
 * others, calls may exceed it as often as the controls.
 *
 * A stall of the library recurs in each run; a pause that hits a call and no
 * control does not.  Therefore the test fails only if each of three runs has
 * too many calls over the limit, or returns no memory.  The debug library walks
 * much in its assertions, so it runs without the limit.
 *
 * Calls with a page fault are counted separately: malloc() clears a word of the
 * block, and if that is its first touch, the kernel clears up to 2 MiB.
 *
 * The test also checks what does not depend on time: the system calls of a call
 * of tcm, and the bytes that they return.
 */
#include "../support/child.h"
#include "../support/memory.h"
#include "../support/tasks.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#define SIZE ((size_t)1 << 10)
#define HEAP ((size_t)512 << 20)
#define LIMIT_NS 1000000
/* A call returns at most a piece, see lib/base/params.h, or a run more. */
#define RETURNED_MAX ((size_t)12 << 20)
#define SYSTEM_CALLS_MAX 400
#define RUNS 3
#define RUN_LIMIT 100 /* seconds */
/* Controls of each call. */
#define CONTROLS 2
#define NEEDED_KIB (900L << 10)
/* At first, memory is returned one to two seconds after its last use. */
#define CHURN_SECONDS 4
/* The free memory at the end must be returned within this many naps of 1 ms. */
#define AFTER_NAPS 10000
#define CHURN_BATCH 200

struct worst {
  const char *name;
  uint64_t ns;
  long number; /* of the call */
  long calls;
  long over;
  long faulted;      /* calls with a page fault, not in the numbers above */
  long pauses;       /* controls over the limit */
  uint64_t pause_ns; /* the worst of them */
  long system_calls; /* the most of one call */
  size_t returned;   /* the most bytes of one call */
};

enum {
  FILL,
  FREE_HALF,
  CHURN_MALLOC,
  CHURN_FREE,
  FREE_REST,
  AFTER_MALLOC,
  AFTER_FREE,
  PHASES
};

static struct worst worst[PHASES] = {
    {.name = "malloc, filling"},   {.name = "free, of a random half"},
    {.name = "malloc, replacing"}, {.name = "free, replacing"},
    {.name = "free, of the rest"}, {.name = "malloc, little use"},
    {.name = "free, little use"},
};
static void **slots; /* mapped */
static struct {
  size_t first, end; /* of the slots whose blocks are in use */
} live;
static size_t count;
static uint64_t state;

/* ---- Single calls -------------------------------------------------------- */

struct moment {
  uint64_t ns;
  long faults; /* of the thread, so far */
};

static uint64_t
clock_ns(clockid_t clock)
{
  struct timespec now;

  clock_gettime(clock, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* The system calls of the call being measured.  [thread-local], and tcm's own
 * thread measures nothing. */
static __thread struct {
  int measures;
  long calls;
  size_t returned;
} inside;
static int is_judged; /* the debug library has no limit */
static long replaced; /* calls that came here during any measured call */
static char *scratch; /* mapped, what the controls return */

static void
note_system_call(size_t returned)
{
  if (!inside.measures)
    return;
  replaced++;
  inside.calls++;
  inside.returned += returned;
}

/* The next two replace those of libc, which tcm calls. */
__attribute__((visibility("default"))) int
madvise(void *start, size_t size, int advice)
{
  note_system_call(advice == MADV_DONTNEED ? size : 0);
  return (int)syscall(SYS_madvise, start, size, advice);
}

__attribute__((visibility("default"))) int
mprotect(void *start, size_t size, int protection)
{
  note_system_call(0);
  return (int)syscall(SYS_mprotect, start, size, protection);
}

static long
faults(void)
{
  struct rusage usage;

  REQUIRE(getrusage(RUSAGE_THREAD, &usage) == 0);
  return usage.ru_minflt + usage.ru_majflt;
}

/* The clock is read last before the call and first after it. */
static struct moment
now(void)
{
  struct moment moment = {.faults = faults()};

  inside.calls = 0;
  inside.returned = 0;
  inside.measures = 1;
  moment.ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
  return moment;
}

/* Returns as much memory with as many system calls, without tcm. */
static void
return_scratch(long calls, size_t size)
{
  long i;

  for (i = 0; i < calls; i++)
    (void)syscall(SYS_madvise, scratch + (size_t)i * size, size, MADV_DONTNEED);
}

/* Reads a block that is in use: like free(), which writes into the block. */
static void
read_any_block(void)
{
  size_t n = live.end - live.first;

  if (n > 0)
    (void)*(volatile char *)slots[live.first + harness_random(&state) % n];
}

static void
control(struct worst *most)
{
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  long calls = inside.calls;
  size_t size = calls == 0 ? 0 : inside.returned / (size_t)calls / page * page;
  uint64_t before, after;
  int i;

  if (size == 0 || (size_t)calls * size > RETURNED_MAX)
    calls = 0;
  before = clock_ns(CLOCK_THREAD_CPUTIME_ID);
  for (i = 0; i < CONTROLS; i++) {
    if (calls > 0) {
      memset(scratch, 1, (size_t)calls * size);
      before = clock_ns(CLOCK_THREAD_CPUTIME_ID);
      return_scratch(calls, size);
    }
    read_any_block();
    after = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    most->pauses += after - before > LIMIT_NS;
    if (after - before > most->pause_ns)
      most->pause_ns = after - before;
    before = after;
  }
}

static void
note(int phase, struct moment begin)
{
  uint64_t ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin.ns;
  int faulted = faults() != begin.faults;
  struct worst *most = &worst[phase];

  inside.measures = 0;
  if (is_judged)
    control(most);
  if (faulted) {
    most->faulted++;
    return;
  }
  if (ns > most->ns) {
    most->ns = ns;
    most->number = most->calls;
  }
  most->calls++;
  most->over += ns > LIMIT_NS;
  if (inside.calls > most->system_calls)
    most->system_calls = inside.calls;
  if (inside.returned > most->returned)
    most->returned = inside.returned;
}

static void *
timed_new(int phase, size_t size)
{
  struct moment begin = now();
  char *block = (char *)malloc(size);

  note(phase, begin);
  REQUIRE(block != NULL);
  block[0] = 1;
  return block;
}

static void
timed_free(int phase, void *block)
{
  struct moment begin = now();

  free(block);
  note(phase, begin);
}

/* ---- One run ------------------------------------------------------------- */

static void
shuffle(void)
{
  size_t i;

  for (i = count; i-- > 1;) {
    size_t other = harness_random(&state) % (i + 1);
    void *block = slots[i];
    slots[i] = slots[other];
    slots[other] = block;
  }
}

/* Replaces a block of the lower half.  One in four gets another size, so that
 * pages move from one class to another. */
static void
replace(long number)
{
  size_t last = count / 2 - 1, i = harness_random(&state) % (count / 2);
  size_t size = number % 4 != 0 ? SIZE : harness_random(&state) % 2048 + 1;
  void *block = slots[i];

  slots[i] = slots[last];
  live.end = last;
  timed_free(CHURN_FREE, block);
  slots[last] = timed_new(CHURN_MALLOC, size);
  live.end = count / 2;
}

static void
churn(void)
{
  uint64_t end =
      clock_ns(CLOCK_MONOTONIC) + CHURN_SECONDS * (uint64_t)1000000000;
  long number = 0;

  while (clock_ns(CLOCK_MONOTONIC) < end) {
    int i;
    for (i = 0; i < CHURN_BATCH; i++)
      replace(number++);
    tasks_nap(1);
  }
}

/* Uses the heap a little until the free memory is returned; 0 if it is not. */
static int
after(long full)
{
  long naps;

  for (naps = 0; naps < AFTER_NAPS; naps++) {
    size_t size = harness_random(&state) % 8 != 0 ? 100 : (size_t)1 << 20;
    timed_free(AFTER_FREE, timed_new(AFTER_MALLOC, size));
    tasks_nap(1);
    if (naps % 100 == 0 && memory_resident_bytes() < full / 8)
      return 1;
  }
  return 0;
}

static void
report(const char *what)
{
  int i;

  harness_say("  %s", what);
  for (i = 0; i < PHASES; i++)
    harness_say("  %-24s %9ld calls, %3ld over 1 ms, worst %8.1f us "
                "(call %ld); %ld with page faults; controls: %ld, %.1f us",
                worst[i].name, worst[i].calls, worst[i].over,
                (double)worst[i].ns / 1000, worst[i].number, worst[i].faulted,
                worst[i].pauses, (double)worst[i].pause_ns / 1000);
  for (i = 0; i < PHASES; i++)
    harness_say("  %-24s at most %ld system calls, %zu KiB returned by a call",
                worst[i].name, worst[i].system_calls, worst[i].returned >> 10);
}

/* Whether memory was returned, and each call kept its limit, if it has
 * one. */
static int
measure(const char *what)
{
  long full, churned, over = 0, pauses = 0;
  int returned, bounded = 1;
  size_t i;

  scratch = (char *)mmap(NULL, RETURNED_MAX, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(scratch != MAP_FAILED);
  (void)syscall(SYS_madvise, scratch, RETURNED_MAX, MADV_NOHUGEPAGE);
  count = HEAP / SIZE;
  slots = (void **)mmap(NULL, count * sizeof *slots, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  REQUIRE(slots != MAP_FAILED);
  state = harness.seed;
  is_judged = !harness_is("tcm-debug");
  for (i = 0; i < count; live.end = ++i)
    slots[i] = timed_new(FILL, SIZE);
  full = memory_resident_bytes();
  shuffle();
  for (i = live.end = count / 2; i < count; i++)
    timed_free(FREE_HALF, slots[i]);
  churn();
  churned = memory_resident_bytes();
  for (i = 0; i < count / 2; i++) {
    live.first = i + 1;
    timed_free(FREE_REST, slots[i]);
  }
  returned = after(full);
  report(what);
  harness_say("  resident: %ld MiB when filled, %ld replaced, %ld at the end",
              full >> 20, churned >> 20, memory_resident_bytes() >> 20);
  harness_walk_heap();
  for (i = 0; i < PHASES; i++) {
    over += worst[i].over;
    pauses += worst[i].pauses;
    bounded = bounded && worst[i].returned <= RETURNED_MAX &&
              worst[i].system_calls <= SYSTEM_CALLS_MAX;
  }
  CHILD_EXPECT(replaced > 0);
  return returned && (!is_judged || (over <= pauses && bounded));
}

/* ---- The cases ----------------------------------------------------------- */

static void
no_call_stalls(const char *background)
{
  int run, good = 0;

  if (memory_proc_field("/proc/meminfo", "\nMemAvailable:") < NEEDED_KIB) {
    harness_skip("needs 900 MiB");
    return;
  }
  if (background != NULL)
    setenv("TCM_BACKGROUND", background, 1);
  /* Each run has its own limit; the test's own limit is for one run. */
  alarm(RUNS * RUN_LIMIT);
  for (run = 0; run < RUNS && !good; run++)
    good = child_again("measure");
  unsetenv("TCM_BACKGROUND");
  EXPECT_FOR(good, "each of %d runs has calls over 1 ms, or returned nothing",
             run);
}

static void
with_a_thread(void)
{
  no_call_stalls(NULL);
}

static void
without_a_thread(void)
{
  no_call_stalls("0");
}

int
main(int argc, char **argv)
{
  static const struct harness_case cases[] = {
      {"with_a_thread", with_a_thread},
      {"without_a_thread", without_a_thread},
  };

  if (argc == 2 && strcmp(argv[1], "measure") == 0) {
    const char *background = getenv("TCM_BACKGROUND");
    alarm(RUN_LIMIT);
    harness.seed = 20240229;
    return measure(background != NULL ? "TCM_BACKGROUND=0" : "as it comes")
               ? HARNESS_PASS
               : HARNESS_FAIL;
  }
  return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
