/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a live process through process_vm_readv(2) and /proc/PID/maps.  Opens
 * no file of the process, so the process may be in another mount namespace, and
 * its library may have been replaced or deleted.
 */
#include "shapes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* Pieces read by one call. */
#define PIECES_MAX 32
/* A larger mapping of a file is not the data segment of a library. */
#define MAPPING_MAX ((size_t)256 << 20)
#define CHUNK ((size_t)1 << 20)

int
target_read_pieces(const struct target *target, const struct piece *pieces,
                   size_t n)
{
  struct iovec local[PIECES_MAX], remote[PIECES_MAX];
  size_t total = 0;
  ssize_t got;

  if (n > PIECES_MAX)
    return -EINVAL;
  for (size_t i = 0; i < n; i++) {
    if (target->core != NULL) {
      int error =
          core_read(target->core, pieces[i].from, pieces[i].to, pieces[i].size);
      if (error != 0)
        return error;
    }
    local[i] = (struct iovec){pieces[i].to, pieces[i].size};
    remote[i] = (struct iovec){(void *)pieces[i].from, pieces[i].size};
    total += pieces[i].size;
  }
  if (target->core != NULL)
    return 0;
  got = process_vm_readv(target->pid, local, n, remote, n, 0);
  if (got < 0)
    return -errno;
  return (size_t)got == total ? 0 : -EFAULT;
}

int
target_read(const struct target *target, uintptr_t from, void *to, size_t size)
{
  struct piece piece = {from, to, size};

  return target_read_pieces(target, &piece, 1);
}

int
target_write(const struct target *target, uintptr_t to, const void *from,
             size_t size)
{
  struct iovec local = {(void *)(uintptr_t)from, size};
  struct iovec remote = {(void *)to, size};
  ssize_t put;

  if (target->core != NULL)
    return -EINVAL;
  put = process_vm_writev(target->pid, &local, 1, &remote, 1, 0);
  if (put < 0)
    return -errno;
  return (size_t)put == size ? 0 : -EFAULT;
}

/* ---- /proc -------------------------------------------------------------- */
/* The kernel's PF_EXITING: the task's memory is being freed or was freed. */
#define FLAG_EXITING 4

struct process_stat {
  char command[64]; /* printable */
  char state;
  bool exiting;
  uint64_t start_time;
};

static FILE *
open_proc(pid_t pid, const char *name)
{
  char path[64];

  snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
  return fopen(path, "re");
}

static void
make_printable(char *text)
{
  for (; *text != '\0'; text++)
    if ((unsigned char)*text < ' ' || *text == 127)
      *text = '?';
}

/* False if there is no such process. */
static bool
read_stat(pid_t pid, struct process_stat *stat)
{
  FILE *file = open_proc(pid, "stat");
  char text[1024], *first, *last, *next = NULL;
  size_t length = 0;

  if (file != NULL) {
    length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
  }
  text[length] = '\0';
  first = strchr(text, '(');
  last = strrchr(text, ')');
  if (first == NULL || last == NULL || strlen(last) < 3)
    return false;
  snprintf(stat->command, sizeof stat->command, "%.*s", (int)(last - first - 1),
           first + 1);
  make_printable(stat->command);
  stat->state = last[2];
  stat->start_time = 0;
  stat->exiting = false;
  /* The state is field 3, the flags are field 9, the start time field 22. */
  last = strtok_r(last + 2, " ", &next);
  for (int field = 3; last != NULL && field < 22; field++) {
    if (field == 9)
      stat->exiting = (strtoull(last, NULL, 10) & FLAG_EXITING) != 0;
    last = strtok_r(NULL, " ", &next);
  }
  if (last != NULL)
    stat->start_time = strtoull(last, NULL, 10);
  return true;
}

bool
target_is_same(const struct target *target)
{
  struct process_stat stat;

  return target->core != NULL ||
         (read_stat(target->pid, &stat) && stat.state != 'Z' &&
          stat.state != 'X' && !stat.exiting &&
          stat.start_time == target->start_time);
}

