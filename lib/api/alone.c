/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls that need a process with one thread: tcm's own thread ends first.
 *
 *     unshare, setns    fail for some flags if the process has threads
 *     prctl             begins a sandbox: the kernel refuses a filter for all
 *                       threads if one of them has a filter already, and kills
 *                       a program whose filter does not allow clone(2) when tcm
 *                       starts a thread
 *
 * A program cannot install a filter without PR_SET_NO_NEW_PRIVS, unless it is
 * privileged.
 */
#include "config.h"

#include <sched.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/compiler.h"
#include "process/background.h"

EXPORT int prctl(int option, ...);
EXPORT int unshare(int flags);
EXPORT int setns(int descriptor, int type);

int
prctl(int option, ...)
{
  unsigned long argument[4];
  va_list list;

  va_start(list, option);
  for (int i = 0; i < 4; i++)
    argument[i] = va_arg(list, unsigned long);
  va_end(list);
  if (option == PR_SET_NO_NEW_PRIVS || option == PR_SET_SECCOMP) {
    tcmi_background_forbid();
    tcmi_background_leave();
  }
  return (int)syscall(SYS_prctl, option, argument[0], argument[1], argument[2],
                      argument[3]);
}

int
unshare(int flags)
{
  tcmi_background_leave();
  return (int)syscall(SYS_unshare, flags);
}

int
setns(int descriptor, int type)
{
  tcmi_background_leave();
  return (int)syscall(SYS_setns, descriptor, type);
}
