/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes samples in the text format of OpenMetrics, or in that of Prometheus,
 * which the textfile collector of its node exporter reads.  They name counters
 * differently:
 *
 *     OpenMetrics   # TYPE tcm_forks counter          tcm_forks_total{...} 1
 *     Prometheus    # TYPE tcm_forks_total counter    tcm_forks_total{...} 1
 *
 * A parser of one format treats the counters of the other as samples without a
 * type.
 *
 * A family has one description, before its first sample, and all its samples
 * must be consecutive.  Therefore the samples of several targets (ps) are kept
 * until the end.
 */
#include "tcm-stat.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum family {
  HEAP,
  MAPPED,
  MAPPED_MAX,
  RESIDENT,
  PROCESS_RESIDENT,
  HUGE,
  RESERVED,
  LARGE,
  LARGE_BLOCKS,
  SPANS,
  THREAD_CACHES,
  SLOW_PATHS,
  LARGE_ALLOCATIONS,
  REFILLS,
  FLUSHES,
  FAULTED,
  RELEASED,
  RELEASES,
  LIMIT_HITS,
  THREADS,
  FORKS,
  FAMILIES
};

static const struct {
  const char *name;
  const char *unit; /* "" for none */
  const char *type;
  const char *help;
} families[FAMILIES] = {
    [HEAP] = {"tcm_heap_bytes", "bytes", "gauge",
              "Parts of the heap, which add up to tcm_mapped_bytes."},
    [MAPPED] = {"tcm_mapped_bytes", "bytes", "gauge",
                "Address space of the heap that is accessible."},
    [MAPPED_MAX] = {"tcm_mapped_most_bytes", "bytes", "gauge",
                    "The largest value of tcm_mapped_bytes so far."},
    [RESIDENT] = {"tcm_resident_bytes", "bytes", "gauge",
                  "Resident part of tcm_mapped_bytes, from the kernel."},
    [PROCESS_RESIDENT] = {"tcm_process_resident_bytes", "bytes", "gauge",
                          "Resident memory of the whole process."},
    [HUGE] = {"tcm_huge_page_bytes", "bytes", "gauge",
              "Resident part in the kernel's huge pages."},
    [RESERVED] = {"tcm_reserved_bytes", "bytes", "gauge",
                  "Address space held."},
    [LARGE] = {"tcm_large_bytes", "bytes", "gauge",
               "Blocks in use that have pages of their own."},
    [LARGE_BLOCKS] = {"tcm_large_blocks", "", "gauge",
                      "Number of blocks that have pages of their own."},
    [SPANS] = {"tcm_spans", "", "gauge", "Runs of pages cut into blocks."},
    [THREAD_CACHES] = {"tcm_thread_caches", "", "gauge", "Thread caches."},
    [SLOW_PATHS] = {"tcm_slow_paths", "", "counter",
                    "Calls that a thread cache could not serve."},
    [LARGE_ALLOCATIONS] = {"tcm_large_allocations", "", "counter",
                           "Blocks taken from the page heap."},
    [REFILLS] = {"tcm_refills", "", "counter", "Refills of thread caches."},
    [FLUSHES] = {"tcm_flushes", "", "counter", "Flushes of thread caches."},
    [FAULTED] = {"tcm_faulted_in_bytes", "bytes", "counter",
                 "Allocated memory that was not resident."},
    [RELEASED] = {"tcm_released_bytes", "bytes", "counter",
                  "Memory returned to the OS."},
    [RELEASES] = {"tcm_releases", "", "counter",
                  "Times that all free memory was returned."},
    [LIMIT_HITS] = {"tcm_limit_hits", "", "counter",
                    "Times that a limit returned or refused memory."},
    [THREADS] = {"tcm_threads", "", "counter",
                 "Threads that acquired or gave up a cache."},
    [FORKS] = {"tcm_forks", "", "counter", "Forks."},
};

/* The samples of each family, as text. */
static struct {
  char *text;
  size_t length;
} samples[FAMILIES];

static void
append(enum family family, const char *text)
{
  size_t length = strlen(text);
  char *more =
      realloc(samples[family].text, samples[family].length + length + 1);

  if (more == NULL) {
    complain("no memory");
    exit(STATUS_FAILED);
  }
  memcpy(more + samples[family].length, text, length + 1);
  samples[family].text = more;
  samples[family].length += length;
}

