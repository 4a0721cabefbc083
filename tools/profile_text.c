/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Maximum number of rows of the table. */
#define ROWS 20
/* The tree leaves out parts below this percentage. */
#define TREE_MIN 1

static size_t
width_of_output(void)
{
  const char *columns = getenv("COLUMNS");
  struct winsize window;

  if (columns != NULL && atoi(columns) >= 40)
    return (size_t)atoi(columns);
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col >= 40)
    return window.ws_col;
  return isatty(STDOUT_FILENO) ? 80 : 120;
}

/* Writes a line, cut at the width. */
static void
put_cut(const char *text, size_t width)
{
  size_t length = strlen(text);

  if (length <= width)
    printf("%s\n", text);
  else
    printf("%.*s...\n", (int)(width < 3 ? 0 : width - 3), text);
}

/* ---- The table ----------------------------------------------------------- */
/* The number that the rows are sorted by. */
static int64_t
weight_of(const struct stack_view *stack)
{
  return settings.growth ? stack->growth : (int64_t)stack->live;
}

static int
heavier(const void *a, const void *b)
{
  const struct stack_view *const *x = a, *const *y = b;
  int64_t wx = weight_of(*x), wy = weight_of(*y);

  if (wx == wy)
    return ((*x)->allocated < (*y)->allocated) -
           ((*x)->allocated > (*y)->allocated);
  return wx < wy ? 1 : -1;
}

static const struct stack_view **
sorted(const struct profile_view *view,
       int (*order)(const void *a, const void *b))
{
  const struct stack_view **rows = calloc(view->nstacks + 1, sizeof *rows);

  if (rows == NULL)
    abort();
  for (size_t i = 0; i < view->nstacks; i++)
    rows[i] = &view->stacks[i];
  qsort(rows, view->nstacks, sizeof *rows, order);
  return rows;
}

/* Writes the functions of a stack that fit, without those of the allocator. */
static void
chain(struct symbols *symbols, const struct stack_view *stack, char *text,
      size_t size)
{
  size_t length = 0;
  bool own = true;

  text[0] = '\0';
  for (uint32_t i = 0; i < stack->depth && length + 4 < size; i++) {
    const struct names *names = symbols_find(symbols, stack->pcs[i]);
    for (unsigned k = 0; k < names->count && length + 4 < size; k++) {
      own = own && symbols_is_allocator(names->name[k]);
      if (own)
        continue;
      length += (size_t)snprintf(text + length, size - length, "%s%s",
                                 length == 0 ? "" : " < ", names->name[k]);
    }
  }
  if (length == 0)
    symbols_culprit(symbols, stack, text, size);
}

static const char *
growth_text(char *text, int64_t growth)
{
  char size[32];

  snprintf(text, 40, "%c%s", growth < 0 ? '-' : '+',
           size_text(size, (uint64_t)(growth < 0 ? -growth : growth)));
  return text;
}

void
profile_table(const struct profile_view *view, struct symbols *symbols)
{
  const struct stack_view **rows = sorted(view, heavier);
  struct profile_sums sums = profile_sum(view);
  size_t width = width_of_output();
  char text[1024], line[1200], a[32], b[32], c[40];
  size_t shown = 0;

  printf("%s%10s    BLOCKS     %% ALLOCATED %sSTACK, THE INNERMOST FIRST%s\n",
         bold(), settings.peak ? "AT PEAK" : "LIVE",
         settings.growth ? "    GROWTH " : "", plain());
  for (size_t i = 0; i < view->nstacks && shown < ROWS; i++) {
    const struct stack_view *stack = rows[i];
    int length;
    if (stack->live == 0 && stack->allocated == 0)
      continue;
    length = snprintf(
        line, sizeof line, "%10s %9" PRIu64 " %5.1f %9s ",
        size_text(a, stack->live), stack->live_blocks,
        sums.live == 0 ? 0 : 100 * (double)stack->live / (double)sums.live,
        size_text(b, stack->allocated));
    if (settings.growth)
      length += snprintf(line + length, sizeof line - (size_t)length, "%10s ",
                         growth_text(c, stack->growth));
    chain(symbols, stack, text, sizeof text);
    snprintf(line + length, sizeof line - (size_t)length, "%s", text);
    put_cut(line, width);
    shown++;
  }
  if (view->nstacks > shown)
    printf("%10s and %zu more stacks\n", "", view->nstacks - shown);
  printf("%10s in %" PRIu64 " samples, one in %s", size_text(a, sums.live),
         sums.samples, size_text(b, view->mean));
  if (sums.samples > 0)
    printf("; %.1f %% of the stacks are whole",
           100 * (double)sums.whole / (double)sums.samples);
  if (view->lost > 0)
    printf("; %" PRIu64 " samples were lost", view->lost);
  printf("\n");
  free(rows);
}

