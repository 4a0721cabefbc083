/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The signals for inaccessible memory.  The handler reports the fault, then:
 *
 *     there was a handler      it is called, as the kernel would have done
 *     there was none           the default action is restored; the instruction
 *                              runs again and ends the process, so a core file
 *                              shows the fault itself
 *
 * A handler that the program installs later replaces this one.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/system.h"

/* The previous actions of SIGSEGV and SIGBUS. [init] */
static struct sigaction former[2];
static void (*listener)(const struct system_fault *fault); /* [init] */

static struct sigaction *
former_of(int signal)
{
  return &former[signal == SIGBUS];
}

#if defined __x86_64__ && defined __LP64__
static uintptr_t
counter_of(const ucontext_t *context)
{
  return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
}

/* Bit 1 of the processor's error code for a page fault means a write. */
static const char *
access_of(const ucontext_t *context)
{
  return context->uc_mcontext.gregs[REG_ERR] & 2 ? "write" : "read";
}
#elif defined __aarch64__
static uintptr_t
counter_of(const ucontext_t *context)
{
  return (uintptr_t)context->uc_mcontext.pc;
}

static const char *
access_of(const ucontext_t *context)
{
  (void)context;
  return "access";
}
#else
static uintptr_t
counter_of(const ucontext_t *context)
{
  (void)context;
  return 0;
}

static const char *
access_of(const ucontext_t *context)
{
  (void)context;
  return "access";
}
#endif

static void
use_default(int signal)
{
  struct sigaction action = {.sa_handler = SIG_DFL};

  (void)sigaction(signal, &action, NULL);
}

/* Does what the kernel would do without a handler.  A signal that was sent is
 * sent again, and arrives when the handler returns; a fault recurs by
 * itself. */
static void
forward_to_system(int signal, bool sent)
{
  if (sent && former_of(signal)->sa_handler == SIG_IGN)
    return;
  use_default(signal);
  if (sent)
    (void)syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), signal);
}

static void
forward(int signal, siginfo_t *info, void *context)
{
  const struct sigaction *action = former_of(signal);

  if ((unsigned)action->sa_flags & SA_RESETHAND)
    use_default(signal);
  if (action->sa_flags & SA_SIGINFO)
    action->sa_sigaction(signal, info, context);
  else if (action->sa_handler == SIG_DFL || action->sa_handler == SIG_IGN)
    forward_to_system(signal, info->si_code <= 0);
  else
    action->sa_handler(signal);
}

static void
on_fault(int signal, siginfo_t *info, void *context)
{
  int saved = errno;

  if (info->si_code > 0) {
    struct system_fault fault = {
        .signal = signal == SIGBUS ? "SIGBUS" : "SIGSEGV",
        .access = access_of(context),
        .address = (uintptr_t)info->si_addr,
        .pc = counter_of(context),
    };
    listener(&fault);
  }
  errno = saved;
  forward(signal, info, context);
}

void
tcmi_system_on_fault(void (*handler)(const struct system_fault *fault))
{
  static const int signals[] = {SIGSEGV, SIGBUS};
  int saved = errno;

  listener = handler;
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
    struct sigaction new, *old = former_of(signals[i]);
    if (sigaction(signals[i], NULL, old) != 0)
      continue;
    new = *old;
    new.sa_flags &= SA_RESTART | SA_NODEFER;
    new.sa_flags |= SA_SIGINFO | SA_ONSTACK;
    new.sa_sigaction = on_fault;
    (void)sigaction(signals[i], &new, NULL);
  }
  errno = saved;
}
