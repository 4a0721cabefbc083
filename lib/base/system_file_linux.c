/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files that tcm creates.  Direct system calls, because libc's functions are
 * cancellation points.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/system.h"
#include "base/system_linux.h"

/* Returns the result of a call, and restores errno. */
static int
result_of(long result, int saved)
{
  int error = result < 0 ? -errno : (int)result;

  errno = saved;
  return error;
}

int
tcmi_system_directory_open(const char *path)
{
  int saved = errno;

  return result_of(
      syscall(SYS_openat, AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC),
      saved);
}

int
tcmi_system_file_create(int directory, const char *name)
{
  int saved = errno;

  return result_of(syscall(SYS_openat, directory, name,
                           O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                           0600),
                   saved);
}

int
tcmi_system_file_rename(int directory, const char *from, const char *to)
{
  int saved = errno;

#ifdef SYS_renameat2
  return result_of(syscall(SYS_renameat2, directory, from, directory, to, 0),
                   saved);
#else
  return result_of(syscall(SYS_renameat, directory, from, directory, to),
                   saved);
#endif
}

void
tcmi_system_file_remove(int directory, const char *name)
{
  int saved = errno;

  (void)result_of(syscall(SYS_unlinkat, directory, name, 0), saved);
}

int
tcmi_system_file_close(int descriptor)
{
  int saved = errno;

  return result_of(syscall(SYS_close, descriptor), saved);
}

size_t
tcmi_system_file_limit(void)
{
  struct rlimit limit;
  int saved = errno;
  bool limited =
      getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < (rlim_t)SIZE_MAX;

  errno = saved;
  return limited ? (size_t)limit.rlim_cur : SIZE_MAX;
}

uint32_t
tcmi_system_process_id(void)
{
  return (uint32_t)syscall(SYS_getpid);
}
