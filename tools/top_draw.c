/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Draws the screens of tcm-stat top with letters and colors, so that a terminal
 * without colors, or with ASCII only, shows everything.
 */
#include "top.h"

#ifdef HAVE_NCURSES
#include <inttypes.h>
#include <ncurses.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  char letter;
  short color;
  const char *label;
} parts[PARTS] = {
    [PART_IN_USE] = {'#', COLOR_BLUE, "in use"},
    [PART_CACHED] = {'=', COLOR_YELLOW, "cached"},
    [PART_SPANS] = {'+', COLOR_MAGENTA, "in spans"},
    [PART_PAGES] = {'o', COLOR_CYAN, "free pages"},
    [PART_OWN] = {'t', COLOR_WHITE, "tcm's own"},
    [PART_RETURNED] = {'.', COLOR_BLACK, "returned"},
};

void
top_colors(void)
{
  start_color();
  use_default_colors();
  for (int i = 0; i < PARTS; i++) {
    int color = parts[i].color == COLOR_BLACK ? -1 : parts[i].color;
    init_extended_pair(i + 1, color, -1);
  }
}

/* Writes text at a position, cut at the edge. */
static void
put(int y, int x, const char *text)
{
  if (y >= 0 && y < LINES && x < COLS)
    mvaddnstr(y, x, text, COLS - x);
}

static void
put_part(int y, int x, int part)
{
  if (y < 0 || y >= LINES || x >= COLS)
    return;
  attron(COLOR_PAIR(part + 1));
  mvaddch(y, x, (chtype)parts[part].letter);
  attroff(COLOR_PAIR(part + 1));
}

static void
put_bar(int y, const char *text)
{
  attron(A_REVERSE);
  move(y, 0);
  hline(' ', COLS);
  put(y, 0, text);
  attroff(A_REVERSE);
}

static void
put_foot(const struct top *top, const char *keys)
{
  char text[160];

  if (top->filtering)
    snprintf(text, sizeof text, "Filter: %s_", top->filter);
  else
    snprintf(text, sizeof text, "%s%s", keys, top->paused ? "  PAUSED" : "");
  put_bar(LINES - 1, text);
}

/* ---- All processes ------------------------------------------------------- */
static const int widths[TOP_COLUMNS] = {7, 10, 10, 10, 10, 10, 8, 8, 0};

/* Narrow screens drop columns from the right, but never the command. */
static bool
has_column(unsigned column)
{
  int width = 10;

  for (unsigned i = 0; i <= column && i < TOP_COLUMNS - 1; i++)
    width += widths[i] + 1;
  return column == TOP_COLUMNS - 1 || width <= COLS;
}

static void
put_heading(const struct top *top)
{
  int x = 0;

  attron(A_BOLD);
  for (unsigned i = 0; i < TOP_COLUMNS; i++) {
    char text[32];
    if (!has_column(i))
      continue;
    snprintf(text, sizeof text, "%*s", i + 1 < TOP_COLUMNS ? widths[i] : 0,
             top_columns[i]);
    if (i == top->sort)
      attron(A_UNDERLINE);
    put(2, x, text);
    attroff(A_UNDERLINE);
    x += widths[i] + 1;
  }
  attroff(A_BOLD);
}

static void
put_process(int y, const struct process *process)
{
  char text[64], size[32];
  int x = 0;

  for (unsigned i = 0; i + 1 < TOP_COLUMNS; i++) {
    double value = top_value(process, i);
    if (!has_column(i))
      continue;
    if (i == 0 || i >= 6)
      snprintf(size, sizeof size, "%.0f", value);
    else
      (void)size_text(size, (uint64_t)value);
    snprintf(text, sizeof text, "%*s", widths[i], size);
    put(y, x, text);
    x += widths[i] + 1;
  }
  put(y, x,
      process->arguments[0] != '\0' ? process->arguments
                                    : process->target.command);
}

