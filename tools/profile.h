/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * profile.h - the heap profile of a target, and ways to show it.
 *
 *     profile.c          the command: on, wait, read, off; the verdict
 *     profile_read.c     the stacks out of the target
 *     mappings.c         addresses -> files
 *     symbols.c          addresses -> names
 *     profile_pinned.c   samples and pages -> who keeps free memory
 *     profile_tree.c     stacks -> a tree
 *     profile_text.c     tables, trees, collapsed stacks
 *     profile_html.c     a flame graph for a browser, see page.h
 *     profile_export.c   JSON and pprof
 */
#ifndef TOOLS_PROFILE_H
#define TOOLS_PROFILE_H

#include "tcm-stat.h"

struct stack_view {
  uint64_t place; /* of the stack in the target: the same for good */
  uint64_t live;  /* bytes in use, estimated like all of these */
  uint64_t live_blocks;
  uint64_t peak; /* bytes in use when all stacks together had most */
  uint64_t peak_blocks;
  uint64_t allocated; /* bytes, ever or since the first reading */
  uint64_t allocated_blocks;
  uint64_t freed; /* bytes, of these */
  double pinned;  /* free bytes that its blocks keep, see profile_pin() */
  int64_t growth; /* of live since the first reading */
  uint64_t samples;
  bool whole; /* it reaches the outermost frame */
  uint32_t depth;
  const uintptr_t *pcs; /* the innermost first */
  /* Samples that were freed, ever or since the first reading. */
  uint32_t lifetimes[PROFILE_LIFETIMES];
};

struct profile_view {
  uint64_t mean; /* bytes from sample to sample, 0: none are taken */
  uint64_t samples;
  uint64_t lost;
  uint64_t metadata; /* bytes of the tables in the target */
  uint64_t peak;     /* the most bytes in use, of all stacks */
  uint64_t pinned;   /* free bytes on pages partly in use, counted */
  uint64_t peak_number;
  uint64_t peak_time; /* milliseconds of the target's clock */
  double seconds;     /* between two readings; 0: there was one only */
  char *memory;       /* that the stacks point into */
  struct stack_view *stacks;
  size_t nstacks;
};

/* The sums of all stacks. */
struct profile_sums {
  uint64_t live;
  uint64_t live_blocks;
  uint64_t allocated;
  uint64_t samples;
  uint64_t whole; /* samples whose stack is */
  int64_t growth;
};

/* Bytes from sample to sample as the option has it; 0, or a negative errno. */
int profile_mean(const struct target *target, uint64_t *mean);
enum status profile_read(struct target *target, struct profile_view *view);
void profile_free(struct profile_view *view);
/* Leaves in @now what came since @before. */
void profile_subtract(struct profile_view *now,
                      const struct profile_view *before);
/* Replaces what is in use by what was at the peak. */
void profile_turn_to_peak(struct profile_view *view);
struct profile_sums profile_sum(const struct profile_view *view);

/* Estimates which stacks keep free memory: profile_pinned.c. */
enum status profile_pin(const struct target *target, struct profile_view *view);

/* ---- Files ----------------------------------------------------------------- */
/* Bytes of a build-id. */
#define BUILD_ID_MAX 32

struct mapping {
  uintptr_t start;
  uintptr_t end;
  uint64_t offset; /* of its start in the file */
  bool code;
  char build_id[2 * BUILD_ID_MAX + 1]; /* of the file, hexadecimal; or "" */
  char *path; /* as the target saw it; of none, or of one that is no file, "" or
                 a word in brackets */
};

struct mappings {
  struct mapping *list; /* in the order of addresses */
  size_t n;
};

/* Those of a target; none where they cannot be read. */
void mappings_read(const struct target *target, struct mappings *mappings);
void mappings_free(struct mappings *mappings);
const struct mapping *mappings_find(const struct mappings *mappings,
                                    uintptr_t address);

/* ---- Names --------------------------------------------------------------- */
/* Functions that are inlined into each other at one address. */
#define NAMES_MAX 8

struct names {
  unsigned count;              /* 1 or more */
  const char *name[NAMES_MAX]; /* the innermost first; demangled */
  const char *file;            /* of the innermost, or NULL */
  int line;
  bool found; /* they are names, and not places in files */
};

struct symbols;

/* Names for a target; never NULL. */
struct symbols *symbols_open(const struct target *target);
void symbols_close(struct symbols *symbols);
/* The names of a return address; they hold as long as @symbols. */
const struct names *symbols_find(struct symbols *symbols, uintptr_t pc);
/* Where the files of the target are mapped. */
const struct mappings *symbols_mappings(const struct symbols *symbols);
/* Whether the function is part of how memory is allocated, not why. */
bool symbols_is_allocator(const char *name);
/* The frame of a stack that says best who allocated, as "f (file:line)", with
 * ", through g" if that called a malloc of the program's own. */
void symbols_culprit(struct symbols *symbols, const struct stack_view *stack,
                     char *text, size_t size);

/* ---- The tree ------------------------------------------------------------- */
/* The sums hold those of the frames below. */
struct frame {
  const char *name; /* of a function; it belongs to the symbols */
  uint64_t live;
  uint64_t live_blocks;
  uint64_t allocated;
  uint64_t allocated_blocks;
  uint64_t growth;        /* of the stacks that grew */
  struct frame *children; /* what it called, the heaviest first */
  size_t nchildren;
  struct frame *next; /* with the same caller */
};

/* The root, which stands for all stacks. */
struct frame *tree_make(const struct profile_view *view,
                        struct symbols *symbols);
void tree_free(struct frame *frame);
/* Bytes: what grew with --growth, otherwise what is in use. */
uint64_t tree_weight(const struct frame *frame);

/* ---- Ways to show --------------------------------------------------------- */
void profile_table(const struct profile_view *view, struct symbols *symbols);
void profile_lifetimes(const struct profile_view *view,
                       struct symbols *symbols);
void profile_pinned(const struct profile_view *view, struct symbols *symbols);
void profile_tree(const struct profile_view *view, struct symbols *symbols);
void profile_collapsed(const struct profile_view *view,
                       struct symbols *symbols);
/* @note is a sentence above it, or "". */
void profile_html(const struct target *target, const struct profile_view *view,
                  struct symbols *symbols, const char *note);
enum status profile_json(const struct target *target,
                         const struct profile_view *view,
                         struct symbols *symbols);
enum status profile_pprof(const struct target *target,
                          const struct profile_view *view,
                          struct symbols *symbols, const char *path);

#endif /* TOOLS_PROFILE_H */
