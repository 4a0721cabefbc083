/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reports at difficult moments: in a signal handler that interrupts malloc, and
 * after descriptor 2 became another file.  Also the reports at exit and on a
 * signal.
 */
#include "../support/child.h"

#include <malloc.h>
#include <pthread.h>
#include <sys/time.h>

#include "tcm.h"

enum { BLOCKS = 512, INTERRUPTIONS = 300 };

static int null_descriptor;
static volatile sig_atomic_t interruptions;

/* The functions of tcm.h exist only in a process that runs on tcm. */
static int (*stats)(struct tcm_stats *stats, size_t size);
static int (*print)(int fd, enum tcm_stats_format format);

static void
report(int signal)
{
  struct tcm_stats s;
  int saved = errno;

  (void)signal;
  if (stats(&s, sizeof s) != 0 ||
      s.in_use_bytes + s.thread_cache_bytes + s.transfer_cache_bytes +
              s.central_list_bytes + s.page_heap_bytes + s.returned_bytes +
              s.metadata_bytes !=
          s.mapped_bytes)
    _exit(HARNESS_ERROR);
  print(null_descriptor, TCM_STATS_JSON);
  interruptions++;
  errno = saved;
}

/* Allocations sometimes take a slow path, and the timer interrupts some of
 * these. */
static void *
churn(void *seed)
{
  void *own[BLOCKS] = {NULL};
  uint64_t state = (uintptr_t)seed;

  while (interruptions < INTERRUPTIONS) {
    size_t i;
    state = state * 6364136223846793005u + 1442695040888963407u;
    i = (state >> 33) % BLOCKS;
    free(own[i]);
    own[i] = malloc((size_t)(state >> 45) % 20000);
  }
  for (size_t i = 0; i < BLOCKS; i++)
    free(own[i]);
  return NULL;
}

static void
in_a_signal_handler(void)
{
  struct sigaction action = {.sa_handler = report, .sa_flags = SA_RESTART};
  struct itimerval timer = {{0, 997}, {0, 997}};
  pthread_t thread;

  null_descriptor = open("/dev/null", O_WRONLY | O_CLOEXEC);
  REQUIRE(null_descriptor >= 0);
  REQUIRE(sigaction(SIGPROF, &action, NULL) == 0);
  REQUIRE(pthread_create(&thread, NULL, churn, (void *)2) == 0);
  REQUIRE(setitimer(ITIMER_PROF, &timer, NULL) == 0);
  churn((void *)1);
  timer.it_value.tv_usec = 0;
  setitimer(ITIMER_PROF, &timer, NULL);
  pthread_join(thread, NULL);
  EXPECT(interruptions >= INTERRUPTIONS);
}

/* Copies to @text what the child @what writes to the file that its descriptor 2
 * is at the start. */
static void
output_of(const char *what, char *text, size_t size)
{
  const char *arguments[] = {"report", "child", what, NULL};

  setenv("TCM_STATS_AT_EXIT", strcmp(what, "exit") == 0 ? "1" : "0", 1);
  setenv("TCM_STATS_SIGNAL", strcmp(what, "signal") == 0 ? "12" : "0", 1);
  EXPECT_FOR(child_again_output(arguments, text, size), "%s", what);
}

static void
follows_descriptor_2(void)
{
  static char text[1 << 16];

  output_of("plain", text, sizeof text);
  EXPECT_FOR(strstr(text, "in use by application") != NULL, "%s", text);
  output_of("other-file", text, sizeof text);
  EXPECT_FOR(text[0] == '\0', "%s", text);
}

static void
at_exit_and_on_a_signal(void)
{
  static char text[1 << 16];

  output_of("exit", text, sizeof text);
  EXPECT_FOR(strstr(text, "in use by application") != NULL, "%s", text);
  output_of("signal", text, sizeof text);
  EXPECT_FOR(strstr(text, "in use by application") != NULL, "%s", text);
}

static void
formats(void)
{
  int bad = open("/dev/null", O_WRONLY | O_CLOEXEC);

  REQUIRE(bad >= 0);
  EXPECT(print(bad, TCM_STATS_TEXT) == 0);
  EXPECT(print(bad, TCM_STATS_JSON) == 0);
  EXPECT(print(bad, TCM_STATS_XML) == 0);
  errno = 0;
  EXPECT(print(bad, (enum tcm_stats_format)3) == -1 && errno == EINVAL);
  close(bad);
}

/* malloc_stats() writes to descriptor 2, whatever file that is now. */
static int
report_into_another_file(void)
{
  static char text[1 << 16];
  FILE *other = tmpfile();

  REQUIRE(other != NULL);
  REQUIRE(dup2(fileno(other), STDERR_FILENO) == STDERR_FILENO);
  malloc_stats();
  REQUIRE(pread(fileno(other), text, sizeof text - 1, 0) > 0);
  return strstr(text, "in use by application") != NULL ? HARNESS_PASS
                                                       : HARNESS_FAIL;
}

/* Not a test itself: the child, which reports in one way. */
static int
be_child(const char *what)
{
  free(malloc(harness_size(1000)));
  if (strcmp(what, "plain") == 0)
    malloc_stats();
  if (strcmp(what, "other-file") == 0)
    return report_into_another_file();
  if (strcmp(what, "exit") == 0)
    close(STDERR_FILENO);
  if (strcmp(what, "signal") == 0)
    raise(12);
  return 0;
}

static const struct harness_case cases[] = {
    {"in-a-signal-handler", in_a_signal_handler},
    {"follows-descriptor-2", follows_descriptor_2},
    {"at-exit-and-on-a-signal", at_exit_and_on_a_signal},
    {"formats", formats},
};

int
main(int argc, char **argv)
{
  *(void **)&stats = dlsym(RTLD_DEFAULT, "tcm_stats");
  *(void **)&print = dlsym(RTLD_DEFAULT, "tcm_stats_print");
  if (stats == NULL || print == NULL) {
    puts("skip: this process does not run on tcm");
    return HARNESS_SKIP;
  }
  if (argc == 3 && strcmp(argv[1], "child") == 0)
    return be_child(argv[2]);
  return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
