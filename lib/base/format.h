/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * format.h - writes text into a fixed buffer, where stdio must not be used.
 *
 * A line that is too long is truncated; the buffer never overflows.  line_end()
 * always ends the line with a newline.  Async-signal-safe.
 */
#ifndef TCM_BASE_FORMAT_H
#define TCM_BASE_FORMAT_H

#include "base/compiler.h"

#define LINE_MAX_BYTES 512

struct line {
  char text[LINE_MAX_BYTES]; /* [owner thread] not NUL-terminated */
  size_t length;             /* [owner thread] bytes used */
};

void tcmi_line_text(struct line *line, const char *text);
void tcmi_line_decimal(struct line *line, uint64_t value);
void tcmi_line_hex(struct line *line, uintptr_t value);
void tcmi_line_end(struct line *line);

#endif /* TCM_BASE_FORMAT_H */
