/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds processes by name, reads their command lines, and finds the word most
 * similar to a mistyped one.
 */
#include "names.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Longer words are not compared. */
#define WORD_MAX 40
/* Characters of a name that the kernel keeps. */
#define COMMAND_MAX 15

static void
name_add(struct names *names, const char *pid)
{
  char(*more)[NAME_SIZE] =
      realloc(names->pids, (names->n + 1) * sizeof *names->pids);

  if (more == NULL) {
    complain("no memory");
    exit(STATUS_FAILED);
  }
  names->pids = more;
  snprintf(names->pids[names->n++], NAME_SIZE, "%.15s", pid);
}

static int
by_number(const void *a, const void *b)
{
  int x = atoi(a), y = atoi(b);

  return (x > y) - (x < y);
}

bool
names_all(struct names *names)
{
  DIR *proc = opendir("/proc");
  struct dirent *entry;

  *names = (struct names){NULL, 0, 0};
  if (proc == NULL) {
    complain("/proc cannot be read: %s; is it mounted?", strerror(errno));
    return false;
  }
  while ((entry = readdir(proc)) != NULL)
    if (isdigit((unsigned char)entry->d_name[0]) &&
        atoi(entry->d_name) != getpid())
      name_add(names, entry->d_name);
  closedir(proc);
  if (names->n > 0)
    qsort(names->pids, names->n, sizeof *names->pids, by_number);
  return true;
}

void
names_free(struct names *names)
{
  free(names->pids);
  *names = (struct names){NULL, 0, 0};
}

size_t
arguments_read(const char *pid, char *text, size_t size)
{
  char path[64];
  ssize_t got = 0;
  int fd;

  snprintf(path, sizeof path, "/proc/%.15s/cmdline", pid);
  fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    got = read(fd, text, size - 1);
    close(fd);
  }
  while (got > 0 && text[got - 1] == '\0')
    got--;
  text[got < 0 ? 0 : got] = '\0';
  for (ssize_t i = 0; i < got; i++)
    if (text[i] == '\0' || text[i] == '\n')
      text[i] = ' ';
    else if ((unsigned char)text[i] < ' ' || text[i] == 127)
      text[i] = '?';
  return got < 0 ? 0 : (size_t)got;
}

/* Compares the kernel's name of the process, then its program file. */
static bool
has_name(const char *pid, const char *name)
{
  char path[64], text[256] = "", *slash;
  FILE *file;

  snprintf(path, sizeof path, "/proc/%.15s/comm", pid);
  file = fopen(path, "re");
  if (file != NULL) {
    if (fgets(text, sizeof text, file) != NULL)
      text[strcspn(text, "\n")] = '\0';
    fclose(file);
  }
  if (text[0] != '\0' && strncmp(text, name, COMMAND_MAX) == 0)
    return true;
  arguments_read(pid, text, sizeof text);
  text[strcspn(text, " ")] = '\0';
  slash = strrchr(text, '/');
  return text[0] != '\0' && strcmp(slash == NULL ? text : slash + 1, name) == 0;
}

static bool
runs_tcm(const char *pid)
{
  struct target target;
  bool quiet = settings.quiet;
  enum status status;

  settings.quiet = true;
  status = target_open(&target, pid);
  settings.quiet = quiet;
  if (status == STATUS_OK)
    target_close(&target);
  return status == STATUS_OK;
}

static enum status
nobody(const struct names *names, const char *argument)
{
  if (names->others > 0)
    complain("none of the %zu processes named %s runs tcm and can be read; "
             "tcm-run starts a program on tcm, and root can read all",
             names->others, argument);
  else
    complain("there is no process named %s, and no core file; tcm-stat ps "
             "lists what runs tcm",
             argument);
  return names->others > 0 ? STATUS_NOT_TCM : STATUS_NO_PROCESS;
}

enum status
names_find(const char *argument, struct names *names)
{
  struct names all;

  *names = (struct names){NULL, 0, 0};
  if (argument[strspn(argument, "0123456789")] == '\0' ||
      strchr(argument, '/') != NULL)
    return STATUS_OK;
  if (!names_all(&all))
    return STATUS_FAILED;
  for (size_t i = 0; i < all.n; i++) {
    if (!has_name(all.pids[i], argument))
      continue;
    if (runs_tcm(all.pids[i]))
      name_add(names, all.pids[i]);
    else
      names->others++;
  }
  names_free(&all);
  if (names->n > 0 || access(argument, F_OK) == 0)
    return STATUS_OK;
  return nobody(names, argument);
}

enum status
names_choice(const char *argument, const struct names *names)
{
  char text[64];

  complain("%zu processes named %s run tcm; choose one by its number:",
           names->n, argument);
  for (size_t i = 0; i < names->n; i++) {
    (void)arguments_read(names->pids[i], text, sizeof text);
    fprintf(stderr, "%10s  %s\n", names->pids[i], text);
  }
  return STATUS_USAGE;
}

/* ---- Hints --------------------------------------------------------------- */

/* Letters to add, drop or change to turn one word into the other. */
static size_t
distance(const char *a, const char *b)
{
  size_t row[WORD_MAX + 1], n = strlen(b);

  if (n > WORD_MAX)
    return SIZE_MAX;
  for (size_t j = 0; j <= n; j++)
    row[j] = j;
  for (size_t i = 0; a[i] != '\0'; i++) {
    size_t corner = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < n; j++) {
      size_t change = corner + (a[i] != b[j]);
      size_t add = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;
      corner = row[j + 1];
      row[j + 1] = change < add ? change : add;
    }
  }
  return row[n];
}

const char *
nearest(const char *word, const char *const *words, size_t n)
{
  /* About a third of the letters may be wrong. */
  size_t least = strlen(word) / 3 + 1;
  const char *found = NULL;

  for (size_t i = 0; i < n; i++)
    if (words[i] != NULL && distance(word, words[i]) <= least) {
      least = distance(word, words[i]);
      found = words[i];
      if (least == 0)
        break;
      least--;
    }
  return found;
}
