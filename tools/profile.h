/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * profile.h - the heap profile of a target, and ways to show it.
 *
 *     profile.c          the command: start, wait, read, stop; the verdict
 *     profile_read.c     reads the stacks from the target
 *     mappings.c         addresses -> files
 *     symbols.c          addresses -> names
 *     profile_pinned.c   samples and pages -> which stacks pin free memory
 *     profile_tree.c     stacks -> a tree
 *     profile_text.c     tables, trees, collapsed stacks
 *     profile_html.c     a flame graph for a browser, see page.h
 *     profile_export.c   JSON and pprof
 */
#ifndef TOOLS_PROFILE_H
#define TOOLS_PROFILE_H

#include "tcm-stat.h"

/* Bytes between samples, at a negligible cost for the process. */
#define MEAN_ADVISED 524288

struct stack_view {
  uint64_t place; /* of the stack in the target; never changes */
  uint64_t live;  /* bytes in use; an estimate, as all of these are */
  uint64_t live_blocks;
  uint64_t peak; /* bytes in use when the sum of all stacks was highest */
  uint64_t peak_blocks;
  uint64_t allocated; /* bytes, since the start or the first reading */
  uint64_t allocated_blocks;
  uint64_t freed; /* bytes of @allocated */
  double pinned;  /* free bytes that its blocks pin, see profile_pin() */
  int64_t growth; /* of live since the first reading */
  uint64_t samples;
  bool whole; /* reaches the outermost frame */
  uint32_t depth;
  const uintptr_t *pcs; /* the innermost first */
  /* Samples freed since the start or the first reading, by lifetime. */
  uint32_t lifetimes[PROFILE_LIFETIMES];
};

struct profile_view {
  uint64_t mean; /* bytes between samples; 0 if none are taken */
  uint64_t samples;
  uint64_t lost;
  uint64_t metadata; /* bytes of the tables in the target */
  uint64_t peak;     /* high-water mark of the bytes in use, all stacks */
  uint64_t pinned;   /* free bytes on partly used pages, counted */
  uint64_t peak_number;
  uint64_t peak_time; /* milliseconds on the target's clock */
  double seconds;     /* between two readings; 0 if there was only one */
  char *memory;       /* the stacks point into it */
  struct stack_view *stacks;
  size_t nstacks;
};

/* The sums of all stacks. */
struct profile_sums {
  uint64_t live;
  uint64_t live_blocks;
  uint64_t allocated;
  uint64_t samples;
  uint64_t whole; /* samples with a whole stack */
  int64_t growth;
};

/* Reads the option for the bytes between samples; 0, or a negative errno. */
int profile_mean(const struct target *target, uint64_t *mean);
enum status profile_read(struct target *target, struct profile_view *view);
void profile_free(struct profile_view *view);
/* Reduces @now to what happened since @before. */
void profile_subtract(struct profile_view *now,
                      const struct profile_view *before);
/* Replaces the numbers in use now by those at the peak. */
void profile_turn_to_peak(struct profile_view *view);
struct profile_sums profile_sum(const struct profile_view *view);
/* Writes the culprit of the stack that grew most, see symbols_culprit();
 * returns the growth of all stacks with that culprit, or 0 if none grew. */
struct symbols;
int64_t profile_worst(const struct profile_view *view, struct symbols *symbols,
                      char *text, size_t size);

/* Estimates how much free memory each stack pins: profile_pinned.c. */
enum status profile_pin(const struct target *target, struct profile_view *view);

/* ---- Files --------------------------------------------------------------- */
/* Maximum size of a build-id in bytes. */
#define BUILD_ID_MAX 32

struct mapping {
  uintptr_t start;
  uintptr_t end;
  uint64_t offset; /* in the file, of its start */
  bool code;
  char build_id[2 * BUILD_ID_MAX + 1]; /* of the file, in hex; or "" */
  char *path; /* as the target sees it; "" or a word in brackets if no file is
                 mapped */
};

struct mappings {
  struct mapping *list; /* sorted by address */
  size_t n;
};

/* Reads the mappings of a target; finds none if they cannot be read. */
void mappings_read(const struct target *target, struct mappings *mappings);
void mappings_free(struct mappings *mappings);
const struct mapping *mappings_find(const struct mappings *mappings,
                                    uintptr_t address);

/* ---- Names --------------------------------------------------------------- */
/* Maximum number of functions inlined into each other at one address. */
#define NAMES_MAX 8

struct names {
  unsigned count;              /* 1 or more */
  const char *name[NAMES_MAX]; /* the innermost first; demangled */
  const char *file;            /* of the innermost, or NULL */
  int line;
  bool found; /* real names, not offsets in files */
};

/* Opens the symbols of a target; never NULL. */
struct symbols *symbols_open(const struct target *target);
void symbols_close(struct symbols *symbols);
/* The names for a return address; they stay valid as long as @symbols. */
const struct names *symbols_find(struct symbols *symbols, uintptr_t pc);
/* The mappings of the target's files. */
const struct mappings *symbols_mappings(const struct symbols *symbols);
/* Whether the function is part of an allocator, not a caller of one. */
bool symbols_is_allocator(const char *name);
/* Writes the frame that best explains the allocation, as "f (file:line)", and
 * ", through g" if f called the program's own malloc g. */
void symbols_culprit(struct symbols *symbols, const struct stack_view *stack,
                     char *text, size_t size);

/* ---- The tree ------------------------------------------------------------ */
/* The sums include those of the frames below. */
struct frame {
  const char *name; /* of the function; owned by the symbols */
  uint64_t live;
  uint64_t live_blocks;
  uint64_t allocated;
  uint64_t allocated_blocks;
  uint64_t growth;        /* sum over the stacks that grew */
  struct frame *children; /* the functions it called, the heaviest first */
  size_t nchildren;
  struct frame *next; /* with the same caller */
};

/* Builds the tree; returns its root, which represents all stacks. */
struct frame *tree_make(const struct profile_view *view,
                        struct symbols *symbols);
void tree_free(struct frame *frame);
/* Bytes: the growth with --growth, otherwise the bytes in use. */
uint64_t tree_weight(const struct frame *frame);

/* ---- Ways to show -------------------------------------------------------- */
void profile_table(const struct profile_view *view, struct symbols *symbols);
void profile_lifetimes(const struct profile_view *view,
                       struct symbols *symbols);
void profile_pinned(const struct profile_view *view, struct symbols *symbols);
void profile_tree(const struct profile_view *view, struct symbols *symbols);
void profile_collapsed(const struct profile_view *view,
                       struct symbols *symbols);
/* @note is a sentence shown above the graph, or "". */
void profile_html(const struct target *target, const struct profile_view *view,
                  struct symbols *symbols, const char *note);
enum status profile_json(const struct target *target,
                         const struct profile_view *view,
                         struct symbols *symbols);
enum status profile_pprof(const struct target *target,
                          const struct profile_view *view,
                          struct symbols *symbols, const char *path);

#endif /* TOOLS_PROFILE_H */
