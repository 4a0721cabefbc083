/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stats_output.h - a report on its way, a line at a time.
 *
 *     stats_print.c, stats_json.c  --line-->  sink: a descriptor, a stream
 *
 * No locking: on the stack of who reports.
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

static inline void
put_text(const struct output *out, const char *text)
{
  struct line line = {.length = 0};

  tcmi_line_text(&line, text);
  put_line(out, &line);
}

#endif /* TCM_OBSERVE_STATS_OUTPUT_H */
