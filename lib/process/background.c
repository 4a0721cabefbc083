/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "process/background.h"

#include "base/bits.h"
#include "base/lock.h"
#include "base/options.h"
#include "base/report.h"
#include "base/system.h"
#include "cache/central_list.h"
#include "cache/thread_cache.h"
#include "heap/page_heap.h"
#include "process/cgroup_policy.h"
#include "process/collapse.h"
#include "process/request.h"
#include "process/rounds.h"

/* The id of the thread while it is being started. */
#define CLAIMED UINT32_MAX
/* Time between two checks of whether the thread has ended. */
#define LEAVE_PAUSE_NS 50000

uint32_t tcmi_background_thread;
__thread unsigned tcmi_background_frees;
__thread unsigned tcmi_background_skips;

/* Of the calling thread.  All fields: [owner thread] */
static __thread struct {
  uint32_t last;  /* time of its last piece, in clock milliseconds */
  unsigned skips; /* calls skipped before that */
} pace;
bool tcmi_background_by_calls;
bool tcmi_background_was_started;
size_t tcmi_background_threshold = BACKGROUND_MIN >> PAGE_SHIFT;

static struct {
  uint32_t leave;       /* [atomic: relaxed] 1: the thread must end; it waits
                          on this word */
  bool forbidden;       /* [atomic: relaxed] never reset */
  uint32_t pause_ms;    /* [atomic: relaxed] delay after the next refusal */
  uint64_t next_start;  /* [atomic: relaxed] earliest, in clock milliseconds */
  bool has_verdict;     /* [atomic: release by the thread, acquire by all] */
  struct line verdict;  /* [init] before has_verdict: the report of an invalid
                          free that the thread found */
  uint64_t next_divert; /* [atomic: relaxed] when the threads may be diverted
                          again, in clock milliseconds */
  size_t seen_idle;     /* [atomic: relaxed] bytes of free objects when the
                          last scan found too few whole pages */
} background = {.pause_ms = BACKGROUND_PAUSE_MIN_MS};

static bool
much_is_idle(void)
{
  return atomic_load_relaxed(&tcmi_page_counts.idle) >=
         atomic_load_relaxed(&tcmi_background_threshold);
}

static bool
is_wanted(void)
{
  return tcmi_option(OPTION_background) != 0 &&
         !atomic_load_relaxed(&background.forbidden);
}

static bool
must_leave(void)
{
  return atomic_load_relaxed(&background.leave) != 0;
}

/* Sleeps until a round is due; false if the thread must end.
 *
 * A process that writes a request from outside cannot wake the thread: a futex
 * in private memory belongs to one address space.  So the thread polls.
 * Rejected: a word in a shared mapping, which would need a file, and which
 * forks would share. */
static bool
wait_for_round(void)
{
  unsigned wait;

  while (!must_leave() && (wait = tcmi_rounds_wait()) > 0) {
    tcmi_system_wait_for(&background.leave, 0,
                         (unsigned)min_size(wait, REQUEST_POLL_MS));
    request_poll();
  }
  return !must_leave();
}

/* Whether there may be more to return or to collapse. */
static bool
do_round(int file)
{
  bool collapses;

  while (!must_leave() && tcmi_rounds_piece(HUGE_PAGE_PAGES, file))
    ;
  collapses = tcmi_collapse_some(must_leave);
  return collapses || tcmi_rounds_find_more() || much_is_idle();
}

/* Whether the thread lacks a file because the option was set after it began. */
static bool
lacks_file(int file)
{
  return file < 0 && tcmi_pressure_file() != NULL;
}

/* The thread can neither write nor abort.  The next slow path of the program
 * does, as if it had found the invalid free itself. */
static void
leave_verdict(const struct line *line)
{
  background.verdict = *line;
  /* Pairs with tcmi_background_consider(). */
  atomic_store_release(&background.has_verdict, true);
  atomic_store_relaxed(&tcmi_background_by_calls, true);
  tcmi_system_end_thread();
}

