/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a thread of the program runs when tcm-stat(1) has interrupted it.
 *
 *     wake_enter():
 *               run()                       starts tcm's own thread
 *               rt_sigprocmask(signals)     here the tool puts the thread back
 *               load registers, jump        only if the tool has died
 *
 * The stack is tcm's: that of the thread may be as small as a coroutine's, and
 * memory below its stack pointer may be in use.  The tool blocks all signals
 * meanwhile, so no handler runs on it.
 *
 * Rejected: a signal.  Each signal may be the program's, a handler makes calls
 * such as nanosleep(2) and poll(2) fail with EINTR, and a program without
 * handlers would have one.  Rejected: a frame that rt_sigreturn(2) restores.
 * That call ends the restart of nanosleep(2) and poll(2).
 */
#include "config.h"

#include "base/compiler.h"
#include "base/system.h"

#if defined(__x86_64__) && !defined(__ILP32__) && !TCM_SANITIZED

#include <errno.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "base/atomics.h"
#include "base/wake.h"

/* Starting the thread takes 280 bytes with glibc 2.36, and 328 in a debug
 * build. */
#define STACK_BYTES 16384

static char stack[STACK_BYTES] __attribute__((aligned(64)));
/* The tool saves all extended registers.  If it dies, these are restored: the
 * code here changes no others. */
static char vectors[512] __attribute__((aligned(16)));

static struct stats_wake wake = {.size = sizeof wake};

static enum wake_result (*start)(void); /* [init] */

static void
run(void)
{
  int saved = errno;

  atomic_store_relaxed(&wake.result, (uint64_t)start());
  errno = saved;
}

/* After popfq, nothing changes the flags.  A pending signal is delivered at
 * the end of the system call, on the stack of the thread.  The jump needs no
 * register. */
__attribute__((naked, used)) static void
wake_enter(void)
{
  __asm__ volatile(
      "fxsave64 %[vectors]\n\t"
      "call *%[run]\n\t"
      "fxrstor64 %[vectors]\n\t"
      "pushq %[flags]\n\t"
      "popfq\n\t"
      "movq %[sp], %%rsp\n\t"
      "movl %[call], %%eax\n\t"
      "movl $2, %%edi\n\t" /* SIG_SETMASK */
      "leaq %[signals], %%rsi\n\t"
      "movl $0, %%edx\n\t"
      "movl $8, %%r10d\n\t"
      "syscall\n\t"
      "movq $0, %[busy]\n\t"
      "movq %[ax], %%rax\n\t"
      "movq %[bx], %%rbx\n\t"
      "movq %[cx], %%rcx\n\t"
      "movq %[dx], %%rdx\n\t"
      "movq %[si], %%rsi\n\t"
      "movq %[di], %%rdi\n\t"
      "movq %[bp], %%rbp\n\t"
      "movq %[r8], %%r8\n\t"
      "movq 8+%[r8], %%r9\n\t"
      "movq 16+%[r8], %%r10\n\t"
      "movq 24+%[r8], %%r11\n\t"
      "movq 32+%[r8], %%r12\n\t"
      "movq 40+%[r8], %%r13\n\t"
      "movq 48+%[r8], %%r14\n\t"
      "movq 56+%[r8], %%r15\n\t"
      "jmp *%[ip]"
      :
      : [vectors] "m"(vectors), [run] "m"(wake.run),
        [flags] "m"(wake.registers.flags), [sp] "m"(wake.registers.sp),
        [call] "i"(SYS_rt_sigprocmask), [signals] "m"(wake.signals),
        [busy] "m"(wake.busy), [ax] "m"(wake.registers.ax),
        [bx] "m"(wake.registers.bx), [cx] "m"(wake.registers.cx),
        [dx] "m"(wake.registers.dx), [si] "m"(wake.registers.si),
        [di] "m"(wake.registers.di), [bp] "m"(wake.registers.bp),
        [r8] "m"(wake.registers.r), [ip] "m"(wake.registers.ip));
}

const struct stats_wake *
tcmi_system_offer_wake(enum wake_result (*to_start)(void), const bool *before)
{
  start = to_start;
  wake.run = (uint64_t)(uintptr_t)run;
  wake.entry = (uint64_t)(uintptr_t)wake_enter;
  wake.stack_end = (uint64_t)(uintptr_t)(stack + sizeof stack);
  wake.before = (uint64_t)(uintptr_t)before;
  return &wake;
}

void
tcmi_system_forget_wake(void)
{
  atomic_store_relaxed(&wake.busy, 0);
}

#else

const struct stats_wake *
tcmi_system_offer_wake(enum wake_result (*to_start)(void), const bool *before)
{
  (void)to_start;
  (void)before;
  return NULL;
}

void
tcmi_system_forget_wake(void)
{
}

#endif
