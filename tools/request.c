/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests: the only writes of tcm-stat to a process, see
 * lib/observe/stats_page.h.
 */
#include "survey.h"
#include "names.h"
#include "shapes.h"
#include "value.h"
#include "wake.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PAUSE_NS 5000000
/* A process that has not answered after this time is woken: tcm's own thread
 * looks every REQUEST_POLL_MS, and may be late. */
#define WAKE_SECONDS (REQUEST_POLL_MS / 1000.0 + 0.1)
/* Between two attempts. */
#define WAKE_AGAIN_SECONDS 0.1

struct waking {
  double at;       /* when to try */
  unsigned result; /* of the last try; at first WAKE_NONE */
};

/* Returns a unique number for a request; never 0. */
static uint64_t
make_id(void)
{
  struct timespec time;

  clock_gettime(CLOCK_MONOTONIC, &time);
  return ((uint64_t)getpid() << 40 ^ (uint64_t)time.tv_sec * 1000000000 ^
          (uint64_t)time.tv_nsec) |
         1;
}

static int
request_read(const struct target *target, struct stats_request *request)
{
  return target_read(target, shape_request(target), request, sizeof *request);
}

/* Writes the parameters first, and last the number that makes it a request. */
static int
request_write(const struct target *target, const struct stats_request *request,
              uint64_t id)
{
  size_t first = offsetof(struct stats_request, kind);
  size_t end = offsetof(struct stats_request, done);
  int error = target_write(target, shape_request(target) + first,
                           (const char *)request + first, end - first);

  return error != 0
             ? error
             : target_write(target, shape_request(target), &id, sizeof id);
}

/* Whether the process forbids tcm's thread; it is then not interrupted. */
static bool
is_off(struct target *target)
{
  struct view view;
  bool off;

  if (view_read(target, &view) != STATUS_OK)
    return false;
  off = view.options[OPTION_background].known &&
        view.options[OPTION_background].value == 0;
  view_free(&view);
  return off;
}

static void
wake_if_due(struct target *target, struct waking *waking)
{
  double now = seconds_now();

  if (now < waking->at)
    return;
  waking->result = is_off(target) ? WAKE_OFF : wake_process(target);
  /* tcm's thread may have existed, and ended before it saw the request. */
  if (waking->result == WAKE_STARTED)
    waking->at = seconds_now() + WAKE_SECONDS;
  else
    waking->at =
        wake_may_succeed(waking->result) ? now + WAKE_AGAIN_SECONDS : HUGE_VAL;
}

/* Waits for the answer: 0, 1 on timeout, or a negative errno. */
static int
request_wait(struct target *target, uint64_t id, int64_t *result,
             struct waking *waking)
{
  struct timespec pause = {.tv_nsec = PAUSE_NS};
  double end = seconds_now() + settings.timeout;
  struct stats_request now;

  for (;;) {
    int error = request_read(target, &now);
    if (error == 0 && !target_is_same(target))
      error = -ESRCH;
    if (error != 0)
      return error;
    if (now.done == id) {
      *result = now.result;
      return 0;
    }
    if (seconds_now() >= end)
      return 1;
    wake_if_due(target, waking);
    nanosleep(&pause, NULL);
  }
}

/* Do not overwrite another tool's pending request.  Write nothing if the
 * process now runs another program. */
static int
wait_for_turn(struct target *target, struct waking *waking)
{
  struct timespec pause = {.tv_nsec = PAUSE_NS};
  double end = seconds_now() + settings.timeout;
  struct stats_request pending;
  struct stats_page now;
  int error;

  for (;;) {
    error = target_read(target, target->page.self, &now,
                        offsetof(struct stats_page, places));
    if (error == 0 && (!page_is_sound(&now, target->page.self) ||
                       now.layout != target->page.layout))
      error = -EFAULT;
    if (error == 0)
      error = request_read(target, &pending);
    if (error != 0 || pending.id == 0)
      break;
    if (seconds_now() >= end)
      return 1;
    wake_if_due(target, waking);
    nanosleep(&pause, NULL);
  }
  return error;
}

static enum status
check_target(const struct target *target)
{
  if (target->core != NULL) {
    complain("%s: a core file cannot serve requests", target->argument);
    return STATUS_USAGE;
  }
  if (target->page.started && !target->page.takes_requests) {
    complain("process %s (%s) takes no requests: it runs with privileges that "
             "its caller lacks",
             target->argument, target->command);
    return STATUS_REFUSED;
  }
  return STATUS_OK;
}

