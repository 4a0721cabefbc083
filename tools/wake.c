/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Wakes an idle process: lets one of its waiting threads run a function of the
 * library, which starts tcm's own thread, and puts the thread back.
 *
 *     seize, interrupt       the thread stops at the end of its system call,
 *                            before the kernel restarts that
 *     write the frame        registers to continue with if this tool dies
 *     set the registers      to the function
 *     until its last call    the thread runs; all signals wait
 *     interrupt              it stops in the same way as at first
 *     set the registers      as they were: now the kernel restarts the call, or
 *                            delivers a signal that came meanwhile
 *
 * A child process traces.  When it exits, the kernel ends each trace.  To be
 * the tracer of the main thread, which only one process can be, is the lock
 * between several tools.
 */
#include "wake_threads.h"

#if CAN_WAKE

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Results inside the kernel: how an interrupted system call continues. */
#define RESTART_ALWAYS 512
#define RESTART_NO_SIGNAL 513
#define RESTART_NO_HANDLER 514
#define RESTART_BLOCK 516

#define USER_CODE 0x33 /* the code segment of 64-bit programs */
/* Flags to clear before a function runs: trap, direction, alignment check. */
#define FLAGS_CLEARED 0x40500ul
#define SIGNALS_SIZE 8
#define PAUSE_NS 100000
/* Pauses until a thread must have stopped. */
#define STOP_PAUSES 1000
/* The tracer ends after this time, whatever happens. */
#define TRACER_SECONDS 2
/* Maximum numbers of pauses while another tool traces, and of threads tried. */
#define SEIZE_PAUSES 1000
#define THREADS_TRIED 4
/* System calls of the function, each of which stops it twice. */
#define STOPS_MAX 200
/* Bytes for the extended registers: enough for every processor, with AMX
 * too. */
#define EXTENDED_MAX 16384

/* The state of a thread. */
struct saved {
  struct user_regs_struct registers;
  uint64_t signals;
  size_t extended_size;
  char extended[EXTENDED_MAX];
};

static long
trace(int request, pid_t tid, uintptr_t address, uintptr_t data)
{
  return syscall(SYS_ptrace, request, tid, address, data);
}

static void
pause_briefly(void)
{
  struct timespec pause = {.tv_nsec = PAUSE_NS};

  nanosleep(&pause, NULL);
}

/* Waits for the next stop; false if the thread ended or does not stop. */
static bool
wait_for_stop(pid_t tid, int *status)
{
  for (unsigned i = 0; i < STOP_PAUSES; i++) {
    pid_t got = waitpid(tid, status, __WALL | WNOHANG);
    if (got == tid)
      return WIFSTOPPED(*status);
    if (got < 0)
      return false;
    pause_briefly();
  }
  return false;
}

static bool
is_event(int status)
{
  return status >> 16 == PTRACE_EVENT_STOP;
}

/* The signal that the thread is about to get, or 0. */
static int
signal_of(int status)
{
  return status >> 16 == 0 && WSTOPSIG(status) != (SIGTRAP | 0x80)
             ? WSTOPSIG(status)
             : 0;
}

/* Interrupts a thread: 0, or an enum wake_obstacle. */
static unsigned
stop(pid_t tid)
{
  int status;

  if (trace(PTRACE_INTERRUPT, tid, 0, 0) != 0)
    return WAKE_NOWHERE;
  while (wait_for_stop(tid, &status)) {
    if (is_event(status))
      return WSTOPSIG(status) == SIGTRAP ? 0 : WAKE_STOPPED;
    /* The interruption is still to come. */
    if (trace(PTRACE_CONT, tid, 0, (uintptr_t)signal_of(status)) != 0)
      break;
  }
  return WAKE_NOWHERE;
}

/* ---- The state of a thread ----------------------------------------------- */
static bool
save(pid_t tid, struct saved *saved)
{
  struct iovec extended = {saved->extended, sizeof saved->extended};
  bool done =
      trace(PTRACE_GETREGS, tid, 0, (uintptr_t)&saved->registers) == 0 &&
      trace(PTRACE_GETSIGMASK, tid, SIGNALS_SIZE, (uintptr_t)&saved->signals) ==
          0 &&
      trace(PTRACE_GETREGSET, tid, NT_X86_XSTATE, (uintptr_t)&extended) == 0;

  saved->extended_size = extended.iov_len;
  return done && extended.iov_len < sizeof saved->extended;
}

