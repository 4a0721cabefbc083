/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stats_output.h - sends a report to its sink, a line at a time.
 *
 *     stats_print.c, stats_json.c  --line-->  sink: a descriptor, a stream
 *
 * No locking: the data is on the reporting thread's stack.  A function with a
 * line on its stack is not inlined, so that no frame holds several lines.
 */
#ifndef TCM_OBSERVE_STATS_OUTPUT_H
#define TCM_OBSERVE_STATS_OUTPUT_H

#include "base/format.h"
#include "observe/stats.h"

struct output {
  tcmi_stats_sink *sink; /* [const] */
  void *to;              /* [const] passed to the sink with each line */
};

static inline void
put_line(const struct output *out, struct line *line)
{
  tcmi_line_end(line);
  out->sink(out->to, line->text, line->length);
}

/* Writes a literal line.  It needs no buffer, and so little stack in the first
 * line of a report, when stdio may have to allocate. */
#define put_text(out, literal) \
  ((out)->sink((out)->to, literal "\n", sizeof literal "\n" - 1))

#endif /* TCM_OBSERVE_STATS_OUTPUT_H */
