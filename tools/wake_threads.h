/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wake_threads.h - the threads of a process, and what they wait for.
 *
 *     /proc/PID/task/TID/syscall, status  -->  a thread that can be interrupted
 *                                              without an effect
 *
 * No locking: plain values.
 */
#ifndef TOOLS_WAKE_THREADS_H
#define TOOLS_WAKE_THREADS_H

#include "wake.h"

/* Whether this tool can wake a process of its own architecture. */
#if defined(__x86_64__) && !defined(__ILP32__)
#define CAN_WAKE 1
#else
#define CAN_WAKE 0
#endif

#define WAKE_THREADS_MAX 256

/* In the order of preference. */
enum wake_wait {
  WAIT_GOES_ON,      /* the kernel continues it */
  WAIT_BEGINS_AGAIN, /* ends with EINTR; it can begin again */
  WAIT_ENDS,         /* ends with EINTR */
  WAIT_UNSUITABLE
};

/* All fields: [const] */
struct wake_thread {
  pid_t tid;
  enum wake_wait wait;
  unsigned seccomp; /* its mode: 0 is off, 1 is strict */
  unsigned filters;
  unsigned tracer; /* PID; 0 if it is not traced */
};

/* All fields: [const] */
struct wake_threads {
  size_t n;
  /* Of threads that wait where they can be interrupted. */
  bool some_filtered, some_real_time;
  struct wake_thread main;
  struct wake_thread at[WAKE_THREADS_MAX]; /* the best first */
};

/* The kind of a system call with these arguments. */
enum wake_wait wake_wait_of(long number, const uint64_t arguments[6]);
void wake_threads_read(pid_t pid, struct wake_threads *threads);

#endif /* TOOLS_WAKE_THREADS_H */