/* Reports that a request is pending, and why the process was not woken. */
static enum status
say_waits(struct target *target, const struct waking *waking, bool other)
{
  unsigned result = waking->result;
  const char *what = other ? "an earlier request" : "the request";

  if (result == WAKE_NONE && is_off(target))
    result = WAKE_OFF;
  if (result == WAKE_NONE)
    complain("%s waits in process %s (%s), which is idle, for one of its next "
             "allocations: tcm-stat wakes it only after %g seconds, see "
             "--timeout",
             what, target->argument, target->command, WAKE_SECONDS);
  else
    complain("%s waits in process %s (%s), which is idle, for one of its next "
             "allocations: %s",
             what, target->argument, target->command, wake_text(result));
  return STATUS_WAITS;
}

/* Sends a request and waits for the answer in *@result. */
static enum status
ask(struct target *target, struct stats_request *request, int64_t *result)
{
  struct waking waking = {seconds_now() + WAKE_SECONDS, WAKE_NONE};
  uint64_t id = make_id();
  enum status status = check_target(target);
  int error;

  if (status != STATUS_OK)
    return status;
  request->check = stats_request_check(request, id);
  error = wait_for_turn(target, &waking);
  if (error > 0)
    return say_waits(target, &waking, true);
  if (error == 0)
    error = request_write(target, request, id);
  waking = (struct waking){seconds_now() + WAKE_SECONDS, WAKE_NONE};
  if (error == 0)
    error = request_wait(target, id, result, &waking);
  if (error < 0)
    return target_failed(target, error);
  if (error > 0)
    return say_waits(target, &waking, false);
  if (*result >= 0)
    return STATUS_OK;
  complain("process %s refused: %s", target->argument,
           *result == -EAGAIN ? "another request came in between; try again"
                              : strerror((int)-*result));
  return STATUS_REFUSED;
}

enum status
request_release(struct target *target)
{
  struct stats_request request = {.kind = REQUEST_RELEASE};
  int64_t bytes = 0;
  enum status status = ask(target, &request, &bytes);
  char text[32];

  if (status == STATUS_OK)
    printf("%s returned to the OS\n", size_text(text, (uint64_t)bytes));
  return status;
}

/* ---- Options ------------------------------------------------------------- */
static const struct {
  uint64_t min, max;
} ranges[OPTION_COUNT] = {
#define OPTION(name, default_value, min, max, fixed, help) {min, max},
#include "base/options.def"
};

static int
find_option(const char *name, size_t length)
{
  for (int id = 0; id < OPTION_COUNT; id++)
    if (strlen(option_names[id]) == length &&
        strncmp(option_names[id], name, length) == 0)
      return id;
  return -1;
}

static enum status
complain_of_option(const char *assignment, size_t length)
{
  char word[64];
  const char *found;

  snprintf(word, sizeof word, "%.*s", (int)length, assignment);
  found = nearest(word, option_names, OPTION_COUNT);
  complain("%s: no such option%s%s; tcm(7) lists them", word,
           found == NULL ? "" : ", perhaps ", found == NULL ? "" : found);
  return STATUS_USAGE;
}

static enum status
parse_assignment(const char *assignment, enum option_id *option,
                 uint64_t *value)
{
  const char *equals = strchr(assignment, '=');
  size_t length =
      equals == NULL ? strlen(assignment) : (size_t)(equals - assignment);
  int id = find_option(assignment, length);

  if (id < 0)
    return complain_of_option(assignment, length);
  if (equals == NULL) {
    complain("%s has no value; set takes NAME=VALUE", assignment);
    return STATUS_USAGE;
  }
  if (option_is_fixed[id]) {
    complain("%s is fixed when the program starts", option_names[id]);
    return STATUS_REFUSED;
  }
  if (!value_parse(equals + 1, value) || *value < ranges[id].min ||
      *value > ranges[id].max) {
    complain("%s is a number from %" PRIu64 " to %" PRIu64, option_names[id],
             ranges[id].min, ranges[id].max);
    return STATUS_REFUSED;
  }
  *option = (enum option_id)id;
  return STATUS_OK;
}

enum status
request_option(struct target *target, enum option_id id, uint64_t value)
{
  int number = shape_option(target, id);
  struct stats_request request = {
      .kind = REQUEST_SET, .option = (uint64_t)number, .value = value};
  int64_t result = 0;

  if (number >= 0)
    return ask(target, &request, &result);
  complain("%s runs tcm %.15s, which has no option %s", target->argument,
           target->page.library, option_names[id]);
  return STATUS_REFUSED;
}

enum status
request_set(struct target *target, const char *assignment)
{
  enum option_id id;
  uint64_t value;
  enum status status = parse_assignment(assignment, &id, &value);

  if (status == STATUS_OK)
    status = request_option(target, id, value);
  if (status == STATUS_OK)
    printf("%s is %" PRIu64 "\n", option_names[id], value);
  return status;
}

enum status
request_withdraw(struct target *target)
{
  uint64_t none = 0;
  int error = target_write(target, shape_request(target), &none, sizeof none);

  return error == 0 ? STATUS_OK : target_failed(target, error);
}
