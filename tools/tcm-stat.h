/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tcm-stat.h - what the files of tcm-stat share.
 *
 *     main.c     arguments           view.c     numbers out of a target
 *     target.c   a process           heap.c     arenas, residency
 *     core.c     a core file         the rest   one way to show or act each
 *
 * A target is read, never stopped; only request.c writes, and only when asked.
 */
#ifndef TOOLS_TCM_STAT_H
#define TOOLS_TCM_STAT_H

#include "config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "observe/layout.h"
#include "observe/stats_raw.h"

/* How tcm-stat ends. */
enum status {
  STATUS_OK = 0,
  STATUS_FAILED = 1,
  STATUS_USAGE = 2,
  STATUS_NO_PROCESS = 3,
  STATUS_NO_PERMISSION = 4,
  STATUS_NOT_TCM = 5,
  STATUS_OTHER_VERSION = 6,
  STATUS_WAITS = 7,
  STATUS_REFUSED = 8
};

/* What the command line says. */
struct settings {
  bool json;              /* --json */
  bool openmetrics;       /* --openmetrics */
  bool for_prometheus;    /* exporter: its format, not that of OpenMetrics */
  bool bytes;             /* --bytes: exact sizes */
  bool color;             /* --color, NO_COLOR, isatty */
  bool pages;             /* spans --pages */
  bool quiet;             /* no complaint about a target; for ps */
  double interval;        /* -i, seconds */
  unsigned long count;    /* -c, 0: for ever */
  double timeout;         /* --timeout, seconds */
  const char *output;     /* -o: a file instead of standard output */
  const char *assignment; /* set: NAME=VALUE */
  const char *address;    /* fault: an address, or NULL */
  double seconds;         /* --seconds, how long to look */
  bool has_seconds;       /* it was given */
  bool growth;            /* profile --growth */
  bool peak;              /* profile --peak */
  bool lifetimes;         /* profile --lifetimes */
  bool pinned;            /* profile --pinned */
  bool tree;              /* profile --tree */
  bool collapsed;         /* profile --collapsed */
  bool html;              /* profile --html */
  const char *pprof;      /* profile --pprof, a file, or NULL */
};

extern struct settings settings;

/* ---- A target --------------------------------------------------------- */
struct core;

struct target {
  const char *argument; /* as the user named it */
  pid_t pid;            /* 0 for a core file */
  struct core *core;    /* NULL for a process */
  char command[64];     /* its name, safe to print */
  uint64_t start_time;  /* tells the process from a later one of that number */
  struct stats_page page;
};

/* One part of what is read at once. */
struct piece {
  uintptr_t from;
  void *to;
  size_t size;
};

/* Finds tcm in a process or core file; complains if it is not there. */
enum status target_open(struct target *target, const char *argument);
void target_close(struct target *target);
/* 0, or a negative errno; all or nothing. */
int target_read_pieces(const struct target *target, const struct piece *pieces,
                       size_t n);
int target_read(const struct target *target, uintptr_t from, void *to,
                size_t size);
int target_write(const struct target *target, uintptr_t to, const void *from,
                 size_t size);
/* Whether it is still the process that was opened. */
bool target_is_same(const struct target *target);
/* Says why reading failed with -@error. */
enum status target_failed(const struct target *target, int error);
/* Whether @page, read at @address, is tcm's page. */
bool page_is_sound(const struct stats_page *page, uintptr_t address);

struct core *core_open(const char *path, enum status *status);
void core_close(struct core *core);
int core_read(const struct core *core, uintptr_t from, void *to, size_t size);
/* The pages in the core that look like tcm's, one after the other: 0 at the
 * end. */
uintptr_t core_find_page(const struct core *core, uintptr_t after);
void core_command(const struct core *core, char *name, size_t size);
/* What the note of a type says, and its length; NULL if there is none. */
const char *core_note(const struct core *core, uint32_t type, size_t *length);

/* ---- Its numbers ------------------------------------------------------ */
struct thread_view {
  uint32_t thread;   /* 0: left behind by a thread that ended */
  char name[32];     /* of the thread */
  uint64_t bytes;    /* free, held blocks included */
  uint64_t objects;  /* free */
  uint64_t capacity; /* bytes that its bins may hold */
  uint64_t held;     /* bytes of a large block kept for the next */
  struct cache_traffic traffic;
};