/* Signals first: a thread that continues by itself then has its own mask. */
static bool
restore(pid_t tid, struct saved *saved)
{
  struct iovec extended = {saved->extended, saved->extended_size};

  return trace(PTRACE_SETSIGMASK, tid, SIGNALS_SIZE,
               (uintptr_t)&saved->signals) == 0 &&
         trace(PTRACE_SETREGSET, tid, NT_X86_XSTATE, (uintptr_t)&extended) ==
             0 &&
         trace(PTRACE_SETREGS, tid, 0, (uintptr_t)&saved->registers) == 0;
}

static enum wake_wait
wait_of(const struct user_regs_struct *r)
{
  uint64_t arguments[6] = {r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9};

  return wake_wait_of((long)r->orig_rax, arguments);
}

/* Whether the stopped thread can run the function: it is at the end of a system
 * call that it made as 64-bit code, and its thread pointer is libc's. */
static bool
is_suitable(const struct target *target, const struct user_regs_struct *r)
{
  static const unsigned char syscall_code[2] = {0x0f, 0x05};
  unsigned char code[2];
  uint64_t header = 0;

  return (long)r->orig_rax >= 0 && r->cs == USER_CODE &&
         wait_of(r) != WAIT_UNSUITABLE &&
         target_read(target, r->rip - sizeof code, code, sizeof code) == 0 &&
         memcmp(code, syscall_code, sizeof code) == 0 &&
         target_read(target, r->fs_base, &header, sizeof header) == 0 &&
         header == r->fs_base;
}

/* Lets a call without a time limit begin again unless a handler runs. */
static void
begin_again(struct user_regs_struct *r)
{
  if ((long)r->rax == -EINTR && wait_of(r) == WAIT_BEGINS_AGAIN)
    r->rax = (unsigned long)-RESTART_NO_HANDLER;
}

/* The registers with which the thread does what the kernel would do. */
static struct wake_registers
registers_alone(const struct user_regs_struct *r)
{
  struct wake_registers alone = {
      r->rip,
      r->rsp,
      r->eflags,
      r->rax,
      r->rbx,
      r->rcx,
      r->rdx,
      r->rsi,
      r->rdi,
      r->rbp,
      {r->r8, r->r9, r->r10, r->r11, r->r12, r->r13, r->r14, r->r15}};
  long result = (long)r->rax;

  if (result == -RESTART_ALWAYS || result == -RESTART_NO_SIGNAL ||
      result == -RESTART_NO_HANDLER)
    alone.ax = r->orig_rax;
  else if (result == -RESTART_BLOCK)
    alone.ax = SYS_restart_syscall;
  else
    return alone;
  alone.ip -= 2;
  return alone;
}

/* ---- The function -------------------------------------------------------- */

/* Runs the stopped thread until it sets its signal mask at the end of the
 * function.  False if it ends or faults. */
static bool
run_to_end(pid_t tid, const struct target *target)
{
  uintptr_t signals =
      target->page.places.wake + offsetof(struct stats_wake, signals);
  struct user_regs_struct r;
  int status;

  for (unsigned i = 0; i < STOPS_MAX; i++) {
    if (trace(PTRACE_SYSCALL, tid, 0, 0) != 0 || !wait_for_stop(tid, &status) ||
        signal_of(status) != 0)
      return false;
    if (is_event(status))
      continue;
    if (trace(PTRACE_GETREGS, tid, 0, (uintptr_t)&r) != 0)
      return false;
    if (r.orig_rax == SYS_rt_sigprocmask && r.rsi == signals)
      return true;
  }
  return false;
}

