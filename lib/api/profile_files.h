/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * profile_files.h - heap profiles that the process writes by itself.
 *
 *     exit ----------------------------.
 *     signal -- handler ----------------+--> PROFILE_DIR/tcm.PID.N.RANDOM.tmp
 *     step ---- slow path, at its begin +         | rename
 *     limit --- slow path, before a    -'         v
 *               second try or a return      tcm.PID.N.REASON.heap
 *
 * Invariants
 *   W1  nothing is written but to the directory that the environment of a
 *       program without special rights names; nobody can change it later.
 *   W2  a file has its last name only when it is whole; what fails on the way
 *       is removed.
 *   W3  a process writes at most PROFILE_FILES_MAX files, each of at most
 *       PROFILE_FILE_BYTES; one place is kept for the limit and one for the
 *       exit.
 *   W4  an error costs one line in the life of the process, and nothing else.
 *   W5  a write allocates nothing, takes no lock, and leaves errno alone.
 *
 * The handler writes the file itself, since all of W5 and each call below it is
 * async-signal-safe.  Rejected: a mark that the next slow path reads.  A process
 * is asked for its profile when it waits for something, or computes without an
 * allocation, and that slow path may never come.
 *
 * Locking: none; two writes at a time have two numbers and so two files.  No
 * lock of tcm is held by who calls, but for a handler, which may come anywhere.
 */
#ifndef TCM_API_PROFILE_FILES_H
#define TCM_API_PROFILE_FILES_H

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
/* A handler. */
void tcmi_profile_at_signal(int signal);
/* @used bytes are in use: a profile, if these are more steps than ever. */
void tcmi_profile_at_step(size_t used);
/* How many may be in use until the next step; SIZE_MAX: there is none. */
size_t tcmi_profile_next_step(size_t used);
/* A limit is met. */
void tcmi_profile_at_limit(void);

/* ---- The text: profile.c ----------------------------------------------------- */

/* Writes the profile, @most bytes of it; 0, or a negative errno. */
MUST_CHECK int tcmi_profile_write(int fd, size_t most);

#endif /* TCM_API_PROFILE_FILES_H */
