/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * random.h - the kernel's random bytes, mixed.
 *
 *     AT_RANDOM: 16 bytes, new at each exec   --mix-->  64 bits for each use
 *
 * libc uses the first word for the stack canary and the second one to mangle
 * pointers.  tcm uses the sum of a permutation of each.  An attacker who learns
 * the sum and knows neither word learns nothing about either.
 *
 * Rejected: getrandom(2).  A seccomp filter may kill the process for this call,
 * and a filter that was installed before exec cannot anticipate tcm.
 *
 * No locking: pure.  Cost: about ten instructions.
 */
#ifndef TCM_BASE_RANDOM_H
#define TCM_BASE_RANDOM_H

#include "base/compiler.h"

/* What the random bits are used for. */
enum random_use {
  RANDOM_FIRST_ARENA,
  RANDOM_SAMPLES,
  RANDOM_FILES,
  RANDOM_MARKS,
  RANDOM_ORDER,
  RANDOM_CLOSED
};

/* Returns 64 random bits: the same for the life of the process, even after a
 * fork, and different for each @use.  If the kernel provides no random bytes,
 * the addresses of the stack and of the library replace them. */
uint64_t tcmi_random(enum random_use use);

/* Returns the next word of a random sequence; *@state may start with any
 * value. */
uint64_t tcmi_random_next(uint64_t *state);

#endif /* TCM_BASE_RANDOM_H */
