/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a heap profile needs from the OS: where code was loaded, whether memory
 * can be read, and the list of mappings.
 */
#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/system.h"
#include "base/system_linux.h"

#ifdef HAVE__DL_FIND_OBJECT
#include <link.h>

extern __typeof__(_dl_find_object) _dl_find_object WEAK;

bool
tcmi_system_object(uintptr_t pc, struct system_object *object)
{
  void *self = (void *)(uintptr_t)&tcmi_system_object;
  struct dl_find_object found, own;

  if (_dl_find_object == NULL || _dl_find_object((void *)pc, &found) != 0 ||
      _dl_find_object(self, &own) != 0)
    return false;
  object->start = (uintptr_t)found.dlfo_map_start;
  object->end = (uintptr_t)found.dlfo_map_end;
  object->table = found.dlfo_eh_frame;
  object->is_tcm = found.dlfo_link_map == own.dlfo_link_map &&
                   own.dlfo_link_map->l_name[0] != '\0';
  return true;
}
#else
bool
tcmi_system_object(uintptr_t pc, struct system_object *object)
{
  (void)pc;
  (void)object;
  return false;
}
#endif

long
tcmi_system_copy_file(const char *path, int descriptor, size_t most)
{
  int saved = errno, error = 0;
  long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
  long copied = fd < 0 ? -errno : 0, got = 1;
  char text[1024];

  while (fd >= 0 && error == 0 && (size_t)copied < most && got > 0) {
    got = syscall(SYS_read, fd, text,
                  min_size(sizeof text, most - (size_t)copied));
    if (got > 0)
      error = tcmi_system_write(descriptor, text, (size_t)got);
    else if (got < 0)
      error = -errno;
    copied += got > 0 ? got : 0;
  }
  if (fd >= 0)
    (void)syscall(SYS_close, fd);
  errno = saved;
  return error != 0 ? error : copied;
}

/* The kernel reads the signal set before it checks the first argument, which is
 * invalid on purpose, so the call changes nothing.  Rejected:
 * process_vm_readv(2), mincore(2) and pipes; a seccomp filter that lets a
 * program handle signals also lets this call pass. */
bool
tcmi_system_is_readable(uintptr_t at)
{
  int saved = errno;
  bool readable =
      syscall(SYS_rt_sigprocmask, -1, at, NULL, 8) != 0 && errno == EINVAL;

  errno = saved;
  return readable;
}
