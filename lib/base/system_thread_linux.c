/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread that libc does not track.
 *
 * An allocator cannot call pthread_create().  It allocates.  It takes libc's
 * lock of thread stacks, and libc calls free() while it holds that lock.  And
 * afterward libc treats the process as multithreaded.  The thread here has its
 * own zeroed thread-local storage, at the same offsets from its thread pointer
 * as in any other thread:
 *
 *     area: | storage ... thread pointer ... | stack                  |
 *              tcm's variables, errno          grows down from the end
 *
 * So it can use tcm's variables, errno, and the libc functions that only make a
 * system call.
 *
 * No thread is started with the sanitizers, whose runtime must track each
 * thread, or on an architecture whose thread pointer this file does not
 * support.
 */
#include "config.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/atomics.h"
#include "base/bits.h"
#include "base/params.h"
#include "base/system.h"

#if !TCM_SANITIZED && (defined(__x86_64__) || defined(__aarch64__) || \
                       (defined(__riscv) && __riscv_xlen == 64))

/* Bytes on each side of the thread pointer that libc's thread header may
 * take. */
#define HEADER_BYTES 4096
/* Bytes on each side of the known variables, for others next to them. */
#define SLACK_BYTES 2048
#define POINTER_ALIGN 64
#define HEADER_WORDS 8
#define STACK_BYTES ((size_t)64 << 10)
/* If the variables are farther apart than this, there is no thread. */
#define STORAGE_MAX ((size_t)1 << 20)
/* The same flags as in pthread_create(): seccomp filters know this set. */
#define THREAD_FLAGS                                                  \
  (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | \
   CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

static char *
thread_pointer(void)
{
#if defined(__x86_64__)
  char *pointer;

  __asm__("mov %%fs:0, %0" : "=r"(pointer));
  return pointer;
#else
  return (char *)__builtin_thread_pointer();
#endif
}

/* The only area; it is made for the first thread and kept for later ones.
 * All fields: [owner thread] of the one that starts a thread */
static struct {
  char *start;    /* NULL before the first */
  size_t storage; /* bytes before the stack */
  size_t self;    /* offset of the thread pointer */
} area;

/* Makes the area, with room around the thread pointer for the variables. */
static bool
area_make(const void *variable)
{
  uintptr_t self = (uintptr_t)thread_pointer();
  uintptr_t near = (uintptr_t)variable, error = (uintptr_t)&errno;
  uintptr_t low =
      min_size(min_size(near, error) - SLACK_BYTES, self - HEADER_BYTES);
  uintptr_t high =
      max_size(max_size(near, error) + SLACK_BYTES, self + HEADER_BYTES);
  size_t below = round_up(self - low, POINTER_ALIGN);
  size_t storage = round_up(below + high - self, SYSTEM_PAGE_MAX);
  void *start;

  if (area.start != NULL)
    return true;
  if (storage > STORAGE_MAX ||
      tcmi_system_map(storage + STACK_BYTES, &start) != 0)
    return false;
  area.storage = storage;
  area.self = below;
  area.start = start;
  return true;
}

/* Zeroes the storage, and returns the thread pointer.  On x86-64, the header
 * also contains values of the whole process, such as the canary of the stack
 * protector, so it is copied.  Words that point to the header itself must point
 * to the copy. */
static char *
storage_prepare(void)
{
  char *self = area.start + area.self;

  if (tcmi_system_discard(area.start, area.storage) != 0)
    memset(area.start, 0, area.storage);
#if defined(__x86_64__)
  for (size_t i = 0; i < HEADER_WORDS; i++) {
    uintptr_t word = ((uintptr_t *)(void *)thread_pointer())[i];
    if (word == (uintptr_t)thread_pointer())
      word = (uintptr_t)self;
    ((uintptr_t *)(void *)self)[i] = word;
  }
#endif
  return self;
}

static int
thread_main(void *run)
{
  ((void (*)(void))(uintptr_t)run)();
  return 0;
}

static void
set_signals(const uint64_t *new, uint64_t *old)
{
  enum { SET = 2 }; /* SIG_SETMASK; libc's wrapper exempts its own signals */

  (void)syscall(SYS_rt_sigprocmask, SET, new, old, sizeof *new);
}

bool
tcmi_system_start_thread(void (*run)(void), uint32_t *id, const void *variable)
{
  uint64_t all = UINT64_MAX, old = 0;
  int saved = errno;
  char *storage;
  int started;

  if (!area_make(variable))
    return false;
  storage = storage_prepare();
  set_signals(&all, &old);
  started = clone(thread_main, area.start + area.storage + STACK_BYTES,
                  THREAD_FLAGS, (void *)(uintptr_t)run, id, storage, id);
  set_signals(&old, NULL);
  errno = saved;
  return started > 0;
}

void
tcmi_system_end_thread(void)
{
  for (;;)
    (void)syscall(SYS_exit, 0);
}

#else

void
tcmi_system_end_thread(void)
{
  __builtin_unreachable();
}

bool
tcmi_system_start_thread(void (*run)(void), uint32_t *id, const void *variable)
{
  (void)run;
  (void)id;
  (void)variable;
  return false;
}

#endif
