/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stats_output.h - a report on its way, a line at a time.
 *
 *     stats_print.c, stats_json.c  --line-->  sink: a descriptor, a stream
 *
 * No locking: on the stack of who reports.  A function with a line on its stack
 * is not inlined, so that no frame holds several.
 */
#ifndef TCM_OBSERVE_STATS_OUTPUT_H
#define TCM_OBSERVE_STATS_OUTPUT_H

#include "base/format.h"
#include "observe/stats.h"

struct output {
  tcmi_stats_sink *sink; /* [const] */
  void *to;              /* [const] what the sink gets with each line */
};

static inline void
put_line(const struct output *out, struct line *line)
{
  tcmi_line_end(line);
  out->sink(out->to, line->text, line->length);
}

/* A line that is a literal: needs no buffer, and so little stack in the first
 * line of a report, when stdio may have to allocate. */
#define put_text(out, literal) \
  ((out)->sink((out)->to, literal "\n", sizeof literal "\n" - 1))

#endif /* TCM_OBSERVE_STATS_OUTPUT_H */
