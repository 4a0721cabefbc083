/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The live screen: the state of the processes, and the keys.
 */
#include "top.h"

#ifdef HAVE_NCURSES
#include <ncurses.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "names.h"

/* Seconds between two searches for new processes: a search reads the data of
 * all libraries of each process that does not run tcm. */
#define SEARCH_SECONDS 5
/* Milliseconds to wait for a key before checking the time. */
#define KEY_MS 100
#define KEY_ESCAPE 27

/* ---- Processes ----------------------------------------------------------- */
static struct process *
find_process(const struct top *top, const char *pid)
{
  for (size_t i = 0; i < top->n; i++)
    if (strcmp(top->processes[i]->pid, pid) == 0)
      return top->processes[i];
  return NULL;
}

static void
add_process(struct top *top, const char *pid)
{
  struct process *process = calloc(1, sizeof *process);
  struct process **more =
      realloc(top->processes, (top->n + 1) * sizeof *top->processes);
  enum status status;

  if (more != NULL)
    top->processes = more;
  if (process == NULL || more == NULL) {
    free(process);
    return;
  }
  snprintf(process->pid, sizeof process->pid, "%.15s", pid);
  status = target_open(&process->target, process->pid);
  if (status == STATUS_OK) {
    (void)arguments_read(pid, process->arguments, sizeof process->arguments);
    top->processes[top->n++] = process;
    return;
  }
  top->barred += status == STATUS_NO_PERMISSION;
  free(process);
}

static void
drop_process(struct top *top, size_t i)
{
  struct process *process = top->processes[i];

  top_profile_free(process);
  view_free(&process->view);
  target_close(&process->target);
  free(process);
  memmove(&top->processes[i], &top->processes[i + 1],
          (--top->n - i) * sizeof *top->processes);
}

static void
search(struct top *top, const char *only)
{
  struct names names;

  if (only != NULL) {
    if (find_process(top, only) == NULL)
      add_process(top, only);
    return;
  }
  top->barred = 0;
  if (!names_all(&names))
    return;
  for (size_t i = 0; i < names.n; i++)
    if (find_process(top, names.pids[i]) == NULL)
      add_process(top, names.pids[i]);
  names_free(&names);
}

static double
rate(uint64_t before, uint64_t now, double seconds)
{
  return now > before && seconds > 0 ? (double)(now - before) / seconds : 0;
}

