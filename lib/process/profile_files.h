/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * profile_files.h - heap profiles that the process writes by itself.
 *
 *     exit ----------------------------.
 *     signal -- handler ----------------+--> PROFILE_DIR/tcm.PID.N.RANDOM.tmp
 *     step ---- slow path, at its start +         | rename
 *     limit --- slow path, before a    -'         v
 *               second try or a return      tcm.PID.N.REASON.heap
 *
 * Invariants
 *   W1  files are written only to the directory that the environment names, and
 *       only in a program without special rights; nothing changes the directory
 *       later.
 *   W2  a file gets its final name only when it is complete; if a step fails,
 *       the file is removed.
 *   W3  a process writes at most PROFILE_FILES_MAX files, each of at most
 *       PROFILE_FILE_BYTES; one of them is reserved for the limit and one for
 *       the exit.
 *   W4  errors cost one line in the life of the process, and nothing else.
 *   W5  a write allocates nothing, takes no lock, and does not change errno.
 *
 * The handler writes the file itself, since W5 holds and each call below is
 * async-signal-safe.  Rejected: a mark that the next slow path reads.  A user
 * asks for a profile when the process waits, or computes without allocating,
 * and that slow path may never come.
 *
 * Locking: none; two concurrent writes have two numbers and so two files.  The
 * caller holds no lock of tcm, except for a handler, which may run anywhere.
 */
#ifndef TCM_PROCESS_PROFILE_FILES_H
#define TCM_PROCESS_PROFILE_FILES_H

#include "base/compiler.h"

#define PROFILE_FILES_MAX 16
#define PROFILE_FILE_BYTES ((size_t)64 << 20)

/* Whether there is a directory. */
bool tcmi_profile_files_are_on(void);
/* At the start of the process, once the options are read. */
void tcmi_profile_files_start(void);
/* In the child of a fork: its numbers begin again. */
void tcmi_profile_files_after_fork(void);

void tcmi_profile_at_exit(void);
/* The signal handler. */
void tcmi_profile_at_signal(int signal);
/* Writes a profile if the @used bytes in use pass a new highest step. */
void tcmi_profile_at_step(size_t used);
/* The bytes in use at the next step; SIZE_MAX: there is none. */
size_t tcmi_profile_next_step(size_t used);
/* Writes a profile the first time a limit is reached. */
void tcmi_profile_at_limit(void);

#endif /* TCM_PROCESS_PROFILE_FILES_H */
