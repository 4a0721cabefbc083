/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * witness_exit.c - reports, at the end of a process, whether tcm served it.
 *
 * Preloaded after libtcm into every process of a job.  It appends lines to
 * the file that WITNESS_FILE names: when a program image starts, in a
 * child after fork(), and when a process ends:
 *
 *     start PID MAPPED COUNT EXE
 *     fork PID MAPPED COUNT EXE
 *     exit PID MAPPED COUNT BASE PEAK WALKED EXE
 *
 *     MAPPED  1 if libtcm (or its debug build) is in the address space
 *     COUNT   the counter slow_mallocs of the stats page, 0 without one
 *     BASE    what COUNT was when this process was forked, 0 after an exec
 *     PEAK    the largest resident set of this image in KiB, from the kernel
 *     WALKED  1 if every invariant of the heap was checked just before: with
 *             the debug library, in a process that ends through exit()
 *     EXE     the path of the program, last because it may hold a space
 *
 * A process may end through exit(), through _exit() as the children of a
 * threaded program do, or through quick_exit(); all three are covered.  A
 * process that is killed, or replaced by exec, leaves no exit line.  A fork
 * line without any later line of its process shows that the process was killed
 * or executed a program without the witness.
 *
 * Nothing here allocates, takes a lock or calls stdio: it runs inside the
 * program under test, sometimes between vfork and exec, and must not disturb
 * the heap that it reports on.  dl_iterate_phdr() was rejected because it takes
 * the loader's lock.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "observe/stats_page.h"

/* Every page size that Linux knows is a multiple of this one. */
#define SMALLEST_PAGE_BYTES 4096
#define READ_BYTES 2048
#define LINE_BYTES (PATH_MAX + 128)

static char witness_path[PATH_MAX]; /* empty: nothing is written */
static const struct stats_page *stats_page;
static int tcm_mapped;
static uint64_t count_at_fork;
static pid_t told_pid; /* the process that wrote its exit line */
static int walked;     /* the heap was walked at the end of this process */

/* The debug library's walk of the whole heap; absent from the others. */
void tcmi_heap_check(void) __attribute__((weak));

/* Reads a file piece by piece and returns its lines. */
struct line_reader {
  int fd;
  size_t used, filled;
  char piece[READ_BYTES];
};

static int
open_raw(const char *path, int flags)
{
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0);
}

/* Puts the next line, cut to @size, into @line; 0 at the end of the file. */
static int
next_line(struct line_reader *reader, char *line, size_t size)
{
  size_t length = 0;

  for (;;) {
    if (reader->used == reader->filled) {
      long got = syscall(SYS_read, reader->fd, reader->piece, READ_BYTES);

      if (got <= 0)
        break;
      reader->filled = (size_t)got;
      reader->used = 0;
    }
    char c = reader->piece[reader->used++];

    if (c == '\n') {
      line[length] = '\0';
      return 1;
    }
    if (length + 1 < size)
      line[length++] = c;
  }
  line[length] = '\0';
  return length > 0;
}

static const char *
parse_hex(const char *text, uintptr_t *value)
{
  *value = 0;
  for (;; text++) {
    unsigned char c = (unsigned char)*text;

    if (c >= '0' && c <= '9')
      *value = *value * 16 + (c - '0');
    else if (c >= 'a' && c <= 'f')
      *value = *value * 16 + (c - 'a') + 10;
    else
      return text;
  }
}

static int
is_tcm(const char *path)
{
  static const char release[] = "libtcm.so";
  static const char debug[] = "libtcm-debug.so";
  const char *slash = strrchr(path, '/');
  const char *name = slash != NULL ? slash + 1 : path;

  return strncmp(name, release, sizeof release - 1) == 0 ||
         strncmp(name, debug, sizeof debug - 1) == 0;
}

/* One line of the address space: is it libtcm's, and does it hold the page? */
static void
consider_mapping(const char *line)
{
  uintptr_t start, end;
  const char *rest = parse_hex(line, &start);
  const char *path = strchr(line, '/');

  if (path == NULL || *rest != '-' || !is_tcm(path))
    return;
  tcm_mapped = 1;
  rest = parse_hex(rest + 1, &end);
  if (strncmp(rest, " rw", 3) != 0)
    return;
  for (; start < end; start += SMALLEST_PAGE_BYTES) {
    const struct stats_page *page = (const struct stats_page *)start;

    if (memcmp(page->magic, TCM_STATS_PAGE_MAGIC, sizeof page->magic) == 0) {
      stats_page = page;
      return;
    }
  }
}

