/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wake.h - makes an idle process serve a request.
 *
 *     a process without calls and without tcm's thread sees no request
 *         --> wake_process(): one of its threads, interrupted with ptrace(2),
 *             starts tcm's thread, and continues its system call
 *
 * Invariants
 *   P1  the tool may die at any time: the kernel then ends the trace, and the
 *       thread continues by itself, see lib/base/system_wake_linux.c.
 *   P2  a thread is only interrupted in a system call that it continues
 *       afterward, see waits[]; if there is none, in epoll_wait(2) with a time
 *       limit, which ends with EINTR.
 *
 * No locking.
 */
#ifndef TOOLS_WAKE_H
#define TOOLS_WAKE_H

#include "tcm-stat.h"

#include "base/wake.h"

/* Why a process was not woken; below these are the values of
 * enum wake_result. */
enum wake_obstacle {
  WAKE_UNKNOWN = WAKE_RESULTS, /* the library does not support it */
  WAKE_TRACED,                 /* by another process */
  WAKE_DENIED,                 /* the kernel does not allow ptrace(2) */
  WAKE_STOPPED,                /* the process is stopped */
  WAKE_NOWHERE,                /* no thread waits in a suitable system call */
  WAKE_FILTERED,               /* a filter may kill the process */
  WAKE_REAL_TIME,              /* the threads that wait are real-time */
  WAKE_FAILED
};

/* Returns WAKE_STARTED, another enum wake_result, or an enum wake_obstacle.
 * Takes at most a few hundred milliseconds. */
unsigned wake_process(const struct target *target);
/* Whether another try may have a different result. */
bool wake_may_succeed(unsigned result);
/* The obstacle as part of a sentence, with the remedy. */
const char *wake_text(unsigned result);

#endif /* TOOLS_WAKE_H */