/* The first number of a line of a file under /proc, or @otherwise. */
static long
read_number(const char *path, const char *before, long otherwise)
{
  FILE *file = fopen(path, "re");
  size_t length = strlen(before);
  char line[256];
  long number = otherwise;

  while (file != NULL && fgets(line, sizeof line, file) != NULL)
    if (strncmp(line, before, length) == 0) {
      number = strtol(line + length, NULL, 10);
      break;
    }
  if (file != NULL)
    fclose(file);
  return number;
}

/* Reports why the kernel refused access, and which user has access. */
static void
complain_of_permission(pid_t pid)
{
  long scope = read_number("/proc/sys/kernel/yama/ptrace_scope", "", 0);
  char path[64];

  snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
  if (scope > 2)
    complain("no permission to read process %d: kernel.yama.ptrace_scope is "
             "%ld, which allows nobody to; it can change only at the next boot",
             (int)pid, scope);
  else if (geteuid() == 0)
    complain("no permission to read process %d, even as root: run "
             "tcm-stat outside of this container, or with CAP_SYS_PTRACE",
             (int)pid);
  else if (read_number(path, "Uid:", -1) != (long)geteuid())
    complain(
        "no permission to read process %d; only its owner and root may read it",
        (int)pid);
  else if (scope > 0)
    complain("no permission to read process %d: kernel.yama.ptrace_scope is "
             "%ld, which allows only root to; run tcm-stat as root, or set it "
             "to 0",
             (int)pid, scope);
  else
    complain("no permission to read process %d, although it is yours: it runs "
             "with more rights, or forbids it with prctl(2); run tcm-stat as "
             "root",
             (int)pid);
}

enum status
target_failed(const struct target *target, int error)
{
  struct stats_page page;

  if (target->core != NULL) {
    complain("%s: the core file lacks memory that is needed", target->argument);
    return STATUS_FAILED;
  }
  /* The kernel refuses to read a process that is exiting, too. */
  if (error == -ESRCH || !target_is_same(target)) {
    complain("process %d has ended", (int)target->pid);
    return STATUS_NO_PROCESS;
  }
  if (error == -EPERM || error == -EACCES) {
    complain_of_permission(target->pid);
    return STATUS_NO_PERMISSION;
  }
  if (error == -ENOSYS) {
    complain("this kernel has no process_vm_readv");
    return STATUS_FAILED;
  }
  if (error == -EFAULT &&
      (target_read(target, target->page.self, &page, sizeof page) != 0 ||
       !page_is_sound(&page, target->page.self))) {
    complain("process %d (%s) no longer runs tcm", (int)target->pid,
             target->command);
    return STATUS_NOT_TCM;
  }
  complain("process %d (%s) cannot be read: %s", (int)target->pid,
           target->command, strerror(-error));
  return STATUS_FAILED;
}

/* ---- The page ------------------------------------------------------------ */
bool
page_is_sound(const struct stats_page *page, uintptr_t address)
{
  return memcmp(page->magic, TCM_STATS_PAGE_MAGIC, sizeof page->magic) == 0 &&
         (page->version != TCM_STATS_PAGE_VERSION || page->self == address);
}

/* Reads the page at @address into the target; false if there is none. */
static bool
try_page(struct target *target, uintptr_t address)
{
  struct stats_page page;

  if (target_read(target, address, &page, sizeof page) != 0 ||
      !page_is_sound(&page, address))
    return false;
  page.library[sizeof page.library - 1] = '\0';
  /* A program may have tcm twice, linked and preloaded; only one is used. */
  if (target->page.self == 0 || (page.started && !target->page.started))
    target->page = page;
  if (target->page.self == 0)
    target->page.self = address;
  return true;
}

/* Searches one mapping; 0, or the negative errno of the first failed read. */
static int
search_mapping(struct target *target, uintptr_t start, uintptr_t end)
{
  char *chunk = malloc(CHUNK);
  int error = chunk == NULL ? -ENOMEM : 0;

  while (start < end && error == 0) {
    size_t size = end - start < CHUNK ? end - start : CHUNK;
    error = target_read(target, start, chunk, size);
    for (size_t at = 0; at < size && error == 0; at += PAGE_SIZE)
      if (memcmp(chunk + at, TCM_STATS_PAGE_MAGIC,
                 sizeof TCM_STATS_PAGE_MAGIC) == 0)
        (void)try_page(target, start + at);
    start += size;
  }
  free(chunk);
  return error;
}

