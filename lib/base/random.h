/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * random.h - the kernel's random bytes, mixed.
 *
 *     AT_RANDOM: 16 bytes, new at each exec   --mix-->  64 bits for each use
 *
 * libc takes the first word for the stack's canary and the second one to hide
 * pointers.  What is returned is the sum of a permutation of each: who learns
 * it, and knows neither word, knows no more about either.
 *
 * Rejected: getrandom(2), for which a filter of system calls may end the
 * process; a filter that was there before exec cannot know of tcm.
 *
 * No locking: pure.  Cost: some ten instructions.
 */
#ifndef TCM_BASE_RANDOM_H
#define TCM_BASE_RANDOM_H

#include "base/compiler.h"

/* What is random. */
enum random_use {
  RANDOM_FIRST_ARENA,
  RANDOM_SAMPLES,
  RANDOM_FILES,
  RANDOM_MARKS,
  RANDOM_ORDER
};

/* The same for the life of the process, also after a fork, and another for each
 * @use.  If the kernel gives no random bytes, the addresses of the stack and of
 * the library replace them. */
uint64_t tcmi_random(enum random_use use);

/* The next of a sequence of random words; any *@state begins one. */
uint64_t tcmi_random_next(uint64_t *state);

#endif /* TCM_BASE_RANDOM_H */
