/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel.h - a fake kernel for a test.  It defines the functions by which an
 * allocator requests memory from the kernel; the dynamic linker finds those of
 * the program first.
 *
 *     allocator --mmap, mprotect, ...--> this program --system call--> kernel
 *                                            |
 *                              fails the nth call, or counts bytes
 *
 * libc's own malloc does not use these names, nor does libc when it allocates a
 * thread's stack, so their calls are not seen here.
 */
#ifndef TCM_TESTS_FAULTS_KERNEL_H
#define TCM_TESTS_FAULTS_KERNEL_H

#include "../support/child.h"
#include "../support/memory.h"

#include <sys/mman.h>
#include <sys/syscall.h>

enum kernel_call {
  KERNEL_MMAP,
  KERNEL_MUNMAP,
  KERNEL_MPROTECT,
  KERNEL_MADVISE,
  KERNEL_MREMAP,
  KERNEL_NCALLS
};

static const char *const kernel_names[KERNEL_NCALLS] = {
    "mmap", "munmap", "mprotect", "madvise", "mremap",
};

/* All fields: [atomic: relaxed] */
static struct {
  unsigned mask;                /* calls that may fail */
  unsigned first, count;        /* which of them do fail */
  unsigned met;                 /* calls in the mask, since armed */
  unsigned failed;              /* since armed */
  unsigned seen[KERNEL_NCALLS]; /* ever */
  unsigned breaks;              /* calls of sbrk, ever */
  long budget;                  /* bytes of writable memory, or 0 */
} kernel;

#define KERNEL_VISIBLE __attribute__((visibility("default")))

/* From the @nth call of these kinds on, @count fail with ENOMEM. */
static void
kernel_arm(unsigned mask, unsigned nth, unsigned count)
{
  __atomic_store_n(&kernel.mask, 0, __ATOMIC_RELAXED);
  __atomic_store_n(&kernel.first, nth, __ATOMIC_RELAXED);
  __atomic_store_n(&kernel.count, count, __ATOMIC_RELAXED);
  __atomic_store_n(&kernel.met, 0, __ATOMIC_RELAXED);
  __atomic_store_n(&kernel.failed, 0, __ATOMIC_RELAXED);
  __atomic_store_n(&kernel.mask, mask, __ATOMIC_RELAXED);
}

/* Ends the failures.  Returns how many calls failed. */
static HARNESS_UNUSED unsigned
kernel_disarm(void)
{
  __atomic_store_n(&kernel.mask, 0, __ATOMIC_RELAXED);
  return __atomic_load_n(&kernel.failed, __ATOMIC_RELAXED);
}

static int
kernel_strikes(enum kernel_call call)
{
  unsigned met, mask = __atomic_load_n(&kernel.mask, __ATOMIC_RELAXED);

  __atomic_add_fetch(&kernel.seen[call], 1, __ATOMIC_RELAXED);
  if ((mask >> call & 1) == 0)
    return 0;
  met = __atomic_add_fetch(&kernel.met, 1, __ATOMIC_RELAXED);
  if (met < kernel.first || met - kernel.first >= kernel.count)
    return 0;
  __atomic_add_fetch(&kernel.failed, 1, __ATOMIC_RELAXED);
  errno = ENOMEM;
  return 1;
}

/* Whether @size more bytes of private writable memory exceed the budget,
 * counted as without overcommit. */
static int
kernel_is_exhausted(size_t size, int prot, int flags)
{
  long kib;

  if (kernel.budget == 0 || (prot & PROT_WRITE) == 0 ||
      (flags & MAP_PRIVATE) == 0)
    return 0;
  kib = memory_proc_field("/proc/self/status", "\nVmData:");
  if (kib >= 0 && kib * 1024 + (long)size <= kernel.budget)
    return 0;
  errno = ENOMEM;
  return 1;
}

KERNEL_VISIBLE void *
mmap(void *address, size_t size, int prot, int flags, int fd, off_t offset)
{
  if (kernel_strikes(KERNEL_MMAP) || kernel_is_exhausted(size, prot, flags))
    return MAP_FAILED;
  return (void *)syscall(SYS_mmap, address, size, prot, flags, fd, offset);
}

KERNEL_VISIBLE int
munmap(void *address, size_t size)
{
  if (kernel_strikes(KERNEL_MUNMAP))
    return -1;
  return (int)syscall(SYS_munmap, address, size);
}

KERNEL_VISIBLE int
mprotect(void *address, size_t size, int prot)
{
  if (kernel_strikes(KERNEL_MPROTECT) ||
      kernel_is_exhausted(size, prot, MAP_PRIVATE))
    return -1;
  return (int)syscall(SYS_mprotect, address, size, prot);
}

KERNEL_VISIBLE int
madvise(void *address, size_t size, int advice)
{
  if (kernel_strikes(KERNEL_MADVISE))
    return -1;
  return (int)syscall(SYS_madvise, address, size, advice);
}

KERNEL_VISIBLE void *
mremap(void *address, size_t old, size_t size, int flags, ...)
{
  va_list arguments;
  void *where;

  va_start(arguments, flags);
  where = flags & MREMAP_FIXED ? va_arg(arguments, void *) : NULL;
  va_end(arguments);
  if (kernel_strikes(KERNEL_MREMAP))
    return MAP_FAILED;
  return (void *)syscall(SYS_mremap, address, old, size, flags, where);
}

/* Calls libc's sbrk(), within the budget. */
KERNEL_VISIBLE void *
sbrk(intptr_t more)
{
  void *(*next)(intptr_t);
  void *symbol = dlsym(RTLD_NEXT, "sbrk");

  memcpy(&next, &symbol, sizeof symbol);
  __atomic_add_fetch(&kernel.breaks, 1, __ATOMIC_RELAXED);
  if (next == NULL ||
      (more > 0 && kernel_is_exhausted((size_t)more, PROT_WRITE, MAP_PRIVATE)))
    return (void *)-1;
  return next(more);
}

#endif /* TCM_TESTS_FAULTS_KERNEL_H */