/* What the thread runs. */
static void
run(void)
{
  const char *path = tcmi_pressure_file();
  int file;

  /* Thread-local data is all zeroes here.  The id is cached now, because the
   * thread cannot ask for it later. */
  (void)lock_self();
  tcmi_thread_cache_detach(CACHE_GONE);
  tcmi_report_detour = leave_verdict;
  if (!tcmi_system_confine(path, &file)) {
    tcmi_background_forbid();
    return;
  }
  /* A tool that started the thread waits for its answer. */
  request_poll();
  tcmi_rounds_begin();
  do {
    if (!wait_for_round())
      return;
    request_poll();
  } while (do_round(file) && is_wanted() &&
           (path != NULL || !lacks_file(file)));
}

/* Whether free pages inside spans reach the threshold.  A scan costs some
 * microseconds for each class, so it is repeated only when more is free. */
static bool
many_pages_are_free(void)
{
  size_t enough = atomic_load_relaxed(&tcmi_background_threshold) << PAGE_SHIFT;
  size_t idle = 0, bytes = 0;

  for (unsigned c = 1; c < SIZE_CLASS_COUNT; c++)
    idle += tcmi_central_idle_bytes(c);
  if (idle < enough) {
    atomic_store_relaxed(&background.seen_idle, 0);
    return false;
  }
  if (idle < atomic_load_relaxed(&background.seen_idle) + enough / 4)
    return false;
  for (unsigned c = 1; c < SIZE_CLASS_COUNT && bytes < enough; c++)
    if (tcmi_central_idle_bytes(c) >= enough / SIZE_CLASS_COUNT)
      bytes += tcmi_central_returnable(c);
  if (bytes >= enough)
    return true;
  atomic_store_relaxed(&background.seen_idle, idle);
  return false;
}

/* A refusal may be temporary: a limit on processes, for example. */
static void
put_off(uint64_t now)
{
  uint32_t pause = atomic_load_relaxed(&background.pause_ms);

  atomic_store_relaxed(&background.next_start, now + pause);
  atomic_store_relaxed(
      &background.pause_ms,
      (uint32_t)min_size(2 * (size_t)pause, BACKGROUND_PAUSE_MAX_MS));
}

/* Whether there is a thread now. */
static bool
try_start(void)
{
  uint64_t now = tcmi_system_milliseconds();
  uint32_t none = 0;

  if (!is_wanted() || now < atomic_load_relaxed(&background.next_start))
    return false;
  /* Pairs with nothing: locks protect what the thread reads. */
  if (!atomic_cas_acquire(&tcmi_background_thread, &none, CLAIMED))
    return true;
  atomic_store_relaxed(&background.leave, 0);
  /* The thread cannot open the file. */
  tcmi_collapse_read_setting(COLLAPSE_SETTING);
  if (tcmi_system_start_thread(run, &tcmi_background_thread,
                               &tcmi_thread_cache_state)) {
    uint32_t id = atomic_load_relaxed(&tcmi_background_thread);
    atomic_store_relaxed(&background.pause_ms, BACKGROUND_PAUSE_MIN_MS);
    atomic_store_relaxed(&tcmi_background_was_started, true);
    if (id != 0)
      tcmi_system_lower_priority(id);
    return true;
  }
  put_off(now);
  atomic_store_relaxed(&tcmi_background_thread, 0);
  return false;
}

/* Makes the next free of every thread come here, also of threads that so far
 * use only the fast path: some threads in each call, and again a period after
 * the last ones. */
static void
divert_others(void)
{
  uint64_t now = tcmi_system_milliseconds();

  if (now >= atomic_load_relaxed(&background.next_divert) &&
      !tcmi_thread_cache_divert_some())
    atomic_store_relaxed(&background.next_divert, now + ROUND_PERIOD_MIN_MS);
}

