/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "base/container.h"

#include <string.h>

#include "base/bits.h"
#include "base/system.h"

/* The sizes of the buffers of struct reading. */
#define PATH_BYTES 1024
#define OWN_BYTES 4096
#define NUMBERS_BYTES 96

/* What is read.  It is mapped only while it is needed: a small stack has no
 * room for it, and the pages of a static variable would stay resident.
 * All fields: [owner thread] */
struct reading {
  struct container found;      /* so far */
  char path[PATH_BYTES];       /* of the file that is read */
  char numbers[NUMBERS_BYTES]; /* its contents */
  char own[OWN_BYTES];         /* /proc/self/cgroup, usually on the same page */
};

/* Reads @directory @group / @name as text; false if it is missing or empty. */
static bool
read_text(struct reading *reading, const char *directory, const char *group,
          size_t group_length, const char *name)
{
  size_t d = strlen(directory), n = strlen(name);
  long length;

  if (d + group_length + n + 2 > sizeof reading->path)
    return false;
  memcpy(reading->path, directory, d);
  memcpy(reading->path + d, group, group_length);
  d += group_length;
  reading->path[d++] = '/';
  memcpy(reading->path + d, name, n + 1);
  length = tcmi_system_read_file(reading->path, reading->numbers,
                                 sizeof reading->numbers - 1);
  reading->numbers[length > 0 ? length : 0] = '\0';
  return length > 0;
}

/* Parses the number at *@text and advances *@text past it; false for "max", a
 * negative number and anything else. */
static bool
parse(const char **text, uint64_t *number)
{
  uint64_t n = 0;

  while (**text == ' ')
    ++*text;
  if (**text < '0' || **text > '9')
    return false;
  for (; **text >= '0' && **text <= '9'; ++*text)
    if (__builtin_mul_overflow(n, (uint64_t)10, &n) ||
        __builtin_add_overflow(n, (uint64_t)(**text - '0'), &n))
      return false;
  *number = n;
  return true;
}

/* In version 1, a number near the maximum means "no limit". */
#define NO_MEMORY_LIMIT ((uint64_t)1 << 60)

static void
tighten_memory(struct reading *reading, const char *directory,
               const char *group, size_t length, const char *name)
{
  const char *text = reading->numbers;
  uint64_t bytes;

  if (!read_text(reading, directory, group, length, name) ||
      !parse(&text, &bytes) || bytes >= NO_MEMORY_LIMIT)
    return;
  if (reading->found.memory_bytes == 0 || bytes < reading->found.memory_bytes)
    reading->found.memory_bytes = bytes;
}

static void
tighten_cpus(struct reading *reading, uint64_t quota, uint64_t period)
{
  uint64_t cpus;

  if (quota == 0 || period == 0)
    return;
  cpus = quota / period + (quota % period != 0);
  if (cpus < reading->found.cpus)
    reading->found.cpus = (unsigned)cpus;
}

static void
level_memory_2(struct reading *reading, const char *directory,
               const char *group, size_t length)
{
  tighten_memory(reading, directory, group, length, "memory.max");
  tighten_memory(reading, directory, group, length, "memory.high");
}

static void
level_memory_1(struct reading *reading, const char *directory,
               const char *group, size_t length)
{
  tighten_memory(reading, directory, group, length, "memory.limit_in_bytes");
}

/* The file contains "quota period" or "max period". */
static void
level_cpu_2(struct reading *reading, const char *directory, const char *group,
            size_t length)
{
  const char *text = reading->numbers;
  uint64_t quota, period;

  if (read_text(reading, directory, group, length, "cpu.max") &&
      parse(&text, &quota) && parse(&text, &period))
    tighten_cpus(reading, quota, period);
}

static void
level_cpu_1(struct reading *reading, const char *directory, const char *group,
            size_t length)
{
  const char *text = reading->numbers;
  uint64_t quota, period;

  if (!read_text(reading, directory, group, length, "cpu.cfs_quota_us") ||
      !parse(&text, &quota))
    return;
  text = reading->numbers;
  if (read_text(reading, directory, group, length, "cpu.cfs_period_us") &&
      parse(&text, &period))
    tighten_cpus(reading, quota, period);
}

typedef void level_reader(struct reading *reading, const char *directory,
                          const char *group, size_t length);

/* Reads the limits of the group and of its ancestors, up to the root. */
static void
read_levels(struct reading *reading, const char *root, const char *mount,
            const char *group, size_t length, level_reader *reader)
{
  char directory[64];
  size_t r = strlen(root), m = strlen(mount);

  if (r + m + 1 > sizeof directory)
    return;
  memcpy(directory, root, r);
  memcpy(directory + r, mount, m + 1);
  while (length > 0 && group[length - 1] == '/')
    length--;
  for (;;) {
    reader(reading, directory, group, length);
    if (length == 0)
      return;
    while (length > 0 && group[--length] != '/')
      ;
  }
}

