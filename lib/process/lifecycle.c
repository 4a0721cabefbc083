/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A key of thread-specific data detects the end of a thread.  A constructor
 * creates it before most other keys, so that libc stores its value without
 * allocating.  Rejected: __cxa_thread_atexit_impl, which allocates.
 *
 * If many keys were created earlier, libc callocs a table for a part of the
 * keys when it stores the first value of that part, and frees it when the
 * thread ends, after the destructors.  A value that is stored inside either
 * call is lost with the table, and the cache with it.  So with such a key,
 * calloc and free do not start a thread.
 *
 * Other destructors may still allocate after ours.  So the first time it runs,
 * it only asks libc to run it again in the next round.  Later calls are served
 * without a cache.
 */
#include "config.h"

#include "process/lifecycle.h"

#include <pthread.h>

#include "base/atomics.h"
#include "base/options.h"
#include "base/report.h"
#include "base/system.h"
#include "cache/mark.h"
#include "cache/thread_cache.h"
#include "observe/stats.h"
#include "process/background.h"
#include "process/cgroup_policy.h"
#include "process/fault.h"
#include "process/fork.h"
#include "process/pin.h"
#include "process/profile_files.h"
#include "profile/profile.h"

static struct {
  bool started;      /* [atomic: release by process_start, acquire by all] */
  bool key_is_valid; /* [init] */
  pthread_key_t key; /* [init] its destructor is thread_end() */
} life;

/* libc keeps the values of this many keys in the thread itself. */
#define KEYS_IN_THREAD 32

/* The key's value: how many more times the destructor asks to run again. */
static const char rounds[2];
#define LAST_ROUND ((void *)(uintptr_t)&rounds[0])
#define FIRST_ROUND ((void *)(uintptr_t)&rounds[1])

static void
thread_end(void *round)
{
  if (round == FIRST_ROUND && pthread_setspecific(life.key, LAST_ROUND) == 0)
    return;
  stats_count(thread_ends);
  tcmi_thread_cache_orphan();
}

static void
key_create_locked(void)
{
  lock_assert_held(&tcmi_init_lock);
  if (!life.key_is_valid)
    life.key_is_valid = pthread_key_create(&life.key, thread_end) == 0;
}

/* Does what cannot wait for the first allocation.  It records which file
 * descriptor 2 is and which processors the process may use, before the program
 * changes them; it keeps the code mapped; and it creates the key. */
__attribute__((constructor)) static void
begin(void)
{
  tcmi_report_init();
  tcmi_system_note_start();
  tcmi_pin();
  lock_acquire(&tcmi_init_lock);
  key_create_locked();
  lock_release(&tcmi_init_lock);
}

static void
to_messages(void *to, const char *text, size_t length)
{
  (void)to;
  tcmi_report_write(text, length);
}

static void
report_on_signal(int signal)
{
  (void)signal;
  tcmi_stats_print_text(to_messages, NULL);
}

/* Installs the handler for the signal that the option names, if any. */
static void
take_signal(enum option_id id, void (*handler)(int))
{
  int signal = (int)tcmi_option(id);
  struct line line;

  if (signal == 0 || tcmi_system_on_signal(signal, handler))
    return;
  tcmi_report_begin(&line);
  tcmi_line_text(&line, tcmi_option_table[id].name);
  tcmi_line_text(&line, ": the program uses signal ");
  tcmi_line_decimal(&line, (uint64_t)signal);
  tcmi_report_warn(&line);
}

static void
report_prepare(void)
{
  if (tcmi_option(OPTION_stats_at_exit) != 0)
    tcmi_report_keep();
  take_signal(OPTION_stats_signal, report_on_signal);
  if (tcmi_profile_files_are_on())
    take_signal(OPTION_profile_signal, tcmi_profile_at_signal);
}

/* Runs after the program's own destructors, which may still allocate: the
 * library was loaded first. */
__attribute__((destructor)) static void
report_at_exit(void)
{
  if (!atomic_load_acquire(&life.started))
    return;
  tcmi_profile_at_exit();
  if (tcmi_option(OPTION_stats_at_exit) != 0)
    tcmi_stats_print_text(to_messages, NULL);
}

/* With checks, no call reaches the step that counts bytes for samples. */
static void
warn_of_check(void)
{
  struct line line;

  if (tcmi_option(OPTION_check) == 0 || tcmi_option(OPTION_profile_bytes) == 0)
    return;
  tcmi_report_begin(&line);
  tcmi_line_text(&line, "profile_bytes: no samples are taken, because check "
                        "is above 0");
  tcmi_report_warn(&line);
}

static void
process_start_locked(void)
{
  lock_assert_held(&tcmi_init_lock);
  tcmi_mark_init();
  tcmi_report_init();
  tcmi_options_init(OPTIONS_FILE);
  tcmi_system_set_page_size((size_t)tcmi_option(OPTION_page_size));
  tcmi_options_seal();
  tcmi_cgroup_policy_apply_locked();
  key_create_locked();
  tcmi_fork_init();
  tcmi_profile_files_start();
  tcmi_fault_start();
  warn_of_check();
  tcmi_profile_apply();
  atomic_store_relaxed(&tcmi_stats_page.takes_requests,
                       !tcmi_system_is_secure_mode());
  atomic_store_relaxed(&tcmi_stats_page.places.wake,
                       (uintptr_t)tcmi_system_offer_wake(
                           tcmi_background_wake, &tcmi_background_was_started));
  atomic_store_relaxed(&tcmi_stats_page.started, 1);
  report_prepare();
}

void
tcmi_process_start(void)
{
  if (atomic_load_acquire(&life.started))
    return;
  lock_acquire(&tcmi_init_lock);
  if (!life.started) {
    process_start_locked();
    /* Pairs with the acquire above. */
    atomic_store_release(&life.started, true);
  }
  lock_release(&tcmi_init_lock);
}

void
tcmi_thread_start(enum start_from from)
{
  tcmi_thread_cache_state = CACHE_STARTING;
  tcmi_process_start();
  /* Without a key, nothing would orphan the cache when the thread ends. */
  if (tcmi_option(OPTION_check) > CHECK_FREES || !life.key_is_valid) {
    tcmi_thread_cache_detach(CACHE_CLOSED);
    return;
  }
  if (from == START_MAYBE_TSD && life.key >= KEYS_IN_THREAD) {
    tcmi_thread_cache_detach(CACHE_NONE);
    return;
  }
  /* Stores the value before there is a cache: libc may have to allocate. */
  if (pthread_setspecific(life.key, FIRST_ROUND) != 0 ||
      !tcmi_thread_cache_open()) {
    /* If there is no memory for a cache, the thread works without one and
     * tries again at its next slow path. */
    tcmi_thread_cache_detach(CACHE_NONE);
    return;
  }
  stats_count(thread_starts);
}
