/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * unwind.h - the stack of the calling thread, as return addresses.
 *
 *     registers here --rules for this pc--> registers of the caller --> ...
 *                      call-frame information of the object, or else
 *                      the frame pointer
 *
 * The rules are those that compilers emit for exceptions (.eh_frame); programs
 * built without frame pointers have them too.  glibc 2.35 and later find them
 * without a lock.  With another libc, and on machines other than x86-64 and
 * aarch64, only frame pointers are used.
 *
 * Invariants
 *   U1  takes no lock, allocates nothing, and calls nothing that does.
 *   U2  a word of the stack is read only from a page that was checked to be
 *       readable since the call began; a damaged stack ends the walk.
 *   U3  the walk ends after as many frames as the caller has room for; within
 *       one stack it only goes up.
 *
 * Rejected: libgcc's _Unwind_Backtrace(), which may allocate; older versions
 * take the loader's lock.  Stack bounds instead of U2: only libc knows a
 * thread's bounds, and nothing knows a coroutine's.
 *
 * No locking.  Cost: 300 instructions for a return address that was seen
 * before, see unwind_cache.c; about 4,000 for another one; 10 for one in the
 * part of the stack that has not changed since the thread's last walk; and a
 * system call per page of stack.
 */
#ifndef TCM_PROFILE_UNWIND_H
#define TCM_PROFILE_UNWIND_H

#include "base/compiler.h"
#include "base/system.h"

/* Registers have the numbers of the machine's psABI.  The registers of a frame
 * are an array by number; the program counter is separate. */
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

/* The maximum of frames in a walk. */
#define UNWIND_FRAMES 128

#define UNWIND_NO_PAGE UINTPTR_MAX

/* Sanitizers would report valid reads of a walk. */
#define UNWIND_READS __attribute__((no_sanitize("address", "thread")))

/* The loaded object that a walk is in, and the pairs of its .eh_frame_hdr.
 * All fields: [owner thread] */
struct unwind_code {
  struct system_object object; /* start and end are equal: none is known */
  const uint8_t *pairs;        /* two 4-byte offsets from the table each */
  size_t npairs;               /* 0: there is no table of this form */
};

/* A frame, and the last page that was checked to be readable.  All fields:
 * [owner thread] */
struct unwind_frame {
  uintptr_t regs[UNWIND_REGS];
  uint64_t known; /* one bit per register: its value is known */
  uintptr_t pc;
  bool exact;     /* pc is the next instruction, not a return address */
  uintptr_t page; /* number of a readable page, or UNWIND_NO_PAGE */
};

enum unwind_step {
  UNWIND_OK,  /* the frame is now the caller's */
  UNWIND_END, /* the frame was the outermost one */
  UNWIND_LOST /* the caller cannot be found */
};

#define UNWIND_PAST 64

/* All fields: [owner thread] */
struct unwind_return {
  uintptr_t cfa; /* the return address is right below it */
  uintptr_t pc;  /* return address */
};

/* The outer frames of the last walk of a thread, the innermost first.  A walk
 * that reaches one of them takes the rest from here, if each return address
 * still is where it was.  A signal handler that interrupts a walk may walk
 * itself, so a walk checks all that it finds.  All fields: [owner thread] */
struct unwind_past {
  size_t n;
  bool whole; /* the last frame is the outermost one */
  struct unwind_return frames[UNWIND_PAST];
};

/* Stores up to @most return addresses, the innermost first.  Leaves out tcm's
 * own if tcm is a shared library.  For code that a signal interrupted, stores
 * the address of the interrupted instruction plus 1.  *@whole says whether the
 * walk reached the outermost frame.  @past may be NULL. */
size_t tcmi_unwind(struct unwind_past *past, uintptr_t *pcs, size_t most,
                   bool *whole);

/* Makes the cache of rules, if there is none yet.  Returns the bytes of
 * metadata that it takes, or 0. */
size_t tcmi_unwind_cache_make(void);

/* Reads an aligned word of the stack; false if it is not readable. */
MUST_CHECK bool tcmi_unwind_read(struct unwind_frame *frame, uintptr_t at,
                                 uintptr_t *word);

#if UNWIND_CFI
/* Finds the pairs of the object in @code. */
void tcmi_cfi_open(struct unwind_code *code);
/* Goes to the caller by the call-frame information of @code. */
enum unwind_step tcmi_unwind_by_cfi(struct unwind_frame *frame,
                                    const struct unwind_code *code);
#endif

#endif /* TCM_PROFILE_UNWIND_H */