/* Whether the comma-separated @list of controllers contains @name. */
static bool
names_controller(const char *list, size_t length, const char *name)
{
  size_t n = strlen(name);

  for (size_t i = 0; i + n <= length; i++)
    if ((i == 0 || list[i - 1] == ',') && memcmp(list + i, name, n) == 0 &&
        (i + n == length || list[i + n] == ','))
      return true;
  return false;
}

struct cgroup_line {
  const char *controllers, *group;         /* [const] not NUL-terminated */
  size_t controllers_length, group_length; /* [const] */
};

/* Splits the line at @text, "number:controllers:group".  Returns the start of
 * the next line, or NULL at the end. */
static const char *
split_line(const char *text, struct cgroup_line *line)
{
  const char *end = strchr(text, '\n');
  const char *first = strchr(text, ':');
  const char *second = first == NULL ? NULL : strchr(first + 1, ':');

  if (end == NULL || second == NULL || second > end)
    return NULL;
  line->controllers = first + 1;
  line->controllers_length = (size_t)(second - first - 1);
  line->group = second + 1;
  line->group_length = (size_t)(end - second - 1);
  return end + 1;
}

/* If version 1 manages a controller, version 2 does not. */
static void
read_groups(struct reading *reading, const char *root)
{
  bool memory_1 = false, cpu_1 = false;
  struct cgroup_line line, unified = {"", "", 0, 0};
  const char *text = reading->own;

  while ((text = split_line(text, &line)) != NULL) {
    if (line.controllers_length == 0)
      unified = line;
    if (names_controller(line.controllers, line.controllers_length, "memory")) {
      memory_1 = true;
      read_levels(reading, root, "/sys/fs/cgroup/memory", line.group,
                  line.group_length, level_memory_1);
    }
    if (names_controller(line.controllers, line.controllers_length, "cpu")) {
      cpu_1 = true;
      read_levels(reading, root, "/sys/fs/cgroup/cpu", line.group,
                  line.group_length, level_cpu_1);
    }
  }
  if (!memory_1)
    read_levels(reading, root, "/sys/fs/cgroup", unified.group,
                unified.group_length, level_memory_2);
  if (!cpu_1)
    read_levels(reading, root, "/sys/fs/cgroup", unified.group,
                unified.group_length, level_cpu_2);
}

static struct reading *
reading_begin(void)
{
  void *memory;
  int error = tcmi_system_map(
      round_up(sizeof(struct reading), tcmi_system_page_size()), &memory);

  return error == 0 ? memory : NULL;
}

static void
reading_end(struct reading *reading)
{
  size_t size = round_up(sizeof *reading, tcmi_system_page_size());

  (void)!tcmi_system_release(reading, size);
}

static void
read_all(struct reading *reading, const char *root)
{
  size_t r = strlen(root);
  long length;

  if (r + sizeof "/proc/self/cgroup" > sizeof reading->path)
    return;
  memcpy(reading->path, root, r);
  memcpy(reading->path + r, "/proc/self/cgroup", sizeof "/proc/self/cgroup");
  length = tcmi_system_read_file(reading->path, reading->own,
                                 sizeof reading->own - 1);
  if (length <= 0)
    return;
  reading->own[length] = '\0';
  read_groups(reading, root);
}

struct container
tcmi_container_read(const char *root)
{
  struct container found = {0, tcmi_system_cpu_count()};
  struct reading *reading = reading_begin();

  if (reading == NULL)
    return found;
  reading->found = found;
  read_all(reading, root);
  found = reading->found;
  reading_end(reading);
  return found;
}

static unsigned
parse_pressure(const char *text)
{
  static const char before[] = "some avg10=";
  uint64_t percent;

  if (strncmp(text, before, sizeof before - 1) != 0)
    return 0;
  text += sizeof before - 1;
  return parse(&text, &percent) ? (unsigned)min_size(percent, 100) : 0;
}

unsigned
tcmi_container_pressure(const char *root)
{
  struct reading *reading = reading_begin();
  unsigned percent = 0;

  if (reading == NULL)
    return 0;
  if (read_text(reading, root, "", 0, "proc/pressure/memory"))
    percent = parse_pressure(reading->numbers);
  reading_end(reading);
  return percent;
}

unsigned
tcmi_container_pressure_in(int file)
{
  char text[NUMBERS_BYTES];
  long length = tcmi_system_read_again(file, text, sizeof text - 1);

  text[length > 0 ? length : 0] = '\0';
  return parse_pressure(text);
}
