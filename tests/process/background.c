/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tcm returns memory to the OS automatically, and the thread that does so is no
 * burden: it starts only if there is much to return, blocks all signals,
 * survives a fork, opens no descriptors, ends when idle, and can be disabled.
 */
#include "../support/child.h"
#include "../support/memory.h"
#include "../support/tasks.h"

#include <dirent.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#define MIB ((long)1 << 20)
#define SMALL_BLOCKS 60000

static void *block[SMALL_BLOCKS];

/* ---- What the process looks like ----------------------------------------- */

static int
descriptors(void)
{
  int fd, count = 0;

  for (fd = 0; fd < 1000; fd++)
    count += fcntl(fd, F_GETFD) >= 0;
  return count;
}

/* Waits until there is only one thread, for at most @seconds. */
static int
thread_ends_within(int seconds)
{
  int i;

  for (i = 0; i < seconds * 10 && tasks_count(NULL) > 1; i++)
    tasks_nap(100);
  return tasks_count(NULL) == 1;
}

/* ---- Loads --------------------------------------------------------------- */

static void
peak(size_t size, int count)
{
  int i;

  for (i = 0; i < count; i++) {
    block[i] = malloc(harness_size(size));
    REQUIRE(block[i] != NULL);
    memset(block[i], 1, size);
  }
}

static void
free_peak(int count, int keep_every)
{
  int i;

  for (i = 0; i < count; i++)
    if (keep_every == 0 || i % keep_every != 0)
      free(block[i]);
}

/* A peak of 60 MiB, all of it freed. */
static void
rise_and_fall(void)
{
  peak(1000, SMALL_BLOCKS);
  free_peak(SMALL_BLOCKS, 0);
}

/* ---- The thread ---------------------------------------------------------- */

static void
never_in_a_small_process(void)
{
  int i;

  for (i = 0; i < 20; i++) {
    peak(1000, 6000);
    free_peak(6000, 0);
    EXPECT(tasks_count(NULL) == 1);
  }
  /* Much memory is free, but hardly any whole page. */
  peak(200, SMALL_BLOCKS);
  free_peak(SMALL_BLOCKS, 4);
  EXPECT(tasks_count(NULL) == 1);
}

static void
starts_blocks_signals_and_ends(void)
{
  char status[4096], *field;
  long before, at_peak, after;
  pid_t helper = 0;
  int open_before = descriptors();

  before = memory_resident_bytes();
  rise_and_fall();
  at_peak = memory_resident_bytes();
  EXPECT(at_peak - before > 55 * MIB);
  EXPECT(tasks_count(&helper) == 2);
  EXPECT(descriptors() == open_before);
  REQUIRE(tasks_status(helper, status, sizeof status));
  field = strstr(status, "\nSigBlk:\t");
  /* All but SIGKILL and SIGSTOP, which cannot be blocked. */
  EXPECT(field != NULL && strncmp(field + 9, "fffffffffffbfeff", 16) == 0);
  EXPECT(thread_ends_within(14));
  after = memory_resident_bytes();
  harness_say("  peak %ld KiB, idle %ld KiB", (at_peak - before) / 1024,
              (after - before) / 1024);
  EXPECT(after - before < 8 * MIB);
  EXPECT(descriptors() == open_before);
  /* And once more. */
  rise_and_fall();
  EXPECT(tasks_count(NULL) == 2);
}

/* Free pages in partly used spans also make the thread start. */
static void
starts_for_single_pages(void)
{
  peak(1000, SMALL_BLOCKS);
  free_peak(SMALL_BLOCKS, 32);
  EXPECT(tasks_count(NULL) == 2);
}

static void
use_in_child(void)
{
  CHILD_EXPECT(tasks_count(NULL) == 1);
  rise_and_fall();
  CHILD_EXPECT(tasks_count(NULL) == 2);
  CHILD_EXPECT(fork() != 0 || (_exit(0), 0));
}

static void
survives_fork(void)
{
  int i;

  rise_and_fall();
  EXPECT(tasks_count(NULL) == 2);
  for (i = 0; i < 20; i++)
    EXPECT(child_run(use_in_child));
}

