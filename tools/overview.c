/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The overview: where the memory is, what the kernel reports about it, and
 * sentences that say what to do.
 */
#include "survey.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"

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
  put_part("free pages, in the page heap", s->page_heap_bytes, whole);
  put_part("returned to the OS, or unused", s->returned_bytes, whole);
  put_part("tcm's own structures", s->metadata_bytes, whole);
  put_part("mapped: the sum", whole, whole);
}

/* Memory should be resident if it is neither returned nor still untouched. */
static void
put_residency(const struct tcm_stats *s, const struct heap_view *heap)
{
  uint64_t backed = s->mapped_bytes - s->returned_bytes;
  uint64_t there = heap->resident + heap->swapped;

  printf("\n%sWhat the kernel says%s\n", bold(), plain());
  if (!heap->known) {
    printf("  it does not report what is resident\n");
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
  put_size("large or sampled blocks in use", s->large_bytes, note);
  put_size("mapped at most, ever", s->most_mapped_bytes, "");
  put_size("address space", s->reserved_bytes, "");
  put_size("ever returned to the OS", s->released_total_bytes, "");
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
  put_count("blocks from the page heap", page->large_mallocs);
  put_count("pages faulted in", view->raw.shared.faulted_pages);
  put_count("releases of all free memory", page->releases);
  put_count("times the soft limit was reached", view->stats.soft_limit_hits);
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
    if (!view->options[id].known || view->options[id].source == SOURCE_DEFAULT)
      continue;
    printf("  %-34s %14" PRIu64 "  from %s\n", option_names[id],
           view->options[id].value, option_sources[view->options[id].source]);
    any = true;
  }
  printf(any ? "  the others have their defaults\n" : "  all defaults\n");
}

/* ---- The verdict and the picture ---------------------------------------- */

static void
put_verdict(const struct verdict *verdict)
{
  char action[sizeof verdict->action + 8];

  snprintf(action, sizeof action, "Do: %s", verdict->action);
  printf("%s", verdict->cause == CAUSE_NONE ? good() : bad());
  put_wrapped(verdict->diagnosis);
  printf("%s", plain());
  put_wrapped(action);
}

/* Draws all memory of the heap as one bar, and explains its letters. */
static void
put_picture(const struct tcm_stats *s)
{
  const struct {
    char letter;
    const char *color, *label;
    uint64_t bytes;
  } parts[] = {
      {'#', "34", "in use", s->in_use_bytes},
      {'=', "33", "cached", s->thread_cache_bytes + s->transfer_cache_bytes},
      {'+', "35", "free in spans", s->central_list_bytes},
      {'o', "36", "free pages", s->page_heap_bytes},
      {'t', "37", "tcm's own", s->metadata_bytes},
      {'.', "90", "returned or unused", s->returned_bytes},
  };
  size_t n = sizeof parts / sizeof *parts, width = screen_width() - 4;
  size_t put = 0;
  uint64_t sum = 0;
  char text[32];

  printf("[");
  for (size_t i = 0; i < n && s->mapped_bytes > 0; i++) {
    sum += parts[i].bytes;
    color_on(parts[i].color);
    for (;
         put < (size_t)((double)sum / (double)s->mapped_bytes * (double)width);
         put++)
      putchar(parts[i].letter);
    printf("%s", plain());
  }
  printf("]\n");
  for (size_t i = 0; i < n; i++) {
    color_on(parts[i].color);
    printf(" %c", parts[i].letter);
    printf("%s %-19s%10s%s", plain(), parts[i].label,
           size_text(text, parts[i].bytes), i % 2 == 1 ? "\n" : "    ");
  }
}

static void
put_outside(const struct outside_view *outside)
{
  const char *name;

  if (!outside->known)
    return;
  printf("\n%sOutside of the heap, resident%s\n", bold(), plain());
  for (int i = 0; i < OUTSIDE_KINDS; i++) {
    name = strrchr(outside->name[i], '/');
    name = name == NULL ? outside->name[i] : name + 1;
    put_size(outside_names[i], outside->bytes[i],
             strlen(name) < 26 ? name : "");
  }
}

/* Explains the words above. */
static void
put_legend(void)
{
  printf("\n%sLegend%s\n"
         "  in use: blocks that the program has not freed.  cached: freed, "
         "kept by a\n"
         "  thread for its next allocations.  free in spans: freed, on pages "
         "that other\n"
         "  blocks share.  free pages: freed whole.  returned or unused: takes "
         "no memory.\n",
         bold(), plain());
}

static void
put_overview(const struct target *target, const struct survey *survey)
{
  const struct view *view = &survey->now;
  struct verdict verdict;
  char fault[600];

  if (fault_sentence(target, fault, sizeof fault)) {
    printf("%s", bad());
    put_wrapped(fault);
    printf("%s", plain());
  } else {
    verdict_reach(target, survey, &verdict);
    put_verdict(&verdict);
  }
  if (target->shapes != NULL) {
    snprintf(fault, sizeof fault,
             "Unknown for this build of tcm, %.15s: which blocks keep free "
             "memory.  The tcm-stat of its package shows them.",
             target->page.library);
    put_wrapped(fault);
  }
  printf("\n%s%s%s (%s%d), tcm %.15s%s\n", bold(), target->command, plain(),
         target->core != NULL ? "core file, once " : "PID ", (int)target->pid,
         target->page.library,
         view->page.started ? "" : ", which has not allocated yet");
  put_picture(&view->stats);
  printf("\n");
  put_parts(&view->stats);
  if (target->core == NULL)
    put_residency(&view->stats, &survey->heap);
  put_outside(&survey->outside);
  put_sundries(view);
  put_counters(view);
  put_options(view);
  put_legend();
  if (!view->exact)
    printf("\nApproximate: the process was running, or is inside "
           "a call of tcm.\n");
}

enum status
show_overview(struct target *target)
{
  struct survey *survey;
  enum status status;

  if (wants_document())
    return show_document(target);
  survey = calloc(1, sizeof *survey);
  if (survey == NULL) {
    complain("no memory");
    return STATUS_FAILED;
  }
  status = survey_read(target, settings.seconds, survey);
  if (status == STATUS_OK) {
    put_overview(target, survey);
    survey_free(survey);
  }
  free(survey);
  return status;
}

enum status
show_document(struct target *target)
{
  struct view view;
  struct heap_view heap;
  enum status status = view_read(target, &view);

  if (status != STATUS_OK)
    return status;
  status = heap_read(target, &heap);
  if (status == STATUS_OK)
    status = settings.json ? json_write(target, &view, &heap)
                           : metrics_write(target, &view, &heap);
  heap_free(&heap);
  view_free(&view);
  return status;
}
