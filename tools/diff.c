/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two readings side by side: of processes, core files or documents that --json
 * wrote.
 */
#include "tcm-stat.h"

#include <inttypes.h>
#include <string.h>

static const struct {
  const char *name;
  const char *label;
  bool is_size;
} rows[] = {
    {"in_use_bytes", "in use by the program", true},
    {"thread_cache_bytes", "free, in thread caches", true},
    {"transfer_cache_bytes", "free, in transfer caches", true},
    {"central_list_bytes", "free, in central lists", true},
    {"page_heap_bytes", "free, in the page heap", true},
    {"returned_bytes", "returned, or unused", true},
    {"metadata_bytes", "tcm's own structures", true},
    {"mapped_bytes", "mapped: the sum", true},
    {"resident_bytes", "resident", true},
    {"large_bytes", "large blocks", true},
    {"large_count", "large blocks, number", false},
    {"span_count", "spans", false},
    {"thread_cache_count", "thread caches", false},
    {"released_total_bytes", "ever returned", true},
    {"slow_mallocs", "slow paths of malloc", false},
    {"slow_frees", "slow paths of free", false},
};
#define NROWS (sizeof rows / sizeof *rows)

/* The numbers of the rows. */
struct reading {
  uint64_t value[NROWS];
  bool there[NROWS];
};

static void
set(struct reading *reading, const char *name, uint64_t value)
{
  for (size_t i = 0; i < NROWS; i++)
    if (strcmp(rows[i].name, name) == 0) {
      reading->value[i] = value;
      reading->there[i] = true;
    }
}

#define SET(reading, from, member) set((reading), #member, (from)->member)

static void
fill(struct reading *reading, const struct view *view,
     const struct heap_view *heap)
{
  const struct tcm_stats *s = &view->stats;

  SET(reading, s, in_use_bytes);
  SET(reading, s, thread_cache_bytes);
  SET(reading, s, transfer_cache_bytes);
  SET(reading, s, central_list_bytes);
  SET(reading, s, page_heap_bytes);
  SET(reading, s, returned_bytes);
  SET(reading, s, metadata_bytes);
  SET(reading, s, mapped_bytes);
  SET(reading, s, large_bytes);
  SET(reading, s, large_count);
  SET(reading, s, span_count);
  SET(reading, s, thread_cache_count);
  SET(reading, s, released_total_bytes);
  SET(reading, &view->page, slow_mallocs);
  SET(reading, &view->page, slow_frees);
  if (heap->known)
    set(reading, "resident_bytes", heap->resident);
}

static enum status
read_target(const char *argument, struct reading *reading)
{
  struct target target;
  struct heap_view heap = {0};
  struct view view;
  enum status status = target_open(&target, argument);

  if (status != STATUS_OK)
    return status;
  status = view_read(&target, &view);
  if (status == STATUS_OK) {
    status = heap_read(&target, &heap);
    if (status == STATUS_OK)
      fill(reading, &view, &heap);
    heap_free(&heap);
    view_free(&view);
  }
  target_close(&target);
  return status;
}

/* A document begins with a brace. */
static bool
is_document(const char *path)
{
  FILE *file;
  int first;

  if (path[strspn(path, "0123456789")] == '\0')
    return false;
  file = fopen(path, "re");
  if (file == NULL)
    return false;
  first = getc(file);
  fclose(file);
  return first == '{';
}

static enum status
read_side(const char *argument, struct reading *reading)
{
  enum status status = STATUS_FAILED;
  struct tally *tally;

  memset(reading, 0, sizeof *reading);
  if (!is_document(argument))
    return read_target(argument, reading);
  status = STATUS_OK;
  tally = tally_read(argument, &status);
  if (tally == NULL)
    return status;
  for (size_t i = 0; i < NROWS; i++)
    reading->value[i] = tally_get(tally, rows[i].name, &reading->there[i]);
  tally_free(tally);
  return STATUS_OK;
}

static const char *
value_text(char *text, size_t row, uint64_t value)
{
  if (rows[row].is_size)
    return size_text(text, value);
  snprintf(text, 32, "%" PRIu64, value);
  return text;
}

static void
put_row(size_t row, uint64_t a, uint64_t b)
{
  char before[32], after[32], change[32];

  printf("%-28s %14s %14s  %s%s\n", rows[row].label, value_text(before, row, a),
         value_text(after, row, b),
         b > a   ? "+"
         : b < a ? "-"
                 : " ",
         value_text(change, row, b > a ? b - a : a - b));
}

enum status
show_diff(const char *before, const char *after)
{
  struct reading a, b;
  enum status status = read_side(before, &a);

  if (status == STATUS_OK)
    status = read_side(after, &b);
  if (status != STATUS_OK)
    return status;
  if (wants_document()) {
    complain("diff writes a table only");
    return STATUS_USAGE;
  }
  printf("%s%-28s %14s %14s  %s%s\n", bold(), "", "BEFORE", "AFTER", "CHANGE",
         plain());
  for (size_t i = 0; i < NROWS; i++)
    if (a.there[i] && b.there[i])
      put_row(i, a.value[i], b.value[i]);
  return STATUS_OK;
}
