/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * unit.h - what the unit tests share.  Each test_<module>.c is one program that
 * links the debug core, so that assertions, lock ranks and fault injection are
 * at hand, and keeps libc's malloc for itself.
 *
 * Check runs every test in a child of its own.  The parent never allocates from
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

#include "base/report.h"
#include "base/system.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNIT_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNIT_SANITIZED 1
#endif
#endif
#ifndef UNIT_SANITIZED
#define UNIT_SANITIZED 0
#endif

/* For loops: ck_assert() writes a record each time, also when all is well. */
#define must(condition)                            \
  do {                                             \
    if (!(condition))                              \
      ck_abort_msg("not true: %s", #condition);    \
  } while (0)

/* The same with the values that a loop has come to. */
#define must_for(condition, format, ...)                                     \
  do {                                                                       \
    if (!(condition))                                                        \
      ck_abort_msg("not true: %s (" format ")", #condition, __VA_ARGS__);    \
  } while (0)

/* Found by name in the runtime of the sanitizers: a pointer that only a block
 * of tcm holds is no leak, and a data race ends the test that shows it. */
const char *__asan_default_options(void);
const char *__tsan_default_options(void);

HARNESS_UNUSED const char *
__asan_default_options(void)
{
  return "detect_leaks=0";
}

HARNESS_UNUSED const char *
__tsan_default_options(void)
{
  return "halt_on_error=1:die_after_fork=0:report_signal_unsafe=0";
}

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

/* Lets every call of the kinds in @mask fail from the next one on. */
static HARNESS_UNUSED void
unit_fail_all(unsigned mask)
{
  (void)tcmi_system_fail(mask, 1, ~0u);
}

/* Ends the failures and tells how many calls failed. */
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

/* Runs @act in a child whose standard error is collected in @text; the result
 * is what waitpid() tells of it. */
static HARNESS_UNUSED int
unit_child(void (*act)(void *), void *argument, char *text, size_t size)
{
  size_t length = 0;
  int ends[2], status;
  pid_t child;
  ssize_t n;

  ck_assert_int_eq(pipe(ends), 0);
  fflush(stdout);
  child = fork();
  ck_assert_int_ge(child, 0);
  if (child == 0) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    alarm(60);
    dup2(ends[1], 2);
    close(ends[0]);
    close(ends[1]);
    tcmi_report_init();
    act(argument);
    _exit(0);
  }
  close(ends[1]);
  while (length < size - 1 &&
         (n = read(ends[0], text + length, size - 1 - length)) > 0)
    length += (size_t)n;
  text[length] = '\0';
  close(ends[0]);
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  return status;
}

/* Runs @act in a child, which must end by SIGABRT after exactly one line that
 * begins "tcm: " and holds @part. */
static HARNESS_UNUSED void
unit_must_abort(void (*act)(void *), void *argument, const char *part)
{
  char text[2048];
  int status = unit_child(act, argument, text, sizeof text);

  ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT,
                "no abort but status %#x; it wrote: %s", (unsigned)status,
                text);
  ck_assert_msg(strncmp(text, "tcm: ", 5) == 0, "it wrote: %s", text);
  ck_assert_msg(strstr(text, part) != NULL, "no \"%s\" in: %s", part, text);
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

/* Runs the tests and returns what main() should. */
static HARNESS_UNUSED int
unit_run(TCase *tests)
{
  Suite *suite = suite_create("unit");
  SRunner *runner;
  int failed, run;

  unit_clear_environment();
  suite_add_tcase(suite, tests);
  runner = srunner_create(suite);
  srunner_set_fork_status(runner, CK_FORK);
  srunner_run_all(runner, CK_VERBOSE);
  failed = srunner_ntests_failed(runner);
  run = srunner_ntests_run(runner);
  srunner_free(runner);
  return failed == 0 && run > 0 ? HARNESS_PASS : HARNESS_FAIL;
}

#endif /* TCM_TESTS_UNIT_UNIT_H */
