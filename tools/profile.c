/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tcm-stat profile: which code holds the memory.
 *
 *     sampling is on already:     read
 *     otherwise:                  start, wait, read, stop
 *     --growth, --seconds:        read, wait, read, compare
 */
#include "page.h"
#include "survey.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Bytes between samples; small, since sampling is on for a few seconds only. */
#define MEAN_DEFAULT 65536
#define SECONDS_DEFAULT 5

/* Growth below this fraction of the bytes in use may be temporary. */
#define GROWTH_SHARE 200

static volatile sig_atomic_t interrupted;

static void
on_interrupt(int signal)
{
  (void)signal;
  interrupted = 1;
}

/* Waits for a time; less if the user interrupts or the process ends. */
static void
wait_until(const struct target *target, double end)
{
  double left;

  while (!interrupted && target_is_same(target)) {
    left = end - seconds_now();
    if (left <= 0)
      return;
    sleep_seconds(left < 0.05 ? left : 0.05);
  }
}

struct reading {
  struct profile_view profile;
  uint64_t in_use; /* bytes of the heap, counted */
  bool rises;      /* @in_use never fell since the first reading */
};

/* Reads the bytes in use; @reading has those of the reading before. */
static enum status
take_use(struct target *target, struct reading *reading)
{
  struct view view;
  enum status status = view_read(target, &view);

  if (status != STATUS_OK)
    return status;
  if (view.stats.in_use_bytes < reading->in_use)
    reading->rises = false;
  reading->in_use = view.stats.in_use_bytes;
  view_free(&view);
  return STATUS_OK;
}

static enum status
take_reading(struct target *target, struct reading *reading)
{
  enum status status = take_use(target, reading);

  return status != STATUS_OK ? status : profile_read(target, &reading->profile);
}

/* Waits, reading the bytes in use meanwhile, and takes the second reading. */
static enum status
take_second(struct target *target, struct reading *after, double seconds)
{
  double start = seconds_now();
  enum status status = STATUS_OK;

  for (int i = 1; i <= GROWTH_STEPS && status == STATUS_OK; i++) {
    wait_until(target, start + seconds * i / GROWTH_STEPS);
    status = i < GROWTH_STEPS ? take_use(target, after)
                              : take_reading(target, after);
  }
  after->profile.seconds = seconds_now() - start;
  return status;
}

/* Takes two readings.  @after holds the changes between them, and the state at
 * the end. */
static enum status
take_two(struct target *target, struct reading *before, struct reading *after,
         double seconds)
{
  struct sigaction action = {.sa_handler = on_interrupt}, old;
  enum status status = take_reading(target, before);

  if (status != STATUS_OK)
    return status;
  after->in_use = before->in_use;
  after->rises = true;
  sigaction(SIGINT, &action, &old);
  status = take_second(target, after, seconds);
  sigaction(SIGINT, &old, NULL);
  if (status == STATUS_OK)
    profile_subtract(&after->profile, &before->profile);
  return status;
}

/* ---- The verdict --------------------------------------------------------- */
/* Writes that memory does not grow.  A slow leak may not show in a short
 * time. */
static void
say_no_leak(uint64_t before, uint64_t now, double seconds, char *text,
            size_t size)
{
  char a[32], b[32];

  if (now > before)
    snprintf(text, size,
             "No leak: memory in use grew by only %s in %.1f s, to %s; a "
             "longer --seconds shows slower leaks.",
             size_text(a, now - before), seconds, size_text(b, now));
  else if (now < before)
    snprintf(text, size,
             "No leak: memory in use shrank by %s in %.1f s, to %s.",
             size_text(a, before - now), seconds, size_text(b, now));
  else
    snprintf(text, size,
             "No leak: memory in use did not change in %.1f s; it is %s.",
             seconds, size_text(b, now));
}

/* Writes where memory grows.  This is estimated, unlike the growth itself. */
static void
say_source(const struct profile_view *view, struct symbols *symbols, char *text,
           size_t size)
{
  int64_t sum = profile_sum(view).growth, most;
  char culprit[512], a[32];

  most = profile_worst(view, symbols, culprit, sizeof culprit);
  if (most <= 0)
    snprintf(text, size, "no sample shows where");
  else
    snprintf(text, size,
             "by the samples, %.0f %% of the growth, about %s, is from %s",
             100 * (double)most / (double)(sum > most ? sum : most),
             size_text(a, (uint64_t)most), culprit);
}