/* ---- Lifetimes ----------------------------------------------------------- */
static int
more_freed(const void *a, const void *b)
{
  const struct stack_view *const *x = a, *const *y = b;

  return ((*x)->freed < (*y)->freed) - ((*x)->freed > (*y)->freed);
}

/* How many samples lived less than 2^@bits milliseconds. */
static uint64_t
shorter_than(const struct stack_view *stack, unsigned bits)
{
  uint64_t sum = 0;

  for (unsigned i = 0; i <= bits && i < PROFILE_LIFETIMES; i++)
    sum += stack->lifetimes[i];
  return sum;
}

/* The smallest power of two above the lifetimes of @percent of the samples. */
static const char *
quantile(char text[16], const struct stack_view *stack, unsigned percent)
{
  uint64_t all = shorter_than(stack, PROFILE_LIFETIMES);
  unsigned bits = 0;
  double seconds;

  while (bits < PROFILE_LIFETIMES - 1 &&
         100 * shorter_than(stack, bits) < percent * all)
    bits++;
  seconds = (double)((uint64_t)1 << bits) / 1e3;
  if (bits == PROFILE_LIFETIMES - 1)
    snprintf(text, 16, "longer");
  else if (bits < 10)
    snprintf(text, 16, "%u ms", 1u << bits);
  else if (seconds < 100)
    snprintf(text, 16, "%.0f s", seconds);
  else if (seconds < 6000)
    snprintf(text, 16, "%.0f min", seconds / 60);
  else if (seconds < 360000)
    snprintf(text, 16, "%.0f h", seconds / 3600);
  else
    snprintf(text, 16, "%.0f d", seconds / 86400);
  return text;
}

static void
put_lifetime(const struct stack_view *stack, struct symbols *symbols,
             size_t width)
{
  /* Exponents: 2^3 ms, 2^10 ms (about a second), 2^16 ms (about a minute). */
  static const unsigned ends[] = {3, 10, 16, PROFILE_LIFETIMES};
  uint64_t all = shorter_than(stack, PROFILE_LIFETIMES), before = 0;
  char text[1024], line[1200], a[32], b[16], c[16];
  int length = snprintf(line, sizeof line, "%9s %9" PRIu64 " %7s %7s",
                        size_text(a, stack->freed), all, quantile(b, stack, 50),
                        quantile(c, stack, 90));

  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
    uint64_t sum = shorter_than(stack, ends[i]);
    length += snprintf(line + length, sizeof line - (size_t)length, " %5.1f",
                       100 * (double)(sum - before) / (double)all);
    before = sum;
  }
  chain(symbols, stack, text, sizeof text);
  snprintf(line + length, sizeof line - (size_t)length, " %s", text);
  put_cut(line, width);
}

