/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sanitizers.h - default options that the sanitizer runtimes look up in a test.
 * A pointer stored only in a block of tcm is not a leak, and a data race ends
 * the test.  A test may define the options of one runtime, or of both, before
 * it includes this file.
 */
#ifndef TCM_TESTS_SUPPORT_SANITIZERS_H
#define TCM_TESTS_SUPPORT_SANITIZERS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "base/compiler.h"

#ifndef TEST_TSAN_OPTIONS
#define TEST_TSAN_OPTIONS "halt_on_error=1:die_after_fork=0"
#endif
#ifndef TEST_SANITIZER_OPTIONS
#define TEST_SANITIZER_OPTIONS ""
#endif

EXPORT const char *__asan_default_options(void);
EXPORT const char *__tsan_default_options(void);

__attribute__((unused)) const char *
__asan_default_options(void)
{
  return "detect_leaks=0" TEST_SANITIZER_OPTIONS;
}

__attribute__((unused)) const char *
__tsan_default_options(void)
{
  return TEST_TSAN_OPTIONS TEST_SANITIZER_OPTIONS;
}

#endif /* TCM_TESTS_SUPPORT_SANITIZERS_H */