/* Writes one sentence: whether memory grows, how fast, and where.  The overview
 * has the same rule, see use_grows(). */
static void
reach_verdict(const struct reading *before, const struct reading *after,
              struct symbols *symbols, char *verdict, size_t size)
{
  double seconds = after->profile.seconds;
  uint64_t grown = after->in_use - before->in_use;
  char source[700], a[32], b[32], more[128] = "";

  if (after->in_use < before->in_use + GROWTH_MIN) {
    say_no_leak(before->in_use, after->in_use, seconds, verdict, size);
    return;
  }
  say_source(&after->profile, symbols, source, sizeof source);
  if (!after->rises)
    snprintf(more, sizeof more,
             ", but fell meanwhile: a longer --seconds shows whether it grows");
  else if (grown < after->in_use / GROWTH_SHARE)
    snprintf(more, sizeof more,
             ", only %.2g %% of %s: a longer --seconds shows whether it "
             "continues",
             100 * (double)grown / (double)after->in_use,
             size_text(b, after->in_use));
  snprintf(verdict, size, "Memory in use %s by %s in %.1f s (%s/s)%s; %s.",
           after->rises ? "grows" : "rose", size_text(a, grown), seconds,
           size_text(b, (uint64_t)((double)grown / seconds)), more, source);
}

/* Writes one sentence: how high the peak was, and when. */
static void
say_peak(const struct target *target, const struct profile_view *view,
         char *note, size_t size)
{
  double seconds = seconds_now() - (double)view->peak_time / 1e3;
  char a[32], when[64] = "";

  if (target->core == NULL && seconds > 0)
    snprintf(when, sizeof when, ", %.1f s ago", seconds);
  snprintf(note, size, "The peak of the samples: %s were in use%s.",
           size_text(a, view->peak), when);
}

static enum status
put_profile(const struct target *target, const struct profile_view *view,
            struct symbols *symbols, const char *note)
{
  enum status status = STATUS_OK;

  if (settings.pprof != NULL)
    status = profile_pprof(target, view, symbols, settings.pprof);
  if (settings.json)
    return profile_json(target, view, symbols);
  if (settings.html)
    profile_html(target, view, symbols, note);
  else if (settings.collapsed)
    profile_collapsed(view, symbols);
  else if (settings.tree)
    profile_tree(view, symbols);
  else if (settings.lifetimes)
    profile_lifetimes(view, symbols);
  else if (settings.pinned)
    profile_pinned(view, symbols);
  else if (settings.pprof == NULL)
    profile_table(view, symbols);
  return status;
}

static bool
wants_text(void)
{
  return !settings.json && !settings.collapsed && !settings.html &&
         settings.pprof == NULL;
}

/* If the output is not a terminal, prints the note on one line for other
 * programs. */
static void
put_note(const char *note)
{
  if (!wants_text() || note[0] == '\0')
    return;
  if (isatty(STDOUT_FILENO))
    put_wrapped(note);
  else
    printf("%s\n", note);
}

/* Turns the profile into the view that the options request. */
static enum status
turn_to_view(const struct target *target, struct profile_view *view, char *note,
             size_t size)
{
  if (settings.pinned)
    return profile_pin(target, view);
  if (settings.peak) {
    profile_turn_to_peak(view);
    say_peak(target, view, note, size);
  }
  return STATUS_OK;
}

/* Shows one reading of all samples so far. */
static enum status
show_once(struct target *target)
{
  struct reading reading = {.in_use = 0};
  enum status status = take_reading(target, &reading);
  struct symbols *symbols;
  char note[200] = "";

  if (status != STATUS_OK)
    return status;
  if (reading.profile.nstacks == 0) {
    complain("%s has no profile: no sample was taken", target->argument);
    profile_free(&reading.profile);
    return STATUS_FAILED;
  }
  status = turn_to_view(target, &reading.profile, note, sizeof note);
  if (status == STATUS_OK) {
    symbols = symbols_open(target);
    put_note(note);
    status = put_profile(target, &reading.profile, symbols, note);
    symbols_close(symbols);
  }
  profile_free(&reading.profile);
  return status;
}

/* Adds what the profile cannot show, because samples are taken only from the
 * first reading on. */
