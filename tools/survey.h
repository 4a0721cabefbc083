/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * survey.h - what tcm-stat reads from a process beyond its statistics, and the
 * diagnosis that follows.
 *
 *     pages.c     each page of the heap: what keeps it
 *     outside.c   memory and limits outside of tcm
 *     profile.h   if samples are taken, which code holds the memory
 *     survey.c    reads all of it twice, a few seconds apart
 *     verdict.c   one sentence of diagnosis, one of action
 *
 * Invariants
 *   V1  a sentence reports only counted bytes.  What a single reading cannot
 *       show, above all growth, it reports as unknown.
 *
 * No locking: plain values.
 */
#ifndef TOOLS_SURVEY_H
#define TOOLS_SURVEY_H

#include "tcm-stat.h"

/* ---- Pages ------------------------------------------------------------- */
enum page_kind {
  PAGE_UNUSED,   /* never used */
  PAGE_RETURNED, /* has no physical memory */
  PAGE_IDLE,     /* free in the page heap, not returned to the OS */
  PAGE_FREE,     /* in a span, and no object on it is in use or cached */
  PAGE_CACHED,   /* kept only by cached objects, or in a held block */
  PAGE_PARTLY,   /* some objects are in use, others free or cached */
  PAGE_FULL,     /* all of its small objects are in use */
  PAGE_LARGE,    /* in use by a large block */
  PAGE_KINDS
};

/* All fields: [const] */
struct cell {
  uint8_t kind;     /* enum page_kind */
  uint8_t class_id; /* 0 for a large block or none */
  uint16_t live;    /* objects in use that touch the page */
};

/* All fields: [const] */
struct page_view {
  uint64_t count[PAGE_KINDS];
  uint64_t classes[SIZE_CLASS_COUNT][PAGE_KINDS];
  uint64_t partly_free[SIZE_CLASS_COUNT]; /* unused bytes, PAGE_PARTLY */
  uint64_t large_blocks;                  /* in use */
  uint64_t largest_bytes;                 /* of one block */
};

/* The cells of a huge page; @start is its address. */
typedef void page_sink(void *to, uintptr_t start,
                       const struct cell cells[HUGE_PAGE_PAGES]);

/* Copies of the tables of an arena. */
struct tables {
  uint64_t *busy, *whole, *warm;
  uint16_t *committed;
  struct huge_page *huge;
};

int tables_read(const struct target *target, const struct arena *arena,
                struct tables *tables);
void tables_free(struct tables *tables);
bool table_bit(const uint64_t *words, size_t i);

/* Classifies each page; @sink may be NULL.  Returns 0 or a negative errno. */
int pages_read(const struct target *target, const struct heap_view *heap,
               struct page_view *view, page_sink *sink, void *to);

/* A hypothetical object in use, added to those that really are. */
struct guest {
  uintptr_t at; /* its address: a place for an object of its class */
  unsigned class_id;
  size_t owner;  /* the caller's */
  double weight; /* the caller's */
  double share;  /* its share of the unused bytes on its pages: those of each
                    page, divided by its objects in use and guests */
};

/* Sorts the guests by address, sets @share.  Returns 0 or a negative errno. */
int pages_read_guests(const struct target *target, const struct heap_view *heap,
                      struct guest *guests, size_t n);

/* ---- Outside of the heap ----------------------------------------------- */
enum outside_kind {
  OUTSIDE_ANONYMOUS, /* the program's own mappings, and brk */
  OUTSIDE_STACKS,
  OUTSIDE_FILES,  /* programs, libraries, mapped files */
  OUTSIDE_SHARED, /* shared memory */
  OUTSIDE_KINDS
};

/* All fields: [const] */
struct outside_view {
  bool known;                    /* smaps could be read */
  uint64_t bytes[OUTSIDE_KINDS]; /* resident */
  uint64_t most[OUTSIDE_KINDS];  /* of the largest mapping */
  char name[OUTSIDE_KINDS][128]; /* of that mapping, printable */
};

extern const char *const outside_names[OUTSIDE_KINDS];

/* All fields: [const] */
struct limit_view {
  const char *name; /* of the limit, as the subject of a sentence */
  uint64_t used;    /* 0 if unknown */
  uint64_t most;    /* the limit; 0 if there is none */
};

enum { LIMIT_HARD, LIMIT_SOFT, LIMIT_GROUP, LIMIT_DATA, LIMIT_ADDRESS, LIMITS };

void outside_read(const struct target *target, const struct heap_view *heap,
                  struct outside_view *outside);
void limits_read(const struct target *target, const struct view *view,
                 struct limit_view limits[LIMITS]);

struct profile_view;

/* ---- Growth -------------------------------------------------------------- */
/* Memory in use grows if it never fell during this number of readings after the
 * first, and rose by this or more.  A smaller rise may be a few spans of a
 * program with steady use. */
#define GROWTH_STEPS 5
#define GROWTH_MIN ((uint64_t)64 << 10)

/* ---- All of it ----------------------------------------------------------- */
/* All fields: [const] */
struct survey {
  double seconds; /* between the readings; 0 if there was only one */
  bool rises;     /* bytes in use never fell from reading to reading */
  struct view before, now;
  struct heap_view heap;
  struct page_view pages; /* of another layout: only PAGE_IDLE is known */
  struct outside_view outside_before, outside;
  struct limit_view limits[LIMITS];
  struct profile_view *profile; /* NULL if no samples are taken; its growth is
                                   that between the readings */
};

/* Reads a target, and again after @seconds if that is not 0. */
enum status survey_read(struct target *target, double seconds,
                        struct survey *survey);
/* The same with more readings; @add gets each reading and its time. */
typedef void reading_sink(void *to, double seconds, const struct view *view);
enum status survey_watch(struct target *target, double seconds,
                         struct survey *survey, reading_sink *add, void *to);
void survey_free(struct survey *survey);
double seconds_now(void);
void sleep_seconds(double seconds);

/* ---- The verdict --------------------------------------------------------- */
enum cause {
  CAUSE_LIMIT,
  CAUSE_GROWTH,
  CAUSE_OUTSIDE,
  CAUSE_CHURN,
  CAUSE_RETURNABLE,
  CAUSE_FRAGMENTED,
  CAUSE_CACHES,
  CAUSE_HUGE_PAGES,
  CAUSE_HUGE_BLOCK,
  CAUSE_NONE,
  CAUSES
};

/* All fields: [const] */
struct verdict {
  enum cause cause;
  char diagnosis[400];
  char action[400];
};

extern const char *const cause_names[CAUSES];
void verdict_reach(const struct target *target, const struct survey *survey,
                   struct verdict *verdict);

#endif /* TOOLS_SURVEY_H */
