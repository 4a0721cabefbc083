/* SPDX-License-Identifier: BSD-2-Clause */
/* Two threads free a small block at the same moment: TRIES times in a child,
 * each of which must end with SIGABRT, then here. */
#include "misuse.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define TRIES 200

static volatile int ready;

static void
meet(void)
{
  __atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
  while (__atomic_load_n(&ready, __ATOMIC_SEQ_CST) < 2)
    continue;
}

static void *
free_it(void *block)
{
  meet();
  free(block);
  return NULL;
}

static void
race(void *block)
{
  pthread_t thread;

  if (pthread_create(&thread, NULL, free_it, block) != 0)
    _exit(99);
  meet();
  free(hidden(block));
  pthread_join(thread, NULL);
}

/* Whether the race was noticed.  The output of the child is discarded. */
static int
try_in_child(void *block)
{
  pid_t child = fork();
  int status;

  if (child == 0) {
    if (dup2(open("/dev/null", O_WRONLY), STDERR_FILENO) < 0)
      _exit(99);
    race(block);
    _exit(0);
  }
  return waitpid(child, &status, 0) == child && WIFSIGNALED(status) &&
         WTERMSIG(status) == SIGABRT;
}

int
main(void)
{
  void *block = get_block(SMALL_SIZE);
  int i, missed = 0;

  say_address(block);
  for (i = 0; i < TRIES; i++)
    missed += !try_in_child(block);
  if (missed > 0)
    say("after the call\n");
  race(block);
  say("after the call\n");
  return flush();
}