/* Escapes the name of a process for the value of a label. */
static void
escape(char *to, const char *from)
{
  for (; *from != '\0'; from++) {
    if (*from == '"' || *from == '\\')
      *to++ = '\\';
    *to++ = *from;
  }
  *to = '\0';
}

static void
add(const struct target *target, enum family family, const char *label,
    uint64_t value)
{
  bool counts = strcmp(families[family].type, "counter") == 0;
  char command[2 * sizeof target->command], line[512];

  escape(command, target->command);
  snprintf(line, sizeof line,
           "%s%s{pid=\"%d\",command=\"%s\"%s%s} %" PRIu64 "\n",
           families[family].name, counts ? "_total" : "", (int)target->pid,
           command, label[0] == '\0' ? "" : ",", label, value);
  append(family, line);
}

static void
add_parts(const struct target *target, const struct tcm_stats *s)
{
  add(target, HEAP, "part=\"in_use\"", s->in_use_bytes);
  add(target, HEAP, "part=\"thread_cache\"", s->thread_cache_bytes);
  add(target, HEAP, "part=\"transfer_cache\"", s->transfer_cache_bytes);
  add(target, HEAP, "part=\"central_list\"", s->central_list_bytes);
  add(target, HEAP, "part=\"page_heap\"", s->page_heap_bytes);
  add(target, HEAP, "part=\"returned\"", s->returned_bytes);
  add(target, HEAP, "part=\"metadata\"", s->metadata_bytes);
  add(target, MAPPED, "", s->mapped_bytes);
  add(target, MAPPED_MAX, "", s->most_mapped_bytes);
  add(target, RESERVED, "", s->reserved_bytes);
  add(target, LARGE, "", s->large_bytes);
  add(target, LARGE_BLOCKS, "", s->large_count);
  add(target, SPANS, "", s->span_count);
  add(target, THREAD_CACHES, "", s->thread_cache_count);
  add(target, RELEASED, "", s->released_total_bytes);
}

enum status
metrics_write(const struct target *target, const struct view *view,
              const struct heap_view *heap)
{
  const struct stats_page *page = &view->page;

  add_parts(target, &view->stats);
  if (heap->known) {
    add(target, RESIDENT, "", heap->resident);
    add(target, PROCESS_RESIDENT, "", heap->process_resident);
    add(target, HUGE, "", heap->huge);
  }
  add(target, SLOW_PATHS, "call=\"malloc\"", page->slow_mallocs);
  add(target, SLOW_PATHS, "call=\"free\"", page->slow_frees);
  add(target, LARGE_ALLOCATIONS, "", page->large_mallocs);
  add(target, REFILLS, "", view->raw.threads.traffic.refills);
  add(target, FLUSHES, "", view->raw.threads.traffic.flushes);
  add(target, FAULTED, "", view->raw.shared.faulted_pages << PAGE_SHIFT);
  add(target, RELEASES, "", page->releases);
  add(target, LIMIT_HITS, "limit=\"soft\"", view->stats.soft_limit_hits);
  add(target, LIMIT_HITS, "limit=\"hard\"", view->stats.hard_limit_hits);
  add(target, THREADS, "event=\"start\"", page->thread_starts);
  add(target, THREADS, "event=\"end\"", page->thread_ends);
  add(target, FORKS, "", page->forks);
  return STATUS_OK;
}

static void
put_family(int i)
{
  bool counts = strcmp(families[i].type, "counter") == 0;
  const char *more = counts && settings.for_prometheus ? "_total" : "";

  printf("# TYPE %s%s %s\n", families[i].name, more, families[i].type);
  if (families[i].unit[0] != '\0' && !settings.for_prometheus)
    printf("# UNIT %s %s\n", families[i].name, families[i].unit);
  printf("# HELP %s%s %s\n%s", families[i].name, more, families[i].help,
         samples[i].text);
}

void
metrics_end(void)
{
  for (int i = 0; i < FAMILIES; i++) {
    if (samples[i].text == NULL)
      continue;
    put_family(i);
    free(samples[i].text);
    samples[i].text = NULL;
  }
  if (!settings.for_prometheus)
    puts("# EOF");
}
