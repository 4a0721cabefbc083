/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds the memory of the process outside of tcm, from the kernel's list of
 * mappings, and the limits of the process.
 *
 * The kernel merges adjacent mappings, so one mapping may hold memory of both
 * tcm and the program.  The resident bytes of the heap are subtracted from the
 * sum of anonymous memory.
 */
#include "survey.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Maximum number of threads whose stacks are found. */
#define STACKS_MAX 4096

const char *const outside_names[OUTSIDE_KINDS] = {
    "mappings of the program's own", "stacks of threads",
    "files, code and libraries", "shared memory"};

static FILE *
open_proc(const struct target *target, const char *name)
{
  char path[128];

  snprintf(path, sizeof path, "/proc/%d/%.100s", (int)target->pid, name);
  return fopen(path, "re");
}

/* ---- Stacks -------------------------------------------------------------- */

/* The kernel labels only the stack of the main thread.  For the others, it
 * reports the stack pointer of a thread that waits in a system call. */
static size_t
stacks_read(const struct target *target, uintptr_t *stacks)
{
  char path[128], text[256];
  struct dirent *entry;
  size_t n = 0;
  DIR *tasks;

  snprintf(path, sizeof path, "/proc/%d/task", (int)target->pid);
  tasks = opendir(path);
  while (tasks != NULL && n < STACKS_MAX && (entry = readdir(tasks)) != NULL) {
    FILE *file;
    char *word;
    if (!isdigit((unsigned char)entry->d_name[0]))
      continue;
    snprintf(path, sizeof path, "task/%.20s/syscall", entry->d_name);
    file = open_proc(target, path);
    if (file == NULL)
      continue;
    /* The last two words are the stack pointer and the program counter. */
    if (fgets(text, sizeof text, file) != NULL &&
        (word = strrchr(text, ' ')) != NULL) {
      *word = '\0';
      word = strrchr(text, ' ');
      if (word != NULL)
        stacks[n++] = strtoul(word + 1, NULL, 16);
    }
    fclose(file);
  }
  if (tasks != NULL)
    closedir(tasks);
  return n;
}

/* ---- Mappings ------------------------------------------------------------ */
struct smaps_entry {
  unsigned long start, end, inode;
  char name[128];
};

static bool
parse_mapping(const char *line, struct smaps_entry *mapping)
{
  mapping->name[0] = '\0';
  if (sscanf(line, "%lx-%lx %*s %*x %*x:%*x %lu %127[^\n]", &mapping->start,
             &mapping->end, &mapping->inode, mapping->name) < 3)
    return false;
  for (char *c = mapping->name; *c != '\0'; c++)
    if ((unsigned char)*c < ' ' || *c == 127)
      *c = '?';
  return true;
}

static enum outside_kind
kind_of(const struct smaps_entry *mapping, const uintptr_t *stacks, size_t n)
{
  if (strncmp(mapping->name, "[stack", 6) == 0)
    return OUTSIDE_STACKS;
  if (strncmp(mapping->name, "/dev/shm/", 9) == 0 ||
      strncmp(mapping->name, "/dev/zero", 9) == 0 ||
      strncmp(mapping->name, "/SYSV", 5) == 0 ||
      strncmp(mapping->name, "/memfd:", 7) == 0)
    return OUTSIDE_SHARED;
  if (mapping->inode != 0)
    return OUTSIDE_FILES;
  for (size_t i = 0; i < n; i++)
    if (stacks[i] >= mapping->start && stacks[i] < mapping->end)
      return OUTSIDE_STACKS;
  return OUTSIDE_ANONYMOUS;
}

static bool
is_heap(const struct heap_view *heap, const struct smaps_entry *mapping)
{
  for (size_t i = 0; i < heap->narenas; i++)
    if (mapping->start < arena_end(&heap->arenas[i].arena) &&
        mapping->end > heap->arenas[i].arena.start)
      return true;
  for (size_t i = 0; i < heap->nmapped; i++)
    if (mapping->start < span_end(&heap->mapped[i]) &&
        mapping->end > heap->mapped[i].start)
      return true;
  return false;
}

static void
count_mapping(struct outside_view *outside, const struct heap_view *heap,
              const struct smaps_entry *mapping, enum outside_kind kind,
              uint64_t bytes)
{
  outside->bytes[kind] += bytes;
  if (bytes <= outside->most[kind] || is_heap(heap, mapping))
    return;
  outside->most[kind] = bytes;
  if (mapping->name[0] != '\0')
    snprintf(outside->name[kind], sizeof outside->name[kind], "%s",
             mapping->name);
  else
    snprintf(outside->name[kind], sizeof outside->name[kind], "at %#lx",
             mapping->start);
}

void
outside_read(const struct target *target, const struct heap_view *heap,
             struct outside_view *outside)
{
  static uintptr_t stacks[STACKS_MAX];
  FILE *file = open_proc(target, "smaps");
  enum outside_kind kind = OUTSIDE_ANONYMOUS;
  struct smaps_entry mapping = {0};
  unsigned long kilobytes;
  char line[4096];
  uint64_t *own = &outside->bytes[OUTSIDE_ANONYMOUS];
  size_t n;

