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
  size_t others; /* of that name, that do not run tcm or may not be read */
};

/* All processes but this one; complains if there is no /proc. */
bool names_all(struct names *names);
/* Those of a name that run tcm.  None, with STATUS_OK, for a number and for a
 * file. */
enum status names_find(const char *argument, struct names *names);
/* Says which there are; STATUS_USAGE. */
enum status names_choice(const char *argument, const struct names *names);
void names_free(struct names *names);

/* What a process was started with, on one line, printable; its length. */
size_t arguments_read(const char *pid, char *text, size_t size);

/* The word that is most like @word, or NULL if none is much like it. */
const char *nearest(const char *word, const char *const *words, size_t n);

#endif /* TOOLS_NAMES_H */