/* Forks while pages are being returned.  The child's heap must be intact. */
static void
fork_while_memory_returns(void)
{
  struct timespec start, now;
  int forks = 0;

  rise_and_fall();
  EXPECT(tasks_count(NULL) == 2);
  tasks_nap(900);
  clock_gettime(CLOCK_MONOTONIC, &start);
  do {
    pid_t child = child_fork();
    if (child == 0) {
      peak(1000, 3000);
      free_peak(3000, 0);
      CHILD_EXPECT(malloc_trim(0) >= 0);
      _exit(0);
    }
    EXPECT(child_succeeded(child));
    forks++;
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while (now.tv_sec - start.tv_sec < 2 && harness.failures == 0);
  harness_say("  %d forks", forks);
}

/* ---- Without the thread -------------------------------------------------- */

/* A thread's cache always serves these calls. */
static void
quiet_calls(int count)
{
  for (int i = 0; i < count; i++) {
    tasks_nap(10);
    free(malloc(harness_size(100)));
  }
}

/* The program continues with a few calls, and these return the memory. */
static void
alone_after_a_peak(void)
{
  long before = memory_resident_bytes(), after;

  rise_and_fall();
  CHILD_EXPECT(tasks_count(NULL) == 1);
  quiet_calls(400);
  after = memory_resident_bytes();
  harness_say("  alone, after some calls: %ld KiB", (after - before) / 1024);
  CHILD_EXPECT(after - before < 8 * MIB);
  CHILD_EXPECT(tasks_count(NULL) == 1);
}

static pthread_barrier_t at_peak;

static void *
call_quietly(void *unused)
{
  quiet_calls(3);
  pthread_barrier_wait(&at_peak);
  quiet_calls(400);
  return unused;
}

/* Only another thread continues to call, and it has no part in the peak. */
static void
another_thread_after_a_peak(void)
{
  long before = memory_resident_bytes(), after;
  pthread_t thread;

  REQUIRE(pthread_barrier_init(&at_peak, NULL, 2) == 0);
  REQUIRE(pthread_create(&thread, NULL, call_quietly, NULL) == 0);
  tasks_nap(100);
  rise_and_fall();
  pthread_barrier_wait(&at_peak);
  REQUIRE(pthread_join(thread, NULL) == 0);
  after = memory_resident_bytes();
  harness_say("  after another's calls: %ld KiB", (after - before) / 1024);
  CHILD_EXPECT(after - before < 8 * MIB);
}

static void
after_no_new_privileges(void)
{
  CHILD_EXPECT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  CHILD_EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
  alone_after_a_peak();
}

/* A filter that fails clone(2) with EPERM.  tcm does not see that it is set. */
static void
after_refused_clone(void)
{
  struct sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog filter = {4, program};

  if (syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0)) {
    harness_say("  skipped: the kernel allows no filters here");
    _exit(HARNESS_SKIP);
  }
  errno = 0;
  alone_after_a_peak();
  CHILD_EXPECT(errno == 0);
}

static void
no_thread_in_a_sandbox(void)
{
  EXPECT(child_run(after_no_new_privileges));
  EXPECT(child_run(after_refused_clone));
}

/* A limit on processes that is lifted later. */
static void
thread_after_a_refusal(void)
{
  struct rlimit old, one;
  int i;

  if (geteuid() == 0)
    REQUIRE(setgid(65534) == 0 && setuid(65534) == 0);
  REQUIRE(getrlimit(RLIMIT_NPROC, &old) == 0);
  one = old;
  one.rlim_cur = 1;
  REQUIRE(setrlimit(RLIMIT_NPROC, &one) == 0);
  rise_and_fall();
  EXPECT(tasks_count(NULL) == 1);
  REQUIRE(setrlimit(RLIMIT_NPROC, &old) == 0);
  for (i = 0; i < 40 && tasks_count(NULL) == 1; i++) {
    tasks_nap(100);
    rise_and_fall();
  }
  harness_say("  started after %d00 ms", i);
  EXPECT(tasks_count(NULL) == 2);
}

static void
no_thread_if_forbidden(void)
{
  setenv("TCM_BACKGROUND", "0", 1);
  EXPECT(child_again("forbidden"));
  EXPECT(child_again("another"));
  unsetenv("TCM_BACKGROUND");
}

