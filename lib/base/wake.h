/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wake.h - what tcm-stat(1) uses to start tcm's own thread in an idle process.
 *
 *     tool: stops a thread that waits in a system call, writes signals and
 *           registers, and lets the thread run from entry, on its own stack
 *     process, in that thread: starts tcm's thread, stores result, and sets the
 *           signal mask to signals
 *     tool: at that last system call, puts the thread back
 *
 * If the tool dies before the last step, the thread itself loads registers and
 * continues where it was.  See lib/base/system_wake_linux.c and tools/wake.c.
 *
 * Invariants
 *   K1  size is that of this struct.  A change of the struct changes it, or
 *       TCM_STATS_PAGE_VERSION.
 *   K2  busy is not 0 from the time the tool writes it until the thread no
 *       longer needs the other fields.  Only the tracer of the main thread
 *       writes it: the kernel allows one.
 *   K3  the interrupted thread takes no lock and waits for nothing: it may have
 *       been interrupted while it held any lock, even one of tcm's.
 *   K4  it makes only the system calls of a free that starts tcm's thread, and
 *       rt_sigprocmask(2).
 *
 * Locking: none.  Cost while no tool asks: none.
 *
 * A plain struct of fixed-width fields, so that tools may include it.
 */
#ifndef TCM_BASE_WAKE_H
#define TCM_BASE_WAKE_H

#include <stdint.h>

enum wake_result {
  WAKE_NONE,      /* the library has not answered */
  WAKE_STARTED,   /* there is a thread now */
  WAKE_OFF,       /* the option background is 0 */
  WAKE_FORBIDDEN, /* the program began a sandbox, or the thread could not give
                     up its rights */
  WAKE_LATER,     /* the thread left, or was refused, a short time ago */
  WAKE_REFUSED,   /* the kernel refused it */
  WAKE_RESULTS
};

/* Of x86-64: the registers that a program can see, except those of the
 * thread pointer, floating point and vectors. */
struct wake_registers {
  uint64_t ip;    /* [atomic: see K2] */
  uint64_t sp;    /* [atomic: see K2] */
  uint64_t flags; /* [atomic: see K2] */
  uint64_t ax;    /* [atomic: see K2] */
  uint64_t bx;    /* [atomic: see K2] */
  uint64_t cx;    /* [atomic: see K2] */
  uint64_t dx;    /* [atomic: see K2] */
  uint64_t si;    /* [atomic: see K2] */
  uint64_t di;    /* [atomic: see K2] */
  uint64_t bp;    /* [atomic: see K2] */
  uint64_t r[8];  /* [atomic: see K2] from r8 on */
};

struct stats_wake {
  uint64_t size;      /* [const] sizeof(struct stats_wake) */
  uint64_t run;       /* [init] the function that starts tcm's thread */
  uint64_t entry;     /* [init] the address at which the thread begins */
  uint64_t stack_end; /* [init] its stack grows down from there */
  uint64_t before;    /* [init] the address of a bool: tcm's thread was started
                         before */
  uint64_t busy;      /* [atomic: see K2] */
  uint64_t result;    /* [atomic: see K2] enum wake_result */
  uint64_t signals;   /* [atomic: see K2] signal mask of the thread */
  struct wake_registers registers; /* [atomic: see K2] to continue with */
};

#endif /* TCM_BASE_WAKE_H */
