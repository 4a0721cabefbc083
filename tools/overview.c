/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The overview: where the memory is, what the kernel says of it, and what can
 * be done, in sentences.
 */
#include "tcm-stat.h"

#include <inttypes.h>
#include <string.h>

static void
put_size(const char *label, uint64_t bytes, const char *note)
{
  char text[32];

  printf("  %-34s %14s%s%s\n", label, size_text(text, bytes),
         note[0] == '\0' ? "" : "  ", note);
}

static void
put_part(const char *label, uint64_t bytes, uint64_t whole)
{
  char note[32] = "";

  if (whole > 0)
    snprintf(note, sizeof note, "%5.1f %%",
             100.0 * (double)bytes / (double)whole);
  put_size(label, bytes, note);
}

static void
put_parts(const struct tcm_stats *s)
{
  uint64_t whole = s->mapped_bytes;

  printf("%sWhere the memory of the heap is%s\n", bold(), plain());
  put_part("in use by the program", s->in_use_bytes, whole);
  put_part("free, in thread caches", s->thread_cache_bytes, whole);
  put_part("free, in transfer caches", s->transfer_cache_bytes, whole);
  put_part("free, in central lists", s->central_list_bytes, whole);
  put_part("free, in the page heap", s->page_heap_bytes, whole);
  put_part("returned to the system, or unused", s->returned_bytes, whole);
  put_part("tcm's own structures", s->metadata_bytes, whole);
  put_part("mapped: the sum", whole, whole);
}

/* What should be resident is what is neither returned nor yet untouched. */
static void
put_residency(const struct tcm_stats *s, const struct heap_view *heap)
{
  uint64_t backed = s->mapped_bytes - s->returned_bytes;
  uint64_t there = heap->resident + heap->swapped;

  printf("\n%sWhat the kernel says%s\n", bold(), plain());
  if (!heap->known) {
    printf("  it does not tell what is resident\n");
    return;
  }
  put_size("resident, of the above", heap->resident, "");
  if (heap->swapped > 0)
    put_size("swapped out", heap->swapped, "");
  put_size("handed out but not touched", backed > there ? backed - there : 0,
           "");
  put_part("in huge pages", heap->huge, heap->resident);
  put_size("resident, of the whole process", heap->process_resident,
           "code, stacks and all");
}

static void
put_sundries(const struct view *view)
{
  const struct tcm_stats *s = &view->stats;
  char note[64];

  printf("\n%sMore%s\n", bold(), plain());
  snprintf(note, sizeof note, "in %" PRIu64 " blocks", s->large_count);
  put_size("large blocks, of those in use", s->large_bytes, note);
  put_size("mapped at most, ever", s->most_mapped_bytes, "");
  put_size("address space", s->reserved_bytes, "");
  put_size("ever returned to the system", s->released_total_bytes, "");
  printf("  %-34s %14" PRIu64 "\n", "spans of small blocks", s->span_count);
  printf("  %-34s %14" PRIu64 "  %" PRIu64 " of threads that ended\n",
         "thread caches", s->thread_cache_count, view->raw.threads.orphans);
}

static void
put_count(const char *label, uint64_t count)
{
  printf("  %-34s %14" PRIu64 "\n", label, count);
}

static void
put_counters(const struct view *view)
{
  const struct stats_page *page = &view->page;
  const struct cache_traffic *traffic = &view->raw.threads.traffic;
  bool exact;
  uint64_t allocations = view_allocations(view, &exact);

  printf("\n%sSince the start%s\n", bold(), plain());
  put_count(exact ? "allocations" : "allocations, at least", allocations);
  put_count("slow paths of malloc", page->slow_mallocs);
  put_count("slow paths of free", page->slow_frees);
  put_count("refills of thread caches", traffic->refills);
  put_count("flushes of thread caches", traffic->flushes);
  put_count("large blocks from the page heap", page->large_mallocs);
  put_count("pages faulted in", view->raw.shared.faulted_pages);
  put_count("releases of all free memory", page->releases);
  put_count("times the soft limit was met", view->stats.soft_limit_hits);
  put_count("times the hard limit refused", view->stats.hard_limit_hits);
  put_count("threads started", page->thread_starts);
  put_count("threads ended", page->thread_ends);
  put_count("forks", page->forks);
}

static void
put_options(const struct view *view)
{
  bool any = false;

  printf("\n%sOptions%s\n", bold(), plain());
  for (int id = 0; id < OPTION_COUNT; id++) {
    if (view->options[id].source == SOURCE_DEFAULT)
      continue;
    printf("  %-34s %14" PRIu64 "  from %s\n", option_names[id],
           view->options[id].value, option_sources[view->options[id].source]);
    any = true;
  }
  printf(any ? "  the others have their defaults\n" : "  all defaults\n");
}

/* ---- What it means ------------------------------------------------------- */

static void
put_advice(const struct view *view, const struct heap_view *heap)
{
  const struct tcm_stats *s = &view->stats;
  uint64_t backed = s->mapped_bytes - s->returned_bytes;
  uint64_t cached = s->thread_cache_bytes + s->transfer_cache_bytes;
  uint64_t little = backed / 20;
  char a[32], b[32];

  printf("\n%sIn short%s\n", bold(), plain());
  printf("  Of %s that the heap holds, the program uses %s.\n",
         size_text(a, backed), size_text(b, s->in_use_bytes));
  if (s->central_list_bytes > little)
    printf("  %s is free between blocks in use: pages that cannot go back\n"
           "  whole.  tcm-stat classes shows which sizes keep them.\n",
           size_text(a, s->central_list_bytes));
  if (cached > little)
    printf("  %s waits in caches for the next allocations; tcm-stat threads.\n",
           size_text(a, cached));
  if (s->page_heap_bytes > little)
    printf(
        "  %s is in free pages: tcm-stat release gives them to the system.\n",
        size_text(a, s->page_heap_bytes));
  if (heap->known && heap->process_resident > heap->resident + backed / 2)
    printf(
        "  %s of the process is outside of this heap: code, stacks, and what\n"
        "  the program maps by itself.\n",
        size_text(a, heap->process_resident - heap->resident));
  if (s->page_heap_bytes <= little && cached <= little &&
      s->central_list_bytes <= little)
    printf("  Little is free: what grows here is the program's own use.\n");
}

static void
put_overview(const struct target *target, const struct view *view,
             const struct heap_view *heap)
{
  printf("%s%s%s (%s%d), tcm %.15s%s\n\n", bold(), target->command, plain(),
         target->core != NULL ? "core file, once " : "PID ", (int)target->pid,
         target->page.library,
         view->page.started ? "" : ", which has not allocated yet");
  put_parts(&view->stats);
  if (target->core == NULL)
    put_residency(&view->stats, heap);
  put_advice(view, heap);
  put_sundries(view);
  put_counters(view);
  put_options(view);
  if (!view->exact)
    printf("\nApproximate: the process did not stand still, or is in the midst "
           "of something.\n");
}

enum status
show_overview(struct target *target)
{
  struct view view;
  struct heap_view heap;
  enum status status = view_read(target, &view);

  if (status != STATUS_OK)
    return status;
  status = heap_read(target, &heap);
  if (status == STATUS_OK) {
    if (settings.json)
      status = json_write(target, &view, &heap);
    else if (settings.openmetrics)
      status = metrics_write(target, &view, &heap);
    else
      put_overview(target, &view, &heap);
    heap_free(&heap);
  }
  view_free(&view);
  return status;
}
