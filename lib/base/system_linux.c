/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The calls go through libc's wrappers, which handle each architecture's
 * calling convention.  The wrappers set errno, so each function restores it.
 */
#include "config.h"

#include "base/system.h"

#ifdef HAVE__DL_FIND_OBJECT
#include <dlfcn.h>
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#ifdef HAVE__DL_FIND_OBJECT
#include <link.h>
#endif
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/atomics.h"
#include "base/bits.h"
#include "base/options.h"
#include "base/params.h"
#include "base/report.h"
#include "base/system_linux.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif
#ifndef SYS_futex
#define SYS_futex SYS_futex_time64
#endif

/* Above the descriptors that programs hard-code. */
#define DUPLICATE_MIN 200

extern char **environ;

static size_t page_size; /* [atomic: relaxed] bytes; 0 until needed */
static void *guard_page; /* [atomic: relaxed] an inaccessible page */

static struct {
  unsigned mask;     /* [atomic: relaxed] which calls fail */
  unsigned skip;     /* [atomic: relaxed] calls that succeed first */
  unsigned count;    /* [atomic: relaxed] calls that then fail */
  unsigned seen;     /* [atomic: relaxed] calls since tcmi_system_fail() */
  unsigned failures; /* [atomic: relaxed] of these, the failed ones */
} faults;

unsigned
tcmi_system_fail(unsigned mask, unsigned nth, unsigned count)
{
  /* Other threads may make calls: none fails during the change. */
  atomic_store_relaxed(&faults.mask, 0);
  atomic_store_relaxed(&faults.skip, nth == 0 ? 0 : nth - 1);
  atomic_store_relaxed(&faults.count, count);
  atomic_store_relaxed(&faults.seen, 0);
  atomic_store_relaxed(&faults.mask, mask);
  return atomic_exchange_acquire(&faults.failures, 0);
}

bool
tcmi_system_strikes(enum system_call call)
{
  unsigned seen, skip;

  if (!config_debug || likely(!(atomic_load_relaxed(&faults.mask) >> call & 1)))
    return false;
  seen = atomic_add_relaxed(&faults.seen, 1);
  skip = atomic_load_relaxed(&faults.skip);
  if (seen < skip || seen - skip >= atomic_load_relaxed(&faults.count))
    return false;
  atomic_add_relaxed(&faults.failures, 1);
  return true;
}

size_t
tcmi_system_page_size(void)
{
  size_t size = atomic_load_relaxed(&page_size);

  /* Threads that race to store it store the same value. */
  if (unlikely(size == 0)) {
    size = getauxval(AT_PAGESZ);
    if (size == 0)
      size = PAGE_SIZE;
    atomic_store_relaxed(&page_size, size);
  }
  return size;
}

void
tcmi_system_set_page_size(size_t size)
{
  if (is_power_of_two(size) && size > tcmi_system_page_size() &&
      size <= SYSTEM_PAGE_MAX)
    atomic_store_relaxed(&page_size, size);
}

static void
assert_aligned(const void *start, size_t size)
{
  ASSERT((uintptr_t)start % tcmi_system_page_size() == 0);
  ASSERT(size % tcmi_system_page_size() == 0);
}

/* The kernel aligns to its own page, which may be smaller than tcm's, see the
 * option page_size. */
static void *
map_aligned(void *hint, size_t size, int protection, int flags)
{
  size_t page = tcmi_system_page_size(), head;
  char *p = mmap(hint, size, protection, flags, -1, 0);

  if (p == MAP_FAILED || likely((uintptr_t)p % page == 0))
    return p;
  munmap(p, size);
  p = mmap(NULL, size + page, protection, flags, -1, 0);
  if (p == MAP_FAILED)
    return p;
  head = round_up((uintptr_t)p, page) - (uintptr_t)p;
  if (head > 0)
    munmap(p, head);
  munmap(p + head + size, page - head);
  return p + head;
}

