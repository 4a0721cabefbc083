/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * look.h - what a look at a process gathers beyond its numbers, and what
 * follows from it.
 *
 *     pages.c     each page of the heap: who holds it
 *     outside.c   memory and limits that are not tcm's
 *     look.c      all of it, twice, some seconds apart
 *     verdict.c   one sentence of diagnosis, one of action
 *
 * Invariants
 *   V1  a sentence names counted bytes only.  What a single reading cannot tell,
 *       growth above all, is said to be unknown.
 *
 * No locking: plain values.
 */
#ifndef TOOLS_LOOK_H
#define TOOLS_LOOK_H

#include "tcm-stat.h"

/* ---- Pages ------------------------------------------------------------- */
enum page_kind {
  PAGE_UNUSED,   /* never used */
  PAGE_RETURNED, /* no memory */
  PAGE_IDLE,     /* free in the page heap, with memory */
  PAGE_FREE,     /* in a span, and no object on it is in use or cached */
  PAGE_CACHED,   /* what keeps it are cached objects, or it is a held block */
  PAGE_PARTLY,   /* objects in use beside free or cached ones */
  PAGE_FULL,     /* all of it is in use, as small objects */
  PAGE_LARGE,    /* in use by a large block */
  PAGE_KINDS
};

/* All fields: [const] */
struct cell {
  uint8_t kind;     /* enum page_kind */
  uint8_t class_id; /* 0 for none, and for a large block */
  uint16_t live;    /* objects in use that touch the page */
};

/* All fields: [const] */
struct page_view {
  uint64_t count[PAGE_KINDS];
  uint64_t classes[SIZE_CLASS_COUNT][PAGE_KINDS];
  uint64_t partly_free[SIZE_CLASS_COUNT]; /* bytes not in use on such pages */
  uint64_t large_blocks;                  /* in use */
  uint64_t largest_bytes;                 /* of them */
};

/* The cells of a huge page; @start is its address. */
typedef void page_sink(void *to, uintptr_t start,
                       const struct cell cells[HUGE_PAGE_PAGES]);

/* The tables of an arena, copied. */
struct tables {
  uint64_t *busy, *whole, *warm;
  uint16_t *committed;
  struct huge_page *huge;
};

int tables_read(const struct target *target, const struct arena *arena,
                struct tables *tables);
void tables_free(struct tables *tables);
bool table_bit(const uint64_t *words, size_t i);

/* Looks at each page; @sink may be NULL.  0, or a negative errno. */
int pages_read(const struct target *target, const struct heap_view *heap,
               struct page_view *view, page_sink *sink, void *to);

/* An object that is thought of as in use, beside those that are. */
struct guest {
  uintptr_t at; /* its address, at a place for objects of its class */
  unsigned class_id;
  size_t owner;  /* the caller's */
  double weight; /* the caller's */
  double beside; /* bytes not in use on its pages, divided on each by how many
                    objects, guests too, keep it */
};

/* Looks at the pages of the guests, which it sorts by address.  The same. */
int pages_read_guests(const struct target *target, const struct heap_view *heap,
                      struct guest *guests, size_t n);

/* ---- Outside of the heap ----------------------------------------------- */
enum outside_kind {
  OUTSIDE_ANONYMOUS, /* mappings of the program's own, brk too */
  OUTSIDE_STACKS,
  OUTSIDE_FILES,  /* programs, libraries, mapped files */
  OUTSIDE_SHARED, /* shared memory */
  OUTSIDE_KINDS
};

/* All fields: [const] */
struct outside_view {
  bool known;                    /* smaps could be read */
  uint64_t bytes[OUTSIDE_KINDS]; /* resident */
  uint64_t most[OUTSIDE_KINDS];  /* of one mapping */
  char name[OUTSIDE_KINDS][128]; /* of that, printable */
};

extern const char *const outside_names[OUTSIDE_KINDS];

/* All fields: [const] */
struct limit_view {
  const char *name; /* of the limit */
  uint64_t used;    /* of it, 0 where that is not known */
  uint64_t most;    /* 0: there is no such limit */
};

enum { LIMIT_HARD, LIMIT_SOFT, LIMIT_GROUP, LIMIT_DATA, LIMIT_ADDRESS, LIMITS };

void outside_read(const struct target *target, const struct heap_view *heap,
                  struct outside_view *outside);
void limits_read(const struct target *target, const struct view *view,
                 struct limit_view limits[LIMITS]);

/* ---- A look -------------------------------------------------------------- */
/* All fields: [const] */
struct look {
  double seconds; /* between the readings; 0: there was one only */
  bool rises;     /* bytes in use never fell between several readings */
  struct view before, now;
  struct heap_view heap;
  struct page_view pages;
  struct outside_view outside_before, outside;
  struct limit_view limits[LIMITS];
};

/* Reads a target, and again in @seconds if that is not 0. */
enum status look_read(struct target *target, double seconds, struct look *look);
/* The same in more steps; @add gets each reading and when it was. */
typedef void reading_sink(void *to, double seconds, const struct view *view);
enum status look_watch(struct target *target, double seconds, struct look *look,
                       reading_sink *add, void *to);
void look_free(struct look *look);
double seconds_now(void);
void sleep_seconds(double seconds);

/* ---- The verdict ----------------------------------------------------------- */
enum cause {
  CAUSE_LIMIT,
  CAUSE_GROWTH,
  CAUSE_OUTSIDE,
  CAUSE_CHURN,
  CAUSE_GOES_BACK,
  CAUSE_FRAGMENTED,
  CAUSE_CACHES,
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
void verdict_reach(const struct target *target, const struct look *look,
                   struct verdict *verdict);

#endif /* TOOLS_LOOK_H */
