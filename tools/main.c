/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tcm-stat(1): parses the command line and runs the command.
 */
#include "names.h"
#include "tally.h"
#include "tcm-stat.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct settings settings = {.interval = 1, .timeout = 1, .seconds = 1};

enum {
  LONG_JSON = 256,
  LONG_OPENMETRICS,
  LONG_COLOR,
  LONG_PAGES,
  LONG_SECONDS,
  LONG_TIMEOUT,
  LONG_GROWTH,
  LONG_PEAK,
  LONG_LIFETIMES,
  LONG_PINNED,
  LONG_TREE,
  LONG_COLLAPSED,
  LONG_HTML,
  LONG_PPROF,
  LONG_READINGS,
  LONG_VERSION
};

static const struct option long_options[] = {
    {"bytes", no_argument, NULL, 'b'},
    {"collapsed", no_argument, NULL, LONG_COLLAPSED},
    {"color", required_argument, NULL, LONG_COLOR},
    {"count", required_argument, NULL, 'c'},
    {"growth", no_argument, NULL, LONG_GROWTH},
    {"help", no_argument, NULL, 'h'},
    {"html", no_argument, NULL, LONG_HTML},
    {"interval", required_argument, NULL, 'i'},
    {"json", no_argument, NULL, LONG_JSON},
    {"lifetimes", no_argument, NULL, LONG_LIFETIMES},
    {"openmetrics", no_argument, NULL, LONG_OPENMETRICS},
    {"output", required_argument, NULL, 'o'},
    {"pages", no_argument, NULL, LONG_PAGES},
    {"peak", no_argument, NULL, LONG_PEAK},
    {"pinned", no_argument, NULL, LONG_PINNED},
    {"pprof", required_argument, NULL, LONG_PPROF},
    {"readings", required_argument, NULL, LONG_READINGS},
    {"seconds", required_argument, NULL, LONG_SECONDS},
    {"timeout", required_argument, NULL, LONG_TIMEOUT},
    {"tree", no_argument, NULL, LONG_TREE},
    {"version", no_argument, NULL, LONG_VERSION},
    {NULL, 0, NULL, 0},
};

static const char usage_text[] =
    "Usage: tcm-stat [OPTION]... [COMMAND] PID|NAME|CORE\n"
    "See inside a process that runs tcm, from outside.\n"
    "\n"
    "Commands\n"
    "  show PID            what is the matter, and where its memory is\n"
    "                      (the default command)\n"
    "  classes PID         blocks and spans by size, the most wasteful first;\n"
    "                      of a saved --json too\n"
    "  spans PID           a map of the heap by huge pages\n"
    "  threads PID         what each thread keeps for itself\n"
    "  watch PID           a row for each interval\n"
    "  report PID -o FILE  a page for a browser: the heap as a map, and more\n"
    "  top [PID]           a live screen; ? shows its keys\n"
    "  profile PID         which code holds the memory, by samples\n"
    "  fault CORE|PID      the guarded block that a bad access hit, and the\n"
    "                      stacks of its allocation and free; after an "
    "address,\n"
    "                      the block there\n"
    "  diff A B            what changed; PIDs, core files, or saved --json\n"
    "  json PID            all numbers as one JSON document\n"
    "  ps                  all processes that run tcm\n"
    "  exporter            the same as samples for Prometheus' node exporter\n"
    "  release PID         ask it to return free memory to the OS\n"
    "  set PID NAME=VALUE  ask it to change an option\n"
    "\n"
    "Options\n"
    "  -b, --bytes         exact sizes\n"
    "  -c, --count=N       watch, top: stop after N rows\n"
    "  -i, --interval=S    watch, top: seconds between rows, 1 by default\n"
    "      --color=WHEN    always, never, or auto (the default)\n"
    "      --json          one JSON document for each reading\n"
    "      --openmetrics   samples in the OpenMetrics format\n"
    "  -o, --output=FILE   write there, all at once\n"
    "      --pages         spans: page by page\n"
    "      --seconds=S     show, report: how long to look, 1 by default, 0 "
    "for\n"
    "                      once; profile: 5 by default\n"
    "      --readings=FILE report: begin its time line with readings that\n"
    "                      watch --json has saved\n"
    "      --growth        profile: what grew meanwhile, and whether it leaks\n"
    "      --peak          profile: as it was when most memory was in use\n"
    "      --lifetimes     profile: how long blocks were in use\n"
    "      --pinned        profile: which code prevents the return of memory\n"
    "      --tree          profile: callers above what they call\n"
    "      --collapsed     profile: a line for each stack, for flame graphs\n"
    "      --html          profile: a page for a browser, with a flame graph\n"
    "      --pprof=FILE    profile: into a file, for pprof\n"
    "      --timeout=S     release, set: seconds to wait, 1 by default\n"
    "  -h, --help          this text\n"
    "      --version       the version\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 usage, 3 no such process, 4 no\n"
    "permission, 5 it does not run tcm, 6 another version of tcm, 7 the\n"
    "request is pending, 8 the request was refused.\n";

