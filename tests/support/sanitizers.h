/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sanitizers.h - what the runtimes of the sanitizers find by name in a test: a
 * pointer that only a block of tcm holds is no leak, and a data race ends the
 * test that shows it.  A test may define TEST_TSAN_OPTIONS before.
 */
#ifndef TCM_TESTS_SUPPORT_SANITIZERS_H
#define TCM_TESTS_SUPPORT_SANITIZERS_H

#ifndef TEST_TSAN_OPTIONS
#define TEST_TSAN_OPTIONS "halt_on_error=1:die_after_fork=0"
#endif

/* Whether one of them watches; memory and time are another matter then. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TEST_SANITIZED 1
#endif
#endif
#ifndef TEST_SANITIZED
#define TEST_SANITIZED 0
#endif

__attribute__((visibility("default"))) const char *__asan_default_options(void);
__attribute__((visibility("default"))) const char *__tsan_default_options(void);

__attribute__((unused)) const char *
__asan_default_options(void)
{
  return "detect_leaks=0";
}

__attribute__((unused)) const char *
__tsan_default_options(void)
{
  return TEST_TSAN_OPTIONS;
}

#endif /* TCM_TESTS_SUPPORT_SANITIZERS_H */
