/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fork.h - keeps the heap consistent across a fork.
 *
 *     fork():  prepare: stdio's list lock, then every lock of tcm, in order
 *              libc takes its own locks, and clones
 *              parent, child: all of them are released
 *
 * Invariants
 *   F1  no other thread is inside the heap while the process is cloned, so the
 *       child's copy is consistent.
 *   F2  a lock that the forking thread holds already - it forks in a signal
 *       handler that interrupted malloc - is left as it is, in both processes.
 *   F3  the lock of stdio's list of streams, which libc takes after prepare,
 *       is taken before tcm's: a thread that holds it may be in malloc.
 *   F4  the handlers are registered at the first allocation, before those of
 *       other libraries, so prepare runs after theirs.
 */
#ifndef TCM_PROCESS_FORK_H
#define TCM_PROCESS_FORK_H

/* Registers the handlers. */
void tcmi_fork_init(void);

#endif /* TCM_PROCESS_FORK_H */
