/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * report.h - how tcm speaks: one line, one write, on descriptor 2.
 *
 * Invariants
 *   R1  a line goes out only while descriptor 2 is the file that it was when
 *       the process began: a program may have closed it and opened its
 *       database there.  With tcmi_report_keep() it goes out on another
 *       descriptor of that file then.
 *   R2  nothing here allocates, takes a lock or calls stdio.
 *
 * Checks come in three tiers: CHECK is always on and stands where a user's
 * mistake can lead; ASSERT is for tcm's own mistakes, in debug builds; the
 * walk of the whole heap is heap_check.h.
 */
#ifndef TCM_BASE_REPORT_H
#define TCM_BASE_REPORT_H

#include "base/format.h"

/* Remembers which file descriptor 2 is; only the first call counts. */
void tcmi_report_init(void);

/* Keeps another descriptor of that file: for the report at exit, since many a
 * program closes descriptor 2 when it exits, to learn of errors. */
void tcmi_report_keep(void);

/* Whether lines may be written at all; set by the option "messages". */
void tcmi_report_enable(bool on);

/* Text of several lines, under the same rule. */
void tcmi_report_write(const char *text, size_t length);

/* Instead of the write and the abort, for a thread that can do neither; it does
 * not return.  NULL in every other one. [owner thread] */
extern __thread void (*tcmi_report_detour)(const struct line *line);

/* A new line that begins "tcm: ". */
void tcmi_report_begin(struct line *line);
/* Ends the line and writes it. */
void tcmi_report_warn(struct line *line);
/* Ends the line, writes it and aborts. */
void tcmi_report_fatal(struct line *line) __attribute__((noreturn, cold));

/* A broken rule of tcm's own: one line with the place, then abort.  A thread
 * with a detour may hold locks: it ends the process at once. */
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