/* A thread that calls more than once in a tick of the clock, a few
 * milliseconds, does a piece in fewer of its calls: each one reads the clock
 * three times.  With one in each call, a load that rises and falls took 2.2
 * times as long. */
static void
set_pace(void)
{
  uint32_t now = (uint32_t)tcmi_system_milliseconds();

  pace.skips = now == pace.last
                   ? (unsigned)min_size(2 * pace.skips + 1, BACKGROUND_EVERY)
                   : 0;
  pace.last = now;
  tcmi_background_skips = pace.skips;
}

/* Does a piece of a round in a call of the program.  Until nothing is left, the
 * thread's next frees come here too. */
static void
do_piece(void)
{
  set_pace();
  tcmi_rounds_begin();
  if (tcmi_rounds_wait() == 0)
    (void)tcmi_rounds_piece(ROUND_PIECE_PAGES, -1);
  if (thread_has_cache())
    tcmi_thread_cache_divert(tcmi_thread_cache);
}

void
tcmi_background_consider(void)
{
  bool before = atomic_load_relaxed(&tcmi_background_by_calls), much, by_calls;

  if (unlikely(atomic_load_acquire(&background.has_verdict))) {
    struct line line = background.verdict;
    tcmi_report_fatal(&line);
  }
  much = (before && tcmi_rounds_find_more()) || much_is_idle() ||
         many_pages_are_free();
  by_calls = much && !try_start();
  if (!much && tcmi_collapse_is_due())
    (void)try_start();
  if (by_calls != before)
    atomic_store_relaxed(&tcmi_background_by_calls, by_calls);
  if (by_calls) {
    divert_others();
    do_piece();
  } else if (tcmi_thread_cache->diverted)
    tcmi_thread_cache_rejoin(tcmi_thread_cache);
}

enum wake_result
tcmi_background_wake(void)
{
  if (tcmi_option(OPTION_background) == 0)
    return WAKE_OFF;
  if (atomic_load_relaxed(&background.forbidden))
    return WAKE_FORBIDDEN;
  if (tcmi_system_milliseconds() < atomic_load_relaxed(&background.next_start))
    return WAKE_LATER;
  return try_start() ? WAKE_STARTED : WAKE_REFUSED;
}

void
tcmi_background_set_threshold(size_t bytes)
{
  atomic_store_relaxed(&tcmi_background_threshold,
                       max_size(bytes, BACKGROUND_THRESHOLD_MIN) >> PAGE_SHIFT);
}

void
tcmi_background_forbid(void)
{
  atomic_store_relaxed(&background.forbidden, true);
}

/* Also delays the next start: the caller needs the process without the thread
 * for a moment. */
void
tcmi_background_leave(void)
{
  uint32_t id = atomic_load_relaxed(&tcmi_background_thread);

  if (id == 0)
    return;
  atomic_store_relaxed(&background.next_start,
                       tcmi_system_milliseconds() + BACKGROUND_PAUSE_MIN_MS);
  atomic_store_relaxed(&background.leave, 1);
  tcmi_system_wake(&background.leave, 1);
  for (unsigned ns = 0; ns < BACKGROUND_LEAVE_MAX_MS * 1000000u;
       ns += LEAVE_PAUSE_NS) {
    if (atomic_load_relaxed(&tcmi_background_thread) == 0 &&
        (id == CLAIMED || tcmi_system_thread_is_gone(id)))
      return;
    if (id == CLAIMED)
      id = atomic_load_relaxed(&tcmi_background_thread);
    tcmi_system_pause(LEAVE_PAUSE_NS);
  }
}

void
tcmi_background_after_fork(void)
{
  atomic_store_relaxed(&tcmi_background_thread, 0);
  atomic_store_relaxed(&background.next_start, 0);
  tcmi_rounds_after_fork();
  tcmi_collapse_after_fork();
  tcmi_system_forget_wake();
}