/* Writes the frame, and lets the thread run the function. */
static bool
begin(pid_t tid, const struct target *target, const struct stats_wake *wake,
      const struct saved *saved)
{
  struct stats_wake frame = *wake;
  struct user_regs_struct registers = saved->registers;
  uint64_t all = UINT64_MAX;

  frame.busy = 1;
  frame.result = WAKE_NONE;
  frame.signals = saved->signals;
  frame.registers = registers_alone(&saved->registers);
  registers.rip = wake->entry;
  registers.rsp = wake->stack_end;
  registers.eflags &= ~FLAGS_CLEARED;
  registers.orig_rax = (unsigned long)-1;
  return target_write(target, target->page.places.wake, &frame, sizeof frame) ==
             0 &&
         trace(PTRACE_SETREGS, tid, 0, (uintptr_t)&registers) == 0 &&
         trace(PTRACE_SETSIGMASK, tid, SIGNALS_SIZE, (uintptr_t)&all) == 0;
}

/* Lets the thread finish its system call and stop in the same way as before. */
static bool
stop_at_end(pid_t tid)
{
  int status;

  return trace(PTRACE_INTERRUPT, tid, 0, 0) == 0 &&
         trace(PTRACE_CONT, tid, 0, 0) == 0 && wait_for_stop(tid, &status) &&
         is_event(status);
}

/* Runs the function in a stopped thread, which is suitable.  If the thread
 * cannot be put back, it is left to continue by itself. */
static unsigned
call(pid_t tid, const struct target *target, const struct stats_wake *wake,
     struct saved *saved)
{
  uintptr_t at = target->page.places.wake;
  struct stats_wake frame;
  uint64_t none = 0;
  unsigned result = WAKE_FAILED;

  if (!begin(tid, target, wake, saved)) {
    (void)target_write(target, at + offsetof(struct stats_wake, busy), &none,
                       sizeof none);
    (void)restore(tid, saved);
    return WAKE_FAILED;
  }
  if (run_to_end(tid, target) && stop_at_end(tid) &&
      target_read(target, at, &frame, sizeof frame) == 0 &&
      frame.result < WAKE_RESULTS)
    result = (unsigned)frame.result;
  if (restore(tid, saved))
    (void)target_write(target, at + offsetof(struct stats_wake, busy), &none,
                       sizeof none);
  return result;
}

/* Whether it is still the program that was opened, and no other tool's frame is
 * in use.  The thread is stopped, so it cannot change anymore. */
static bool
is_ready(const struct target *target, struct stats_wake *wake)
{
  struct stats_page page;

  return target_is_same(target) &&
         target_read(target, target->page.self, &page, sizeof page) == 0 &&
         page_is_sound(&page, target->page.self) &&
         page.layout == target->page.layout &&
         target_read(target, target->page.places.wake, wake, sizeof *wake) ==
             0 &&
         wake->busy == 0;
}

/* Tries one thread; WAKE_NOWHERE if the thread is no longer suitable. */
static unsigned
try_thread(pid_t tid, const struct target *target)
{
  static struct saved saved;
  struct stats_wake wake;
  unsigned result = stop(tid);

  if (result == 0) {
    result = WAKE_NOWHERE;
    if (is_ready(target, &wake) && save(tid, &saved) &&
        is_suitable(target, &saved.registers)) {
      begin_again(&saved.registers);
      result = call(tid, target, &wake, &saved);
    }
  }
  (void)trace(PTRACE_DETACH, tid, 0, 0);
  return result;
}

/* ---- The tracer ---------------------------------------------------------- */
static bool
seize(pid_t tid)
{
  return trace(PTRACE_SEIZE, tid, 0, PTRACE_O_TRACESYSGOOD) == 0;
}

/* Becomes the tracer of the main thread; another tool may be tracing it. */
static bool
seize_main(pid_t pid)
{
  for (unsigned i = 0; i < SEIZE_PAUSES; i++) {
    if (seize(pid))
      return true;
    pause_briefly();
  }
  return false;
}

/* A filter of system calls may kill a process that never started a thread
 * before. */
static bool
may_be_killed(const struct target *target, const struct stats_wake *wake,
              const struct wake_threads *threads)
{
  bool before = false;

  return threads->main.seccomp != 0 && threads->n == 1 &&
         (target_read(target, wake->before, &before, sizeof before) != 0 ||
          !before);
}

/* Why there is no suitable thread. */
static unsigned
obstacle_of(const struct wake_threads *threads)
{
  if (threads->some_real_time)
    return WAKE_REAL_TIME;
  return threads->some_filtered ? WAKE_FILTERED : WAKE_NOWHERE;
}

