/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tasks.h - the threads of the process, as the kernel lists them.  Nothing here
 * allocates.
 */
#ifndef TCM_TESTS_SUPPORT_TASKS_H
#define TCM_TESTS_SUPPORT_TASKS_H

#include "harness.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <time.h>

/* The number of threads; *@other is set to a thread other than the main one. */
static HARNESS_UNUSED int
tasks_count(pid_t *other)
{
  char buffer[4096];
  int fd = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int count = 0;
  long got, at;

  REQUIRE(fd >= 0);
  while ((got = syscall(SYS_getdents64, fd, buffer, sizeof buffer)) > 0)
    for (at = 0; at < got;) {
      unsigned short length;
      const char *name = buffer + at + 19; /* of struct linux_dirent64 */
      memcpy(&length, buffer + at + 16, sizeof length);
      at += length;
      if (name[0] == '.')
        continue;
      count++;
      if (other != NULL && atoi(name) != getpid())
        *other = atoi(name);
    }
  close(fd);
  return count;
}

/* Reads the status of a thread from /proc; false if the thread has ended. */
static HARNESS_UNUSED int
tasks_status(pid_t thread, char *text, size_t size)
{
  char path[64];
  ssize_t length;
  int fd;

  snprintf(path, sizeof path, "/proc/self/task/%d/status", (int)thread);
  fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return 0;
  length = read(fd, text, size - 1);
  close(fd);
  text[length > 0 ? length : 0] = '\0';
  return length > 0;
}

static HARNESS_UNUSED void
tasks_nap(long milliseconds)
{
  struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};

  while (nanosleep(&time, &time) != 0)
    ;
}

/* Waits until a thread sleeps, for a second at most. */
static HARNESS_UNUSED void
tasks_wait_for_sleep(pid_t thread)
{
  char status[4096];
  int i;

  for (i = 0; i < 1000; i++) {
    if (tasks_status(thread, status, sizeof status) &&
        strstr(status, "\nState:\tS") != NULL)
      return;
    tasks_nap(1);
  }
}

#endif /* TCM_TESTS_SUPPORT_TASKS_H */
