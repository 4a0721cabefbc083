/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tcm's own thread can do no harm: it has no rights, no real-time priority, and
 * only a few system calls.  It is gone when the program must be
 * single-threaded.
 */
#define _GNU_SOURCE
#include "../support/child.h"
#include "../support/tasks.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>

#define BLOCKS 64
#define MIB ((size_t)1 << 20)

static void
peak(void)
{
  void *block[BLOCKS];
  int i;

  for (i = 0; i < BLOCKS; i++) {
    block[i] = malloc(harness_size(MIB));
    REQUIRE(block[i] != NULL);
    memset(block[i], 1, MIB);
  }
  for (i = 0; i < BLOCKS; i++)
    free(block[i]);
}

/* Frees enough memory to start the thread.  Returns its ID.  After a fork, tcm
 * starts no thread for a second. */
static pid_t
free_much(void)
{
  pid_t other = 0;
  int i;

  for (i = 0; i < 30 && tasks_count(&other) == 1; i++) {
    if (i > 0)
      tasks_nap(100);
    peak();
  }
  REQUIRE(tasks_count(&other) == 2);
  /* It gives up its rights before it sleeps. */
  tasks_wait_for_sleep(other);
  return other;
}

static void
expect_line(const char *status, const char *line)
{
  EXPECT_FOR(strstr(status, line) != NULL, "no %s in the status", line + 1);
}

static void
has_no_rights(void)
{
  char status[4096];
  pid_t other = free_much();

  REQUIRE(tasks_status(other, status, sizeof status));
  expect_line(status, "\nCapEff:\t0000000000000000");
  expect_line(status, "\nCapPrm:\t0000000000000000");
  expect_line(status, "\nNoNewPrivs:\t1");
  expect_line(status, "\nSeccomp:\t2");
  EXPECT(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1);
  EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);
}

static void
free_in_real_time(void)
{
  struct sched_param high = {10};
  cpu_set_t one, own, start;
  pid_t other;

  REQUIRE(sched_getaffinity(0, sizeof start, &start) == 0);
  if (sched_setscheduler(0, SCHED_FIFO, &high) != 0) {
    harness_say("  skipped: no right to be a real-time thread");
    return;
  }
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  (void)sched_setaffinity(0, sizeof one, &one);
  other = free_much();
  EXPECT(sched_getscheduler(other) == SCHED_BATCH);
  REQUIRE(sched_getaffinity(other, sizeof own, &own) == 0);
  EXPECT(CPU_EQUAL(&own, &start));
}

static void
has_no_priority(void)
{
  EXPECT(child_run(free_in_real_time));
}

/* ---- The system calls of the thread -------------------------------------- */

#if defined(__x86_64__)

static const char secret[] = "/etc/passwd";
static char memory[2 * 4096] __attribute__((aligned(4096)));

static void
wait_for_stop(pid_t thread)
{
  int status;

  REQUIRE(waitpid(thread, &status, __WALL) == thread && WIFSTOPPED(status));
}

/* Makes the stopped thread execute a system call in place of the one that it
 * waits in.  Returns the result. */
static long
inject(pid_t thread, const long *call)
{
  struct user_regs_struct before, regs;
  int stop;

  REQUIRE(ptrace(PTRACE_GETREGS, thread, NULL, &before) == 0);
  regs = before;
  regs.rip -= 2;
  regs.orig_rax = ~0ull;
  regs.rax = (unsigned long long)call[0];
  regs.rdi = (unsigned long long)call[1];
  regs.rsi = (unsigned long long)call[2];
  regs.rdx = (unsigned long long)call[3];
  regs.r10 = regs.r8 = 0;
  REQUIRE(ptrace(PTRACE_SETREGS, thread, NULL, &regs) == 0);
  for (stop = 0; stop < 2; stop++) {
    REQUIRE(ptrace(PTRACE_SYSCALL, thread, NULL, NULL) == 0);
    wait_for_stop(thread);
  }
  REQUIRE(ptrace(PTRACE_GETREGS, thread, NULL, &regs) == 0);
  REQUIRE(ptrace(PTRACE_SETREGS, thread, NULL, &before) == 0);
  return (long)regs.rax;
}

/* Starts a child that drops root's rights, if it has them, and sleeps. */
static pid_t
start_victim(int *ready)
{
  int ends[2];
  pid_t child, other;

  REQUIRE(pipe(ends) == 0);
  child = child_fork();
  if (child == 0) {
    other = free_much();
    if (geteuid() == 0)
      CHILD_EXPECT(setgid(65534) == 0 && setuid(65534) == 0);
    CHILD_EXPECT(write(ends[1], &other, sizeof other) == sizeof other);
    for (;;)
      pause();
  }
  *ready = ends[0];
  close(ends[1]);
  return child;
}

