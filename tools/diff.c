/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Compares two readings, each from a process, a core file or a document that
 * --json wrote.
 */
#include "names.h"
#include "tally.h"

#include <inttypes.h>
#include <stdlib.h>
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
    {"page_heap_bytes", "free pages, in the page heap", true},
    {"returned_bytes", "returned, or unused", true},
    {"metadata_bytes", "tcm's own structures", true},
    {"mapped_bytes", "mapped: the sum", true},
    {"resident_bytes", "resident", true},
    {"large_bytes", "large or sampled blocks", true},
    {"large_count", "large or sampled, number", false},
    {"span_count", "spans", false},
    {"thread_cache_count", "thread caches", false},
    {"released_total_bytes", "ever returned", true},
    {"slow_mallocs", "slow paths of malloc", false},
    {"slow_frees", "slow paths of free", false},
};
#define NROWS (sizeof rows / sizeof *rows)

/* The numbers shown in the rows. */
struct reading {
  uint64_t value[NROWS];
  bool there[NROWS];
  struct class_stats classes[SIZE_CLASS_COUNT]; /* the first @nclasses */
  size_t nclasses;
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
  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++) {
    tcmi_stats_sum_class(&view->raw, c, &reading->classes[reading->nclasses]);
    reading->nclasses += reading->classes[reading->nclasses].spans > 0;
  }
}

static enum status
read_target(const char *argument, struct reading *reading)
{
  struct target target;
  struct heap_view heap = {0};
  struct names names;
  struct view view;
  enum status status = names_find(argument, &names);

  if (status == STATUS_OK && names.n > 1)
    status = names_choice(argument, &names);
  if (status == STATUS_OK)
    status = target_open(&target, names.n == 1 ? names.pids[0] : argument);
  names_free(&names);

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

bool
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
  reading->nclasses = tally_classes(tally, reading->classes);
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

/* ---- By size class ------------------------------------------------------- */
struct growth {
  uint64_t size, before, after; /* live blocks */
  int64_t bytes;                /* grown */
};

static int
by_growth(const void *a, const void *b)
{
  const struct growth *x = a, *y = b;

  return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

static uint64_t
live_of(const struct reading *reading, uint64_t size)
{
  for (size_t i = 0; i < reading->nclasses; i++)
    if (reading->classes[i].size == size)
      return reading->classes[i].live;
  return 0;
}

static void
add_growth(struct growth *rows, size_t *n, const struct reading *a,
           const struct reading *b, uint64_t size)
{
  struct growth row = {size, live_of(a, size), live_of(b, size), 0};

  for (size_t i = 0; i < *n; i++)
    if (rows[i].size == size)
      return;
  row.bytes = (int64_t)(row.after - row.before) * (int64_t)size;
  if (row.bytes != 0)
    rows[(*n)++] = row;
}

/* Prints the classes whose live blocks changed, the largest growth first. */
static void
put_growth(const struct reading *a, const struct reading *b)
{
  struct growth rows[2 * SIZE_CLASS_COUNT];
  size_t n = 0;
  char text[32];

  for (size_t i = 0; i < b->nclasses; i++)
    add_growth(rows, &n, a, b, b->classes[i].size);
  for (size_t i = 0; i < a->nclasses; i++)
    add_growth(rows, &n, a, b, a->classes[i].size);
  if (n > 0)
    printf("\n%s%-28s %14s %14s  %s%s\n", bold(), "BLOCKS IN USE, BY SIZE",
           "BEFORE", "AFTER", "BYTES", plain());
  qsort(rows, n, sizeof *rows, by_growth);
  for (size_t i = 0; i < n; i++)
    printf("%-28" PRIu64 " %14" PRIu64 " %14" PRIu64 "  %c%s\n", rows[i].size,
           rows[i].before, rows[i].after, rows[i].bytes < 0 ? '-' : '+',
           size_text(text, (uint64_t)llabs(rows[i].bytes)));
}

enum status
show_diff(const char *before, const char *after)
{
  static struct reading a, b;
  enum status status = read_side(before, &a);

  if (status == STATUS_OK)
    status = read_side(after, &b);
  if (status != STATUS_OK)
    return status;
  printf("%s%-28s %14s %14s  %s%s\n", bold(), "", "BEFORE", "AFTER", "CHANGE",
         plain());
  for (size_t i = 0; i < NROWS; i++)
    if (a.there[i] && b.there[i])
      put_row(i, a.value[i], b.value[i]);
  put_growth(&a, &b);
  return STATUS_OK;
}
