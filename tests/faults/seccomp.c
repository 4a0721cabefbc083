/* SPDX-License-Identifier: BSD-2-Clause */
/* A sandboxed program: after its start, the kernel ends it at every system call
 * that an allocator does not need.  An allocator must read files, random
 * numbers, the number of processors and so on at start, or never. */
#include "../support/child.h"
#include "../support/memory.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

enum { RULES_MAX = 64 };

/* Calls for memory, and those that end the process. */
static const int memory_calls[] = {
    SYS_mmap,  SYS_munmap,      SYS_mremap,    SYS_madvise,      SYS_mprotect,
    SYS_brk,   SYS_futex,       SYS_write,     SYS_exit_group,   SYS_exit,
    SYS_alarm, SYS_sched_yield, SYS_nanosleep, SYS_rt_sigreturn,
};

/* Calls that libc needs in addition for a thread. */
static const int thread_calls[] = {
    SYS_clone,        SYS_set_robust_list, SYS_rt_sigprocmask,
    SYS_rt_sigaction, SYS_gettid,          SYS_getpid,
#ifdef SYS_clone3
    SYS_clone3,
#endif
#ifdef SYS_rseq
    SYS_rseq,
#endif
};

static struct sock_filter rules[RULES_MAX];
static unsigned short nrules;

static void
add_rule(unsigned short code, unsigned char yes, unsigned char no,
         unsigned value)
{
  struct sock_filter rule = {code, yes, no, value};

  REQUIRE(nrules < RULES_MAX);
  rules[nrules++] = rule;
}

static void
answer(const int *calls, size_t count, unsigned action)
{
  size_t i;

  for (i = 0; i < count; i++) {
    add_rule(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (unsigned)calls[i]);
    add_rule(BPF_RET | BPF_K, 0, 0, action);
  }
}

#define ANSWER(calls, action) \
  answer(calls, sizeof(calls) / sizeof *(calls), action)

