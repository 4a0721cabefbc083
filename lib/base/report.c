/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "base/report.h"

#include <stdlib.h>

#include "base/atomics.h"
#include "base/system.h"

static struct {
  struct system_file_id stderr_id; /* [init] the file behind descriptor 2 */
  bool asked;                      /* [init] stderr_id and known are set */
  bool known;                      /* [init] it was open at start */
  bool silent;                     /* [atomic: relaxed] messages are off */
  int kept;                        /* [init] another descriptor of that file */
} report;

__thread void (*tcmi_report_detour)(const struct line *line);

void
tcmi_report_init(void)
{
  if (report.asked)
    return;
  report.asked = true;
  report.known = tcmi_system_file_id(2, &report.stderr_id);
}

void
tcmi_report_enable(bool on)
{
  atomic_store_relaxed(&report.silent, !on);
}

void
tcmi_report_keep(void)
{
  if (report.known)
    report.kept = tcmi_system_duplicate(2);
}

static bool
is_stderr(int descriptor)
{
  struct system_file_id now;

  return tcmi_system_file_id(descriptor, &now) &&
         now.device == report.stderr_id.device &&
         now.inode == report.stderr_id.inode;
}

void
tcmi_report_write(const char *text, size_t length)
{
  if (!report.known || atomic_load_relaxed(&report.silent))
    return;
  if (is_stderr(2))
    tcmi_system_write(2, text, length);
  else if (report.kept > 0 && is_stderr(report.kept))
    tcmi_system_write(report.kept, text, length);
}

void
tcmi_report_begin(struct line *line)
{
  line->length = 0;
  tcmi_line_text(line, "tcm: ");
}

void
tcmi_report_warn(struct line *line)
{
  tcmi_line_end(line);
  tcmi_report_write(line->text, line->length);
}

void
tcmi_report_fatal(struct line *line)
{
  if (tcmi_report_detour != NULL)
    tcmi_report_detour(line);
  tcmi_report_warn(line);
  abort();
}

void
tcmi_report_broken(const char *condition, const char *file, int line_no)
{
  struct line line;

  if (tcmi_report_detour != NULL)
    __builtin_trap();
  tcmi_report_begin(&line);
  tcmi_line_text(&line, "broken invariant: ");
  tcmi_line_text(&line, condition);
  tcmi_line_text(&line, " (");
  tcmi_line_text(&line, file);
  tcmi_line_text(&line, ":");
  tcmi_line_decimal(&line, (uint64_t)line_no);
  tcmi_line_text(&line, ")");
  tcmi_report_fatal(&line);
}
