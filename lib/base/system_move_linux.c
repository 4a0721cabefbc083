/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that mremap(2) moves, and the memory that replaces it; and memory that
 * is made inaccessible temporarily.
 */
#include "config.h"

#include <errno.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "base/report.h"
#include "base/system.h"
#include "base/system_linux.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

/* The kernel aligns a moved mapping to its own page only. */
int
tcmi_system_remap(void *from, size_t size, size_t new_size, bool may_move,
                  void **out)
{
  int saved = errno, result = 0;
  void *p;

  ASSERT((uintptr_t)from % tcmi_system_page_size() == 0);
  ASSERT((size | new_size) % tcmi_system_page_size() == 0);
  if (tcmi_system_strikes(SYSTEM_MOVE))
    return -ENOMEM;
  if (may_move && tcmi_system_page_size() != getauxval(AT_PAGESZ))
    return -EINVAL;
  p = mremap(from, size, new_size, may_move ? MREMAP_MAYMOVE : 0);
  if (p == MAP_FAILED)
    result = -errno;
  else
    *out = p;
  errno = saved;
  return result;
}

/* Maps at @start or fails; a kernel before 4.17 treats @start as a hint. */
static int
map_free(void *start, size_t size, int protection)
{
  void *p = mmap(
      start, size, protection,
      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

  if (p == start)
    return 0;
  if (p == MAP_FAILED)
    return -errno;
  munmap(p, size);
  return -EEXIST;
}

int
tcmi_system_refill(void *start, size_t size)
{
  int saved = errno, result = -ENOMEM;

  ASSERT(((uintptr_t)start | size) % tcmi_system_page_size() == 0);
  if (!tcmi_system_strikes(SYSTEM_RESERVE))
    result = map_free(start, size, PROT_READ | PROT_WRITE);
  if (result == 0) {
    tcmi_system_name(start, size, "tcm heap");
    (void)!tcmi_system_advise_huge(start, size, /*want=*/false);
  }
  errno = saved;
  return result;
}

int
tcmi_system_move_back(void *from, void *to, size_t size)
{
  int saved = errno, result = map_free(to, size, PROT_NONE);

  if (result == 0 &&
      mremap(from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED)
    result = -errno;
  errno = saved;
  return result;
}

static int
protect(void *start, size_t size, int protection)
{
  int saved = errno, result = 0;

  ASSERT(((uintptr_t)start | size) % tcmi_system_page_size() == 0);
  if (mprotect(start, size, protection) != 0)
    result = -errno;
  errno = saved;
  return result;
}

int
tcmi_system_close(void *start, size_t size)
{
  return tcmi_system_strikes(SYSTEM_COMMIT) ? -ENOMEM
                                            : protect(start, size, PROT_NONE);
}

int
tcmi_system_reopen(void *start, size_t size)
{
  return protect(start, size, PROT_READ | PROT_WRITE);
}

/* Linux's numbers, because libc's headers may be older than the kernel. */
#define ADVICE_GUARD_INSTALL 102
#define ADVICE_GUARD_REMOVE 103

static int
advise(void *start, size_t size, int advice)
{
  int saved = errno, result = 0;

  ASSERT(((uintptr_t)start | size) % tcmi_system_page_size() == 0);
  if (tcmi_system_strikes(SYSTEM_WALL))
    result = -EINVAL;
  else if (madvise(start, size, advice) != 0)
    result = -errno;
  errno = saved;
  return result;
}

int
tcmi_system_wall(void *start, size_t size)
{
  return advise(start, size, ADVICE_GUARD_INSTALL);
}

int
tcmi_system_unwall(void *start, size_t size)
{
  return advise(start, size, ADVICE_GUARD_REMOVE);
}
