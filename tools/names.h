/* SPDX-License-Identifier: BSD-2-Clause */
/* names.h - processes by name, and hints for mistyped words. */
#ifndef TOOLS_NAMES_H
#define TOOLS_NAMES_H

#include "tcm-stat.h"

#define NAME_SIZE 16

/* All fields: [const] */
struct names {
  char (*pids)[NAME_SIZE]; /* numbers of processes, ascending */
  size_t n;
  size_t others; /* of that name, not running tcm or not readable */
};

/* Finds all processes except this one; complains if there is no /proc. */
bool names_all(struct names *names);
/* Finds the processes of a name that run tcm.  If @argument is a number or a
 * file, finds none and returns STATUS_OK. */
enum status names_find(const char *argument, struct names *names);
/* Lists the processes to choose from; returns STATUS_USAGE. */
enum status names_choice(const char *argument, const struct names *names);
void names_free(struct names *names);

/* The command line of a process, printable, on one line; returns its length. */
size_t arguments_read(const char *pid, char *text, size_t size);

/* Returns the word most similar to @word, or NULL if none is similar enough. */
const char *nearest(const char *word, const char *const *words, size_t n);

#endif /* TOOLS_NAMES_H */
