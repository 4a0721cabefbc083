/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "process/profile_files.h"

#include <errno.h>
#include <string.h>

#include "base/atomics.h"
#include "base/bits.h"
#include "base/format.h"
#include "base/options.h"
#include "base/params.h"
#include "base/random.h"
#include "base/report.h"
#include "base/system.h"
#include "profile/profile.h"
#include "profile/profile_write.h"

/* Profiles at signals and steps leave two files for the profiles that are
 * written only once. */
#define OFTEN_MAX (PROFILE_FILES_MAX - 2)

static struct {
  uint32_t number;    /* [atomic: relaxed] of the last file, from 1 */
  uint32_t often;     /* [atomic: relaxed] attempts at signals and steps */
  uint32_t limit_met; /* [atomic: relaxed] 1: its profile was attempted */
  uint32_t failed;    /* [atomic: relaxed] 1: an error was reported */
  uint32_t full;      /* [atomic: relaxed] 1: the last file was reported */
  size_t passed;      /* [atomic: relaxed] bytes: the highest step ever */
} files;

/* "tcm.4294967295.16.18446744073709551615.tmp" and its final null byte. */
#define NAME_BYTES 64

struct name {
  char text[NAME_BYTES]; /* [owner thread] */
};

static const char *
directory_path(void)
{
  return tcmi_option_text(TEXT_profile_dir);
}

bool
tcmi_profile_files_are_on(void)
{
  return *directory_path() != '\0';
}

/* True for one caller only. */
static bool
is_first(uint32_t *word)
{
  return atomic_load_relaxed(word) == 0 &&
         atomic_exchange_acquire(word, 1) == 0;
}

static const char *
words_for(int error)
{
  switch (-error) {
  case ENOENT:
    return "no such directory";
  case ENOTDIR:
    return "not a directory";
  case EACCES:
  case EPERM:
    return "no right to write";
  case EROFS:
    return "a read-only file system";
  case ENOSPC:
  case EDQUOT:
    return "no space left";
  case EFBIG:
    return "a profile exceeds the limit of the file size";
  default:
    return NULL;
  }
}

static NOINLINE void
warn_once(int error)
{
  const char *words = words_for(error);
  struct line line;

  if (!is_first(&files.failed))
    return;
  tcmi_report_begin(&line);
  tcmi_line_text(&line, "profile_dir: ");
  if (words != NULL) {
    tcmi_line_text(&line, words);
  } else {
    tcmi_line_text(&line, "error ");
    tcmi_line_decimal(&line, (uint64_t)-error);
  }
  tcmi_line_text(&line, ": ");
  tcmi_line_text(&line, directory_path());
  tcmi_report_warn(&line);
}

static NOINLINE void
warn_of_the_last(void)
{
  struct line line;

  if (!is_first(&files.full))
    return;
  tcmi_report_begin(&line);
  tcmi_line_text(&line, "profile_dir: no more profiles at signals and steps "
                        "of this process after ");
  tcmi_line_decimal(&line, OFTEN_MAX);
  tcmi_report_warn(&line);
}

/* tcm.PID.@number.@middle@end; if @middle is NULL, a random number. */
static NOINLINE void
make_name(struct name *name, uint32_t number, const char *middle,
          const char *end)
{
  uint64_t state = tcmi_random(RANDOM_FILES) + number;
  struct line line = {.length = 0};

  tcmi_line_text(&line, "tcm.");
  tcmi_line_decimal(&line, tcmi_system_process_id());
  tcmi_line_text(&line, ".");
  tcmi_line_decimal(&line, number);
  tcmi_line_text(&line, ".");
  if (middle != NULL)
    tcmi_line_text(&line, middle);
  else
    tcmi_line_decimal(&line, tcmi_random_next(&state));
  tcmi_line_text(&line, end);
  line.length = min_size(line.length, sizeof name->text - 1);
  memcpy(name->text, line.text, line.length);
  name->text[line.length] = '\0';
}

