/* SPDX-License-Identifier: BSD-2-Clause */
/* fork() against stdio.  One thread holds the lock of a FILE while it waits for
 * the allocator, another walks the list of all FILEs, and fork takes these
 * locks too.  If fork held the allocator's locks while it waits for stdio's, it
 * would deadlock. */
#include "../support/child.h"
#include "../support/memory.h"

#include <pthread.h>

enum { READERS = 3 };
static int stop;    /* [atomic: relaxed] */
static long rounds; /* [atomic: relaxed] */

static int
is_stopped(void)
{
  __atomic_add_fetch(&rounds, 1, __ATOMIC_RELAXED);
  return __atomic_load_n(&stop, __ATOMIC_RELAXED);
}

/* getline() allocates its buffer while it holds the lock of the FILE. */
static void *
read_lines(void *unused)
{
  static const char text[] = "one line\nanother, longer line\n";

  (void)unused;
  while (!is_stopped()) {
    FILE *file = fmemopen((void *)(uintptr_t)text, sizeof text - 1, "r");
    char *line = NULL;
    size_t size = 0;
    REQUIRE(file != NULL);
    while (getline(&line, &size, file) >= 0) {
      free(line);
      line = NULL;
      size = 0;
    }
    free(line);
    fclose(file);
  }
  return NULL;
}

/* Keeps one FILE open, so that the walk of the list waits for its lock. */
static void *
read_one_file(void *path)
{
  FILE *file = fopen((const char *)path, "r");

  REQUIRE(file != NULL);
  while (!is_stopped()) {
    char *line = NULL;
    size_t size = 0;
    rewind(file);
    while (getline(&line, &size, file) >= 0) {
      free(line);
      line = NULL;
      size = 0;
    }
    free(line);
  }
  fclose(file);
  return NULL;
}

static void *
flush_all(void *unused)
{
  (void)unused;
  while (!is_stopped())
    fflush(NULL);
  return NULL;
}

static void *
open_and_close(void *path)
{
  while (!is_stopped()) {
    FILE *file = fopen((const char *)path, "r");
    REQUIRE(file != NULL);
    free(malloc(5000));
    fclose(file);
  }
  return NULL;
}

static void
use_stdio_in_child(char *path)
{
  FILE *file = fopen(path, "r");
  char *line = NULL;
  size_t size = 0;

  CHILD_EXPECT(file != NULL);
  CHILD_EXPECT(getline(&line, &size, file) > 0);
  free(line);
  fclose(file);
  fflush(NULL);
  free(malloc(100000));
}

static void
fork_against_stdio(void)
{
  static char path[] = "/tmp/tcm-test-fork-stdio-XXXXXX";
  pthread_t thread[READERS + 3];
  long forks = harness_count(400, 10000), i, bad = 0;
  int fd = mkstemp(path), n = 0;

  REQUIRE(fd >= 0 && write(fd, "first\nsecond\n", 13) == 13);
  close(fd);
  for (i = 0; i < READERS; i++)
    REQUIRE(pthread_create(&thread[n++], NULL, read_lines, NULL) == 0);
  REQUIRE(pthread_create(&thread[n++], NULL, read_one_file, path) == 0);
  REQUIRE(pthread_create(&thread[n++], NULL, flush_all, NULL) == 0);
  REQUIRE(pthread_create(&thread[n++], NULL, open_and_close, path) == 0);
  for (i = 0; i < forks && bad < 5; i++) {
    pid_t child = child_fork();
    if (child == 0) {
      use_stdio_in_child(path);
      _exit(0);
    }
    bad += !child_succeeded(child);
  }
  __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
  while (n > 0)
    pthread_join(thread[--n], NULL);
  unlink(path);
  EXPECT_FOR(bad == 0, "%ld of %ld children", bad, i);
  EXPECT(rounds > 0);
  harness_say("  %ld forks", i);
}

static const struct harness_case cases[] = {
    {"fork-against-stdio", fork_against_stdio},
};

HARNESS_MAIN(cases)