struct option_view {
  uint64_t value;
  unsigned source;
};

struct view {
  struct stats_page page;
  struct stats_raw raw;
  struct tcm_stats stats;
  bool exact; /* nothing moved while it was read */
  struct thread_view *threads;
  size_t nthreads;
  struct option_view options[OPTION_COUNT];
};

/* Reads all numbers.  A target that has ended meanwhile is complained about. */
enum status view_read(struct target *target, struct view *view);
void view_free(struct view *view);
/* Allocations so far: counted if *@exact, otherwise at least as many. */
uint64_t view_allocations(const struct view *view, bool *exact);

extern const char *const option_names[OPTION_COUNT];
extern const char *const option_sources[SOURCE_COUNT];
extern const bool option_is_fixed[OPTION_COUNT];

/* ---- Its heap --------------------------------------------------------- */
struct arena_view {
  struct arena arena; /* as it stands there; its pointers are the target's */
  uintptr_t address;  /* of the descriptor */
};

struct heap_view {
  struct arena_view *arenas;
  size_t narenas;
  struct span *mapped; /* blocks with a mapping to themselves */
  size_t nmapped;
  bool known;                /* the kernel told what is resident */
  uint64_t resident;         /* bytes, of arenas and metadata */
  uint64_t swapped;          /* bytes */
  uint64_t huge;             /* bytes in the kernel's huge pages */
  uint64_t process_resident; /* bytes, of the whole process */
};

enum status heap_read(const struct target *target, struct heap_view *heap);
void heap_free(struct heap_view *heap);

/* ---- Ways to show ------------------------------------------------------ */
enum status show_overview(struct target *target);
/* As JSON or OpenMetrics. */
enum status show_document(struct target *target);
enum status show_classes(struct target *target);
/* Of a file that --json wrote. */
enum status show_saved_classes(const char *path);
enum status show_threads(struct target *target);
enum status show_spans(struct target *target);
enum status show_watch(struct target *target);
enum status show_profile(struct target *target);
enum status show_fault(struct target *target);
enum status show_diff(const char *before, const char *after);
enum status show_ps(void);
/* A page for a browser. */
enum status show_report(struct target *target);
/* The live screen, of one process or, for NULL, of all. */
enum status show_top(const char *pid);
enum status request_release(struct target *target);
enum status request_set(struct target *target, const char *assignment);
/* The same, silently. */
enum status request_option(struct target *target, enum option_id id,
                           uint64_t value);
/* Takes back a request that waits. */
enum status request_withdraw(struct target *target);

/* Of the documents of --json.  It grows when a member goes or gets another
 * meaning; new ones may come without. */
#define JSON_SCHEMA 1

/* One document or block of samples for a target that was read. */
enum status json_write(const struct target *target, const struct view *view,
                       const struct heap_view *heap);
/* The document as a text that is the caller's; NULL, with a complaint. */
char *json_text(const struct target *target, const struct view *view,
                const struct heap_view *heap);
enum status metrics_write(const struct target *target, const struct view *view,
                          const struct heap_view *heap);
/* Around the samples of all targets. */
void metrics_end(void);

/* The numbers of a file that --json wrote.  A name that is not there is 0. */
struct tally;
struct tally *tally_read(const char *path, enum status *status);
uint64_t tally_get(const struct tally *tally, const char *name, bool *there);
/* The classes that it has, up to SIZE_CLASS_COUNT: how many. */
size_t tally_classes(const struct tally *tally, struct class_stats *classes);
/* Whether a file may be such a one: it begins with a brace. */
bool is_document(const char *path);
void tally_free(struct tally *tally);

/* Standard output becomes a file that appears at the end, if it is to be kept;
 * false, with a complaint, if it cannot be. */
bool output_begin(const char *path);
bool output_end(const char *path, bool keep);

/* ---- Text -------------------------------------------------------------- */
/* A line on standard error, unless settings.quiet. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A size for people, or exact; @text holds at least 32 characters. */
const char *size_text(char *text, uint64_t bytes);
/* Whether --json or --openmetrics was asked for. */
bool wants_document(void);
const char *bold(void);
const char *plain(void);
const char *good(void);
const char *bad(void);
/* Starts a color, the number of an escape sequence, until plain(). */
void color_on(const char *number);
/* Columns of the terminal; 80 for a file. */
size_t screen_width(void);

#endif /* TOOLS_TCM_STAT_H */
