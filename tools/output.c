/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes a file completely or not at all: standard output goes to a temporary
 * file in the same directory, which is renamed at the end.
 */
#include "tcm-stat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *temporary;

bool
output_begin(const char *path)
{
  size_t size = strlen(path) + sizeof ".XXXXXX";
  mode_t mask = umask(0);
  int fd = -1;

  umask(mask);
  temporary = malloc(size);
  if (temporary != NULL) {
    snprintf(temporary, size, "%s.XXXXXX", path);
    fd = mkstemp(temporary);
  }
  if (fd >= 0 && fchmod(fd, 0666 & ~mask) == 0 &&
      dup2(fd, STDOUT_FILENO) >= 0) {
    close(fd);
    return true;
  }
  complain("%s cannot be written: %s", path, strerror(errno));
  if (fd >= 0)
    unlink(temporary);
  return false;
}

bool
output_end(const char *path, bool keep)
{
  if (keep && rename(temporary, path) == 0)
    return true;
  if (keep)
    complain("%s cannot be written: %s", path, strerror(errno));
  unlink(temporary);
  return false;
}
