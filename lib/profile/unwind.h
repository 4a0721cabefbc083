/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * unwind.h - the stack of the calling thread, as return addresses.
 *
 *     registers here --rules for this pc--> registers of the caller --> ...
 *                      call-frame information of the object, or else
 *                      the frame pointer
 *
 * The rules are those that compilers write for exceptions (.eh_frame), which
 * programs built without frame pointers have too.  glibc 2.35 and later find
 * them without a lock.  With another libc, and on machines other than x86-64
 * and aarch64, there are frame pointers alone.
 *
 * Invariants
 *   U1  takes no lock, allocates nothing, and calls nothing that does.
 *   U2  a word of the stack is read only from a page that was found to be
 *       readable since the call began: a damaged stack ends the walk.
 *   U3  the walk ends after as many frames as the caller has room for; within
 *       one stack it goes up only.
 *
 * Rejected: libgcc's _Unwind_Backtrace(): it may allocate, and older ones take
 * the loader's lock.  Bounds of the stack instead of U2: a thread's are known
 * to libc alone, and a coroutine's to nobody.
 *
 * No locking.  Cost: about 1,000 instructions a frame, and a system call per
 * page of stack.
 */
#ifndef TCM_PROFILE_UNWIND_H
#define TCM_PROFILE_UNWIND_H

#include "base/compiler.h"
#include "base/system.h"

/* The numbers of the registers are those of the machine's psABI.  Callers'
 * registers are saved by number; the program counter is apart. */
#if defined __x86_64__ && defined __LP64__
#define UNWIND_CFI 1
#define UNWIND_REGS 17
#define UNWIND_FP 6
#define UNWIND_SP 7
#define UNWIND_RA 16
#elif defined __aarch64__
#define UNWIND_CFI 1
#define UNWIND_REGS 32
#define UNWIND_FP 29
#define UNWIND_RA 30
#define UNWIND_SP 31
#else
#define UNWIND_CFI 0
#define UNWIND_REGS 2
#define UNWIND_FP 0
#define UNWIND_SP 1
#endif

/* Frames of a walk at most. */
#define UNWIND_FRAMES 128

/* A frame, and the page that was last found readable.  All fields:
 * [owner thread] */
struct unwind_frame {
  uintptr_t regs[UNWIND_REGS];
  uint64_t known; /* bit per register: its value is known */
  uintptr_t pc;
  bool exact;     /* pc is the next instruction, not one behind a call */
  uintptr_t page; /* number of a readable page, or 0 */
};

enum unwind_step {
  UNWIND_OK,  /* the frame is the caller's now */
  UNWIND_END, /* it was the outermost */
  UNWIND_LOST /* nothing is known about its caller */
};

/* Stores up to @most return addresses, the innermost first and without tcm's
 * own if it is a library; for code that a signal interrupted, the address behind
 * it.  *@whole says whether the walk came to the outermost frame. */
size_t tcmi_unwind(uintptr_t *pcs, size_t most, bool *whole);

/* Reads an aligned word of the stack; false if it cannot be. */
MUST_CHECK bool tcmi_unwind_read(struct unwind_frame *frame, uintptr_t at,
                                 uintptr_t *word);

#if UNWIND_CFI
/* One step by the call-frame information of @object. */
enum unwind_step tcmi_unwind_by_cfi(struct unwind_frame *frame,
                                    const struct system_object *object);
#endif

#endif /* TCM_PROFILE_UNWIND_H */
