/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The numbers as JSON, one member per line.  The names at the top level are
 * those of struct tcm_stats; tcm-stat(1) writes the same names.
 */
#include "config.h"

#include "base/format.h"
#include "base/options.h"
#include "observe/stats.h"
#include "observe/stats_output.h"
#include "observe/stats_room.h"

static void
add_member(struct line *line, const char *name, uint64_t value,
           const char *after)
{
  tcmi_line_text(line, "\"");
  tcmi_line_text(line, name);
  tcmi_line_text(line, "\": ");
  tcmi_line_decimal(line, value);
  tcmi_line_text(line, after);
}

static NOINLINE void
put_member(const struct output *out, const char *name, uint64_t value)
{
  struct line line = {.length = 0};

  tcmi_line_text(&line, "  ");
  add_member(&line, name, value, ",");
  put_line(out, &line);
}

/* The last member of an object has no comma after it. */
static NOINLINE void
put_last(const struct output *out, const char *name, uint64_t value)
{
  struct line line = {.length = 0};

  tcmi_line_text(&line, "  ");
  add_member(&line, name, value, "");
  put_line(out, &line);
}

#define PUT(out, from, member) put_member((out), #member, (from)->member)

static void
put_parts(const struct output *out, const struct tcm_stats *s)
{
  PUT(out, s, in_use_bytes);
  PUT(out, s, thread_cache_bytes);
  PUT(out, s, transfer_cache_bytes);
  PUT(out, s, central_list_bytes);
  PUT(out, s, page_heap_bytes);
  PUT(out, s, returned_bytes);
  PUT(out, s, metadata_bytes);
  PUT(out, s, mapped_bytes);
  put_member(out, "resident_bytes", tcmi_stats_resident_bytes());
  PUT(out, s, most_mapped_bytes);
  PUT(out, s, reserved_bytes);
  PUT(out, s, large_bytes);
  PUT(out, s, large_count);
  PUT(out, s, span_count);
  PUT(out, s, thread_cache_count);
  PUT(out, s, released_total_bytes);
  PUT(out, s, soft_limit_hits);
  PUT(out, s, hard_limit_hits);
}

static void
put_counters(const struct output *out, const struct stats_raw *raw)
{
  const struct stats_page *page = &tcmi_stats_page;
  const struct cache_traffic *traffic = &raw->threads.traffic;

  put_text(out, "  \"counters\": {");
  put_member(out, "slow_mallocs",
             traffic->slow_mallocs + atomic_load_relaxed(&page->slow_mallocs));
  put_member(out, "slow_frees",
             traffic->slow_frees + atomic_load_relaxed(&page->slow_frees));
  put_member(out, "large_mallocs",
             traffic->large_mallocs +
                 atomic_load_relaxed(&page->large_mallocs));
  put_member(out, "refills", traffic->refills);
  put_member(out, "refilled_objects", traffic->objects);
  put_member(out, "flushes", traffic->flushes);
  put_member(out, "faulted_in_pages", raw->shared.faulted_pages);
  put_member(out, "releases", atomic_load_relaxed(&page->releases));
  put_member(out, "thread_starts", atomic_load_relaxed(&page->thread_starts));
  put_member(out, "thread_ends", atomic_load_relaxed(&page->thread_ends));
  put_last(out, "forks", atomic_load_relaxed(&page->forks));
  put_text(out, "  },");
}

static NOINLINE void
put_classes(const struct output *out, const struct stats_raw *raw)
{
  bool first = true;

  put_text(out, "  \"classes\": [");
  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++) {
    struct line line = {.length = 0};
    struct class_stats s;
    tcmi_stats_sum_class(raw, c, &s);
    if (s.spans == 0)
      continue;
    tcmi_line_text(&line, first ? "    {" : "    ,{");
    add_member(&line, "size_bytes", s.size, ", ");
    add_member(&line, "spans", s.spans, ", ");
    add_member(&line, "span_bytes", s.span_bytes, ", ");
    add_member(&line, "live", s.live, ", ");
    add_member(&line, "free_thread", s.free_thread, ", ");
    add_member(&line, "free_transfer", s.free_transfer, ", ");
    add_member(&line, "free_central", s.free_central, ", ");
    add_member(&line, "clean_bytes", s.clean_bytes, "}");
    put_line(out, &line);
    first = false;
  }
  put_text(out, "  ],");
}

static NOINLINE void
put_options(const struct output *out)
{
  static const char *const sources[SOURCE_COUNT] = {
      "default",   "environment", "api",    "request",
      "container", "file",        "program"};

  put_text(out, "  \"options\": {");
  for (int id = 0; id < OPTION_COUNT; id++) {
    struct line line = {.length = 0};
    tcmi_line_text(&line, id == 0 ? "    \"" : "    ,\"");
    tcmi_line_text(&line, tcmi_option_table[id].name);
    tcmi_line_text(&line, "\": {");
    add_member(&line, "value", tcmi_option((enum option_id)id), ", ");
    tcmi_line_text(&line, "\"source\": \"");
    tcmi_line_text(&line, sources[tcmi_option_source((enum option_id)id)]);
    tcmi_line_text(&line, "\"}");
    put_line(out, &line);
  }
  put_text(out, "  }");
}

void
tcmi_stats_print_json(tcmi_stats_sink *sink, void *to)
{
  struct stats_room *room = tcmi_stats_room();
  struct output out = {sink, to};
  bool sound;

  if (room == NULL) {
    put_text(&out, "{}");
    return;
  }
  tcmi_stats_read(&room->raw);
  sound = tcmi_stats_sum(&room->raw, &room->sum) && room->raw.exact;
  put_text(&out, "{");
  put_text(&out, "  \"version\": \"" PACKAGE_VERSION "\",");
  if (sound)
    put_text(&out, "  \"exact\": true,");
  else
    put_text(&out, "  \"exact\": false,");
  put_parts(&out, &room->sum);
  put_counters(&out, &room->raw);
  put_classes(&out, &room->raw);
  put_options(&out);
  put_text(&out, "}");
  tcmi_stats_room_end(room);
}