/* Has no effect if the kernel does not support names. */
void
tcmi_system_name(void *start, size_t size, const char *name)
{
  if (tcmi_option(OPTION_names) != 0)
    (void)syscall(SYS_prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, start, size,
                  name);
}

static int
system_mmap(enum system_call call, void *hint, size_t size, int protection,
            int extra_flags, void **out)
{
  int saved = errno, result = 0;
  void *p;

  assert_aligned(hint, size);
  if (tcmi_system_strikes(call))
    return -ENOMEM;
  p = map_aligned(hint, size, protection,
                  MAP_PRIVATE | MAP_ANONYMOUS | extra_flags);
  if (p == MAP_FAILED) {
    result = -errno;
  } else {
    tcmi_system_name(p, size,
                     call == SYSTEM_RESERVE ? "tcm heap" : "tcm metadata");
    *out = p;
  }
  errno = saved;
  return result;
}

int
tcmi_system_reserve(size_t size, void *hint, void **out)
{
  return system_mmap(SYSTEM_RESERVE, hint, size, PROT_NONE, MAP_NORESERVE, out);
}

int
tcmi_system_map(size_t size, void **out)
{
  return system_mmap(SYSTEM_MAP, NULL, size, PROT_READ | PROT_WRITE, 0, out);
}

/* For tcmi_system_fail() this is one call, though it makes two system calls. */
int
tcmi_system_map_guarded(size_t size, void **out)
{
  size_t page = tcmi_system_page_size();
  int saved = errno, result;
  void *memory = NULL;

  result = system_mmap(SYSTEM_MAP, NULL, size + 2 * page, PROT_NONE,
                       MAP_NORESERVE, &memory);
  if (result != 0)
    return result;
  *out = (char *)memory + page;
  if (mprotect(*out, size, PROT_READ | PROT_WRITE) != 0) {
    result = -errno;
    munmap(memory, size + 2 * page);
  } else if (atomic_load_relaxed(&guard_page) == NULL) {
    /* The first region of metadata is never released. */
    atomic_store_relaxed(&guard_page, memory);
  }
  errno = saved;
  return result;
}

int
tcmi_system_map_block(size_t size, void **out)
{
  int result =
      system_mmap(SYSTEM_RESERVE, NULL, size, PROT_READ | PROT_WRITE, 0, out);

  if (result == 0)
    (void)!tcmi_system_advise_huge(*out, size, /*want=*/false);
  return result;
}

int
tcmi_system_map_readable(size_t size, void **out)
{
  return system_mmap(SYSTEM_MAP, NULL, size, PROT_READ, MAP_NORESERVE, out);
}

static int
system_mprotect(void *start, size_t size, int protection)
{
  int saved = errno, result = 0;

  assert_aligned(start, size);
  if (tcmi_system_strikes(SYSTEM_COMMIT))
    return -ENOMEM;
  if (mprotect(start, size, protection) != 0)
    result = -errno;
  errno = saved;
  return result;
}

int
tcmi_system_commit(void *start, size_t size)
{
  return system_mprotect(start, size, PROT_READ | PROT_WRITE);
}

int
tcmi_system_seal(void *start, size_t size)
{
  return system_mprotect(start, size, PROT_READ);
}

static int
system_madvise(enum system_call call, void *start, size_t size, int advice)
{
  int saved = errno, result = 0;

  assert_aligned(start, size);
  if (tcmi_system_strikes(call))
    return -ENOMEM;
  if (madvise(start, size, advice) != 0)
    result = -errno;
  errno = saved;
  return result;
}

/* Whether the program has locked all its memory: then even an inaccessible page
 * is locked.  Such a program wants all its pages to stay resident.  A program
 * that locked one block and freed it does not need the block's pages. */
static bool
all_is_mlocked(void)
{
  void *guard = atomic_load_relaxed(&guard_page);

  return guard == NULL ||
         madvise(guard, tcmi_system_page_size(), MADV_DONTNEED) != 0;
}