static uint64_t
resident_of(const struct process *process)
{
  unsigned long size, resident = 0;
  char path[64];
  FILE *file;

  snprintf(path, sizeof path, "/proc/%s/statm", process->pid);
  file = fopen(path, "re");
  if (file == NULL)
    return 0;
  if (fscanf(file, "%lu %lu", &size, &resident) != 2)
    resident = 0;
  fclose(file);
  return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Takes a sample; false if the process has ended. */
static bool
sample_process(struct process *process)
{
  struct sample *to = &process->samples[process->nsamples % SAMPLES];
  const struct view *before = &process->view;
  const struct tcm_stats *s;
  struct view now;
  double time = seconds_now(), seconds = time - process->when;

  if (view_read(&process->target, &now) != STATUS_OK)
    return false;
  s = &now.stats;
  *to = (struct sample){
      .bytes = {[PART_IN_USE] = s->in_use_bytes,
                [PART_CACHED] = s->thread_cache_bytes + s->transfer_cache_bytes,
                [PART_SPANS] = s->central_list_bytes,
                [PART_PAGES] = s->page_heap_bytes,
                [PART_OWN] = s->metadata_bytes,
                [PART_RETURNED] = s->returned_bytes}};
  if (process->nsamples > 0) {
    to->faults = rate(before->raw.shared.faulted_pages,
                      now.raw.shared.faulted_pages, seconds);
    to->backs = rate(before->stats.released_total_bytes >> PAGE_SHIFT,
                     s->released_total_bytes >> PAGE_SHIFT, seconds);
    to->slow = rate(before->page.slow_mallocs + before->page.slow_frees,
                    now.page.slow_mallocs + now.page.slow_frees, seconds);
  }
  view_free(&process->view);
  process->view = now;
  process->when = time;
  process->resident = resident_of(process);
  process->nsamples++;
  return true;
}

const struct sample *
top_last(const struct process *process)
{
  return &process->samples[(process->nsamples - 1) % SAMPLES];
}

/* ---- The order of the list ----------------------------------------------- */
const char *const top_columns[TOP_COLUMNS] = {"PID",     "RESIDENT", "IN USE",
                                              "CACHED",  "FREE",     "RETURNED",
                                              "FAULT/S", "BACK/S",   "COMMAND"};

double
top_value(const struct process *process, unsigned column)
{
  const struct sample *s = top_last(process);
  const double values[TOP_COLUMNS] = {
      (double)process->target.pid,
      (double)process->resident,
      (double)s->bytes[PART_IN_USE],
      (double)s->bytes[PART_CACHED],
      (double)(s->bytes[PART_SPANS] + s->bytes[PART_PAGES]),
      (double)s->bytes[PART_RETURNED],
      s->faults,
      s->backs,
      0};

  return values[column];
}

static const struct top *sorted;

static int
by_column(const void *a, const void *b)
{
  const struct process *x = *(struct process *const *)a;
  const struct process *y = *(struct process *const *)b;
  double p = top_value(x, sorted->sort), q = top_value(y, sorted->sort);
  int order = (p < q) - (p > q);

  if (sorted->sort == TOP_COLUMNS - 1)
    order = strcmp(x->arguments, y->arguments);
  else if (sorted->sort == 0)
    order = -order;
  return sorted->reverse ? -order : order;
}

bool
top_is_shown(const struct top *top, const struct process *process)
{
  return top->filter[0] == '\0' ||
         strstr(process->arguments, top->filter) != NULL ||
         strstr(process->target.command, top->filter) != NULL ||
         strcmp(process->pid, top->filter) == 0;
}

static void
sample_all(struct top *top, const char *only)
{
  static double searched;
  struct process *one;

  if (searched == 0 || seconds_now() >= searched + SEARCH_SECONDS) {
    search(top, only);
    searched = seconds_now();
  }
  for (size_t i = top->n; i-- > 0;)
    if (!sample_process(top->processes[i]))
      drop_process(top, i);
  one = find_process(top, top->selected);
  if (top->screen == SCREEN_ONE && one != NULL)
    top_profile_read(one);
  sorted = top;
  if (top->n > 0)
    qsort(top->processes, top->n, sizeof *top->processes, by_column);
  top->next = seconds_now() + top->interval;
}

/* ---- Keys ---------------------------------------------------------------- */

/* Moves the selection @by rows down the list. */
static void
move_selection(struct top *top, long by)
{
  long at = 0, shown = 0;
  size_t *rows = calloc(top->n + 1, sizeof *rows);

  if (rows == NULL)
    return;
  for (size_t i = 0; i < top->n; i++) {
    if (!top_is_shown(top, top->processes[i]))
      continue;
    if (strcmp(top->processes[i]->pid, top->selected) == 0)
      at = shown;
    rows[shown++] = i;
  }
  at = at + by >= shown ? shown - 1 : at + by;
  if (shown > 0)
    memcpy(top->selected, top->processes[rows[at < 0 ? 0 : at]]->pid,
           sizeof top->selected);
  free(rows);
}

static void
type_filter(struct top *top, int key)
{
  size_t length = strlen(top->filter);

  if (key == KEY_ESCAPE)
    top->filter[0] = '\0';
  if (key == KEY_ESCAPE || key == '\n' || key == '\r' || key == KEY_ENTER)
    top->filtering = false;
  else if ((key == KEY_BACKSPACE || key == 127 || key == '\b') && length > 0)
    top->filter[length - 1] = '\0';
  else if (key >= ' ' && key < 127 && length + 1 < sizeof top->filter)
    memcpy(top->filter + length, (char[2]){(char)key, '\0'}, 2);
  move_selection(top, 0);
}

/* Handles a key in the list of processes; the keys are those of top(1). */
static void
list_key(struct top *top, int key)
{
  static const char columns[] = "NMUCFR";
  const char *column = key > 0 && key < 128 ? strchr(columns, key) : NULL;

  if (key == KEY_UP || key == 'k')
    move_selection(top, -1);
  else if (key == KEY_DOWN || key == 'j')
    move_selection(top, 1);
  else if (key == KEY_PPAGE)
    move_selection(top, -(long)LINES / 2);
  else if (key == KEY_NPAGE)
    move_selection(top, LINES / 2);
  else if (key == KEY_HOME || key == KEY_END)
    move_selection(top, key == KEY_HOME ? -(long)top->n : (long)top->n);
  else if (key == '<' || key == '>')
    top->sort = (top->sort + (key == '<' ? TOP_COLUMNS - 1 : 1)) % TOP_COLUMNS;
  else if (key == 'r')
    top->reverse = !top->reverse;
  else if (key == 'P')
    top->sort = 6;
  else if (column != NULL)
    top->sort = (unsigned)(column - columns);
  else if (key == '/' || key == 'o')
    top->filtering = true;
  else if ((key == '\n' || key == '\r' || key == KEY_ENTER ||
            key == KEY_RIGHT) &&
           find_process(top, top->selected) != NULL)
    top->screen = SCREEN_ONE;
  sorted = top;
  if (top->n > 0)
    qsort(top->processes, top->n, sizeof *top->processes, by_column);
}

static void
change_interval(struct top *top, bool slower)
{
  top->interval *= slower ? 2 : 0.5;
  if (top->interval < 0.1)
    top->interval = 0.1;
  if (top->interval > 60)
    top->interval = 60;
}

/* Handles a key; false to quit. */
static bool
take_key(struct top *top, int key)
{
  if (key == ERR || key == KEY_RESIZE)
    return true;
  if (top->filtering) {
    type_filter(top, key);
    return true;
  }
  if (top->screen == SCREEN_HELP) {
    top->screen = top->below;
    return key != 'q';
  }
  if (key == 'q' || key == 3)
    return false;
  if (key == '?' || key == 'h' || key == KEY_F(1)) {
    top->below = top->screen;
    top->screen = SCREEN_HELP;
  } else if (key == ' ' || key == 'Z') {
    top->paused = !top->paused;
    top->next = 0;
  } else if (key == '+' || key == '-') {
    change_interval(top, key == '+');
  } else if (top->screen == SCREEN_LIST) {
    list_key(top, key);
  } else if (key == KEY_ESCAPE || key == KEY_LEFT || key == KEY_BACKSPACE) {
    top->screen = SCREEN_LIST;
  } else if (key == 's') {
    top->by_waste = !top->by_waste;
  }
  return true;
}

static void
run(struct top *top, const char *only)
{
  bool goes_on = true;

  for (unsigned long n = 0; goes_on;) {
    if (!top->paused && seconds_now() >= top->next) {
      if (settings.count != 0 && n++ >= settings.count)
        return;
      sample_all(top, only);
    }
    if (find_process(top, top->selected) == NULL) {
      if (top->screen == SCREEN_ONE)
        top->screen = SCREEN_LIST;
      move_selection(top, 0);
    }
    top_draw(top);
    goes_on = take_key(top, getch());
  }
}

enum status
show_top(const char *pid)
{
  struct top top = {.interval = settings.interval, .sort = 1};
  SCREEN *screen = NULL;

  if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
    screen = newterm(NULL, stdout, stdin);
  if (screen == NULL) {
    complain("top needs a terminal, named by TERM; watch writes rows to a "
             "file");
    return STATUS_USAGE;
  }
  settings.quiet = true;
  /* Do not let the screen wait for names from the network. */
  unsetenv("DEBUGINFOD_URLS");
  cbreak();
  noecho();
  keypad(stdscr, TRUE);
  set_escdelay(KEY_MS);
  timeout(KEY_MS);
  curs_set(0);
  if (settings.color && has_colors())
    top_colors();
  if (pid != NULL) {
    snprintf(top.selected, sizeof top.selected, "%.15s", pid);
    top.screen = SCREEN_ONE;
  }
  run(&top, pid);
  endwin();
  delscreen(screen);
  while (top.n > 0)
    drop_process(&top, top.n - 1);
  free(top.processes);
  settings.quiet = false;
  return STATUS_OK;
}
#else
enum status
show_top(const char *pid)
{
  (void)pid;
  complain("this tcm-stat was built without ncursesw, and so has no top; watch "
           "writes rows");
  return STATUS_FAILED;
}
#endif
