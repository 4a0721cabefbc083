/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Prints the tables of size classes and of threads.
 */
#include "tally.h"
#include "tcm-stat.h"

#include <inttypes.h>
#include <stdlib.h>

static void
put_heading(const char *text)
{
  printf("%s%s%s\n", bold(), text, plain());
}

static void
put_notice(const struct view *view)
{
  if (!view->exact)
    printf("Approximate: the process was running.\n");
}

/* Sums over all classes. */
struct class_sum {
  uint64_t spans, bytes, live;
};

/* Bytes of memory in the class's spans that blocks in use do not need. */
static uint64_t
waste(const struct class_stats *s)
{
  uint64_t backed = s->span_bytes - s->clean_bytes;
  uint64_t live = s->live * s->size;

  return backed > live ? backed - live : 0;
}

static int
by_waste(const void *a, const void *b)
{
  uint64_t x = waste(a), y = waste(b);

  return (x < y) - (x > y);
}

/* Draws how much of the class's memory is in use, with eight letters. */
static void
put_bar(const struct class_stats *s)
{
  uint64_t backed = s->span_bytes - s->clean_bytes;
  uint64_t live = s->live * s->size;
  int full = backed == 0 ? 0 : (int)(8 * live / backed);

  putchar('[');
  color_on("34");
  for (int i = 0; i < 8; i++) {
    if (i == full)
      color_on("35");
    putchar(i < full ? '#' : '+');
  }
  printf("%s]", plain());
}

static void
put_class(const struct class_stats *s)
{
  char a[32], b[32], c[32];

  printf("%6" PRIu64 " %7" PRIu64 " %10s %9" PRIu64 " %10s %8" PRIu64 " %10s ",
         s->size, s->spans, size_text(a, s->span_bytes), s->live,
         size_text(b, s->live * s->size),
         s->free_thread + s->free_transfer + s->free_central,
         size_text(c, waste(s)));
  put_bar(s);
  putchar('\n');
}

/* Sorts the classes and writes a row for each. */
static void
put_classes(struct class_stats *classes, size_t n, uint64_t large_count,
            uint64_t large_bytes)
{
  struct class_sum sum = {0, 0, 0};
  char a[32], b[32];

  qsort(classes, n, sizeof *classes, by_waste);
  put_heading("  SIZE   SPANS SPAN BYTES      LIVE LIVE BYTES     FREE      "
              "WASTE IN USE");
  for (size_t i = 0; i < n; i++) {
    put_class(&classes[i]);
    sum.live += classes[i].live * classes[i].size;
    sum.spans += classes[i].spans;
    sum.bytes += classes[i].span_bytes;
  }
  printf("   sum %7" PRIu64 " %10s %9s %10s\n", sum.spans,
         size_text(a, sum.bytes), "", size_text(b, sum.live));
  printf(" large %7s %10s %9" PRIu64 " %10s\n", "", "", large_count,
         size_text(a, large_bytes));
  printf("SPANS: runs of pages cut into blocks of SIZE.  LIVE: blocks in use.  "
         "FREE:\nblocks in caches and spans.  WASTE: memory that no block in "
         "use needs.\nlarge: blocks that have their own pages, because they "
         "are large or sampled.\n");
}

enum status
show_classes(struct target *target)
{
  struct class_stats classes[SIZE_CLASS_COUNT];
  size_t n = 0;
  struct view view;
  enum status status = view_read(target, &view);

  if (status != STATUS_OK)
    return status;
  for (unsigned i = 1; i < SIZE_CLASS_COUNT; i++) {
    tcmi_stats_sum_class(&view.raw, i, &classes[n]);
    n += classes[n].spans > 0;
  }
  put_classes(classes, n, view.stats.large_count, view.stats.large_bytes);
  put_notice(&view);
  view_free(&view);
  return STATUS_OK;
}

enum status
show_saved_classes(const char *path)
{
  struct class_stats classes[SIZE_CLASS_COUNT];
  enum status status = STATUS_OK;
  struct tally *tally = tally_read(path, &status);
  bool there;
  size_t n;

  if (tally == NULL)
    return status;
  n = tally_classes(tally, classes);
  put_classes(classes, n, tally_get(tally, "large_count", &there),
              tally_get(tally, "large_bytes", &there));
  tally_free(tally);
  return STATUS_OK;
}

static int
by_bytes(const void *a, const void *b)
{
  const struct thread_view *x = a, *y = b;

  return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

enum status
show_threads(struct target *target)
{
  char a[32], b[32], c[32];
  struct view view;
  enum status status = view_read(target, &view);

  if (status != STATUS_OK)
    return status;
  qsort(view.threads, view.nthreads, sizeof *view.threads, by_bytes);
  put_heading(
      " THREAD NAME               CACHED  OBJECTS   MAY HOLD      HELD  "
      "REFILLS FLUSHES");
  for (size_t i = 0; i < view.nthreads; i++) {
    const struct thread_view *t = &view.threads[i];
    char number[16];
    snprintf(number, sizeof number, "%u", t->thread);
    printf("%7s %-14.14s %10s %8" PRIu64 " %10s %9s %8" PRIu64 " %7" PRIu64
           "\n",
           t->thread == 0 ? "-" : number, t->thread == 0 ? "(ended)" : t->name,
           size_text(a, t->bytes), t->objects, size_text(b, t->capacity),
           size_text(c, t->held), t->traffic.refills, t->traffic.flushes);
  }
  printf("CACHED: free blocks that the thread keeps, HELD of them one large "
         "block.\nMAY HOLD: room of its small blocks.  REFILLS: times it was "
         "empty.\nFLUSHES: times it was full.\n");
  put_notice(&view);
  view_free(&view);
  return STATUS_OK;
}
