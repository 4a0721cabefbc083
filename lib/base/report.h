/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * report.h - messages of tcm: one line, one write, to descriptor 2.
 *
 * Invariants
 *   R1  a line is written to descriptor 2 only while that is still the file
 *       that it was when the process began: a program may have closed it and
 *       opened its database there.  After tcmi_report_keep(), the line is then
 *       written to another descriptor of the original file.
 *   R2  nothing here allocates, takes a lock or calls stdio.
 *
 * There are three tiers of checks.  CHECK is always on, at places that a user's
 * mistake can reach.  ASSERT finds tcm's own mistakes, in debug builds.
 * heap_check.h walks the whole heap.
 */
#ifndef TCM_BASE_REPORT_H
#define TCM_BASE_REPORT_H

#include "base/format.h"

/* Remembers which file descriptor 2 is; only the first call has an effect. */
void tcmi_report_init(void);

/* Keeps another descriptor of that file, for the report at exit: many programs
 * close descriptor 2 when they exit, to detect write errors. */
void tcmi_report_keep(void);

/* Enables or disables all messages, see the option "messages". */
void tcmi_report_enable(bool on);

/* Writes text of several lines; R1 applies. */
void tcmi_report_write(const char *text, size_t length);

/* Called instead of the write and the abort in a thread that can do neither; it
 * does not return.  NULL in every other thread. [owner thread] */
extern __thread void (*tcmi_report_detour)(const struct line *line);

/* Begins a new line with "tcm: ". */
void tcmi_report_begin(struct line *line);
/* Ends the line and writes it. */
void tcmi_report_warn(struct line *line);
/* Ends the line, writes it and aborts. */
void tcmi_report_fatal(struct line *line) __attribute__((noreturn, cold));

/* Reports that an invariant of tcm is broken: writes one line with the source
 * location and aborts.  A thread with a detour may hold locks, so it ends the
 * process immediately. */
void tcmi_report_broken(const char *condition, const char *file, int line_no)
    __attribute__((noreturn, cold));

#define CHECK(condition)       \
  (likely(condition) ? (void)0 \
                     : tcmi_report_broken(#condition, SOURCE_NAME, __LINE__))

#define ASSERT(condition)                 \
  ((void)(!config_debug || (condition) || \
          (tcmi_report_broken(#condition, SOURCE_NAME, __LINE__), 0)))

#ifdef __FILE_NAME__
#define SOURCE_NAME __FILE_NAME__
#else
#define SOURCE_NAME __FILE__
#endif

#endif /* TCM_BASE_REPORT_H */
