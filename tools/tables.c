/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tables of classes and of threads.
 */
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
    printf("The process did not stand still: approximate.\n");
}

/* Of the memory of the class's spans, how much no block in use needs. */
static double
waste(const struct class_stats *s)
{
  double backed = (double)(s->span_bytes - s->clean_bytes);
  double live = (double)s->live * (double)s->size;

  return backed > live && backed > 0 ? 100 * (backed - live) / backed : 0;
}

enum status
show_classes(struct target *target)
{
  uint64_t live = 0, spans = 0, bytes = 0;
  char a[32], b[32], c[32];
  struct view view;
  enum status status = view_read(target, &view);

  if (status != STATUS_OK)
    return status;
  put_heading("  SIZE   SPANS SPAN BYTES      LIVE LIVE BYTES  THREAD TRANSFER "
              " CENTRAL  WASTE");
  for (unsigned i = 1; i < SIZE_CLASS_COUNT; i++) {
    struct class_stats s;
    tcmi_stats_sum_class(&view.raw, i, &s);
    if (s.spans == 0)
      continue;
    printf("%6" PRIu64 " %7" PRIu64 " %10s %9" PRIu64 " %10s %7" PRIu64
           " %8" PRIu64 " %8" PRIu64 " %4.0f %%\n",
           s.size, s.spans, size_text(a, s.span_bytes), s.live,
           size_text(b, s.live * s.size), s.free_thread, s.free_transfer,
           s.free_central, waste(&s));
    live += s.live * s.size;
    spans += s.spans;
    bytes += s.span_bytes;
  }
  printf("   sum %7" PRIu64 " %10s %9s %10s\n", spans, size_text(a, bytes), "",
         size_text(b, live));
  printf(" large %7s %10s %9" PRIu64 " %10s\n", "", "", view.stats.large_count,
         size_text(c, view.stats.large_bytes));
  put_notice(&view);
  view_free(&view);
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
  put_notice(&view);
  view_free(&view);
  return STATUS_OK;
}