void
profile_lifetimes(const struct profile_view *view, struct symbols *symbols)
{
  const struct stack_view **rows = sorted(view, more_freed);
  size_t width = width_of_output(), shown = 0, freed = 0;

  printf("%s    FREED   SAMPLES  HALF <  90%% <  <8ms   <1s  <66s  more STACK%s"
         "\n",
         bold(), plain());
  for (size_t i = 0; i < view->nstacks; i++) {
    if (shorter_than(rows[i], PROFILE_LIFETIMES) == 0)
      continue;
    freed++;
    if (shown == ROWS)
      continue;
    put_lifetime(rows[i], symbols, width);
    shown++;
  }
  if (freed > shown)
    printf("%9s and %zu more stacks\n", "", freed - shown);
  printf("%9s %zu of %zu stacks freed sampled blocks\n", "", freed,
         view->nstacks);
  free(rows);
}

/* ---- Pinned -------------------------------------------------------------- */
static int
more_pinned(const void *a, const void *b)
{
  const struct stack_view *const *x = a, *const *y = b;

  return ((*x)->pinned < (*y)->pinned) - ((*x)->pinned > (*y)->pinned);
}

void
profile_pinned(const struct profile_view *view, struct symbols *symbols)
{
  const struct stack_view **rows = sorted(view, more_pinned);
  char text[1024], line[1200], a[32], b[32];
  size_t width = width_of_output(), shown;
  double sum = 0;

  for (size_t i = 0; i < view->nstacks; i++)
    sum += view->stacks[i].pinned;
  printf(
      "%s    PINNED     %%      LIVE    BLOCKS STACK, THE INNERMOST FIRST%s\n",
      bold(), plain());
  for (shown = 0;
       shown < view->nstacks && shown < ROWS && rows[shown]->pinned > 0;
       shown++) {
    const struct stack_view *stack = rows[shown];
    int length = snprintf(line, sizeof line, "%10s %5.1f %9s %9" PRIu64 " ",
                          size_text(a, (uint64_t)stack->pinned),
                          100 * stack->pinned / sum, size_text(b, stack->live),
                          stack->live_blocks);
    chain(symbols, stack, text, sizeof text);
    snprintf(line + length, sizeof line - (size_t)length, "%s", text);
    put_cut(line, width);
  }
  printf("Free bytes on pages that blocks keep, counted exactly: %s.\n"
         "By the samples: %s.  If that differs much, do not trust the rows.\n",
         size_text(a, view->pinned), size_text(b, (uint64_t)sum));
  free(rows);
}

/* ---- Collapsed stacks ---------------------------------------------------- */
/* Semicolons and newlines are separators in this format. */
static void
put_name(const char *name)
{
  for (; *name != '\0'; name++)
    putchar(*name == ';' || *name == '\n' ? ':' : *name);
}

void
profile_collapsed(const struct profile_view *view, struct symbols *symbols)
{
  for (size_t i = 0; i < view->nstacks; i++) {
    const struct stack_view *stack = &view->stacks[i];
    int64_t weight = weight_of(stack);
    if (weight <= 0)
      continue;
    for (uint32_t k = stack->depth; k-- > 0;) {
      const struct names *names = symbols_find(symbols, stack->pcs[k]);
      for (unsigned n = names->count; n-- > 0;) {
        put_name(names->name[n]);
        if (k > 0 || n > 0)
          putchar(';');
      }
    }
    printf("%s %" PRId64 "\n", stack->depth == 0 ? "unknown code" : "", weight);
  }
}

/* ---- The tree ------------------------------------------------------------ */
static void
put_frames(const struct frame *frame, unsigned level, uint64_t whole,
           size_t width)
{
  uint64_t weight = tree_weight(frame);
  char line[1200], a[32];

  if (weight * 100 < whole * TREE_MIN)
    return;
  snprintf(line, sizeof line, "%10s %5.1f %% %*s%s", size_text(a, weight),
           100 * (double)weight / (double)whole, (int)(level < 40 ? level : 40),
           "", frame->name);
  put_cut(line, width);
  for (frame = frame->children; frame != NULL; frame = frame->next)
    put_frames(frame, level + 1, whole, width);
}

void
profile_tree(const struct profile_view *view, struct symbols *symbols)
{
  struct frame *root = tree_make(view, symbols);

  if (tree_weight(root) > 0)
    put_frames(root, 0, tree_weight(root), width_of_output());
  tree_free(root);
}
