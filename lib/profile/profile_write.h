/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * profile_write.h - writes the heap profile in the format of pprof's text
 * profiles.
 *
 *     heap profile: blocks: bytes [blocks: bytes] @ heapprofile
 *     blocks: bytes [blocks: bytes] @ 0x... 0x... 0x...
 *     ...
 *     MAPPED_LIBRARIES:
 *     the lines of /proc/self/maps
 *
 * The first numbers count what is in use, those in brackets what was ever
 * allocated.  A line has the return addresses of one stack.
 *
 * Locking: none; stacks are only ever appended.  Async-signal-safe.
 */
#ifndef TCM_PROFILE_PROFILE_WRITE_H
#define TCM_PROFILE_PROFILE_WRITE_H

#include "base/compiler.h"

/* Writes at most @most bytes to @fd: 0, or a negative errno, -EFBIG if there
 * are more. */
MUST_CHECK int tcmi_profile_write(int fd, size_t most);

#endif /* TCM_PROFILE_PROFILE_WRITE_H */
