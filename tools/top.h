/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top.h - the live screen of tcm-stat.
 *
 *     top.c          the state of the processes, and the keys
 *     top_draw.c     the screens: all processes, one process, help
 *     top_profile.c  which code holds the memory of one process
 *
 * Invariants
 *   Y1  while curses runs, only curses writes to the terminal; the terminal is
 *       restored afterward, even after a signal.
 *   Y2  no row is wider than the screen, however narrow that is.
 */
#ifndef TOOLS_TOP_H
#define TOOLS_TOP_H

#include "survey.h"

/* Number of samples kept: the columns of the widest screen. */
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
  double faults, backs, slow; /* per second: pages, pages, calls */
};

struct symbols;

/* Number of stacks of a heap profile that are shown. */
#define STACKS 3

/* All fields: [owner thread] */
struct top_profile {
  struct symbols *symbols; /* NULL: not opened yet */
  double when;             /* when it was read; 0: never */
  size_t n;                /* stacks; 0: samples are off */
  uint64_t live[STACKS];   /* bytes, the largest first */
  char name[STACKS][256];  /* the innermost function outside of tcm */
};

/* All fields: [owner thread] */
struct process {
  struct target target;
  char pid[16];
  char arguments[256];
  struct sample samples[SAMPLES]; /* a ring buffer */
  size_t nsamples;                /* taken so far */
  struct view view;               /* the latest */
  double when;                    /* when that was read */
  uint64_t resident;              /* of the whole process */
  struct top_profile profile;     /* read while it is on the screen */
};

enum top_screen { SCREEN_LIST, SCREEN_ONE, SCREEN_HELP };

/* All fields: [owner thread] */
struct top {
  struct process **processes; /* in screen order */
  size_t n;
  size_t barred;          /* processes without read permission */
  enum top_screen screen; /* the current one */
  enum top_screen below;  /* the one that help returns to */
  unsigned sort;          /* a column of the list */
  bool reverse;           /* the smallest first */
  bool by_waste;          /* classes: by waste, not bytes */
  bool paused;            /* no new samples */
  char filter[64];        /* part of the arguments, "" for all */
  bool filtering;         /* the filter is being typed */
  char selected[16];      /* the PID of a process */
  size_t first;           /* row at the top of the list */
  double interval, next;  /* seconds; when the next sample is due */
};

extern const char *const top_columns[];
#define TOP_COLUMNS 9

/* The value that a column of the list shows for a process. */
double top_value(const struct process *process, unsigned column);
bool top_is_shown(const struct top *top, const struct process *process);
const struct sample *top_last(const struct process *process);
/* Reads the profile of a process if samples are on and the last reading is old
 * enough. */
void top_profile_read(struct process *process);
void top_profile_free(struct process *process);
void top_draw(struct top *top);
void top_colors(void);

#endif /* TOOLS_TOP_H */
