/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * prctl(), to hear of a program that shuts itself in.
 *
 * Such a program decides which system calls it still needs, and may be killed
 * for any other.  The calls that serve allocations are few and needed from the
 * start, but a thread of tcm's own would come as a surprise: clone(2).  Nobody
 * gives himself a filter without giving up new privileges first, but for the
 * superuser; and both go through here.
 */
#include "config.h"

#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "api/background.h"
#include "base/compiler.h"

EXPORT int prctl(int option, ...);

int
prctl(int option, ...)
{
  unsigned long argument[4];
  va_list list;

  va_start(list, option);
  for (int i = 0; i < 4; i++)
    argument[i] = va_arg(list, unsigned long);
  va_end(list);
  if (option == PR_SET_NO_NEW_PRIVS || option == PR_SET_SECCOMP)
    tcmi_background_forbid();
  return (int)syscall(SYS_prctl, option, argument[0], argument[1], argument[2],
                      argument[3]);
}
