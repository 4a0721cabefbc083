/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tally.h - the documents that --json wrote, as numbers: for diff, for classes,
 * and for the time line of the report.
 *
 * No locking: plain values.
 */
#ifndef TOOLS_TALLY_H
#define TOOLS_TALLY_H

#include "tcm-stat.h"

/* The numbers in a file that --json wrote.  A missing name reads as 0. */
struct tally;
struct tally *tally_read(const char *path, enum status *status);
/* Calls @add with each document of a file, until it returns false.  Complains
 * if the file cannot be read or has other contents. */
typedef bool tally_sink(void *to, const struct tally *tally);
enum status tally_read_all(const char *path, tally_sink *add, void *to);
/* When it was written, in seconds since 1970; 0 if that is missing. */
double tally_time(const struct tally *tally);
uint64_t tally_get(const struct tally *tally, const char *name, bool *there);
/* Copies its classes, at most SIZE_CLASS_COUNT; returns how many. */
size_t tally_classes(const struct tally *tally, struct class_stats *classes);
/* Whether a file may be such a document: it begins with a brace. */
bool is_document(const char *path);
void tally_free(struct tally *tally);

#endif /* TOOLS_TALLY_H */