static int
fill(int file)
{
  size_t most = min_size(tcmi_system_file_limit(), PROFILE_FILE_BYTES);
  int error = tcmi_profile_write(file, most);
  int close_error = tcmi_system_file_close(file);

  return error != 0 ? error : close_error;
}

/* A file left by a killed process has the same temporary name only by chance.
 * PIDs are reused, and in containers a process usually gets the same one. */
static int
write_in(int directory, const char *reason)
{
  uint32_t number = atomic_add_relaxed(&files.number, 1) + 1;
  struct name temporary, name;
  int error;

  make_name(&temporary, number, NULL, ".tmp");
  make_name(&name, number, reason, ".heap");
  error = tcmi_system_file_create(directory, temporary.text);
  if (error < 0)
    return error;
  error = fill(error);
  if (error == 0)
    error = tcmi_system_file_rename(directory, temporary.text, name.text);
  if (error != 0)
    tcmi_system_file_remove(directory, temporary.text);
  return error;
}

static void
write_file(const char *reason)
{
  int directory = tcmi_system_directory_open(directory_path());
  int error = directory;

  if (directory >= 0) {
    error = write_in(directory, reason);
    (void)tcmi_system_file_close(directory);
  }
  if (error < 0)
    warn_once(error);
}

/* Whether there is a directory, and a sample to write. */
static bool
can_write(void)
{
  uint64_t place = 0;

  return tcmi_profile_files_are_on() && tcmi_profile_next_stack(&place) != NULL;
}

static void
write_often(const char *reason)
{
  if (atomic_load_relaxed(&files.often) < OFTEN_MAX &&
      atomic_add_relaxed(&files.often, 1) < OFTEN_MAX)
    write_file(reason);
  else
    warn_of_the_last();
}

/* Reports a missing directory now, while somebody may be watching. */
void
tcmi_profile_files_start(void)
{
  int directory;

  if (!tcmi_profile_files_are_on())
    return;
  if (tcmi_option(OPTION_profile_bytes) == 0)
    (void)!tcmi_option_change(OPTION_profile_bytes, PROFILE_MEAN_DEFAULT,
                              SOURCE_ENVIRONMENT);
  directory = tcmi_system_directory_open(directory_path());
  if (directory < 0)
    warn_once(directory);
  else
    (void)tcmi_system_file_close(directory);
}

/* The child keeps the highest step, and does not repeat reports. */
void
tcmi_profile_files_after_fork(void)
{
  atomic_store_relaxed(&files.number, 0);
  atomic_store_relaxed(&files.often, 0);
  atomic_store_relaxed(&files.limit_met, 0);
}

void
tcmi_profile_at_exit(void)
{
  if (tcmi_option(OPTION_profile_at_exit) != 0 && can_write())
    write_file("exit");
}

void
tcmi_profile_at_signal(int signal)
{
  (void)signal;
  if (can_write())
    write_often("signal");
}

/* Bytes; 0: no profiles at steps. */
static uint64_t
step_bytes(void)
{
  uint64_t step = tcmi_option(OPTION_profile_step_bytes);

  if (step == 0 || !tcmi_profile_files_are_on())
    return 0;
  return step < FLUSH_STEP_MIN ? FLUSH_STEP_MIN : step;
}

size_t
tcmi_profile_next_step(size_t used)
{
  uint64_t step = step_bytes(), next;

  if (step == 0 || atomic_load_relaxed(&files.often) >= OFTEN_MAX)
    return SIZE_MAX;
  next = used - used % step + step;
  return next > SIZE_MAX ? SIZE_MAX : (size_t)next;
}

void
tcmi_profile_at_step(size_t used)
{
  uint64_t step = step_bytes();
  size_t passed = atomic_load_relaxed(&files.passed), now;

  if (step == 0 || used < step || !can_write())
    return;
  now = used - (size_t)(used % step);
  while (now > passed)
    if (atomic_cas_relaxed(&files.passed, &passed, now)) {
      write_often("step");
      return;
    }
}

void
tcmi_profile_at_limit(void)
{
  if (tcmi_option(OPTION_profile_at_limit) != 0 && can_write() &&
      is_first(&files.limit_met))
    write_file("limit");
}