static void
find_stats_page(void)
{
  struct line_reader reader = {.fd = open_raw("/proc/self/maps", O_RDONLY)};
  char line[LINE_BYTES];

  if (reader.fd < 0)
    return;
  while (stats_page == NULL && next_line(&reader, line, sizeof line))
    consider_mapping(line);
  syscall(SYS_close, reader.fd);
}

static uint64_t
served_count(void)
{
  if (stats_page == NULL)
    return 0;
  return __atomic_load_n(&stats_page->slow_mallocs, __ATOMIC_RELAXED);
}

static uint64_t
peak_kib(void)
{
  static const char key[] = "VmHWM:";
  struct line_reader reader = {.fd = open_raw("/proc/self/status", O_RDONLY)};
  char line[128];
  uint64_t value = 0;

  if (reader.fd < 0)
    return 0;
  while (next_line(&reader, line, sizeof line)) {
    if (strncmp(line, key, sizeof key - 1) != 0)
      continue;
    for (const char *c = line + sizeof key - 1; *c != '\0'; c++)
      if (*c >= '0' && *c <= '9')
        value = value * 10 + (uint64_t)(*c - '0');
    break;
  }
  syscall(SYS_close, reader.fd);
  return value;
}

static size_t
put_text(char *line, size_t at, const char *text)
{
  while (*text != '\0' && at + 2 < LINE_BYTES)
    line[at++] = *text++;
  return at;
}

static size_t
put_number(char *line, size_t at, uint64_t value)
{
  char digits[24];
  size_t count = sizeof digits - 1;

  digits[count] = '\0';
  do {
    digits[--count] = (char)('0' + value % 10);
    value /= 10;
  } while (value > 0);
  at = put_text(line, at, digits + count);
  return put_text(line, at, " ");
}

static size_t
put_program(char *line, size_t at)
{
  long got = syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", line + at,
                     LINE_BYTES - at - 2);

  if (got <= 0)
    return put_text(line, at, "?");
  return at + (size_t)got;
}

/* One write to a file opened for appending: lines of two processes never
 * mix. */
static void
append_line(char *line, size_t length)
{
  int fd = open_raw(witness_path, O_WRONLY | O_APPEND);

  if (fd < 0)
    return;
  line[length++] = '\n';
  syscall(SYS_write, fd, line, length);
  syscall(SYS_close, fd);
}

static void
report_start(const char *event)
{
  char line[LINE_BYTES];
  size_t at = put_text(line, 0, event);

  at = put_number(line, at, (uint64_t)getpid());
  at = put_number(line, at, (uint64_t)tcm_mapped);
  at = put_number(line, at, served_count());
  append_line(line, put_program(line, at));
}

static void
report_end(void)
{
  char line[LINE_BYTES];
  int saved_errno = errno;
  size_t at;

  /* A child of vfork shares this memory; it must not silence its parent. */
  if (witness_path[0] == '\0' || told_pid == getpid())
    return;
  told_pid = getpid();
  at = put_text(line, 0, "exit ");
  at = put_number(line, at, (uint64_t)told_pid);
  at = put_number(line, at, (uint64_t)tcm_mapped);
  at = put_number(line, at, served_count());
  at = put_number(line, at, count_at_fork);
  at = put_number(line, at, peak_kib());
  at = put_number(line, at, (uint64_t)walked);
  append_line(line, put_program(line, at));
  errno = saved_errno;
}

static void
after_fork_in_child(void)
{
  int saved_errno = errno;

  count_at_fork = served_count();
  report_start("fork ");
  errno = saved_errno;
}

__attribute__((constructor)) static void
witness_start(void)
{
  const char *path = secure_getenv("WITNESS_FILE");

  if (path == NULL || strlen(path) >= sizeof witness_path)
    return;
  /* A program may overwrite its environment to set its title. */
  strcpy(witness_path, path);
  find_stats_page();
  /* Both registrations fit the slots that libc keeps for the first few. */
  pthread_atfork(NULL, NULL, after_fork_in_child);
  at_quick_exit(report_end);
  report_start("start ");
}

/* The walk takes locks: that is allowed in exit(), but not in a signal handler
 * that calls _exit().  A broken invariant aborts the process. */
__attribute__((destructor)) static void
witness_end(void)
{
  if (tcmi_heap_check != NULL) {
    tcmi_heap_check();
    walked = 1;
  }
  report_end();
}

static _Noreturn void
leave(int status)
{
  report_end();
  for (;;)
    syscall(SYS_exit_group, status);
}

void
_exit(int status)
{
  leave(status);
}

void
_Exit(int status)
{
  leave(status);
}