static void
draw_list(struct top *top)
{
  char text[200], a[32], b[32];
  size_t rows = LINES > 4 ? (size_t)LINES - 4 : 1, shown = 0, at = 0;
  uint64_t resident = 0, in_use = 0;

  for (size_t i = 0; i < top->n; i++) {
    const struct process *process = top->processes[i];
    if (strcmp(process->pid, top->selected) == 0)
      at = shown;
    shown += top_is_shown(top, process);
    resident += process->resident;
    in_use += top_last(process)->bytes[PART_IN_USE];
  }
  if (at < top->first)
    top->first = at;
  if (at >= top->first + rows)
    top->first = at - rows + 1;
  snprintf(text, sizeof text,
           "tcm-stat: %zu processes on tcm, %s resident, %s in use; every "
           "%.1f s",
           top->n, size_text(a, resident), size_text(b, in_use), top->interval);
  put_bar(0, text);
  snprintf(text, sizeof text, "%zu process%s could not be read%s%s",
           top->barred, top->barred == 1 ? "" : "es",
           top->filter[0] != '\0' ? ".  Filter: " : "", top->filter);
  put(1, 0, text);
  put_heading(top);
  shown = 0;
  for (size_t i = 0; i < top->n; i++) {
    const struct process *process = top->processes[i];
    if (!top_is_shown(top, process))
      continue;
    if (shown >= top->first && shown < top->first + rows) {
      int y = (int)(3 + shown - top->first);
      bool chosen = strcmp(process->pid, top->selected) == 0;
      put_process(y, process);
      if (chosen)
        mvchgat(y, 0, -1, A_REVERSE, 0, NULL);
    }
    shown++;
  }
  put_foot(top, "?:help  Enter:look into  /:filter  <>:sort  Space:pause  "
                "q:quit");
}

/* ---- One process --------------------------------------------------------- */

/* Draws bars over time, the newest at the right. */
static void
draw_chart(const struct process *process, int y, int height)
{
  int width = COLS < SAMPLES ? COLS : SAMPLES;
  size_t n =
      process->nsamples < (size_t)width ? process->nsamples : (size_t)width;
  double most = 1;

  for (size_t i = 0; i < n; i++) {
    const struct sample *s =
        &process->samples[(process->nsamples - 1 - i) % SAMPLES];
    double sum = 0;
    for (int part = 0; part < PARTS; part++)
      sum += (double)s->bytes[part];
    most = sum > most ? sum : most;
  }
  for (size_t i = 0; i < n; i++) {
    const struct sample *s =
        &process->samples[(process->nsamples - 1 - i) % SAMPLES];
    double sum = 0;
    int row = 0;
    for (int part = 0; part < PARTS; part++) {
      sum += (double)s->bytes[part];
      for (; row < (int)(sum / most * height + 0.5); row++)
        put_part(y + height - 1 - row, COLS - 1 - (int)i, part);
    }
  }
}

/* Draws the parts with their sizes; returns the number of rows used. */
static int
draw_legend(const struct process *process, int y)
{
  const struct sample *s = top_last(process);
  char text[64], size[32];
  int each = 24, row = 0, x = 0;

  for (int part = 0; part < PARTS; part++) {
    if (x > 0 && x + each > COLS) {
      row++;
      x = 0;
    }
    put_part(y + row, x, part);
    snprintf(text, sizeof text, "%-11s%10s", parts[part].label,
             size_text(size, s->bytes[part]));
    put(y + row, x + 2, text);
    x += each + 1;
  }
  return row + 1;
}

static const struct top *order_of;

static int
by_bytes(const void *a, const void *b)
{
  const struct class_stats *x = a, *y = b;
  uint64_t p = x->span_bytes, q = y->span_bytes;

  if (order_of->by_waste) {
    p -= x->live * x->size;
    q -= y->live * y->size;
  }
  return (p < q) - (p > q);
}

