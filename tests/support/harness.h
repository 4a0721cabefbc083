/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * harness.h - a harness for test programs that must not allocate by itself.
 *
 * A program lists its cases and passes them to harness_main():
 *
 *     program              runs every case in turn
 *     program CASE...      runs those cases
 *     program --list       names the cases
 *
 * It exits with 0 if all passed, 1 if one failed, 77 if all were skipped and
 * 99 if the test itself could not be set up.  The harness uses no heap memory
 * and no stdio, so that every allocation belongs to the case.  It works in C
 * and C++, in static programs and under an emulator.
 *
 * Environment variables (none begins with TCM_, since tcm would report it as an
 * unknown option):
 *
 *   TEST_ALLOCATOR  "tcm" or "tcm-debug": malloc must be tcm's, or the program
 *                   exits with 99; other values require nothing
 *   TEST_PROOF      part of the name of a library that must be loaded, for
 *                   allocators that cannot identify themselves
 *   TEST_LONG       set: runs the long form of the test
 *   TEST_SEED       seed of harness_random(), printed at start
 *   TEST_TIMEOUT    seconds after which SIGALRM ends the program; 0: never
 *
 * A file that defines TEST_DIRECT before it includes this one is linked with
 * the tcm_* names and calls them directly; any other file looks them up at run
 * time.
 */
#ifndef TCM_TESTS_SUPPORT_HARNESS_H
#define TCM_TESTS_SUPPORT_HARNESS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>
#ifdef TEST_DIRECT
#include "tcm.h"
#else
#include <dlfcn.h>
#include <link.h>
#endif

/* Exit statuses of automake's test driver. */
#define HARNESS_PASS 0
#define HARNESS_FAIL 1
#define HARNESS_SKIP 77
#define HARNESS_ERROR 99

struct harness_case {
  const char *name;
  void (*run)(void);
};

struct harness_state {
  int failures;        /* [atomic: relaxed] of the running case */
  const char *skipped; /* [owner thread] why the case did not run, or NULL */
  uint64_t seed;       /* [const] */
};

static struct harness_state harness;

#define HARNESS_UNUSED __attribute__((unused))
#define HARNESS_PRINTF(m, n) __attribute__((format(printf, m, n)))

/* Writes one line of at most 500 bytes in one call; never allocates. */
static void harness_say(const char *format, ...) HARNESS_PRINTF(1, 2);

static void
harness_say(const char *format, ...)
{
  char line[512];
  va_list arguments;
  int saved_errno = errno;
  int length;

  va_start(arguments, format);
  length = vsnprintf(line, sizeof line - 1, format, arguments);
  va_end(arguments);
  if (length > (int)sizeof line - 2)
    length = (int)sizeof line - 2;
  line[length++] = '\n';
  if (write(STDOUT_FILENO, line, (size_t)length) < 0)
    _exit(HARNESS_ERROR);
  errno = saved_errno;
}

/* Counts a failure of the running case; only the first ones are printed. */
static void harness_fail(const char *file, int line, const char *condition,
                         const char *format, ...) HARNESS_PRINTF(4, 5);

static HARNESS_UNUSED void
harness_fail(const char *file, int line, const char *condition,
             const char *format, ...)
{
  char detail[256];
  va_list arguments;

  if (__atomic_add_fetch(&harness.failures, 1, __ATOMIC_RELAXED) > 20)
    return;
  va_start(arguments, format);
  vsnprintf(detail, sizeof detail, format, arguments);
  va_end(arguments);
  harness_say("  %s:%d: not true: %s%s%s", file, line, condition,
              detail[0] != '\0' ? ": " : "", detail);
}