static void
begin_rules(void)
{
  nrules = 0;
  add_rule(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
}

/* Sets the filter, with @action for every call without a rule.  Returns 0 if
 * the kernel allows no filters. */
static int
set_filter(unsigned action)
{
  struct sock_fprog program = {0, rules};

  add_rule(BPF_RET | BPF_K, 0, 0, action);
  program.len = nrules;
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

/* The kernel would end the process without a message; this handler prints the
 * reason. */
static void
report_call(int number, siginfo_t *info, void *context)
{
  (void)number;
  (void)context;
  harness_say("  system call %d after the start", info->si_syscall);
  _exit(HARNESS_FAIL);
}

static void
use_heap(void)
{
  static void *block[400];
  size_t size, i;
  int round;

  for (round = 0; round < 3; round++) {
    for (size = 1; size < (size_t)64 << 20; size += size / 5 + 1) {
      unsigned char *one = (unsigned char *)malloc(harness_size(size));
      CHILD_EXPECT(one != NULL && malloc_usable_size(one) >= size);
      one[0] = one[size - 1] = 1;
      one = (unsigned char *)realloc(one, harness_size(size * 2));
      CHILD_EXPECT(one != NULL && one[0] == 1 && one[size - 1] == 1);
      free(one);
      one = (unsigned char *)calloc(harness_size(size), 1);
      CHILD_EXPECT(one != NULL && one[0] == 0 && one[size - 1] == 0);
      free(one);
    }
    for (i = 0; i < 400; i++)
      CHILD_EXPECT((block[i] = malloc(harness_size(i * i))) != NULL);
    CHILD_EXPECT(posix_memalign(&block[0], 4096, 100000) == 0);
    for (i = 0; i < 400; i++)
      free(block[i]);
    malloc_trim(0);
  }
}

static void *
use_heap_in_thread(void *unused)
{
  void *block[200];
  size_t i;

  for (i = 0; i < 200; i++)
    CHILD_EXPECT((block[i] = malloc(harness_size(i * 300))) != NULL);
  for (i = 0; i < 200; i++)
    free(block[i]);
  return unused;
}

static void
use_threads(void)
{
  pthread_t thread[4];
  int round, i;

  for (round = 0; round < 10; round++) {
    for (i = 0; i < 4; i++)
      CHILD_EXPECT(pthread_create(&thread[i], NULL, use_heap_in_thread, NULL) ==
                   0);
    for (i = 0; i < 4; i++)
      pthread_join(thread[i], NULL);
  }
}

static void
prepare(void)
{
  struct sigaction action = {.sa_sigaction = report_call,
                             .sa_flags = SA_SIGINFO};

  sigaction(SIGSYS, &action, NULL);
  begin_rules();
}

/* Only calls for memory are allowed.  The heap was used before, as in every
 * program that reaches its main(). */
static void
filter_and_allocate(void)
{
  prepare();
  free(malloc(harness_size(100)));
  ANSWER(memory_calls, SECCOMP_RET_ALLOW);
  if (!set_filter(SECCOMP_RET_TRAP))
    _exit(HARNESS_SKIP);
  use_heap();
}

static void
filter_with_threads(void)
{
  prepare();
  use_threads();
  ANSWER(memory_calls, SECCOMP_RET_ALLOW);
  ANSWER(thread_calls, SECCOMP_RET_ALLOW);
  if (!set_filter(SECCOMP_RET_TRAP))
    _exit(HARNESS_SKIP);
  use_threads();
  use_heap();
}

/* Calls that an allocator may make at start; they fail from the start. */
static const int asked_at_start[] = {
    SYS_prctl,      SYS_sched_getaffinity, SYS_getrandom, SYS_sched_setaffinity,
#ifdef SYS_membarrier
    SYS_membarrier,
#endif
#ifdef SYS_rseq
    SYS_rseq,
#endif
#ifdef SYS_getcpu
    SYS_getcpu,
#endif
};

static const int calls_for_a_thread[] = {
    SYS_clone,
#ifdef SYS_clone3
    SYS_clone3,
#endif
};

static int
may_filter(void)
{
  pid_t child = child_fork();
  int status;

  if (child == 0) {
    begin_rules();
    _exit(set_filter(SECCOMP_RET_ALLOW) ? HARNESS_PASS : HARNESS_SKIP);
  }
  REQUIRE(waitpid(child, &status, 0) == child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == HARNESS_SKIP)
    harness_skip("the kernel allows no filters here");
  return harness.skipped == NULL;
}

static void
in_one_thread(void)
{
  if (may_filter())
    EXPECT(child_run(filter_and_allocate));
}

static void
with_threads(void)
{
  if (may_filter())
    EXPECT(child_run(filter_with_threads));
}

static void
refused_from_the_start(void)
{
  pid_t child;

  if (!may_filter())
    return;
  child = child_fork();
  if (child == 0) {
    begin_rules();
    ANSWER(asked_at_start, SECCOMP_RET_ERRNO | EPERM);
    if (set_filter(SECCOMP_RET_ALLOW))
      execl("/proc/self/exe", "again", "--refused", (char *)NULL);
    _exit(HARNESS_ERROR);
  }
  EXPECT(child_succeeded(child));
}

/* A filter is set before the process starts and ends it if it creates a thread.
 * The allocator must not start its own. */
static void
no_threads_from_the_start(void)
{
  pid_t child;

  if (!may_filter())
    return;
  child = child_fork();
  if (child == 0) {
    begin_rules();
    ANSWER(calls_for_a_thread, SECCOMP_RET_KILL_PROCESS);
    if (set_filter(SECCOMP_RET_ALLOW))
      execl("/proc/self/exe", "again", "--alone", (char *)NULL);
    _exit(HARNESS_ERROR);
  }
  EXPECT(child_succeeded(child));
}

static const struct harness_case cases[] = {
    {"in-one-thread", in_one_thread},
    {"with-threads", with_threads},
    {"refused-from-the-start", refused_from_the_start},
    {"no-threads-from-the-start", no_threads_from_the_start},
};

int
main(int argc, char **argv)
{
  if (argc == 2 && strcmp(argv[1], "--refused") == 0) {
    harness_prove_allocator();
    use_heap();
    use_threads();
    return 0;
  }
  if (argc == 2 && strcmp(argv[1], "--alone") == 0) {
    harness_prove_allocator();
    use_heap();
    return 0;
  }
  return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
