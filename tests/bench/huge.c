/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * huge.c - a module to preload that requests huge pages for every mapping.
 *
 * On a machine set to "madvise", a program that preloads this module before its
 * allocator runs as on a machine set to "always".  The module advises huge
 * pages for all private memory that the allocator maps, or takes from the end
 * of the data segment, and drops advice against them.  glibc's own malloc calls
 * neither function by name; for it, the tunable glibc.malloc.hugetlb does the
 * same.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE ((uintptr_t)4096)

void *__sbrk(intptr_t increment);

static void
advise(uintptr_t start, uintptr_t end)
{
  int error = errno;
  start &= ~(PAGE - 1);
  end = (end + PAGE - 1) & ~(PAGE - 1);
  /* Ignore errors: not every mapping can have huge pages. */
  syscall(SYS_madvise, start, end - start, MADV_HUGEPAGE);
  errno = error;
}

void *
mmap(void *hint, size_t size, int protection, int flags, int fd, off_t offset)
{
  void *p =
      (void *)syscall(SYS_mmap, hint, size, protection, flags, fd, offset);
  if (p != MAP_FAILED && (flags & MAP_ANONYMOUS) && (flags & MAP_PRIVATE) &&
      !(flags & (MAP_STACK | MAP_HUGETLB)))
    advise((uintptr_t)p, (uintptr_t)p + size);
  return p;
}

void *
mmap64(void *hint, size_t size, int protection, int flags, int fd, off_t offset)
{
  return mmap(hint, size, protection, flags, fd, offset);
}

void *
sbrk(intptr_t increment)
{
  void *p = __sbrk(increment);
  if (p != (void *)-1 && increment > 0)
    advise((uintptr_t)p, (uintptr_t)p + (uintptr_t)increment);
  return p;
}

int
madvise(void *start, size_t size, int advice)
{
  if (advice == MADV_NOHUGEPAGE)
    return 0;
  return (int)syscall(SYS_madvise, start, size, advice);
}
