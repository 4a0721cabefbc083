/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * container.h - what the control groups of the process allow it.
 *
 *     /proc/self/cgroup:  0::/a/b            version 2
 *                         4:memory:/a/b      version 1, a line per controller
 *
 *     /sys/fs/cgroup/a/b/memory.max          its own limit
 *     /sys/fs/cgroup/a/memory.max            and those of its ancestors: the
 *     /sys/fs/cgroup/memory.max              tightest one holds
 *
 * A container mostly sees the group that it was put into as the root, under a
 * path that /proc may or may not tell: files that are not there limit nothing,
 * and the root is always looked at.
 *
 * Invariants
 *   C1  what cannot be read or makes no sense is no limit; nothing is said.
 *   C2  no descriptor and no mapping is left.
 *
 * No locking: what is read is the caller's.  Cost: about 3 us per file, two or
 * three files for each level, and 20 us for the first look into /proc/self; two
 * pages are mapped meanwhile.
 */
#ifndef TCM_BASE_CONTAINER_H
#define TCM_BASE_CONTAINER_H

#include "base/compiler.h"

struct container {
  uint64_t memory_bytes; /* [const] 0: no limit */
  unsigned cpus;         /* [const] processors that it may use at a time */
};

/* Reads it all.  @root is "", or where tests have a tree of such files. */
struct container tcmi_container_read(const char *root);
/* Percent of the last ten seconds in which some task of the machine waited for
 * memory; 0 if the kernel does not tell. */
unsigned tcmi_container_pressure(const char *root);
/* The same by a descriptor of the file. */
unsigned tcmi_container_pressure_in(int file);

#endif /* TCM_BASE_CONTAINER_H */
