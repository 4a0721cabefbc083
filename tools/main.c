/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tcm-stat(1): what its command line says.
 */
#include "tcm-stat.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct settings settings = {.interval = 1, .timeout = 5, .seconds = 1};

enum {
  LONG_JSON = 256,
  LONG_OPENMETRICS,
  LONG_COLOR,
  LONG_PAGES,
  LONG_SECONDS,
  LONG_TIMEOUT,
  LONG_VERSION
};

static const struct option long_options[] = {
    {"bytes", no_argument, NULL, 'b'},
    {"color", required_argument, NULL, LONG_COLOR},
    {"count", required_argument, NULL, 'c'},
    {"help", no_argument, NULL, 'h'},
    {"interval", required_argument, NULL, 'i'},
    {"json", no_argument, NULL, LONG_JSON},
    {"openmetrics", no_argument, NULL, LONG_OPENMETRICS},
    {"pages", no_argument, NULL, LONG_PAGES},
    {"seconds", required_argument, NULL, LONG_SECONDS},
    {"timeout", required_argument, NULL, LONG_TIMEOUT},
    {"version", no_argument, NULL, LONG_VERSION},
    {NULL, 0, NULL, 0},
};

static const char usage_text[] =
    "Usage: tcm-stat [OPTION]... [COMMAND] PID|CORE\n"
    "See inside a process that runs tcm, from outside.\n"
    "\n"
    "Commands\n"
    "  show PID            where its memory is (the default command)\n"
    "  classes PID         blocks and spans by size, with fragmentation\n"
    "  spans PID           a map of the heap by huge pages\n"
    "  threads PID         what each thread keeps for itself\n"
    "  watch PID           a row for each interval\n"
    "  diff A B            what changed; PIDs, core files, or saved --json\n"
    "  ps                  all processes that run tcm\n"
    "  release PID         ask it to return free memory to the system\n"
    "  set PID NAME=VALUE  ask it to change an option\n"
    "\n"
    "Options\n"
    "  -b, --bytes         exact sizes\n"
    "  -c, --count=N       watch: stop after N rows\n"
    "  -i, --interval=S    watch: seconds between rows, 1 by default\n"
    "      --color=WHEN    always, never, or auto (the default)\n"
    "      --json          one JSON document for each reading\n"
    "      --openmetrics   samples for Prometheus\n"
    "      --pages         spans: page by page\n"
    "      --seconds=S     show: how long to look, 1 by default, 0 for once\n"
    "      --timeout=S     release, set: seconds to wait, 5 by default\n"
    "  -h, --help          this text\n"
    "      --version       the version\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 usage, 3 no such process, 4 no\n"
    "permission, 5 it does not run tcm, 6 another version of tcm, 7 the\n"
    "request waits, 8 the request was refused.\n";

static enum status
usage_error(const char *what, const char *value)
{
  complain("%s: %s; tcm-stat --help shows what there is", what, value);
  return STATUS_USAGE;
}

/* A number of seconds from 0.01 to a day. */
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

static bool
parse_color(const char *when)
{
  if (strcmp(when, "always") == 0)
    settings.color = true;
  else if (strcmp(when, "never") == 0)
    settings.color = false;
  else if (strcmp(when, "auto") == 0)
    settings.color = color_by_default();
  else
    return false;
  return true;
}

/* Takes one option; STATUS_OK to go on. */
static enum status
take_option(int option)
{
  if (option == 'b')
    settings.bytes = true;
  else if (option == LONG_JSON)
    settings.json = true;
  else if (option == LONG_OPENMETRICS)
    settings.openmetrics = true;
  else if (option == LONG_PAGES)
    settings.pages = true;
  else if (option == 'c' && !parse_count(optarg, &settings.count))
    return usage_error("no count", optarg);
  else if (option == 'i' && !parse_seconds(optarg, &settings.interval))
    return usage_error("no interval", optarg);
  else if (option == LONG_TIMEOUT && !parse_seconds(optarg, &settings.timeout))
    return usage_error("no time", optarg);
  else if (option == LONG_SECONDS && strcmp(optarg, "0") == 0)
    settings.seconds = 0;
  else if (option == LONG_SECONDS && !parse_seconds(optarg, &settings.seconds))
    return usage_error("no time", optarg);
  else if (option == LONG_COLOR && !parse_color(optarg))
    return usage_error("--color is always, never or auto", optarg);
  else if (option == '?')
    return STATUS_USAGE;
  return STATUS_OK;
}

/* ---- Commands --------------------------------------------------------------- */
struct command {
  const char *name;
  enum status (*run)(struct target *target);
};

static const struct command commands[] = {
    {"show", show_overview}, {"classes", show_classes},
    {"spans", show_spans},   {"threads", show_threads},
    {"watch", show_watch},   {"release", request_release},
};

static const struct command *
find_command(const char *name)
{
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
    if (strcmp(commands[i].name, name) == 0)
      return &commands[i];
  return NULL;
}

/* Runs a command on one target.  As a document each of them is the same. */
static enum status
run_on(const char *argument, enum status (*run)(struct target *target))
{
  struct target target;
  enum status status = target_open(&target, argument);

  if (status != STATUS_OK)
    return status;
  if (wants_document() && run != show_watch && run != request_release)
    run = show_document;
  status = run(&target);
  target_close(&target);
  return status;
}

static enum status
run_set(char **arguments)
{
  struct target target;
  enum status status = target_open(&target, arguments[0]);

  if (status != STATUS_OK)
    return status;
  status = request_set(&target, arguments[1]);
  target_close(&target);
  return status;
}

static enum status
run(int n, char **arguments)
{
  const struct command *command;

  if (n == 0)
    return usage_error("no process", "nothing was named");
  if (n == 1 && strcmp(arguments[0], "ps") == 0)
    return show_ps();
  if (n == 3 && strcmp(arguments[0], "diff") == 0)
    return show_diff(arguments[1], arguments[2]);
  if (n == 3 && strcmp(arguments[0], "set") == 0)
    return run_set(arguments + 1);
  command = find_command(arguments[0]);
  if (command != NULL && n == 2)
    return run_on(arguments[1], command->run);
  if (command == NULL && n == 1)
    return run_on(arguments[0], show_overview);
  return usage_error("what to do is not clear", arguments[0]);
}

/* A reader that has gone away, or a full disk. */
static enum status
finish(enum status status)
{
  if (settings.openmetrics && status == STATUS_OK)
    metrics_end();
  if ((fflush(stdout) != 0 || ferror(stdout)) && status == STATUS_OK) {
    complain("standard output cannot be written");
    return STATUS_FAILED;
  }
  return status;
}

int
main(int argc, char **argv)
{
  enum status status;
  int option;

  settings.color = color_by_default();
  while ((option = getopt_long(argc, argv, "bc:hi:", long_options, NULL)) !=
         -1) {
    if (option == 'h' || option == LONG_VERSION) {
      fputs(option == 'h' ? usage_text : "tcm-stat " PACKAGE_VERSION "\n",
            stdout);
      return finish(STATUS_OK);
    }
    status = take_option(option);
    if (status != STATUS_OK)
      return status;
  }
  if (settings.json && settings.openmetrics)
    return usage_error("--json and --openmetrics", "one at a time");
  return finish(run(argc - optind, argv + optind));
}
