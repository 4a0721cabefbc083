/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cache/misuse.h"

#include "base/report.h"
#include "base/system.h"
#include "cache/size_class.h"
#include "cache/slab.h"
#include "heap/pagemap.h"
#include "heap/span.h"

static void
line_span(struct line *line, uintptr_t address)
{
  const struct span *span = tcmi_pagemap_find(address);
  unsigned class_id;

  if (span == NULL)
    return;
  class_id = span->slab ? slab_of(span)->class_id : span->class_id;
  tcmi_line_text(line, " (span ");
  tcmi_line_hex(line, span->start);
  tcmi_line_text(line, ", ");
  tcmi_line_decimal(line, span->npages);
  tcmi_line_text(line, " pages");
  if (class_id != 0) {
    tcmi_line_text(line, ", ");
    tcmi_line_decimal(line, size_class_size(class_id));
    tcmi_line_text(line, " B class");
  }
  if (span->slab)
    tcmi_line_text(line, " of a heap");
  tcmi_line_text(line, ")");
}

void
tcmi_line_place(struct line *line, uintptr_t pc)
{
  const char *file = NULL;
  uintptr_t address = 0;

  if (tcmi_system_module((const void *)pc, &file, &address) && file != NULL) {
    tcmi_line_text(line, file);
    tcmi_line_text(line, "+");
    pc = address;
  }
  tcmi_line_hex(line, pc);
}

/* Adds ", <verb> from <place>" if the place is known.  An address in tcm itself
 * is that of a helper that did not end in a tail call: it tells the user
 * nothing. */
static void
line_place(struct line *line, const char *verb, const void *from)
{
  const char *pc, *file = NULL;
  uintptr_t address = 0;

  if (from == NULL)
    return;
  pc = (const char *)from - 1;
  if (tcmi_system_module(pc, &file, &address) && file == NULL)
    return;
  tcmi_line_text(line, ", ");
  tcmi_line_text(line, verb);
  tcmi_line_text(line, " from ");
  tcmi_line_place(line, (uintptr_t)pc);
}

static void
line_numbers(struct line *line, const struct misuse_details *details)
{
  if (!details->has_numbers)
    return;
  tcmi_line_text(line, " (");
  tcmi_line_decimal(line, details->given);
  tcmi_line_text(line, ", not ");
  tcmi_line_decimal(line, details->wanted);
  tcmi_line_text(line, ")");
}

void
tcmi_misuse_detailed(struct call call, const char *what, uintptr_t address,
                     const struct misuse_details *details)
{
  struct line line;

  tcmi_report_begin(&line);
  tcmi_line_text(&line, call.function);
  tcmi_line_text(&line, "(): ");
  tcmi_line_text(&line, what);
  line_numbers(&line, details);
  tcmi_line_text(&line, " at ");
  tcmi_line_hex(&line, address);
  line_span(&line, address);
  line_place(&line, "called", call.from);
  if (details->past != NULL)
    line_place(&line, details->past, details->past_from);
  tcmi_report_fatal(&line);
}

void
tcmi_misuse(struct call call, const char *what, uintptr_t address)
{
  static const struct misuse_details none = {.past = NULL};

  tcmi_misuse_detailed(call, what, address, &none);
}
