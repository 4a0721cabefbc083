/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Prints a row for each interval, as vmstat(8) does: current sizes, and events
 * per second.
 */
#include "survey.h"

#include <inttypes.h>
#include <unistd.h>

/* Rows between two headings. */
#define ROWS 20

static void
put_rate(uint64_t before, uint64_t now, double seconds)
{
  printf(" %7.0f",
         now > before && seconds > 0 ? (double)(now - before) / seconds : 0.0);
}

static void
put_row(const struct view *before, const struct view *now,
        const struct heap_view *heap, double seconds)
{
  const struct tcm_stats *s = &now->stats;
  uint64_t cached =
      s->thread_cache_bytes + s->transfer_cache_bytes + s->central_list_bytes;
  char text[32];

  printf("%10s", size_text(text, s->in_use_bytes));
  printf(" %10s", size_text(text, cached));
  printf(" %10s", size_text(text, s->page_heap_bytes));
  printf(" %10s", size_text(text, heap->resident));
  put_rate(before->page.slow_mallocs, now->page.slow_mallocs, seconds);
  put_rate(before->page.slow_frees, now->page.slow_frees, seconds);
  put_rate(before->raw.shared.faulted_pages, now->raw.shared.faulted_pages,
           seconds);
  put_rate(before->stats.released_total_bytes >> PAGE_SHIFT,
           s->released_total_bytes >> PAGE_SHIFT, seconds);
  printf("%s\n", now->exact ? "" : " ~");
}

static void
put_heading(void)
{
  printf("%s    IN USE     CACHED FREE PAGES   RESIDENT  MISS/S  FULL/S "
         "FAULT/S  BACK/S%s\n",
         bold(), plain());
}

static void
put_legend(void)
{
  printf(
      "MISS/S, FULL/S: calls a second that found a thread cache empty, full.  "
      "FAULT/S,\nBACK/S: pages a second from and to the OS.\n");
}

static enum status
put_reading(const struct target *target, const struct view *before,
            const struct view *now, const struct heap_view *heap,
            double seconds)
{
  if (settings.json)
    return json_write(target, now, heap);
  put_row(before, now, heap, seconds);
  return STATUS_OK;
}

enum status
show_watch(struct target *target)
{
  struct view before = {0}, now;
  struct heap_view heap;
  enum status status = STATUS_OK;
  double last = seconds_now(), time;

  for (unsigned long row = 0; status == STATUS_OK; row++) {
    status = view_read(target, &now);
    if (status != STATUS_OK)
      break;
    status = heap_read(target, &heap);
    time = seconds_now();
    if (row == 0)
      before = now;
    if (!settings.json && row == 0 && isatty(STDOUT_FILENO))
      put_legend();
    if (!settings.json && row % ROWS == 0)
      put_heading();
    if (status == STATUS_OK)
      status = put_reading(target, &before, &now, &heap, time - last);
    heap_free(&heap);
    before = now;
    last = time;
    view_free(&now);
    if (fflush(stdout) != 0 ||
        (settings.count != 0 && row + 1 >= settings.count))
      break;
    sleep_seconds(settings.interval);
  }
  return status;
}
