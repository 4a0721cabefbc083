/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top.h - the live screen of tcm-stat.
 *
 *     top.c          what is known of the processes, and keys
 *     top_draw.c     the screens: all processes, one of them, help
 *     top_profile.c  which code holds the memory of one of them
 *
 * Invariants
 *   Y1  nothing is written but by curses between its start and its end, and the
 *       terminal is as before afterwards, after a signal too.
 *   Y2  no row is wider than the screen, however narrow that is.
 */
#ifndef TOOLS_TOP_H
#define TOOLS_TOP_H

#include "look.h"

/* Samples that are kept: the columns of the widest screen. */
#define SAMPLES 512

enum part {
  PART_IN_USE,
  PART_CACHED,
  PART_SPANS,
  PART_PAGES,
  PART_OWN,
  PART_RETURNED,
  PARTS
};

/* All fields: [const] */
struct sample {
  uint64_t bytes[PARTS];
  double faults, backs, slow; /* a second: pages, pages, calls */
};

struct symbols;

/* Stacks of a heap profile that are shown. */
#define STACKS 3

/* All fields: [owner thread] */
struct top_profile {
  struct symbols *symbols; /* NULL: no name was needed yet */
  double when;             /* it was read; 0: never */
  size_t n;                /* stacks; 0: no samples are taken */
  uint64_t live[STACKS];   /* bytes, the most first */
  char name[STACKS][256];  /* the innermost function that is none of tcm's */
};

/* All fields: [owner thread] */
struct process {
  struct target target;
  char pid[16];
  char arguments[256];
  struct sample samples[SAMPLES]; /* a ring */
  size_t nsamples;                /* ever */
  struct view view;               /* the last one */
  double when;                    /* of that */
  uint64_t resident;              /* of the whole process */
  struct top_profile profile;     /* read while it is on the screen */
};

enum top_screen { SCREEN_LIST, SCREEN_ONE, SCREEN_HELP };

/* All fields: [owner thread] */
struct top {
  struct process **processes; /* in the order of the screen */
  size_t n;
  size_t barred;          /* processes that may not be read */
  enum top_screen screen; /* and the one that help returns to */
  enum top_screen below;  /* help */
  unsigned sort;          /* a column of the list */
  bool reverse;           /* the smallest first */
  bool by_waste;          /* classes: not by bytes */
  bool paused;            /* no new samples */
  char filter[64];        /* part of the arguments, "" for all */
  bool filtering;         /* the filter is being typed */
  char selected[16];      /* the number of a process */
  size_t first;           /* row at the top of the list */
  double interval, next;  /* seconds, and when the next sample is due */
};

extern const char *const top_columns[];
#define TOP_COLUMNS 9

/* What a column of the list shows of a process. */
double top_value(const struct process *process, unsigned column);
bool top_is_shown(const struct top *top, const struct process *process);
const struct sample *top_last(const struct process *process);
/* Reads the profile of a process, if samples are taken and the last reading is
 * old enough. */
void top_profile_read(struct process *process);
void top_profile_free(struct process *process);
void top_draw(struct top *top);
void top_colors(void);

#endif /* TOOLS_TOP_H */