static enum status
usage_error(const char *what, const char *value)
{
  complain("%s: %s; see tcm-stat --help", what, value);
  return STATUS_USAGE;
}

/* Complains about an unknown option and suggests a similar one. */
static enum status
unknown_option(const char *word)
{
  const char *names[sizeof long_options / sizeof *long_options];
  size_t n = sizeof names / sizeof *names - 1;
  const char *found;

  for (size_t i = 0; i < n; i++)
    names[i] = long_options[i].name;
  found = strncmp(word, "--", 2) == 0 ? nearest(word + 2, names, n) : NULL;
  if (found == NULL)
    return usage_error("there is no such option, or its value is missing",
                       word);
  complain("%s: there is no such option, or its value is missing; did you mean "
           "--%s?  See tcm-stat --help",
           word, found);
  return STATUS_USAGE;
}

/* Parses a number of seconds, from 0.01 to a day. */
static bool
parse_seconds(const char *text, double *seconds)
{
  char *end;

  *seconds = strtod(text, &end);
  return end != text && *end == '\0' && *seconds >= 0.01 && *seconds <= 86400;
}

static bool
parse_count(const char *text, unsigned long *count)
{
  char *end;

  *count = strtoul(text, &end, 10);
  return text[0] >= '0' && text[0] <= '9' && *end == '\0';
}

static bool
color_by_default(void)
{
  const char *none = getenv("NO_COLOR"), *terminal = getenv("TERM");

  return (none == NULL || none[0] == '\0') && isatty(STDOUT_FILENO) &&
         terminal != NULL && strcmp(terminal, "dumb") != 0;
}

/* --color=always */
static bool color_is_forced;

static bool
parse_color(const char *when)
{
  color_is_forced = strcmp(when, "always") == 0;
  if (color_is_forced)
    settings.color = true;
  else if (strcmp(when, "never") == 0)
    settings.color = false;
  else if (strcmp(when, "auto") == 0)
    settings.color = color_by_default();
  else
    return false;
  return true;
}

/* Options that only some commands take. */
enum {
  TAKES_JSON = 1,
  TAKES_METRICS = 2,
  TAKES_PAGES = 4,
  TAKES_COUNT = 8,
  TAKES_INTERVAL = 16,
  TAKES_TIMEOUT = 32,
  TAKES_SECONDS = 64,
  TAKES_BYTES = 128,
  TAKES_PROFILE = 256,
  TAKES_READINGS = 512
};

static const char *const given_names[] = {
    "--json",    "--openmetrics", "--pages",
    "--count",   "--interval",    "--timeout",
    "--seconds", "--bytes",       "an option of profile",
    "--readings"};

/* The options that were given. */
static unsigned given;

static void
give(bool *setting, unsigned option)
{
  if (setting != NULL)
    *setting = true;
  given |= option;
}

/* Takes an option with a value; false if the value is invalid. */
static bool
take_value(int option, const char **what)
{
  if (option == 'c') {
    give(NULL, TAKES_COUNT);
    *what = "no count";
    return parse_count(optarg, &settings.count);
  }
  if (option == 'i') {
    give(NULL, TAKES_INTERVAL);
    *what = "no interval";
    return parse_seconds(optarg, &settings.interval);
  }
  if (option == LONG_TIMEOUT) {
    give(NULL, TAKES_TIMEOUT);
    *what = "no time";
    return parse_seconds(optarg, &settings.timeout);
  }
  if (option == LONG_SECONDS) {
    give(&settings.has_seconds, TAKES_SECONDS);
    *what = "no time";
    if (strcmp(optarg, "0") != 0)
      return parse_seconds(optarg, &settings.seconds);
    settings.seconds = 0;
    return true;
  }
  *what = "--color is always, never or auto";
  return parse_color(optarg);
}

