/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include <errno.h>

#include "base/options.h"
#include "process/lifecycle.h"
#include "profile/profile.h"
#include "profile/profile_write.h"
#include "tcm.h"

EXPORT int
tcm_profile_start(uint64_t bytes) TCM_NOTHROW
{
  int error;

  tcmi_process_start();
  error = bytes == 0
              ? -ERANGE
              : tcmi_option_change(OPTION_profile_bytes, bytes, SOURCE_API);
  if (error != 0) {
    errno = -error;
    return -1;
  }
  tcmi_profile_apply();
  return 0;
}

EXPORT void
tcm_profile_stop(void) TCM_NOTHROW
{
  tcmi_process_start();
  (void)!tcmi_option_change(OPTION_profile_bytes, 0, SOURCE_API);
  tcmi_profile_apply();
}

EXPORT int
tcm_profile_write(int fd) TCM_NOTHROW
{
  uint64_t place = 0;
  int error = -ENOENT;

  if (tcmi_profile_next_stack(&place) != NULL)
    error = tcmi_profile_write(fd, SIZE_MAX);
  if (error == 0)
    return 0;
  errno = -error;
  return -1;
}