  *outside = (struct outside_view){.known = false};
  if (file == NULL)
    return;
  n = stacks_read(target, stacks);
  while (fgets(line, sizeof line, file) != NULL) {
    if (sscanf(line, "Rss: %lu kB", &kilobytes) == 1)
      count_mapping(outside, heap, &mapping, kind, (uint64_t)kilobytes << 10);
    else if (isxdigit((unsigned char)line[0]) && parse_mapping(line, &mapping))
      kind = kind_of(&mapping, stacks, n);
  }
  fclose(file);
  outside->known = heap->known;
  *own -= *own < heap->resident ? *own : heap->resident;
}

/* ---- Limits -------------------------------------------------------------- */

/* Reads a number from a file; false for "max" or if there is no such file. */
static bool
read_number(const char *folder, const char *name, uint64_t *value)
{
  char path[4300];
  FILE *file;
  bool done;

  snprintf(path, sizeof path, "%s/%s", folder, name);
  file = fopen(path, "re");
  if (file == NULL)
    return false;
  done = fscanf(file, "%" SCNu64, value) == 1;
  fclose(file);
  return done;
}

/* Finds the limit with the least room left, of a cgroup and its ancestors. */
static void
group_read(char *folder, size_t root, const char *most_name,
           const char *used_name, struct limit_view *limit)
{
  uint64_t most, used;

  for (;;) {
    if (read_number(folder, most_name, &most) && most < UINT64_C(1) << 60 &&
        read_number(folder, used_name, &used) &&
        (limit->most == 0 || most - used < limit->most - limit->used)) {
      limit->most = most;
      limit->used = used;
    }
    if (strlen(folder) <= root)
      return;
    *strrchr(folder, '/') = '\0';
  }
}

static void
groups_read(const struct target *target, struct limit_view *limit)
{
  static const char two[] = "/sys/fs/cgroup", one[] = "/sys/fs/cgroup/memory";
  FILE *file = open_proc(target, "cgroup");
  char line[4096], folder[4200], *path;

  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    bool is_one = strstr(line, ":memory:") != NULL;
    line[strcspn(line, "\n")] = '\0';
    path = strchr(line, ':');
    path = path == NULL ? NULL : strchr(path + 1, ':');
    if (path == NULL || (!is_one && strncmp(line, "0::", 3) != 0))
      continue;
    path += strcmp(path, ":/") == 0 ? 2 : 1;
    snprintf(folder, sizeof folder, "%s%s", is_one ? one : two, path);
    if (is_one)
      group_read(folder, sizeof one - 1, "memory.limit_in_bytes",
                 "memory.usage_in_bytes", limit);
    else
      group_read(folder, sizeof two - 1, "memory.max", "memory.current", limit);
  }
  if (file != NULL)
    fclose(file);
}

/* The soft limit in a row of /proc/PID/limits. */
static uint64_t
rlimit_read(const struct target *target, const char *name)
{
  FILE *file = open_proc(target, "limits");
  uint64_t most = 0;
  char line[256];

  while (file != NULL && fgets(line, sizeof line, file) != NULL)
    if (strncmp(line, name, strlen(name)) == 0)
      (void)sscanf(line + strlen(name), " %" SCNu64, &most);
  if (file != NULL)
    fclose(file);
  return most;
}

static uint64_t
status_read(const struct target *target, const char *name)
{
  FILE *file = open_proc(target, "status");
  unsigned long kilobytes = 0;
  char line[256];

  while (file != NULL && fgets(line, sizeof line, file) != NULL)
    if (strncmp(line, name, strlen(name)) == 0)
      (void)sscanf(line + strlen(name), ": %lu", &kilobytes);
  if (file != NULL)
    fclose(file);
  return (uint64_t)kilobytes << 10;
}

void
limits_read(const struct target *target, const struct view *view,
            struct limit_view limits[LIMITS])
{
  uint64_t held = view->stats.mapped_bytes - view->stats.returned_bytes;

  limits[LIMIT_HARD] =
      (struct limit_view){"the hard limit, hard_limit_bytes,", held,
                          view->options[OPTION_hard_limit_bytes].value};
  limits[LIMIT_SOFT] =
      (struct limit_view){"the soft limit, soft_limit_bytes,", held,
                          view->options[OPTION_soft_limit_bytes].value};
  limits[LIMIT_GROUP] = (struct limit_view){"its memory limit", 0, 0};
  limits[LIMIT_DATA] = (struct limit_view){
      "the limit RLIMIT_DATA, ulimit -d,", status_read(target, "VmData"),
      rlimit_read(target, "Max data size")};
  limits[LIMIT_ADDRESS] = (struct limit_view){
      "the limit RLIMIT_AS, ulimit -v,", status_read(target, "VmSize"),
      rlimit_read(target, "Max address space")};
  if (target->core == NULL)
    groups_read(target, &limits[LIMIT_GROUP]);
}