/* Takes an option of profile; false if it is not one. */
static bool
take_profile_option(int option)
{
  if (option == LONG_GROWTH)
    give(&settings.growth, TAKES_PROFILE);
  else if (option == LONG_PEAK)
    give(&settings.peak, TAKES_PROFILE);
  else if (option == LONG_LIFETIMES)
    give(&settings.lifetimes, TAKES_PROFILE);
  else if (option == LONG_PINNED)
    give(&settings.pinned, TAKES_PROFILE);
  else if (option == LONG_TREE)
    give(&settings.tree, TAKES_PROFILE);
  else if (option == LONG_COLLAPSED)
    give(&settings.collapsed, TAKES_PROFILE);
  else if (option == LONG_HTML)
    give(&settings.html, TAKES_PROFILE);
  else if (option == LONG_PPROF)
    settings.pprof = optarg, give(NULL, TAKES_PROFILE);
  else
    return false;
  return true;
}

/* Takes one option; STATUS_OK to continue. */
static enum status
take_option(int option, const char *word)
{
  const char *what;

  if (option == '?')
    return unknown_option(word);
  if (take_profile_option(option))
    return STATUS_OK;
  if (option == 'b')
    give(&settings.bytes, TAKES_BYTES);
  else if (option == LONG_JSON)
    give(&settings.json, TAKES_JSON);
  else if (option == LONG_OPENMETRICS)
    give(&settings.openmetrics, TAKES_METRICS);
  else if (option == LONG_PAGES)
    give(&settings.pages, TAKES_PAGES);
  else if (option == LONG_READINGS)
    settings.readings = optarg, give(NULL, TAKES_READINGS);
  else if (option == 'o')
    settings.output = optarg;
  else if (!take_value(option, &what))
    return usage_error(what, optarg);
  return STATUS_OK;
}

/* ---- Commands ------------------------------------------------------------ */
static enum status
show_json(struct target *target)
{
  settings.json = true;
  return show_document(target);
}

static enum status
top_of_one(struct target *target)
{
  return show_top(target->argument);
}

static enum status
run_set(struct target *target)
{
  return request_set(target, settings.assignment);
}

struct command {
  const char *name;
  enum status (*run)(struct target *target); /* NULL: not run on one target */
  int arguments;                             /* after the command */
  unsigned takes;                            /* options */
  bool each; /* if several processes have the name, run on each in turn */
  bool deep; /* needs a library with the same layout */
};

static const struct command commands[] = {
    {"show", show_overview, 1,
     TAKES_JSON | TAKES_METRICS | TAKES_SECONDS | TAKES_BYTES, true, false},
    {"classes", show_classes, 1, TAKES_JSON | TAKES_BYTES, true, false},
    {"spans", show_spans, 1, TAKES_JSON | TAKES_BYTES | TAKES_PAGES, true,
     true},
    {"threads", show_threads, 1, TAKES_JSON | TAKES_BYTES, true, false},
    {"json", show_json, 1, TAKES_JSON, true, false},
    {"watch", show_watch, 1,
     TAKES_JSON | TAKES_BYTES | TAKES_COUNT | TAKES_INTERVAL, false, false},
    {"profile", show_profile, 1,
     TAKES_JSON | TAKES_BYTES | TAKES_SECONDS | TAKES_TIMEOUT | TAKES_PROFILE,
     false, true},
    {"fault", show_fault, 1, TAKES_JSON, false, true},
    {"report", show_report, 1, TAKES_SECONDS | TAKES_READINGS, false, true},
    {"top", top_of_one, 1, TAKES_INTERVAL | TAKES_COUNT, false, false},
    {"release", request_release, 1, TAKES_BYTES | TAKES_TIMEOUT, false, false},
    {"set", run_set, 2, TAKES_TIMEOUT, false, false},
    {"diff", NULL, 2, TAKES_BYTES, false, false},
    {"exporter", NULL, 0, 0, false, false},
    {"ps", NULL, 0, TAKES_JSON | TAKES_METRICS | TAKES_BYTES, false, false},
};
#define NCOMMANDS (sizeof commands / sizeof *commands)

static const struct command *
find_command(const char *name)
{
  for (size_t i = 0; i < NCOMMANDS; i++)
    if (strcmp(commands[i].name, name) == 0)
      return &commands[i];
  return NULL;
}

/* Runs a command on one target.  Most commands write the same document. */
static enum status
run_on(const char *argument, const struct command *command)
{
  enum status (*run)(struct target * target) = command->run;
  struct target target;
  enum status status;

  if (run == show_classes && !settings.json && is_document(argument))
    return show_saved_classes(argument);
  status = target_open(&target, argument);
  if (status != STATUS_OK)
    return status;
  if (wants_document() && run != show_watch && run != show_profile &&
      run != show_fault)
    run = show_document;
  status = run != command->run || !command->deep ||
                   target_is_alike(&target, command->name)
               ? run(&target)
               : STATUS_OTHER_VERSION;
  target_close(&target);
  return status;
}

