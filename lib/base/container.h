/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * container.h - the limits that the control groups of the process set.
 *
 *     /proc/self/cgroup:  0::/a/b            version 2
 *                         4:memory:/a/b      version 1, a line per controller
 *
 *     /sys/fs/cgroup/a/b/memory.max          its own limit
 *     /sys/fs/cgroup/a/memory.max            and those of its ancestors: the
 *     /sys/fs/cgroup/memory.max              tightest one applies
 *
 * A process in a container usually sees its group as the root.  /proc may show
 * another path for the group, or none.  So a file that does not exist sets no
 * limit, and the root is always read.
 *
 * Invariants
 *   C1  a file that cannot be read or parsed sets no limit, without a message.
 *   C2  no descriptor stays open, and no mapping remains.
 *
 * No locking: the caller owns the result.  Cost: about 3 us per file, two or
 * three files per level, and 20 us for the first access to /proc/self; two
 * pages are mapped meanwhile.
 */
#ifndef TCM_BASE_CONTAINER_H
#define TCM_BASE_CONTAINER_H

#include "base/compiler.h"

struct container {
  uint64_t memory_bytes; /* [const] 0: no limit */
  unsigned cpus;         /* [const] processors that it may use at a time */
};

/* Reads all limits.  @root is "", or a directory where a test has such
 * files. */
struct container tcmi_container_read(const char *root);
/* The percentage of the last ten seconds in which some task of the machine
 * waited for memory; 0 if the kernel does not report it. */
unsigned tcmi_container_pressure(const char *root);
/* The same, from an open descriptor of the file. */
unsigned tcmi_container_pressure_in(int file);

#endif /* TCM_BASE_CONTAINER_H */
