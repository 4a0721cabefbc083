/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * child.h - child processes of a test.  Each child has its own time limit and
 * is waited for, so that a hang is a failure and leaves no process behind.
 */
#ifndef TCM_TESTS_SUPPORT_CHILD_H
#define TCM_TESTS_SUPPORT_CHILD_H

#include "harness.h"

#include <sys/resource.h>
#include <sys/wait.h>

/* Seconds after which a child counts as hung. */
#define CHILD_LIMIT 30

/* Reports a false condition and its place, and ends the child. */
#define CHILD_EXPECT(condition)                                             \
  ((condition) ? (void)0                                                    \
               : (harness_say("  %s:%d: not true in a child: %s", __FILE__, \
                              __LINE__, #condition),                        \
                  _exit(HARNESS_FAIL)))

/* fork(), with the limit set in the child. */
static HARNESS_UNUSED pid_t
child_fork(void)
{
  pid_t child = fork();

  REQUIRE(child >= 0);
  if (child == 0)
    alarm(CHILD_LIMIT);
  return child;
}

/* Waits for @child.  Returns 1 if it exited with 0, or if it could not run
 * here, which marks the case as skipped; otherwise prints how it ended and
 * returns 0. */
static HARNESS_UNUSED int
child_succeeded(pid_t child)
{
  int status;
  pid_t got;

  do
    got = waitpid(child, &status, 0);
  while (got < 0 && errno == EINTR);
  REQUIRE(got == child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == HARNESS_SKIP) {
    harness_skip("a child could not run here");
    return 1;
  }
  if (WIFSIGNALED(status))
    harness_say("  a child was ended by signal %d%s", WTERMSIG(status),
                WTERMSIG(status) == SIGALRM ? ": it hung" : "");
  else if (WEXITSTATUS(status) != 0)
    harness_say("  a child exited with %d", WEXITSTATUS(status));
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Runs @work in a child and returns whether it succeeded. */
static HARNESS_UNUSED int
child_run(void (*work)(void))
{
  pid_t child = child_fork();

  if (child == 0) {
    work();
    _exit(harness.failures == 0 ? HARNESS_PASS : HARNESS_FAIL);
  }
  return child_succeeded(child);
}

/* Runs this program again with one argument and with a resource limit set
 * before it starts.  Returns whether it exited with 0. */
static HARNESS_UNUSED int
child_again_with_limit(int resource, rlim_t limit, const char *argument)
{
  struct rlimit both = {limit, limit};
  pid_t child = child_fork();

  if (child == 0) {
    if (setrlimit((__typeof__(RLIMIT_AS))resource, &both) != 0)
      _exit(HARNESS_ERROR);
    execl("/proc/self/exe", "again", argument, (char *)NULL);
    _exit(HARNESS_ERROR);
  }
  return child_succeeded(child);
}

/* The same without a limit. */
static HARNESS_UNUSED int
child_again(const char *argument)
{
  pid_t child = child_fork();

  if (child == 0) {
    execl("/proc/self/exe", "again", argument, (char *)NULL);
    _exit(HARNESS_ERROR);
  }
  return child_succeeded(child);
}

/* Runs this program again with a pipe as its descriptor 2.  Copies what it
 * writes there to @text; returns whether it exited with 0. */
static HARNESS_UNUSED int
child_again_output(const char *const *arguments, char *text, size_t size)
{
  size_t length = 0;
  ssize_t got;
  int pipe_end[2];
  pid_t child;

  REQUIRE(pipe(pipe_end) == 0);
  child = child_fork();
  if (child == 0) {
    dup2(pipe_end[1], STDERR_FILENO);
    close(pipe_end[0]);
    close(pipe_end[1]);
    execv("/proc/self/exe", (char *const *)(uintptr_t)arguments);
    _exit(HARNESS_ERROR);
  }
  close(pipe_end[1]);
  while ((got = read(pipe_end[0], text + length, size - 1 - length)) > 0)
    length += (size_t)got;
  close(pipe_end[0]);
  text[length] = '\0';
  return child_succeeded(child);
}

#endif /* TCM_TESTS_SUPPORT_CHILD_H */
