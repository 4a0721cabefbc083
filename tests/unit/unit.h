/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * unit.h - what the unit tests share.  Each test_<module>.c is one program that
 * links the debug core, so that assertions, lock ranks and fault injection are
 * at hand, and keeps libc's malloc for itself.
 *
 * Check runs every test in its own child.  The parent never allocates from
 * tcm, so each test begins with a heap that was not started yet.
 */
#ifndef TCM_TESTS_UNIT_UNIT_H
#define TCM_TESTS_UNIT_UNIT_H

#include "config.h"

#define TEST_DIRECT 1
#include "../support/memory.h"

#include <check.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* Tests fork among threads and report from handlers. */
#define TEST_TSAN_OPTIONS \
  "halt_on_error=1:die_after_fork=0:report_signal_unsafe=0"
#include "../support/sanitizers.h"

#include "base/report.h"
#include "base/system.h"

/* For loops: ck_assert() writes a record each time, even when the check
 * passes. */
#define must(condition)                         \
  do {                                          \
    if (!(condition))                           \
      ck_abort_msg("not true: %s", #condition); \
  } while (0)

/* The same with the current values of a loop. */
#define must_for(condition, format, ...)                                  \
  do {                                                                    \
    if (!(condition))                                                     \
      ck_abort_msg("not true: %s (" format ")", #condition, __VA_ARGS__); \
  } while (0)

/* The seed of a test with random steps; TEST_SEED replaces it. */
static HARNESS_UNUSED uint64_t
unit_seed(void)
{
  const char *text = getenv("TEST_SEED");
  uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : 20240229;

  printf("seed %llu\n", (unsigned long long)seed);
  fflush(stdout);
  return seed;
}

/* A random number below @limit. */
static HARNESS_UNUSED size_t
unit_below(uint64_t *state, size_t limit)
{
  return (size_t)(harness_random(state) >> 16) % limit;
}

#define UNIT_STRIDE 4096

/* Marks a block as memory_fill() does, but a very large one only at its start
 * and in one place of each page. */
static HARNESS_UNUSED void
unit_mark(void *block, size_t size, uint64_t seed)
{
  size_t whole = size < 8 * UNIT_STRIDE ? size : 8 * UNIT_STRIDE, at;

  memory_fill(block, whole, seed);
  for (at = whole; at < size; at += UNIT_STRIDE)
    ((unsigned char *)block)[at] = (unsigned char)(seed + at / UNIT_STRIDE);
}

/* Whether the first @size bytes still hold what unit_mark() wrote. */
static HARNESS_UNUSED bool
unit_is_marked(const void *block, size_t size, uint64_t seed)
{
  size_t whole = size < 8 * UNIT_STRIDE ? size : 8 * UNIT_STRIDE, at;

  if (!memory_holds(block, whole, seed))
    return false;
  for (at = whole; at < size; at += UNIT_STRIDE)
    if (((const unsigned char *)block)[at] !=
        (unsigned char)(seed + at / UNIT_STRIDE))
      return false;
  return true;
}

/* Lets every call of the kinds in @mask fail from the next one on. */
static HARNESS_UNUSED void
unit_fail_all(unsigned mask)
{
  (void)tcmi_system_fail(mask, 1, ~0u);
}

/* Ends the failures and returns how many calls failed. */
static HARNESS_UNUSED unsigned
unit_fail_none(void)
{
  return tcmi_system_fail(0, 0, 0);
}

static HARNESS_UNUSED void
unit_thread(pthread_t *thread, void *(*run)(void *), void *argument)
{
  ck_assert_int_eq(pthread_create(thread, NULL, run, argument), 0);
}

static HARNESS_UNUSED void
unit_join(pthread_t thread)
{
  ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

/* Runs @act in a child; stores what it writes to standard error in @text.
 * Returns its status from waitpid(). */
static HARNESS_UNUSED int
unit_child(void (*act)(void *), void *argument, char *text, size_t size)
{
  off_t before = lseek(2, 0, SEEK_END);
  ssize_t length;
  int status;
  pid_t child;

  fflush(stdout);
  child = fork();
  ck_assert_int_ge(child, 0);
  if (child == 0) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    alarm(60);
    act(argument);
    _exit(0);
  }
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  length = pread(2, text, size - 1, before);
  ck_assert_int_ge(length, 0);
  text[length] = '\0';
  return status;
}

/* Runs @act in a child, which must end by SIGABRT after exactly one line that
 * begins "tcm: " and holds @part. */
#define unit_must_abort(act, argument, part) \
  unit_must_abort_with_signal(#act, act, argument, part)

static HARNESS_UNUSED void
unit_must_abort_with_signal(const char *name, void (*act)(void *),
                            void *argument, const char *part)
{
  char text[2048];
  int status = unit_child(act, argument, text, sizeof text);

  ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT,
                "%s: no abort but status %#x; it wrote: %s", name,
                (unsigned)status, text);
  ck_assert_msg(strncmp(text, "tcm: ", 5) == 0, "%s wrote: %s", name, text);
  ck_assert_msg(strstr(text, part) != NULL, "%s: no \"%s\" in: %s", name, part,
                text);
  ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
}

/* tcm complains about variables with its prefix that name no option. */
static HARNESS_UNUSED void
unit_clear_environment(void)
{
  extern char **environ;
  char **variable = environ;
  char name[64];

  while (variable != NULL && *variable != NULL) {
    size_t length = strcspn(*variable, "=");
    if (strncmp(*variable, "TCM_", 4) != 0 || length >= sizeof name) {
      variable++;
      continue;
    }
    memcpy(name, *variable, length);
    name[length] = '\0';
    unsetenv(name);
  }
}

static HARNESS_UNUSED TCase *
unit_case(const char *name)
{
  TCase *tests = tcase_create(name);

  tcase_set_timeout(tests, 120);
  return tests;
}

/* tcm writes only to the file that standard error was at the very start: so the
 * program executes itself again with one that it can read.  UNIT_STDERR names
 * the descriptor of the real one. */
static HARNESS_UNUSED void
unit_collect_stderr(void)
{
  FILE *file = tmpfile();
  char number[16];

  REQUIRE(file != NULL);
  snprintf(number, sizeof number, "%d", dup(2));
  setenv("UNIT_STDERR", number, 1);
  REQUIRE(dup2(fileno(file), 2) == 2);
  execl("/proc/self/exe", "unit", (char *)NULL);
  REQUIRE(!"the program can be started again");
}

/* Copies the collected output to the real standard error. */
static HARNESS_UNUSED void
unit_show_stderr(void)
{
  int real = atoi(getenv("UNIT_STDERR"));
  char part[4096];
  off_t at = 0;
  ssize_t n;

  while ((n = pread(2, part, sizeof part, at)) > 0) {
    if (write(real, part, (size_t)n) != n)
      break;
    at += n;
  }
}

/* Runs the tests and returns what main() should. */
static HARNESS_UNUSED int
unit_run(TCase *tests)
{
  Suite *suite = suite_create("unit");
  SRunner *runner;
  int failed, run;

  if (getenv("UNIT_STDERR") == NULL)
    unit_collect_stderr();
  unit_clear_environment();
  /* For a test that is linked only with a part of the library without the
   * constructor. */
  tcmi_report_init();
  suite_add_tcase(suite, tests);
  runner = srunner_create(suite);
  srunner_set_fork_status(runner, CK_FORK);
  srunner_run_all(runner, CK_VERBOSE);
  failed = srunner_ntests_failed(runner);
  run = srunner_ntests_run(runner);
  srunner_free(runner);
  unit_show_stderr();
  return failed == 0 && run > 0 ? HARNESS_PASS : HARNESS_FAIL;
}

#endif /* TCM_TESTS_UNIT_UNIT_H */