/* The page is initialized data, so it is in a private writable mapping of a
 * file. */
static int
search_process(struct target *target)
{
  FILE *maps = open_proc(target->pid, "maps");
  unsigned long start, end, inode;
  char line[4096], modes[8];
  int error = 0, first;

  if (maps == NULL)
    return -errno;
  while (fgets(line, sizeof line, maps) != NULL) {
    if (sscanf(line, "%lx-%lx %7s %*x %*x:%*x %lu", &start, &end, modes,
               &inode) != 4 ||
        strncmp(modes, "rw-p", 4) != 0 || inode == 0 ||
        end - start > MAPPING_MAX)
      continue;
    first = search_mapping(target, start, end);
    /* A mapping that disappeared meanwhile is not an error. */
    if (first == -EPERM || first == -ESRCH || first == -ENOSYS)
      error = first;
  }
  if (ferror(maps) && error == 0)
    error = -EACCES;
  fclose(maps);
  return target->page.self != 0 ? 0 : error;
}

/* Reads a library with another layout through the description that it
 * publishes; complains if that is not possible. */
static enum status
check_version(struct target *target)
{
  const struct stats_page *page = &target->page;

  if (page->version != TCM_STATS_PAGE_VERSION)
    complain("%s runs another version of tcm, with page format %u; "
             "this tcm-stat reads format %d; use the tcm-stat of its package",
             target->argument, page->version, TCM_STATS_PAGE_VERSION);
  else if (!shapes_attach(target))
    complain("%s runs another version of tcm, %.15s; this tcm-stat, %s, "
             "cannot read it; use the tcm-stat of its package",
             target->argument, page->library, PACKAGE_VERSION);
  else
    return STATUS_OK;
  return STATUS_OTHER_VERSION;
}

bool
target_is_alike(const struct target *target, const char *command)
{
  if (target->shapes == NULL)
    return true;
  complain("%s runs another build of tcm, %.15s; this tcm-stat, %s, can read "
           "only its statistics; for %s use the tcm-stat of its package",
           target->argument, target->page.library, PACKAGE_VERSION, command);
  return false;
}

static enum status
open_process(struct target *target)
{
  struct process_stat stat;
  int error;

  if (target->pid <= 0 || !read_stat(target->pid, &stat)) {
    complain("there is no process %s; tcm-stat ps lists what runs tcm",
             target->argument);
    return STATUS_NO_PROCESS;
  }
  memcpy(target->command, stat.command, sizeof target->command);
  target->start_time = stat.start_time;
  if (stat.state == 'Z' || stat.state == 'X' || stat.exiting) {
    complain("process %s has ended", target->argument);
    return STATUS_NO_PROCESS;
  }
  error = search_process(target);
  if (error != 0)
    return target_failed(target, error);
  if (target->page.self != 0)
    return check_version(target);
  if (!target_is_same(target))
    return target_failed(target, -ESRCH);
  complain("process %s (%s) does not run tcm; tcm-run starts a program on it",
           target->argument, target->command);
  return STATUS_NOT_TCM;
}

static enum status
open_core(struct target *target)
{
  enum status status = STATUS_OK;
  uintptr_t at = 0;

  target->core = core_open(target->argument, &status);
  if (target->core == NULL)
    return status;
  core_command(target->core, target->command, sizeof target->command);
  make_printable(target->command);
  while ((at = core_find_page(target->core, at)) != 0)
    (void)try_page(target, at);
  if (target->page.self != 0)
    return check_version(target);
  complain("%s: the process of this core file did not run tcm",
           target->argument);
  return STATUS_NOT_TCM;
}

enum status
target_open(struct target *target, const char *argument)
{
  size_t digits = strspn(argument, "0123456789");
  enum status status;

  *target = (struct target){.argument = argument};
  if (digits > 0 && argument[digits] == '\0') {
    target->pid = digits < 10 ? (pid_t)strtol(argument, NULL, 10) : 0;
    status = open_process(target);
  } else {
    status = open_core(target);
  }
  if (status != STATUS_OK)
    target_close(target);
  return status;
}

void
target_close(struct target *target)
{
  if (target->core != NULL)
    core_close(target->core);
  target->core = NULL;
  shapes_detach(target);
}