/* ---- An invalid free that the thread detects ----------------------------- */

static void *
free_twice_and_end(void *unused)
{
  void *volatile first = malloc(harness_size(100));
  void *second = malloc(harness_size(100));

  free(first);
  free(second);
  free(first);
  return unused;
}

/* The orphaned cache of a thread contains both frees.  The program does nothing
 * while tcm's own thread empties that cache. */
static void
be_wrong(void)
{
  pthread_t thread;

  rise_and_fall();
  REQUIRE(pthread_create(&thread, NULL, free_twice_and_end, NULL) == 0);
  REQUIRE(pthread_join(thread, NULL) == 0);
  tasks_nap(3000);
  rise_and_fall();
}

static void
reports_double_free(void)
{
  static const char *const arguments[] = {"again", "wrong", NULL};
  char text[1024];

  EXPECT(!child_again_output(arguments, text, sizeof text));
  EXPECT_FOR(strncmp(text, "tcm: free(): double free at 0x", 30) == 0, "%s",
             text);
}

/* ---- A program that becomes idle ----------------------------------------- */

struct item {
  char *start;
  uint32_t size;
  uint32_t live;
};

static struct {
  size_t bytes;          /* at the peak, per thread */
  struct item *items[2]; /* mapped, resident from the start */
  size_t count[2];
  pthread_barrier_t barrier;
} load;

/* Allocates sizes from 32 B to 64 KiB, equally many blocks in each doubling.
 * Frees all but a twentieth of them in random order, and then sleeps. */
static void *
rise_and_sleep(void *number)
{
  uintptr_t own = (uintptr_t)number;
  struct item *items = load.items[own];
  uint64_t state = 7 + own;
  size_t bytes = 0, n = 0, i;

  while (bytes < load.bytes) {
    size_t low = (size_t)32 << (harness_random(&state) % 11);
    size_t size = low + harness_random(&state) % low;
    items[n].start = (char *)malloc(size);
    REQUIRE(items[n].start != NULL);
    memset(items[n].start, 1, size);
    items[n].size = (uint32_t)size;
    items[n++].live = 1;
    bytes += size;
  }
  load.count[own] = n;
  /* Nothing is freed until both threads are full and the peak is measured. */
  pthread_barrier_wait(&load.barrier);
  pthread_barrier_wait(&load.barrier);
  for (i = n; i-- > 1;) {
    size_t other = harness_random(&state) % (i + 1);
    struct item item = items[i];
    items[i] = items[other];
    items[other] = item;
  }
  for (i = n / 20; i < n; i++) {
    free(items[i].start);
    items[i].live = 0;
  }
  pthread_barrier_wait(&load.barrier);
  for (;;)
    pause();
  return NULL;
}

static int
by_address(const void *a, const void *b)
{
  uintptr_t x = (uintptr_t)((const struct item *)a)->start;
  uintptr_t y = (uintptr_t)((const struct item *)b)->start;

  return (x > y) - (x < y);
}

/* Bytes of the pages that hold a live byte: the lower bound for any allocator
 * that does not move blocks. */
static long
floor_bytes(long *live_bytes)
{
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), last = 0;
  size_t count = 0, t, i;
  long pages = 0;

  *live_bytes = 0;
  /* Collect the live items of both threads in the first list and sort it. */
  for (t = 0; t < 2; t++)
    for (i = 0; i < load.count[t] / 20; i++)
      load.items[0][count++] = load.items[t][i];
  qsort(load.items[0], count, sizeof *load.items[0], by_address);
  for (i = 0; i < count; i++) {
    struct item *item = &load.items[0][i];
    uintptr_t first = (uintptr_t)item->start / page + 1;
    uintptr_t end = ((uintptr_t)item->start + item->size - 1) / page + 1;
    REQUIRE(item->live);
    *live_bytes += item->size;
    if (first <= last)
      first = last + 1;
    if (end >= first)
      pages += (long)(end - first + 1);
    last = end > last ? end : last;
  }
  return pages * (long)page;
}

