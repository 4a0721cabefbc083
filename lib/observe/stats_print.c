/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes reports to a sink, a line at a time: the caller decides whether the
 * sink is a descriptor or a stream.
 */
#include "config.h"

#include "base/format.h"
#include "base/lock.h"
#include "cache/size_class.h"
#include "observe/stats.h"
#include "observe/stats_output.h"
#include "observe/stats_room.h"

static NOINLINE void
put_number(const struct output *out, const char *before, uint64_t value,
           const char *after)
{
  struct line line = {.length = 0};

  tcmi_line_text(&line, before);
  tcmi_line_decimal(&line, value);
  tcmi_line_text(&line, after);
  put_line(out, &line);
}

/* Debug builds: counts of locks taken, of waits for them, and of other locked
 * operations. */
static void
put_lock_counts(const struct output *out)
{
#ifdef TCM_DEBUG
  for (unsigned rank = 0; rank < LOCK_RANKS; rank++) {
    struct line line = {.length = 0};
    tcmi_line_text(&line, "LOCK: ");
    tcmi_line_text(&line, tcmi_lock_names[rank]);
    tcmi_line_text(&line, " ");
    tcmi_line_decimal(&line,
                      atomic_load_relaxed(&tcmi_lock_counts[rank].taken));
    tcmi_line_text(&line, " ");
    tcmi_line_decimal(&line,
                      atomic_load_relaxed(&tcmi_lock_counts[rank].waited));
    put_line(out, &line);
  }
  put_number(out, "LOCK: additions ",
             atomic_load_relaxed(&tcmi_shared_additions), " 0");
#else
  (void)out;
#endif
}

static void
put_report(const struct output *out, const struct tcm_stats *s)
{
  put_text(out, "tcm: what the heap of this process holds, in bytes");
  put_number(out, "MALLOC: ", s->in_use_bytes, " Bytes in use by application");
  put_number(out, "MALLOC: + ", s->page_heap_bytes,
             " Bytes in page heap freelist");
  put_number(out, "MALLOC: + ", s->central_list_bytes,
             " Bytes in central cache freelist");
  put_number(out, "MALLOC: + ", s->transfer_cache_bytes,
             " Bytes in transfer cache freelist");
  put_number(out, "MALLOC: + ", s->thread_cache_bytes,
             " Bytes in thread cache freelists");
  put_number(out, "MALLOC: + ", s->metadata_bytes, " Bytes in malloc metadata");
  put_number(out, "MALLOC: + ", s->returned_bytes,
             " Bytes released to OS (aka unmapped)");
  put_number(out, "MALLOC: = ", s->mapped_bytes, " Bytes mapped");
  put_number(out, "MALLOC: ", s->most_mapped_bytes, " Bytes mapped at most");
  put_number(out, "MALLOC: ", s->soft_limit_hits, " Soft limit hits");
  put_number(out, "MALLOC: ", s->hard_limit_hits, " Hard limit hits");
  put_number(out, "MALLOC: ", tcmi_stats_resident_bytes(),
             " Bytes of these resident");
  put_number(out, "MALLOC: ", s->span_count, " Spans in use");
  put_number(out, "MALLOC: ", s->thread_cache_count, " Thread heaps in use");
  put_lock_counts(out);
}

void
tcmi_stats_print_text(tcmi_stats_sink *sink, void *to)
{
  struct stats_room *room = tcmi_stats_room();
  struct output out = {sink, to};

  if (room == NULL) {
    put_text(&out, "tcm: no memory for a report");
    return;
  }
  tcmi_stats_read(&room->raw);
  (void)tcmi_stats_sum(&room->raw, &room->sum);
  put_report(&out, &room->sum);
  tcmi_stats_room_end(room);
}

static uint64_t
free_blocks(const struct class_stats *s)
{
  return s->free_central + s->free_transfer + s->free_thread;
}

static NOINLINE void
put_size_class(const struct output *out, const struct stats_raw *raw,
               unsigned c)
{
  struct class_stats s;
  struct line line = {.length = 0};

  tcmi_stats_sum_class(raw, c, &s);
  if (s.spans == 0)
    return;
  tcmi_line_text(&line, "  <size from=\"");
  tcmi_line_decimal(&line, c == 1 ? 1 : size_class_size(c - 1) + 1);
  tcmi_line_text(&line, "\" to=\"");
  tcmi_line_decimal(&line, s.size);
  tcmi_line_text(&line, "\" total=\"");
  tcmi_line_decimal(&line, free_blocks(&s) * s.size);
  tcmi_line_text(&line, "\" count=\"");
  tcmi_line_decimal(&line, free_blocks(&s));
  tcmi_line_text(&line, "\" live=\"");
  tcmi_line_decimal(&line, s.live);
  tcmi_line_text(&line, "\"/>");
  put_line(out, &line);
}

static NOINLINE void
put_total(const struct output *out, const char *type, uint64_t count,
          uint64_t bytes)
{
  struct line line = {.length = 0};

  tcmi_line_text(&line, "<total type=\"");
  tcmi_line_text(&line, type);
  tcmi_line_text(&line, "\" count=\"");
  tcmi_line_decimal(&line, count);
  tcmi_line_text(&line, "\" size=\"");
  tcmi_line_decimal(&line, bytes);
  tcmi_line_text(&line, "\"/>");
  put_line(out, &line);
}

/* Writes the totals of free blocks: "fast" is those in caches; "rest" is those
 * in spans, and each free page that holds memory. */
static void
put_totals(const struct output *out, const struct stats_raw *raw,
           const struct tcm_stats *s)
{
  uint64_t fast = raw->threads.held_blocks, rest = raw->shared.idle_pages;

  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++) {
    fast += raw->threads.objects[c] + raw->shared.classes[c].transfer;
    rest += raw->shared.classes[c].free_objects;
  }
  put_total(out, "fast", fast, s->thread_cache_bytes + s->transfer_cache_bytes);
  put_total(out, "rest", rest, s->central_list_bytes + s->page_heap_bytes);
  put_total(out, "mmap", s->large_count, s->large_bytes);
}

static void
put_xml(const struct output *out, const struct stats_raw *raw,
        const struct tcm_stats *s)
{
  put_text(out, "<malloc version=\"1\">");
  put_text(out, "<heap nr=\"0\">");
  put_text(out, "<sizes>");
  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++)
    put_size_class(out, raw, c);
  put_text(out, "</sizes>");
  put_text(out, "</heap>");
  put_totals(out, raw, s);
  put_number(out, "<system type=\"current\" size=\"", s->mapped_bytes, "\"/>");
  put_number(out, "<system type=\"max\" size=\"", s->most_mapped_bytes, "\"/>");
  put_number(out, "<aspace type=\"total\" size=\"", s->reserved_bytes, "\"/>");
  put_number(out, "<aspace type=\"mprotect\" size=\"", s->mapped_bytes, "\"/>");
  put_text(out, "</malloc>");
}

void
tcmi_stats_print_xml(tcmi_stats_sink *sink, void *to)
{
  struct stats_room *room = tcmi_stats_room();
  struct output out = {sink, to};

  if (room == NULL) {
    put_text(&out, "<malloc version=\"1\"/>");
    return;
  }
  tcmi_stats_read(&room->raw);
  (void)tcmi_stats_sum(&room->raw, &room->sum);
  put_xml(&out, &room->raw, &room->sum);
  tcmi_stats_room_end(room);
}