/* Runs a command on all processes of a name. */
static enum status
run_on_named(const char *argument, const struct command *command)
{
  struct names names;
  enum status status = names_find(argument, &names), one;

  if (status != STATUS_OK)
    return status;
  if (names.n == 0)
    return run_on(argument, command);
  if (names.n > 1 && !command->each)
    status = names_choice(argument, &names);
  for (size_t i = 0; i < names.n && (names.n == 1 || command->each); i++) {
    if (i > 0 && !wants_document())
      putchar('\n');
    one = run_on(names.pids[i], command);
    status = one == STATUS_OK ? status : one;
  }
  names_free(&names);
  return status;
}

static enum status
refuse_options(const struct command *command)
{
  unsigned wrong = given & ~command->takes;

  for (size_t i = 0; i < sizeof given_names / sizeof *given_names; i++)
    if (wrong >> i & 1) {
      complain("%s does not take %s; see tcm-stat --help", command->name,
               given_names[i]);
      return STATUS_USAGE;
    }
  return STATUS_OK;
}

static enum status
unknown_command(const char *word)
{
  const char *names[NCOMMANDS], *found;

  for (size_t i = 0; i < NCOMMANDS; i++)
    names[i] = commands[i].name;
  found = nearest(word, names, NCOMMANDS);
  if (found == NULL)
    return usage_error("there is no such command", word);
  complain("%s: there is no such command; did you mean %s?  See tcm-stat "
           "--help",
           word, found);
  return STATUS_USAGE;
}

/* The number of arguments of a command, in words. */
static const char *const needs[] = {
    "no argument", "one argument (a PID, a name or a core file)",
    "two arguments"};

static enum status
run(int n, char **arguments)
{
  const struct command *command;
  enum status status;

  if (n == 0) {
    complain("name a process (tcm-stat ps lists them); see tcm-stat --help");
    return STATUS_USAGE;
  }
  command = find_command(arguments[0]);
  if (command != NULL) {
    n--;
    arguments++;
  } else if (n > 1) {
    return unknown_command(arguments[0]);
  } else {
    command = &commands[0];
  }
  if (n == 0 && command->run == top_of_one)
    return refuse_options(command) != STATUS_OK ? STATUS_USAGE : show_top(NULL);
  if (n == 2 && command->run == show_fault)
    settings.address = arguments[--n];
  if (n != command->arguments) {
    complain("%s needs %s; %d %s given; see tcm-stat --help", command->name,
             needs[command->arguments], n, n == 1 ? "was" : "were");
    return STATUS_USAGE;
  }
  status = refuse_options(command);
  if (status != STATUS_OK)
    return status;
  if (command->run != NULL) {
    settings.assignment = arguments[n - 1];
    return run_on_named(arguments[0], command);
  }
  if (n == 2)
    return show_diff(arguments[0], arguments[1]);
  if (strcmp(command->name, "exporter") == 0)
    settings.openmetrics = settings.for_prometheus = true;
  return show_ps();
}

/* Flushes the output; fails if the disk is full or the reader has exited. */
static enum status
finish(enum status status)
{
  if (settings.openmetrics && status == STATUS_OK)
    metrics_end();
  if ((fflush(stdout) != 0 || ferror(stdout)) && status == STATUS_OK) {
    complain("standard output cannot be written; is the disk full?");
    status = STATUS_FAILED;
  }
  if (settings.output != NULL &&
      !output_end(settings.output, status == STATUS_OK) && status == STATUS_OK)
    status = STATUS_FAILED;
  return status;
}

int
main(int argc, char **argv)
{
  enum status status;
  int option;

  settings.color = color_by_default();
  opterr = 0;
  while ((option = getopt_long(argc, argv, "bc:hi:o:", long_options, NULL)) !=
         -1) {
    if (option == 'h' || option == LONG_VERSION) {
      settings.output = NULL;
      fputs(option == 'h' ? usage_text : "tcm-stat " PACKAGE_VERSION "\n",
            stdout);
      return finish(STATUS_OK);
    }
    status = take_option(option, argv[optind - 1]);
    if (status != STATUS_OK)
      return status;
  }
  if (settings.json && settings.openmetrics)
    return usage_error("--json and --openmetrics", "one at a time");
  if (settings.output != NULL) {
    settings.color = settings.color && color_is_forced;
    if (!output_begin(settings.output))
      return STATUS_FAILED;
  }
  return finish(run(argc - optind, argv + optind));
}