static void
idle_process_shrinks(void)
{
  static const size_t most = 1 << 20; /* items */
  long before, after, live, least, peak_bytes;
  pthread_t thread;
  uintptr_t t;

  /* A GiB in both threads; with checks or the debug library, a fifth of it. */
  load.bytes = (size_t)512 * MIB;
  if (getenv("TCM_CHECK") != NULL || strstr(getenv("LD_PRELOAD"), "debug"))
    load.bytes /= 5;
  for (t = 0; t < 2; t++) {
    load.items[t] = (struct item *)mmap(
        NULL, most * sizeof(struct item), PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    REQUIRE(load.items[t] != MAP_FAILED);
  }
  before = memory_resident_bytes();
  pthread_barrier_init(&load.barrier, NULL, 3);
  for (t = 0; t < 2; t++)
    REQUIRE(pthread_create(&thread, NULL, rise_and_sleep, (void *)t) == 0);
  pthread_barrier_wait(&load.barrier);
  peak_bytes = memory_resident_bytes() - before;
  pthread_barrier_wait(&load.barrier);
  pthread_barrier_wait(&load.barrier);
  tasks_nap(10000);
  after = memory_resident_bytes() - before;
  least = floor_bytes(&live);
  harness_say("  %zu blocks, peak %ld MiB, live %ld MiB on %ld MiB of pages",
              load.count[0] + load.count[1], peak_bytes / MIB, live / MIB,
              least / MIB);
  harness_say("  after 10 s: %ld KiB, %.3f of those pages", after / 1024,
              (double)after / (double)least);
  EXPECT(peak_bytes > (long)load.bytes * 3 / 2);
  EXPECT(after < least + least / 10 + 8 * MIB);
}

/* ---- A program with repeated peaks --------------------------------------- */

/* Allocates and frees 60 MiB three times a second, over more than two
 * periods. */
static void
swing(void)
{
  long before, after;
  int i;

  rise_and_fall();
  before = memory_faults();
  for (i = 0; i < 30; i++) {
    rise_and_fall();
    tasks_nap(300);
  }
  after = memory_faults();
  harness_say("  %ld page faults in 30 swings of 60 MiB", after - before);
  EXPECT(tasks_count(NULL) == 2);
  /* Touching all of it once would take 15,000. */
  EXPECT(after - before < 3000);
}

/* ---- All cases in parallel: most of the time they sleep ------------------ */

static const struct harness_case parts[] = {
    {"never_in_a_small_process", never_in_a_small_process},
    {"starts_blocks_signals_and_ends", starts_blocks_signals_and_ends},
    {"starts_for_single_pages", starts_for_single_pages},
    {"survives_fork", survives_fork},
    {"fork_while_memory_returns", fork_while_memory_returns},
    {"no_thread_in_a_sandbox", no_thread_in_a_sandbox},
    {"no_thread_if_forbidden", no_thread_if_forbidden},
    {"reports_double_free", reports_double_free},
    {"thread_after_a_refusal", thread_after_a_refusal},
    {"idle_process_shrinks", idle_process_shrinks},
    {"swing", swing},
};
#define PARTS (sizeof parts / sizeof *parts)

static void
side_by_side(void)
{
  pid_t child[PARTS];
  size_t i;

  for (i = 0; i < PARTS; i++) {
    child[i] = child_fork();
    if (child[i] == 0) {
      alarm(100);
      parts[i].run();
      harness_walk_heap();
      _exit(harness.failures == 0 ? HARNESS_PASS : HARNESS_FAIL);
    }
  }
  for (i = 0; i < PARTS; i++)
    EXPECT_FOR(child_succeeded(child[i]), "%s", parts[i].name);
}

int
main(int argc, char **argv)
{
  static const struct harness_case cases[] = {{"side_by_side", side_by_side}};

  if (argc == 2 && strcmp(argv[1], "wrong") == 0) {
    be_wrong();
    return HARNESS_PASS;
  }
  if (argc == 2 && strcmp(argv[0], "again") == 0) {
    if (strcmp(argv[1], "another") == 0)
      another_thread_after_a_peak();
    else
      alone_after_a_peak();
    return HARNESS_PASS;
  }
  return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
