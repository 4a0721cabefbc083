/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Chooses the thread to interrupt.
 *
 * The kernel continues most waiting system calls after an interruption, as
 * after SIGSTOP and SIGCONT.  waits[] lists these, and those that end with
 * EINTR but can be made to continue: without a time limit, they can start
 * again.  Not in the list: calls that may return a part of their work, such as
 * write(2).
 */
#include "wake_threads.h"

#if CAN_WAKE

#include <ctype.h>
#include <dirent.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

enum wait_kind {
  GOES_ON,       /* the kernel continues it */
  LIMIT_NUMBER,  /* ends with EINTR; its limit is a number, none if negative */
  LIMIT_POINTER, /* the same; its limit is a pointer, none if NULL */
  NO_LIMIT,      /* the same; it never has a limit */
  IS_FUTEX       /* the kernel continues some of its operations */
};

static const struct {
  long number;
  enum wait_kind kind;
  int argument; /* the limit */
} waits[] = {
    {SYS_read, GOES_ON, 0},
    {SYS_readv, GOES_ON, 0},
    {SYS_recvfrom, GOES_ON, 0},
    {SYS_recvmsg, GOES_ON, 0},
    {SYS_accept, GOES_ON, 0},
    {SYS_accept4, GOES_ON, 0},
    {SYS_poll, GOES_ON, 0},
    {SYS_ppoll, GOES_ON, 0},
    {SYS_select, GOES_ON, 0},
    {SYS_pselect6, GOES_ON, 0},
    {SYS_nanosleep, GOES_ON, 0},
    {SYS_clock_nanosleep, GOES_ON, 0},
    {SYS_pause, GOES_ON, 0},
    {SYS_rt_sigsuspend, GOES_ON, 0},
    {SYS_wait4, GOES_ON, 0},
    {SYS_waitid, GOES_ON, 0},
    {SYS_restart_syscall, GOES_ON, 0},
    {SYS_futex, IS_FUTEX, 1},
    {SYS_epoll_wait, LIMIT_NUMBER, 3},
    {SYS_epoll_pwait, LIMIT_NUMBER, 3},
    {SYS_rt_sigtimedwait, LIMIT_POINTER, 2},
    {SYS_semtimedop, LIMIT_POINTER, 3},
    {SYS_semop, NO_LIMIT, 0},
    {SYS_msgrcv, NO_LIMIT, 0},
};

enum wake_wait
wake_wait_of(long number, const uint64_t arguments[6])
{
  size_t i;
  uint64_t limit;

  for (i = 0; i < sizeof waits / sizeof *waits; i++)
    if (waits[i].number == number)
      break;
  if (i == sizeof waits / sizeof *waits)
    return WAIT_UNSUITABLE;
  limit = arguments[waits[i].argument];
  switch (waits[i].kind) {
  case GOES_ON:
    return WAIT_GOES_ON;
  case LIMIT_NUMBER:
    return (int32_t)limit < 0 ? WAIT_BEGINS_AGAIN : WAIT_ENDS;
  case LIMIT_POINTER:
    return limit == 0 ? WAIT_BEGINS_AGAIN : WAIT_UNSUITABLE;
  case NO_LIMIT:
    return WAIT_BEGINS_AGAIN;
  case IS_FUTEX:
    limit &= (uint64_t)FUTEX_CMD_MASK;
    return limit == FUTEX_WAIT || limit == FUTEX_WAIT_BITSET ? WAIT_GOES_ON
                                                             : WAIT_UNSUITABLE;
  }
  return WAIT_UNSUITABLE;
}

static FILE *
open_task(pid_t pid, pid_t tid, const char *name)
{
  char path[96];

  snprintf(path, sizeof path, "/proc/%d/task/%d/%s", (int)pid, (int)tid, name);
  return fopen(path, "re");
}

static void
read_filters(pid_t pid, struct wake_thread *thread)
{
  FILE *status = open_task(pid, thread->tid, "status");
  char line[256];

  while (status != NULL && fgets(line, sizeof line, status) != NULL) {
    (void)sscanf(line, "Seccomp: %u", &thread->seccomp);
    (void)sscanf(line, "Seccomp_filters: %u", &thread->filters);
    (void)sscanf(line, "TracerPid: %u", &thread->tracer);
  }
  if (status != NULL)
    fclose(status);
}

static enum wake_wait
read_wait(pid_t pid, pid_t tid)
{
  FILE *file = open_task(pid, tid, "syscall");
  unsigned long long a[6];
  long number = -1;
  int got = 0;

  if (file != NULL) {
    got = fscanf(file, "%ld %llx %llx %llx %llx %llx %llx", &number, &a[0],
                 &a[1], &a[2], &a[3], &a[4], &a[5]);
    fclose(file);
  }
  return got == 7 ? wake_wait_of(number, (uint64_t[]){a[0], a[1], a[2], a[3],
                                                      a[4], a[5]})
                  : WAIT_UNSUITABLE;
}

/* tcm's thread must not be real-time, and begins with this thread's policy
 * unless that is reset. */
static bool
is_real_time(pid_t tid)
{
  int policy = sched_getscheduler(tid);

  return (policy & SCHED_RESET_ON_FORK) == 0 && policy != SCHED_OTHER &&
         policy != SCHED_BATCH && policy != SCHED_IDLE;
}

/* A thread with more than @least filters may be forbidden to start threads, and
 * tcm's thread would inherit that. */
static void
exclude(struct wake_threads *threads, struct wake_thread *thread,
        unsigned least)
{
  bool filtered = thread->filters > least || thread->seccomp == 1;

  if (thread->wait == WAIT_UNSUITABLE ||
      !(filtered || is_real_time(thread->tid)))
    return;
  thread->wait = WAIT_UNSUITABLE;
  threads->some_filtered |= filtered;
  threads->some_real_time |= !filtered;
}

/* The best kind of wait first, then the main thread. */
static int
compare(const void *a, const void *b)
{
  const struct wake_thread *x = a, *y = b;

  if (x->wait != y->wait)
    return (x->wait > y->wait) - (x->wait < y->wait);
  return (x->tid > y->tid) - (x->tid < y->tid);
}

void
wake_threads_read(pid_t pid, struct wake_threads *threads)
{
  char path[64];
  unsigned least = ~0u;
  struct dirent *entry;
  DIR *tasks;

  *threads = (struct wake_threads){.n = 0};
  snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
  tasks = opendir(path);
  while (tasks != NULL && threads->n < WAKE_THREADS_MAX &&
         (entry = readdir(tasks)) != NULL) {
    struct wake_thread *thread = &threads->at[threads->n];
    if (!isdigit((unsigned char)entry->d_name[0]))
      continue;
    *thread = (struct wake_thread){.tid = (pid_t)atoi(entry->d_name)};
    thread->wait = read_wait(pid, thread->tid);
    read_filters(pid, thread);
    if (thread->filters < least)
      least = thread->filters;
    if (thread->tid == pid)
      threads->main = *thread;
    threads->n++;
  }
  if (tasks != NULL)
    closedir(tasks);
  for (size_t i = 0; i < threads->n; i++)
    exclude(threads, &threads->at[i], least);
  qsort(threads->at, threads->n, sizeof *threads->at, compare);
}

#endif
