/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lists all processes that run tcm, the largest first.
 */
#include "names.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A row of the table. */
struct row {
  pid_t pid;
  char command[1024]; /* its command line */
  char version[16];
  bool known; /* its numbers could be read */
  struct tcm_stats stats;
  uint64_t resident;
};

static struct row *rows;
static size_t nrows;
static size_t barred; /* processes without read permission */

static struct row *
add_row(const struct target *target)
{
  struct row *more = realloc(rows, (nrows + 1) * sizeof *rows);

  if (more == NULL) {
    complain("no memory");
    exit(STATUS_FAILED);
  }
  rows = more;
  rows[nrows] = (struct row){.pid = target->pid};
  if (arguments_read(target->argument, rows[nrows].command,
                     sizeof rows->command) == 0)
    snprintf(rows[nrows].command, sizeof rows->command, "[%s]",
             target->command);
  snprintf(rows[nrows].version, sizeof rows->version, "%.15s",
           target->page.version == TCM_STATS_PAGE_VERSION ? target->page.library
                                                          : "other");
  return &rows[nrows++];
}

static void
read_target(struct target *target)
{
  struct heap_view heap;
  struct view view;
  struct row *row;

  if (view_read(target, &view) != STATUS_OK)
    return;
  if (heap_read(target, &heap) == STATUS_OK) {
    if (settings.json) {
      (void)json_write(target, &view, &heap);
    } else if (settings.openmetrics) {
      (void)metrics_write(target, &view, &heap);
    }
    row = add_row(target);
    row->known = true;
    row->stats = view.stats;
    row->resident = heap.process_resident;
    heap_free(&heap);
  }
  view_free(&view);
}

static void
list_process(const char *name)
{
  struct target target;
  enum status status = target_open(&target, name);

  if (status == STATUS_OK) {
    read_target(&target);
    target_close(&target);
  } else if (status == STATUS_OTHER_VERSION) {
    (void)add_row(&target);
  } else if (status == STATUS_NO_PERMISSION) {
    barred++;
  }
}

static int
by_resident(const void *a, const void *b)
{
  const struct row *x = a, *y = b;

  return (x->resident < y->resident) - (x->resident > y->resident);
}

static void
put_row(const struct row *row)
{
  const struct tcm_stats *s = &row->stats;
  char text[32];

  printf("%7d", (int)row->pid);
  if (!row->known) {
    printf(" %58s", "a tcm that this tcm-stat cannot read");
  } else {
    printf(" %11s", size_text(text, row->resident));
    printf(" %11s", size_text(text, s->in_use_bytes));
    printf(" %11s",
           size_text(text, s->thread_cache_bytes + s->transfer_cache_bytes +
                               s->central_list_bytes));
    printf(" %11s", size_text(text, s->page_heap_bytes));
    printf(" %9s", row->version);
  }
  /* As by ps(1): cut on a terminal only. */
  printf(" %.*s\n", isatty(STDOUT_FILENO) ? (int)(screen_width() - 67) : -1,
         row->command);
}

enum status
show_ps(void)
{
  struct names names;

  if (!names_all(&names))
    return STATUS_FAILED;
  settings.quiet = true;
  for (size_t i = 0; i < names.n; i++)
    list_process(names.pids[i]);
  names_free(&names);
  settings.quiet = false;
  if (wants_document())
    return STATUS_OK;
  qsort(rows, nrows, sizeof *rows, by_resident);
  printf("%s    PID    RESIDENT      IN USE      CACHED  FREE PAGES   VERSION "
         "COMMAND%s\n",
         bold(), plain());
  for (size_t i = 0; i < nrows; i++)
    put_row(&rows[i]);
  fflush(stdout);
  if (barred > 0)
    complain("%zu process%s could not be read, and may run tcm%s", barred,
             barred == 1 ? "" : "es",
             geteuid() == 0 ? "" : "; root with CAP_SYS_PTRACE can read all");
  free(rows);
  return STATUS_OK;
}
