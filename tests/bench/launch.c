/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * launch.c - starts a program and reports its cost.
 *
 *     launch [--no-huge-pages] REPORT TIMES PRELOAD PROGRAM [ARGUMENT...]
 *
 * Runs PROGRAM TIMES times, one after another, with LD_PRELOAD set to PRELOAD
 * ("-" for none).  Writes one line with the sums and the largest resident size
 * to the file REPORT.  The exit status is that of the first run that failed,
 * or 0.
 *
 * Rejected: starting programs from the script.  ru_maxrss of a process begins
 * with the resident size before exec, so any program that a large interpreter
 * starts seems to be as large.  The child of fork() below holds only a copy of
 * this small program's written pages, fewer than any program needs to start.
 * Still, the kernel's high-water mark may lag by hundreds of KiB.  Programs
 * that need exact figures read them from inside, as the workloads and the
 * trivial program do.
 */
#define _GNU_SOURCE 1
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct cost {
  double seconds;      /* wall time from fork to the end */
  double user, system; /* CPU seconds, waited-for children included */
  long rss_kib;        /* the largest of all processes */
  long minor_faults, major_faults;
  long waits, preemptions; /* voluntary and involuntary context switches */
};

static void
fail(const char *what)
{
  perror(what);
  exit(127);
}

static double
now_seconds(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double
seconds_of(struct timeval time)
{
  return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void
child_main(const char *preload, char **command)
{
  if (strcmp(preload, "-") != 0 && setenv("LD_PRELOAD", preload, 1) != 0)
    _exit(127);
  execvp(command[0], command);
  perror(command[0]);
  _exit(127);
}

/* Adds one run to *cost; returns its exit status, 128 + N for signal N. */
static int
run_once(struct cost *cost, const char *preload, char **command)
{
  struct rusage usage;
  int status;
  double start = now_seconds();
  pid_t pid = fork();
  if (pid < 0)
    fail("fork");
  if (pid == 0)
    child_main(preload, command);
  if (wait4(pid, &status, 0, &usage) != pid)
    fail("wait4");
  cost->seconds += now_seconds() - start;
  cost->user += seconds_of(usage.ru_utime);
  cost->system += seconds_of(usage.ru_stime);
  cost->minor_faults += usage.ru_minflt;
  cost->major_faults += usage.ru_majflt;
  cost->waits += usage.ru_nvcsw;
  cost->preemptions += usage.ru_nivcsw;
  if (cost->rss_kib < usage.ru_maxrss)
    cost->rss_kib = usage.ru_maxrss;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int
main(int argc, char **argv)
{
  struct cost cost = {0};
  long times;
  int status = 0;
  FILE *report;
  /* The programs that this one executes inherit the setting. */
  if (argc > 1 && strcmp(argv[1], "--no-huge-pages") == 0) {
    if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) != 0)
      fail("PR_SET_THP_DISABLE");
    argc--;
    argv++;
  }
  if (argc < 5) {
    fprintf(stderr, "usage: launch [--no-huge-pages] REPORT TIMES PRELOAD "
                    "PROGRAM [ARG...]\n");
    return 127;
  }
  times = strtol(argv[2], NULL, 10);
  for (long i = 0; i < times && status == 0; i++)
    status = run_once(&cost, argv[3], argv + 4);
  report = fopen(argv[1], "w");
  if (report == NULL)
    fail(argv[1]);
  fprintf(report,
          "seconds=%.9f user=%.6f system=%.6f rss_kib=%ld "
          "minor_faults=%ld major_faults=%ld waits=%ld preemptions=%ld\n",
          cost.seconds, cost.user, cost.system, cost.rss_kib, cost.minor_faults,
          cost.major_faults, cost.waits, cost.preemptions);
  return fclose(report) == 0 ? status : 127;
}