static void
draw_classes(const struct top *top, const struct process *process, int y)
{
  struct class_stats classes[SIZE_CLASS_COUNT];
  size_t n = 0;
  uint64_t most = 1;
  char text[64], a[32], b[32];

  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++) {
    tcmi_stats_sum_class(&process->view.raw, c, &classes[n]);
    if (classes[n].span_bytes > most)
      most = classes[n].span_bytes;
    n += classes[n].spans > 0;
  }
  order_of = top;
  qsort(classes, n, sizeof *classes, by_bytes);
  attron(A_BOLD);
  put(y++, 0, "  SIZE     IN USE      SPANS  # in use  + free");
  attroff(A_BOLD);
  for (size_t i = 0; i < n && y < LINES - 1; i++, y++) {
    const struct class_stats *s = &classes[i];
    int room = COLS - 31;
    int all = room > 0 ? (int)((double)s->span_bytes / (double)most * room) : 0;
    int live =
        s->span_bytes == 0
            ? 0
            : (int)((double)(s->live * s->size) / (double)s->span_bytes * all);
    snprintf(text, sizeof text, "%6" PRIu64 " %10s %10s ", s->size,
             size_text(a, s->live * s->size), size_text(b, s->span_bytes));
    put(y, 0, text);
    for (int x = 0; x < all; x++)
      put_part(y, 29 + x, x < live ? PART_IN_USE : PART_SPANS);
  }
}

/* Returns the number of rows used. */
static int
draw_profile(const struct top_profile *profile, int y)
{
  char text[320], size[32];

  if (profile->n == 0)
    return 0;
  attron(A_BOLD);
  put(y, 0, "    IN USE, ALLOCATED BY");
  attroff(A_BOLD);
  for (size_t i = 0; i < profile->n; i++) {
    snprintf(text, sizeof text, "%10s  %s", size_text(size, profile->live[i]),
             profile->name[i]);
    put(y + 1 + (int)i, 0, text);
  }
  return 1 + (int)profile->n;
}

static void
draw_one(const struct top *top, const struct process *process)
{
  const struct sample *s = top_last(process);
  int height = (LINES - 8) / 2, y = 1;
  char text[400], a[32];

  if (height < 2)
    height = 2;
  snprintf(text, sizeof text, "%s (PID %s): %s resident; every %.1f s  %s",
           process->target.command, process->pid,
           size_text(a, process->resident), top->interval, process->arguments);
  put_bar(0, text);
  draw_chart(process, y, height);
  y += height;
  y += draw_legend(process, y);
  snprintf(text, sizeof text,
           "%.0f faults/s  %.0f returns/s  %.0f slow calls/s  %zu thread "
           "caches%s",
           s->faults, s->backs, s->slow, process->view.nthreads,
           process->view.exact ? "" : "  approximate");
  put(y++, 0, text);
  y += draw_profile(&process->profile, y);
  draw_classes(top, process, y);
  put_foot(top, "?:help  Esc:all processes  s:sort sizes  Space:pause  q:quit");
}

static void
draw_help(void)
{
  static const char *const lines[] = {
      "Keys",
      "  Up Down PgUp PgDn   choose a process; Home, End: the first, the last",
      "  Enter, Right        look into it; Esc, Left: back to all",
      "  M U C F R N P       sort by resident, in use, cached, free, returned,",
      "                      number, faults; < >: the column before, after",
      "  r                   reverse the order",
      "  /, o                show what has a text in its arguments; Esc: all",
      "  s                   one process: sizes by bytes, or by waste",
      "  Space               pause;  + -: longer, shorter intervals",
      "  q                   quit",
      "Letters",
      "  # in use       blocks that the program has not freed",
      "  = cached       freed; a thread keeps them for its next allocations",
      "  + in spans     freed, on pages that other blocks share",
      "  o free pages   freed whole; tcm returns them to the OS",
      "  . returned     takes no memory",
      "Any key goes back.",
  };

  put_bar(0, "tcm-stat top");
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
    put((int)i + 1, 0, lines[i]);
}

void
top_draw(struct top *top)
{
  const struct process *one = NULL;

  for (size_t i = 0; i < top->n; i++)
    if (strcmp(top->processes[i]->pid, top->selected) == 0)
      one = top->processes[i];
  erase();
  if (top->screen == SCREEN_HELP)
    draw_help();
  else if (top->screen == SCREEN_ONE && one != NULL)
    draw_one(top, one);
  else
    draw_list(top);
  refresh();
}
#endif
