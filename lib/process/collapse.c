/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "process/collapse.h"

#include <string.h>

#include "base/atomics.h"
#include "base/bits.h"
#include "base/params.h"
#include "base/system.h"
#include "cache/central_list.h"
#include "heap/huge_advice.h"
#include "heap/page_heap.h"
#include "heap/page_range.h"

static struct {
  bool allowed;   /* [atomic: relaxed] the machine has huge pages */
  size_t faulted; /* [atomic: relaxed] tcmi_page_counts.faulted at the end of
                     the last pass that found nothing */
  uintptr_t next; /* [owner thread] where the pass continues; 0: a new one */
  bool found;     /* [owner thread] this pass found a full huge page */
} collapse;

void
tcmi_collapse_read_setting(const char *path)
{
  char text[100] = "";
  long length = tcmi_system_read_file(path, text, sizeof text - 1);

  atomic_store_relaxed(&collapse.allowed,
                       length > 0 && strstr(text, "[never]") == NULL);
}

bool
tcmi_collapse_is_due(void)
{
  size_t broken = atomic_load_relaxed(&tcmi_huge_broken);
  size_t faulted = atomic_load_relaxed(&tcmi_page_counts.faulted) -
                   atomic_load_relaxed(&collapse.faulted);

  return broken >= COLLAPSE_BROKEN_MIN && faulted / COLLAPSE_FAULTS >= broken &&
         atomic_load_relaxed(&collapse.allowed);
}

/* Whether spans with memory fill the huge page. */
static bool
is_full(uintptr_t start)
{
  return tcmi_central_clean_pages(start, HUGE_PAGE_PAGES, /*fill=*/false) <=
         HUGE_GAPS_MAX;
}

/* Collapses a huge page that was full in the last pass, too; returns whether it
 * tried to.  A huge page that the kernel refuses counts as broken no more. */
static bool
note_or_collapse(uintptr_t start)
{
  if (!tcmi_huge_note_refilled(start))
    return false;
  (void)tcmi_central_clean_pages(start, HUGE_PAGE_PAGES, /*fill=*/true);
  lock_acquire(&tcmi_trim_lock);
  (void)!tcmi_huge_collapse(start);
  lock_release(&tcmi_trim_lock);
  return true;
}

/* Ends a pass.  Whether another one is to follow. */
static bool
end_pass(void)
{
  bool found = collapse.found;

  collapse.next = 0;
  collapse.found = false;
  if (!found)
    atomic_store_relaxed(&collapse.faulted,
                         atomic_load_relaxed(&tcmi_page_counts.faulted));
  return found;
}

bool
tcmi_collapse_some(bool (*must_stop)(void))
{
  unsigned checks = 0, tries = 0;

  if (collapse.next == 0 && !collapse.found && !tcmi_collapse_is_due())
    return false;
  while (checks++ < COLLAPSE_CHECKS && tries < COLLAPSE_MAX && !must_stop()) {
    bool full;
    uintptr_t start = tcmi_huge_next_broken(collapse.next, &full);
    if (start == 0)
      return end_pass();
    collapse.next = start + HUGE_PAGE_SIZE;
    if (full && is_full(start)) {
      collapse.found = true;
      tries += note_or_collapse(start);
    }
  }
  return true;
}

void
tcmi_collapse_after_fork(void)
{
  collapse.next = 0;
  collapse.found = false;
}
