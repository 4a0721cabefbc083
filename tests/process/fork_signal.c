/* SPDX-License-Identifier: BSD-2-Clause */
/* fork() in a signal handler that interrupted malloc or free.  The thread that
 * runs the handler may itself hold the locks that fork takes. */
#include "../support/child.h"
#include "../support/churn.h"

#include <sys/mman.h>

static volatile sig_atomic_t *handled; /* [main thread] mapped, the sender reads
                                          it */
static volatile sig_atomic_t failed;   /* [main thread] */
static volatile sig_atomic_t am_child;
static volatile sig_atomic_t goes_on; /* the child returns from the handler */

static void
fork_in_handler(int signal_number)
{
  int saved_errno = errno, status;
  pid_t child;

  (void)signal_number;
  if (am_child)
    return;
  child = fork();
  if (child == 0) {
    alarm(CHILD_LIMIT);
    am_child = 1;
    if (!goes_on)
      _exit(0);
    return;
  }
  if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
    failed++;
  ++*handled;
  errno = saved_errno;
}

/* The sender sends a signal some random time after the last one was handled.
 * Where a fork takes longer than that, signals at a fixed rate would leave the
 * program no time between two handlers. */
static void
send_signals(pid_t parent)
{
  uint64_t state = harness.seed;

  while (getppid() == parent) {
    sig_atomic_t before = *handled;
    int waits;
    kill(parent, SIGUSR1);
    /* The first signal may come before the handler is ready. */
    for (waits = 0; *handled == before && waits < 1000; waits++)
      usleep(50);
    usleep((useconds_t)(harness_random(&state) % 400));
  }
}

/* Another process sends the signals, because a thread would change what fork
 * does.  Signals are blocked during this fork: in a process with threads, a
 * fork inside a fork hangs in glibc itself. */
static pid_t
start_sender(void)
{
  pid_t parent = getpid(), sender;
  sigset_t set;

  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  sender = child_fork();
  if (sender != 0) {
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    return sender;
  }
  alarm(300);
  send_signals(parent);
  _exit(0);
}

/* What the interrupted program does in the main thread. */
static void
only_allocate(void)
{
}

static void
fork_and_wait(void)
{
  pid_t child = fork();

  if (child == 0) {
    signal(SIGUSR1, SIG_IGN);
    _exit(0);
  }
  if (child < 0 || waitpid(child, NULL, 0) != child)
    failed++;
}

static void
run_under_signals(long wanted, void (*also)(void))
{
  struct churn_slot slots[CHURN_SLOTS];
  struct sigaction action;
  uint64_t state = harness.seed;
  pid_t sender;

  handled = (volatile sig_atomic_t *)mmap(NULL, sizeof *handled,
                                          PROT_READ | PROT_WRITE,
                                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  REQUIRE(handled != MAP_FAILED);
  failed = 0;
  memset(slots, 0, sizeof slots);
  memset(&action, 0, sizeof action);
  action.sa_handler = fork_in_handler;
  action.sa_flags = SA_RESTART;
  sigaction(SIGUSR1, &action, NULL);
  sender = start_sender();
  while (*handled < wanted && !am_child) {
    churn_step(slots, CHURN_SLOTS, &state);
    also();
  }
  if (am_child) {
    int turn;
    for (turn = 0; turn < 100; turn++)
      churn_step(slots, CHURN_SLOTS, &state);
    churn_clear(slots, CHURN_SLOTS);
    _exit(harness.failures != 0);
  }
  signal(SIGUSR1, SIG_IGN);
  kill(sender, SIGKILL);
  waitpid(sender, NULL, 0);
  churn_clear(slots, CHURN_SLOTS);
  EXPECT_FOR(failed == 0, "%d of %d children", (int)failed, (int)*handled);
  harness_say("  %d signals", (int)*handled);
  munmap((void *)handled, sizeof *handled);
}

static void
child_ends_in_the_handler(void)
{
  goes_on = 0;
  run_under_signals(harness_count(400, 5000), only_allocate);
}

/* The child returns from the handler into the interrupted malloc. */
static void
child_goes_on(void)
{
  goes_on = 1;
  run_under_signals(harness_count(400, 5000), only_allocate);
}

/* The signal interrupts fork itself, at any point, including its
 * pthread_atfork() handlers. */
static void
fork_interrupts_fork(void)
{
  goes_on = 0;
  run_under_signals(harness_count(1500, 20000), fork_and_wait);
}

/* malloc is interrupted while other threads allocate too, so fork takes all
 * locks. */
static void
among_threads(void)
{
  sigset_t set;

  goes_on = 0;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  churn_begin();
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
  run_under_signals(harness_count(400, 5000), only_allocate);
  churn_end();
}

static const struct harness_case cases[] = {
    {"child-ends-in-the-handler", child_ends_in_the_handler},
    {"child-goes-on", child_goes_on},
    {"fork-interrupts-fork", fork_interrupts_fork},
    {"among-threads", among_threads},
};

HARNESS_MAIN(cases)