int
tcmi_system_discard(void *start, size_t size)
{
  int saved = errno;
  int result = system_madvise(SYSTEM_DISCARD, start, size, MADV_DONTNEED);

  if (unlikely(result == -EINVAL) && !all_is_mlocked() &&
      munlock(start, size) == 0)
    result = system_madvise(SYSTEM_DISCARD, start, size, MADV_DONTNEED);
  errno = saved;
  return result;
}

int
tcmi_system_advise_huge(void *start, size_t size, bool want)
{
  return system_madvise(SYSTEM_ADVISE, start, size,
                        want ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

int
tcmi_system_collapse(void *start, size_t size)
{
  return system_madvise(SYSTEM_ADVISE, start, size, MADV_COLLAPSE);
}

bool
tcmi_system_address_space_is_limited(void)
{
  struct rlimit limit;
  int saved = errno;
  bool limited =
      getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;

  errno = saved;
  return limited;
}

int
tcmi_system_release(void *start, size_t size)
{
  int saved = errno, result = 0;

  assert_aligned(start, size);
  if (tcmi_system_strikes(SYSTEM_RELEASE))
    return -ENOMEM;
  if (munmap(start, size) != 0)
    result = -errno;
  errno = saved;
  return result;
}

int
tcmi_system_release_guarded(void *start, size_t size)
{
  size_t page = tcmi_system_page_size();

  return tcmi_system_release((char *)start - page, size + 2 * page);
}

void
tcmi_system_wait(uint32_t *word, uint32_t value)
{
  int saved = errno;

  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
  errno = saved;
}

void
tcmi_system_wait_for(uint32_t *word, uint32_t value, unsigned milliseconds)
{
  struct timespec time = {.tv_sec = milliseconds / 1000,
                          .tv_nsec = (long)(milliseconds % 1000) * 1000000};
  int saved = errno;

  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, &time, NULL, 0);
  errno = saved;
}

void
tcmi_system_wake(uint32_t *word, int n)
{
  int saved = errno;

  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
  errno = saved;
}

void
tcmi_system_pause(unsigned nanoseconds)
{
  struct timespec time = {.tv_nsec = (long)nanoseconds};
  int saved = errno;

  (void)syscall(SYS_nanosleep, &time, NULL);
  errno = saved;
}

static uint64_t
clock_read(clockid_t clock)
{
  struct timespec time = {0};
  int saved = errno;

  (void)clock_gettime(clock, &time);
  errno = saved;
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

uint64_t
tcmi_system_milliseconds(void)
{
  return clock_read(CLOCK_MONOTONIC_COARSE) / 1000000;
}

uint64_t
tcmi_system_nanoseconds(void)
{
  return clock_read(CLOCK_MONOTONIC);
}

/* The pages that one call reports: this needs little stack, and covers 2 MiB of
 * memory if pages have 4 KiB. */
#define RESIDENT_PAGES 512

static size_t
count_resident(uintptr_t start, size_t pages, size_t page)
{
  unsigned char map[RESIDENT_PAGES];
  size_t resident = 0;

  if (mincore((void *)start, pages * page, map) == 0) {
    for (size_t i = 0; i < pages; i++)
      resident += map[i] & 1 ? page : 0;
    return resident;
  }
  /* A part of the range is not mapped: check each page. */
  if (errno == ENOMEM && pages > 1)
    for (size_t i = 0; i < pages; i++)
      if (mincore((void *)(start + i * page), page, map) == 0)
        resident += map[0] & 1 ? page : 0;
  return resident;
}

size_t
tcmi_system_resident(uintptr_t start, size_t size)
{
  size_t page = (size_t)sysconf(_SC_PAGESIZE), resident = 0;
  int saved = errno;

  while (size > 0) {
    size_t part = min_size(size, page * RESIDENT_PAGES);
    resident += count_resident(start, (part + page - 1) / page, page);
    start += part;
    size -= part;
  }
  errno = saved;
  return resident;
}

bool
tcmi_system_on_signal(int signal, void (*handler)(int))
{
  struct sigaction old, new = {.sa_handler = handler};
  int saved = errno;
  bool done;

  new.sa_flags = SA_RESTART;
  done = sigaction(signal, NULL, &old) == 0 && old.sa_handler == SIG_DFL &&
         sigaction(signal, &new, NULL) == 0;
  errno = saved;
  return done;
}

uint32_t
tcmi_system_thread_id(void)
{
  return (uint32_t)syscall(SYS_gettid);
}

unsigned
tcmi_system_cpu_count(void)
{
  unsigned long set[SYSTEM_CPUS_MAX / (CHAR_BIT * sizeof(long))];
  int saved = errno;
  long bytes = syscall(SYS_sched_getaffinity, 0, sizeof set, set);
  unsigned count = 0;

  for (long i = 0; i < bytes / (long)sizeof *set; i++)
    count += (unsigned)__builtin_popcountl(set[i]);
  errno = saved;
  return count == 0 ? 1 : count;
}

bool
tcmi_system_is_secure_mode(void)
{
  return getauxval(AT_SECURE) != 0;
}

char **
tcmi_system_environment(void)
{
  return environ;
}

#ifdef HAVE__DL_FIND_OBJECT
extern __typeof__(_dl_find_object) _dl_find_object WEAK;

/* dladdr(3) would take the loader's lock, which the thread may hold. */
bool
tcmi_system_module(const void *pc, const char **file, uintptr_t *address)
{
  struct dl_find_object found, own;
  void *self = (void *)(uintptr_t)&tcmi_system_module;

  if (_dl_find_object == NULL ||
      _dl_find_object((void *)(uintptr_t)pc, &found) != 0 ||
      _dl_find_object(self, &own) != 0)
    return false;
  *file = found.dlfo_link_map->l_name;
  *address = (uintptr_t)pc - found.dlfo_link_map->l_addr;
  if (**file == '\0') {
    /* The program itself, which may include tcm. */
    *file = (const char *)getauxval(AT_EXECFN);
    return *file != NULL;
  }
  if (found.dlfo_link_map == own.dlfo_link_map)
    *file = NULL;
  return true;
}
#else
bool
tcmi_system_module(const void *pc, const char **file, uintptr_t *address)
{
  (void)pc;
  (void)file;
  (void)address;
  return false;
}
#endif

bool
tcmi_system_file_id(int descriptor, struct system_file_id *id)
{
  int saved = errno;
  struct stat st;
  bool open = fstat(descriptor, &st) == 0;

  if (open) {
    id->device = st.st_dev;
    id->inode = st.st_ino;
  }
  errno = saved;
  return open;
}

/* Direct system calls, because libc's functions are cancellation points. */
long
tcmi_system_read_file(const char *path, char *text, size_t size)
{
  int saved = errno;
  long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
  long length = fd < 0 ? -errno : 0, got = 1;

  while (fd >= 0 && (size_t)length < size && got > 0) {
    got = syscall(SYS_read, fd, text + length, size - (size_t)length);
    length += got > 0 ? got : 0;
  }
  if (fd >= 0)
    (void)syscall(SYS_close, fd);
  errno = saved;
  return length;
}

int
tcmi_system_duplicate(int descriptor)
{
  int saved = errno;
  int other = fcntl(descriptor, F_DUPFD_CLOEXEC, DUPLICATE_MIN);

  errno = saved;
  return other;
}

int
tcmi_system_write(int descriptor, const char *text, size_t length)
{
  int saved = errno, result = 0;

  while (length > 0) {
    /* Not write(2), which is a cancellation point. */
    long n = syscall(SYS_write, descriptor, text, length);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0) {
      result = n < 0 ? -errno : -EIO;
      break;
    }
    text += n;
    length -= (size_t)n;
  }
  errno = saved;
  return result;
}
