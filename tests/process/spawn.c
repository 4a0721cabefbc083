/* SPDX-License-Identifier: BSD-2-Clause */
/* posix_spawn, vfork, clone with shared memory, and a fork that runs no
 * handlers. */
#include "../support/child.h"
#include "../support/churn.h"

#include <sched.h>
#include <spawn.h>
#include <sys/syscall.h>

extern char **environ;

static char *const child_arguments[] = {(char *)"spawn", (char *)"--child",
                                        NULL};

static void
use_heap(uint64_t seed)
{
  struct churn_slot slots[50];
  int turn;

  memset(slots, 0, sizeof slots);
  for (turn = 0; turn < 300; turn++)
    churn_step(slots, 50, &seed);
  churn_clear(slots, 50);
}

static void
spawn_among_threads(void)
{
  long i;

  churn_begin();
  for (i = 0; i < harness_count(100, 2000); i++) {
    pid_t child;
    REQUIRE(posix_spawn(&child, "/proc/self/exe", NULL, NULL, child_arguments,
                        environ) == 0);
    EXPECT(child_succeeded(child));
    use_heap((uint64_t)i);
  }
  churn_end();
}

static void
vfork_and_exec(void)
{
  static long i; /* vfork may clobber a register */

  churn_begin();
  for (i = 0; i < harness_count(100, 2000); i++) {
    pid_t child = vfork();
    if (child == 0) {
      execve("/proc/self/exe", child_arguments, environ);
      _exit(HARNESS_ERROR);
    }
    REQUIRE(child > 0);
    EXPECT(child_succeeded(child));
    use_heap((uint64_t)i);
  }
  churn_end();
}

/* The child runs in its parent's memory, including the thread cache.  The heap
 * must be intact afterward. */
static int
allocate_in_shared_memory(void *seed)
{
  use_heap((uint64_t)(uintptr_t)seed);
  return 0;
}

static void
vfork_child_allocates(void)
{
  static long i; /* vfork may clobber a register */

  for (i = 0; i < 200; i++) {
    pid_t child = vfork();
    if (child == 0)
      _exit(allocate_in_shared_memory((void *)(uintptr_t)i));
    REQUIRE(child > 0);
    EXPECT(child_succeeded(child));
    use_heap((uint64_t)i);
  }
}

static void
clone_that_shares_memory(void)
{
  static char stack[256 << 10] __attribute__((aligned(64)));
  long i;

  for (i = 0; i < 200; i++) {
    pid_t child = clone(allocate_in_shared_memory, stack + sizeof stack,
                        CLONE_VM | CLONE_VFORK | SIGCHLD, (void *)(uintptr_t)i);
    REQUIRE(child > 0);
    EXPECT(child_succeeded(child));
    use_heap((uint64_t)i);
  }
}

/* The system call itself: no pthread_atfork() handler runs. */
static void
raw_fork(void)
{
  long i;

  for (i = 0; i < 100; i++) {
    pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
      alarm(CHILD_LIMIT);
      use_heap((uint64_t)i);
      _exit(harness.failures != 0);
    }
    REQUIRE(child > 0);
    EXPECT(child_succeeded(child));
    use_heap((uint64_t)i);
  }
}

static const struct harness_case cases[] = {
    {"spawn-among-threads", spawn_among_threads},
    {"vfork-and-exec", vfork_and_exec},
    {"vfork-child-allocates", vfork_child_allocates},
    {"clone-that-shares-memory", clone_that_shares_memory},
    {"raw-fork", raw_fork},
};

int
main(int argc, char **argv)
{
  if (argc == 2 && strcmp(argv[1], "--child") == 0) {
    harness_prove_allocator();
    use_heap(1);
    return harness.failures != 0;
  }
  return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
