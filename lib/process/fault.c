/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "process/fault.h"

#include "base/options.h"
#include "base/report.h"
#include "base/system.h"
#include "cache/misuse.h"
#include "profile/guarded.h"
#include "profile/profile.h"

static void
put_words(struct line *line, const struct guarded_slot *slot,
          const struct system_fault *fault)
{
  const char *what = guarded_error(slot, fault->address);

  tcmi_line_text(line, fault->signal);
  tcmi_line_text(line, ": ");
  if (what == NULL) {
    tcmi_line_text(line, fault->access);
    what = atomic_load_relaxed(&slot->state) == GUARDED_FREED ? " after free"
                                                              : " refused";
  }
  tcmi_line_text(line, what);
}

/* " (@n bytes @where the ... bytes at ...)" */
static void
put_distance(struct line *line, const struct guarded_slot *slot,
             const struct system_fault *fault)
{
  size_t distance;
  const char *where = guarded_distance(slot, fault->address, &distance);

  tcmi_line_text(line, " at ");
  tcmi_line_hex(line, fault->address);
  tcmi_line_text(line, " (");
  tcmi_line_text(line, fault->access);
  tcmi_line_text(line, " ");
  tcmi_line_decimal(line, distance);
  tcmi_line_text(line, distance == 1 ? " byte " : " bytes ");
  tcmi_line_text(line, where);
  tcmi_line_text(line, " the ");
  tcmi_line_decimal(line, slot->size);
  tcmi_line_text(line, " bytes at ");
  tcmi_line_hex(line, slot->block);
  tcmi_line_text(line, ")");
}

static NOINLINE void
tell_fault(const struct guarded_slot *slot, const struct system_fault *fault)
{
  struct line line;

  tcmi_report_begin(&line);
  put_words(&line, slot, fault);
  put_distance(&line, slot, fault);
  if (fault->pc != 0) {
    tcmi_line_text(&line, ", in ");
    tcmi_line_place(&line, fault->pc);
  }
  tcmi_report_warn(&line);
}

static NOINLINE void
tell_stack(const char *verb, const struct guarded_stack *stack)
{
  uint32_t depth =
      stack->depth < GUARDED_FRAMES ? stack->depth : GUARDED_FRAMES;
  struct line line;

  tcmi_report_begin(&line);
  tcmi_line_text(&line, "  ");
  tcmi_line_text(&line, verb);
  tcmi_line_text(&line, " by thread ");
  tcmi_line_decimal(&line, stack->thread);
  tcmi_line_text(&line, depth == 0 ? ", stack not known" : ", from");
  tcmi_report_warn(&line);
  for (uint32_t i = 0; i < depth; i++) {
    tcmi_report_begin(&line);
    tcmi_line_text(&line, "    ");
    tcmi_line_place(&line, stack->pcs[i] - 1);
    tcmi_report_warn(&line);
  }
}

static void
keep(const struct system_fault *fault)
{
  struct guarded_fault *kept = &tcmi_guarded.fault;

  atomic_store_relaxed(&kept->pc, fault->pc);
  atomic_store_relaxed(&kept->thread, tcmi_system_thread_id());
  atomic_store_relaxed(&kept->access, *fault->access);
  atomic_store_relaxed(&kept->address, fault->address);
}

static void
report_fault(const struct system_fault *fault)
{
  const struct guarded_slot *slot = tcmi_guarded_find(fault->address);

  if (slot == NULL)
    return;
  keep(fault);
  tell_fault(slot, fault);
  tell_stack("allocated", &slot->allocated);
  if (atomic_load_acquire(&slot->state) == GUARDED_FREED)
    tell_stack("freed", &slot->freed);
}

void
tcmi_fault_start(void)
{
  if (tcmi_option(OPTION_guard_samples) == 0)
    return;
  if (tcmi_option(OPTION_profile_bytes) == 0)
    (void)!tcmi_option_change(OPTION_profile_bytes, PROFILE_MEAN_DEFAULT,
                              SOURCE_ENVIRONMENT);
  if (tcmi_option(OPTION_guard_report) != 0)
    tcmi_system_on_fault(report_fault);
}