static void
say_what_is_missing(const struct reading *before, const struct reading *after,
                    char *note, size_t size)
{
  int64_t grown = (int64_t)(after->in_use - before->in_use);
  struct profile_sums sums = profile_sum(&after->profile);
  size_t length = strlen(note);

  if (length == 0)
    snprintf(note, size,
             "tcm-stat switched on sampling for %.1f s; blocks that were "
             "allocated while sampling was off are not shown.",
             after->profile.seconds);
  else if (settings.growth && sums.growth > (grown > 0 ? grown + grown / 4 : 0))
    snprintf(note + length, size - length,
             "  Sampling just began: GROWTH leaves out frees of older blocks.");
  length = strlen(note);
  if (sums.live == 0 && sums.allocated == 0)
    snprintf(note + length, size - length,
             "  Start the program with TCM_PROFILE_BYTES=%d to see all its "
             "blocks.",
             MEAN_ADVISED);
}

static enum status
show_interval(struct target *target, double seconds, bool switched)
{
  struct reading before = {.in_use = 0}, after = {.in_use = 0};
  struct symbols *symbols;
  enum status status = take_two(target, &before, &after, seconds);
  char note[1200] = "";

  if (status == STATUS_OK)
    status = turn_to_view(target, &after.profile, note, sizeof note);
  if (status == STATUS_OK) {
    symbols = symbols_open(target);
    if (settings.growth)
      reach_verdict(&before, &after, symbols, note, sizeof note);
    if (switched)
      say_what_is_missing(&before, &after, note, sizeof note);
    put_note(note);
    status = put_profile(target, &after.profile, symbols, note);
    symbols_close(symbols);
  }
  profile_free(&before.profile);
  profile_free(&after.profile);
  return status;
}

/* Rejects options that exclude each other. */
static enum status
check_settings(void)
{
  bool page = settings.html || settings.collapsed || settings.tree ||
              settings.pprof != NULL;

  if (settings.growth + settings.peak + settings.lifetimes + settings.pinned >
      1) {
    complain("--growth, --peak, --lifetimes and --pinned: one at a time");
    return STATUS_USAGE;
  }
  if ((settings.lifetimes || settings.pinned) && page) {
    complain("--lifetimes and --pinned are tables, or with --json documents");
    return STATUS_USAGE;
  }
  if (!settings.html)
    return STATUS_OK;
  if (!settings.json && !settings.collapsed && !settings.tree)
    return page_check_output("profile --html");
  complain("--html, --json, --tree and --collapsed: one at a time");
  return STATUS_USAGE;
}

int
profile_mean(const struct target *target, uint64_t *mean)
{
  struct option_values values;
  int error = target_read(target, target->page.places.open_values, &values,
                          sizeof values);

  *mean = error == 0 ? values.value[OPTION_profile_bytes] : 0;
  return error;
}

/* The option check is fixed at the start, so there are no older samples. */
static enum status
refuse_check(struct target *target)
{
  struct view view;
  enum status status = view_read(target, &view);
  uint64_t check = view.options[OPTION_check].value;

  if (status != STATUS_OK)
    return status;
  view_free(&view);
  if (check == 0)
    return STATUS_OK;
  complain("%s has no profile: it runs with TCM_CHECK=%" PRIu64 ", and so "
           "without samples",
           target->argument, check);
  return STATUS_FAILED;
}

enum status
show_profile(struct target *target)
{
  double seconds = settings.has_seconds ? settings.seconds : SECONDS_DEFAULT;
  enum status status = check_settings(), off;
  uint64_t mean;
  int error;

  if (status == STATUS_OK)
    status = refuse_check(target);
  if (status != STATUS_OK)
    return status;
  error = profile_mean(target, &mean);
  if (error != 0)
    return target_failed(target, error);
  if (target->core != NULL)
    return show_once(target);
  if (mean != 0)
    return settings.has_seconds || settings.growth
               ? show_interval(target, seconds, false)
               : show_once(target);
  status = request_option(target, OPTION_profile_bytes, MEAN_DEFAULT);
  if (status == STATUS_WAITS) {
    /* The process is idle or hangs: show the samples taken before. */
    off = request_withdraw(target);
    return off != STATUS_OK ? off : show_once(target);
  }
  if (status != STATUS_OK)
    return status;
  status = show_interval(target, seconds, true);
  off = request_option(target, OPTION_profile_bytes, 0);
  return status != STATUS_OK ? status : off;
}