/* Continues after a failure, so that one run reports all failures. */
#define EXPECT(condition) \
  ((condition) ? (void)0  \
               : harness_fail(__FILE__, __LINE__, #condition, "%s", ""))

/* The same with a printf format and values, which identify the
 * iteration of a loop. */
#define EXPECT_FOR(condition, ...) \
  ((condition) ? (void)0           \
               : harness_fail(__FILE__, __LINE__, #condition, __VA_ARGS__))

/* For preconditions of the test. */
#define REQUIRE(condition)                                                \
  ((condition) ? (void)0                                                  \
               : (harness_say("  %s:%d: cannot go on: %s (%s)", __FILE__, \
                              __LINE__, #condition, strerror(errno)),     \
                  _exit(HARNESS_ERROR)))

/* Marks the running case as skipped; the case then returns. */
static HARNESS_UNUSED void
harness_skip(const char *reason)
{
  harness.skipped = reason;
}

static HARNESS_UNUSED int
harness_is_long(void)
{
  return getenv("TEST_LONG") != NULL;
}

/* @quick in an ordinary run, @thorough in a long one. */
static HARNESS_UNUSED long
harness_count(long quick, long thorough)
{
  return harness_is_long() ? thorough : quick;
}

/* Whether tcm's blocks have red zones.  These take as much memory as small
 * blocks do, and some freed blocks may be kept back. */
static HARNESS_UNUSED int
harness_is_guarded(void)
{
  const char *level = getenv("TCM_CHECK");

  return level != NULL && atoi(level) >= 2;
}

/* The splitmix64 sequence that starts at *@state. */
static HARNESS_UNUSED uint64_t
harness_random(uint64_t *state)
{
  uint64_t x = *state += 0x9e3779b97f4a7c15u;

  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

/* A value that is opaque to the compiler.  So it neither removes an allocation
 * nor warns about a size that is wrong on purpose. */
static HARNESS_UNUSED size_t
harness_size(size_t size)
{
  __asm__ volatile("" : "+r"(size));
  return size;
}

static HARNESS_UNUSED void *
harness_pointer(void *pointer)
{
  __asm__ volatile("" : "+r"(pointer) : : "memory");
  return pointer;
}

#ifdef TEST_DIRECT
static int
harness_owns(const void *pointer)
{
  return tcm_owns(pointer);
}

static int
harness_loaded(const char *part)
{
  (void)part;
  return 0;
}

static void
harness_walk_heap(void)
{
}
#else
/* 1 if tcm owns the pointer; 0 if it does not, or is not loaded. */
static int
harness_owns(const void *pointer)
{
  int (*owns)(const void *);
  void *symbol = dlsym(RTLD_DEFAULT, "tcm_owns");

  memcpy(&owns, &symbol, sizeof owns);
  return symbol != NULL && owns(pointer);
}

static int
harness_loaded_step(struct dl_phdr_info *info, size_t size, void *part)
{
  (void)size;
  return info->dlpi_name != NULL &&
         strstr(info->dlpi_name, (const char *)part) != NULL;
}

static int
harness_loaded(const char *part)
{
  return dl_iterate_phdr(harness_loaded_step, (void *)part);
}

/* The debug library checks its whole heap; a broken invariant aborts. */
static void
harness_walk_heap(void)
{
  void (*walk)(void);
  void *symbol = dlsym(RTLD_DEFAULT, "tcmi_heap_check");

  memcpy(&walk, &symbol, sizeof walk);
  if (symbol != NULL)
    walk();
}
#endif

/* Whether TEST_ALLOCATOR is @name. */
static int
harness_is(const char *name)
{
  const char *allocator = getenv("TEST_ALLOCATOR");

  return allocator != NULL && strcmp(allocator, name) == 0;
}

/* Compares whole names: "tcmalloc" is another allocator. */
static int
harness_expects_tcm(void)
{
  return harness_is("tcm") || harness_is("tcm-debug");
}

/* Ends the program if the allocator under test does not serve it: a preload
 * that silently failed must never count as a pass. */
static void
harness_prove_allocator(void)
{
  const char *proof = getenv("TEST_PROOF");
  void *block;

  if (proof != NULL && !harness_loaded(proof)) {
    harness_say("no library like %s is loaded", proof);
    _exit(HARNESS_ERROR);
  }
  if (!harness_expects_tcm())
    return;
  block = malloc(harness_size(100));
  if (block == NULL || !harness_owns(block)) {
    harness_say("malloc is not tcm's");
    _exit(HARNESS_ERROR);
  }
  free(block);
}

static int
harness_is_wanted(int argc, char **argv, const char *name)
{
  int i;

  if (argc < 2)
    return 1;
  for (i = 1; i < argc; i++)
    if (strcmp(argv[i], name) == 0)
      return 1;
  return 0;
}

static void
harness_start(void)
{
  const char *seed = getenv("TEST_SEED");
  const char *timeout = getenv("TEST_TIMEOUT");

  harness.seed = seed != NULL ? strtoull(seed, NULL, 0) : 20240229;
  alarm(timeout != NULL ? (unsigned)atoi(timeout)
                        : (unsigned)harness_count(120, 3600));
  harness_prove_allocator();
  harness_say("seed %llu", (unsigned long long)harness.seed);
}

static HARNESS_UNUSED int
harness_main(int argc, char **argv, const struct harness_case *cases,
             size_t count)
{
  size_t failed = 0, skipped = 0, ran = 0, i;
  int list = argc == 2 && strcmp(argv[1], "--list") == 0;

  if (!list)
    harness_start();
  for (i = 0; i < count; i++) {
    if (list)
      harness_say("%s", cases[i].name);
    if (list || !harness_is_wanted(argc, argv, cases[i].name))
      continue;
    harness.failures = 0;
    harness.skipped = NULL;
    ran++;
    cases[i].run();
    harness_walk_heap();
    failed += harness.failures != 0;
    skipped += harness.failures == 0 && harness.skipped != NULL;
    harness_say("%s %s%s%s",
                harness.failures != 0     ? "FAIL"
                : harness.skipped != NULL ? "skip"
                                          : "pass",
                cases[i].name, harness.skipped != NULL ? ": " : "",
                harness.skipped != NULL ? harness.skipped : "");
  }
  if (list)
    return HARNESS_PASS;
  if (ran == 0)
    return HARNESS_ERROR;
  return failed != 0      ? HARNESS_FAIL
         : skipped == ran ? HARNESS_SKIP
                          : HARNESS_PASS;
}

#define HARNESS_MAIN(cases)                                               \
  int main(int argc, char **argv)                                         \
  {                                                                       \
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases); \
  }

#endif /* TCM_TESTS_SUPPORT_HARNESS_H */