static void
can_call_nothing(void)
{
  const long refused[][4] = {
      {SYS_open, (long)secret, O_RDONLY, 0},
      {SYS_openat, AT_FDCWD, (long)secret, O_RDONLY},
      {SYS_write, 1, (long)secret, 1},
      {SYS_read, 0, (long)memory, 1},
      {SYS_pread64, 0, (long)memory, 1},
      {SYS_execve, (long)secret, 0, 0},
      {SYS_kill, getpid(), 0, 0},
      {SYS_tgkill, getpid(), getpid(), 0},
      {SYS_ptrace, PTRACE_ATTACH, getpid(), 0},
      {SYS_process_vm_readv, getpid(), 0, 0},
      {SYS_setuid, 0, 0, 0},
      {SYS_socket, 2, 1, 0},
      {SYS_mmap, 0, 4096, PROT_READ},
      {SYS_clone, SIGCHLD, 0, 0},
      {SYS_prctl, PR_SET_DUMPABLE, 0, 0},
      {SYS_madvise, (long)memory, 4096, 100},
      {SYS_madvise, (long)memory, 4096, 101},
      {SYS_getpid | 0x40000000, 0, 0, 0},
  };
  const long allowed[4] = {SYS_madvise, (long)memory, 4096, MADV_DONTNEED};
  pid_t victim, other;
  size_t i;
  int ready;

  victim = start_victim(&ready);
  REQUIRE(read(ready, &other, sizeof other) == sizeof other);
  if (ptrace(PTRACE_SEIZE, other, NULL, PTRACE_O_EXITKILL) != 0) {
    harness_say("  skipped: no right to trace a child");
  } else {
    REQUIRE(ptrace(PTRACE_INTERRUPT, other, NULL, NULL) == 0);
    wait_for_stop(other);
    for (i = 0; i < sizeof refused / sizeof *refused; i++) {
      long result = inject(other, refused[i]);
      EXPECT_FOR(result == -EPERM, "call %ld: %ld", refused[i][0], result);
    }
    EXPECT(inject(other, allowed) == 0);
    REQUIRE(ptrace(PTRACE_DETACH, other, NULL, NULL) == 0);
  }
  kill(victim, SIGKILL);
  REQUIRE(waitpid(victim, NULL, 0) == victim);
  close(ready);
}

#else

static void
can_call_nothing(void)
{
  harness_say("  skipped: written for x86-64");
}

#endif

/* ---- When the thread must be gone ---------------------------------------- */

static void
unshare_alone(void)
{
  CHILD_EXPECT(unshare(CLONE_NEWUSER) == 0);
}

static void
unshare_after_a_free(void)
{
  (void)free_much();
  CHILD_EXPECT(unshare(CLONE_NEWUSER) == 0);
  CHILD_EXPECT(tasks_count(NULL) == 1);
}

static void
thread_ends_for_unshare(void)
{
  if (!child_run(unshare_alone)) {
    harness_say("  skipped: no new name space of users here");
    return;
  }
  EXPECT(child_run(unshare_after_a_free));
}

/* The kernel refuses a filter for all threads if one has a different filter. */
static void
filter_all_threads(void)
{
  struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  struct sock_fprog program = {1, &allow};
  long result;

  (void)free_much();
  CHILD_EXPECT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  CHILD_EXPECT(tasks_count(NULL) == 1);
  result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                   SECCOMP_FILTER_FLAG_TSYNC, &program);
  CHILD_EXPECT(result == 0);
}

static void
thread_ends_for_filter(void)
{
  EXPECT(child_run(filter_all_threads));
}

/* Python warns about fork() in a process that has two tasks in the kernel. */
static void
thread_ends_for_fork(void)
{
  pid_t child;

  (void)free_much();
  child = child_fork();
  if (child == 0)
    _exit(0);
  EXPECT(tasks_count(NULL) == 1);
  EXPECT(child_succeeded(child));
}

int
main(int argc, char **argv)
{
  static const struct harness_case cases[] = {
      {"has_no_rights", has_no_rights},
      {"has_no_priority", has_no_priority},
      {"can_call_nothing", can_call_nothing},
      {"thread_ends_for_unshare", thread_ends_for_unshare},
      {"thread_ends_for_filter", thread_ends_for_filter},
      {"thread_ends_for_fork", thread_ends_for_fork},
  };

  return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
