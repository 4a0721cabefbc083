/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "process/fault.h"

#include "base/options.h"
#include "base/report.h"
#include "base/system.h"
#include "cache/misuse.h"
#include "heap/closed.h"
#include "profile/guarded.h"
#include "profile/profile.h"

/* A block that an access hit, guarded or closed.  All fields: [owner thread] */
struct hit {
  const char *error; /* or NULL: an access after free, or one refused */
  const char *where; /* the address is before, into or after the block */
  size_t distance;   /* bytes */
  uintptr_t block;
  size_t size;
  bool is_freed;
};

static struct hit
hit_slot(const struct guarded_slot *slot, uintptr_t address)
{
  struct hit hit = {
      .error = guarded_error(slot, address),
      .block = slot->block,
      .size = slot->size,
      .is_freed = atomic_load_acquire(&slot->state) == GUARDED_FREED,
  };

  hit.where = guarded_distance(slot, address, &hit.distance);
  return hit;
}

static struct hit
hit_closed(const struct closed_block *closed, uintptr_t address)
{
  return (struct hit){
      .where = "into",
      .distance = address - closed->start,
      .block = closed->start,
      .size = closed_bytes(closed),
      .is_freed = true,
  };
}

static void
put_words(struct line *line, const struct hit *hit,
          const struct system_fault *fault)
{
  tcmi_line_text(line, fault->signal);
  tcmi_line_text(line, ": ");
  if (hit->error != NULL) {
    tcmi_line_text(line, hit->error);
  } else {
    tcmi_line_text(line, fault->access);
    tcmi_line_text(line, hit->is_freed ? " after free" : " refused");
  }
}

/* " (@n bytes @where the ... bytes at ...)" */
static void
put_distance(struct line *line, const struct hit *hit,
             const struct system_fault *fault)
{
  tcmi_line_text(line, " at ");
  tcmi_line_hex(line, fault->address);
  tcmi_line_text(line, " (");
  tcmi_line_text(line, fault->access);
  tcmi_line_text(line, " ");
  tcmi_line_decimal(line, hit->distance);
  tcmi_line_text(line, hit->distance == 1 ? " byte " : " bytes ");
  tcmi_line_text(line, hit->where);
  tcmi_line_text(line, " the ");
  tcmi_line_decimal(line, hit->size);
  tcmi_line_text(line, " bytes at ");
  tcmi_line_hex(line, hit->block);
  tcmi_line_text(line, ")");
}

static NOINLINE void
report_access(const struct hit *hit, const struct system_fault *fault)
{
  struct line line;

  tcmi_report_begin(&line);
  put_words(&line, hit, fault);
  put_distance(&line, hit, fault);
  if (fault->pc != 0) {
    tcmi_line_text(&line, ", in ");
    tcmi_line_place(&line, fault->pc);
  }
  tcmi_report_warn(&line);
}

static NOINLINE void
report_stack(const char *verb, uint32_t thread, const uintptr_t *pcs,
             uint32_t depth)
{
  struct line line;

  tcmi_report_begin(&line);
  tcmi_line_text(&line, "  ");
  tcmi_line_text(&line, verb);
  tcmi_line_text(&line, " by thread ");
  tcmi_line_decimal(&line, thread);
  tcmi_line_text(&line, depth == 0 ? ", stack not known" : ", from");
  tcmi_report_warn(&line);
  for (uint32_t i = 0; i < depth && i < GUARDED_FRAMES; i++) {
    tcmi_report_begin(&line);
    tcmi_line_text(&line, "    ");
    tcmi_line_place(&line, pcs[i] - 1);
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
report_slot(const struct guarded_slot *slot, const struct system_fault *fault)
{
  struct hit hit = hit_slot(slot, fault->address);

  keep(fault);
  report_access(&hit, fault);
  report_stack("allocated", slot->allocated.thread, slot->allocated.pcs,
               slot->allocated.depth);
  if (hit.is_freed)
    report_stack("freed", slot->freed.thread, slot->freed.pcs,
                 slot->freed.depth);
}

static void
report_closed(const struct closed_block *closed,
              const struct system_fault *fault)
{
  struct hit hit = hit_closed(closed, fault->address);

  keep(fault);
  report_access(&hit, fault);
  report_stack("freed", closed->thread, &closed->from, closed->from != 0);
}

static void
report_fault(const struct system_fault *fault)
{
  const struct guarded_slot *slot = tcmi_guarded_find(fault->address);
  const struct closed_block *closed = tcmi_closed_find(fault->address);

  if (slot != NULL)
    report_slot(slot, fault);
  else if (closed != NULL)
    report_closed(closed, fault);
}

void
tcmi_fault_start(void)
{
  if (tcmi_option(OPTION_guard_samples) != 0 &&
      tcmi_option(OPTION_profile_bytes) == 0)
    (void)!tcmi_option_change(OPTION_profile_bytes, PROFILE_MEAN_DEFAULT,
                              SOURCE_ENVIRONMENT);
  if (tcmi_option(OPTION_guard_report) != 0)
    tcmi_system_on_fault(report_fault);
}