static unsigned
trace_process(const struct target *target)
{
  static struct wake_threads threads;
  struct stats_wake wake;
  unsigned result;

  if (target->page.places.wake == 0 ||
      target_read(target, target->page.places.wake, &wake, sizeof wake) != 0 ||
      wake.size != sizeof wake)
    return WAKE_UNKNOWN;
  if (!seize_main(target->pid)) {
    wake_threads_read(target->pid, &threads);
    return threads.main.tracer != 0 ? WAKE_TRACED : WAKE_DENIED;
  }
  wake_threads_read(target->pid, &threads);
  if (may_be_killed(target, &wake, &threads))
    return WAKE_FILTERED;
  result = obstacle_of(&threads);
  for (size_t i = 0; i < threads.n && i < THREADS_TRIED; i++) {
    pid_t tid = threads.at[i].tid;
    if (threads.at[i].wait == WAIT_UNSUITABLE)
      break;
    if (tid != target->pid && !seize(tid))
      continue;
    result = try_thread(tid, target);
    if (result != WAKE_NOWHERE)
      break;
    /* The main thread was traced only as the lock. */
    if (tid == target->pid && !seize(tid))
      break;
  }
  return result;
}

unsigned
wake_process(const struct target *target)
{
  sigset_t signals;
  int status = 0;
  pid_t child;

  fflush(NULL);
  child = fork();
  if (child == 0) {
    /* No signal but SIGKILL, or SIGALRM after the time limit, ends the
     * tracer. */
    sigfillset(&signals);
    sigdelset(&signals, SIGALRM);
    sigprocmask(SIG_SETMASK, &signals, NULL);
    signal(SIGALRM, SIG_DFL);
    alarm(TRACER_SECONDS);
    _exit((int)trace_process(target));
  }
  if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
    return WAKE_FAILED;
  return (unsigned)WEXITSTATUS(status);
}

#else

unsigned
wake_process(const struct target *target)
{
  (void)target;
  return WAKE_UNKNOWN;
}

#endif

bool
wake_may_succeed(unsigned result)
{
  return result == WAKE_LATER || result == WAKE_TRACED ||
         result == WAKE_NOWHERE || result == WAKE_FAILED;
}

const char *
wake_text(unsigned result)
{
#define DEBUGGER "; tcm-stat(1) explains how a debugger can"
  static const char *const texts[] = {
      [WAKE_NONE] = "it has no thread of tcm",
      [WAKE_STARTED] = "tcm's thread has started but not answered; try again, "
                       "with a longer --timeout",
      [WAKE_OFF] = "TCM_BACKGROUND=0 forbids tcm's thread, which would "
                   "serve it" DEBUGGER,
      [WAKE_FORBIDDEN] = "its sandbox forbids tcm's thread, which would "
                         "serve it" DEBUGGER,
      [WAKE_LATER] = "tcm's thread had to end, or the kernel refused it, a "
                     "moment ago; try again in a minute",
      [WAKE_REFUSED] = "the kernel refused to start a thread in it; raise the "
                       "limit of its processes, RLIMIT_NPROC or pids.max, and "
                       "try again in a minute",
      [WAKE_UNKNOWN] =
          CAN_WAKE
              ? "tcm-stat cannot wake its build of tcm" DEBUGGER
              : "tcm-stat cannot wake a process on this processor" DEBUGGER,
      [WAKE_TRACED] = "a debugger or another process traces it, so tcm-stat "
                      "cannot wake it; try again when that process has ended",
      [WAKE_DENIED] = "the kernel does not allow tcm-stat to wake it with "
                      "ptrace(2); try as root, outside of containers",
      [WAKE_STOPPED] = "it is stopped; SIGCONT continues it",
      [WAKE_NOWHERE] = "none of its threads waits where tcm-stat can interrupt "
                       "it; try again",
      [WAKE_FILTERED] =
          "it has a filter of system calls, which might end it if "
          "tcm started a thread" DEBUGGER,
      [WAKE_REAL_TIME] =
          "all its waiting threads are real-time, so tcm's thread would "
          "start as real-time, too" DEBUGGER,
      [WAKE_FAILED] = "tcm-stat failed to wake it; try again",
  };
#undef DEBUGGER

  return result < sizeof texts / sizeof *texts ? texts[result]
                                               : texts[WAKE_NONE];
}
