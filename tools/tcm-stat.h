/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tcm-stat.h - the declarations that the files of tcm-stat share.
 *
 *     main.c     arguments           view.c     numbers from a target
 *     target.c   a process           heap.c     arenas, residency
 *     core.c     a core file         the rest   one view or action each
 *
 * A target is read, not stopped.  Only request.c writes to it, and only wake.c
 * interrupts it: an idle one, for a request of the user.
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

/* Exit status of tcm-stat. */
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

/* The parsed command line. */
struct settings {
  bool json;              /* --json */
  bool openmetrics;       /* --openmetrics */
  bool for_prometheus;    /* exporter: Prometheus format, not OpenMetrics */
  bool bytes;             /* --bytes: exact sizes */
  bool color;             /* --color, NO_COLOR, isatty */
  bool pages;             /* spans --pages */
  bool quiet;             /* do not complain about a target; for ps */
  double interval;        /* -i, seconds */
  unsigned long count;    /* -c; 0: no limit */
  double timeout;         /* --timeout, seconds */
  const char *output;     /* -o: a file instead of standard output */
  const char *assignment; /* set: NAME=VALUE */
  const char *address;    /* fault: an address, or NULL */
  double seconds;         /* --seconds, how long to observe */
  bool has_seconds;       /* --seconds was given */
  bool growth;            /* profile --growth */
  bool peak;              /* profile --peak */
  bool lifetimes;         /* profile --lifetimes */
  bool pinned;            /* profile --pinned */
  bool tree;              /* profile --tree */
  bool collapsed;         /* profile --collapsed */
  bool html;              /* profile --html */
  const char *pprof;      /* profile --pprof, a file, or NULL */
  const char *readings;   /* report --readings, a file, or NULL */
};

extern struct settings settings;

/* ---- A target --------------------------------------------------------- */
struct core;
struct shapes;

struct target {
  const char *argument; /* as the user named it */
  pid_t pid;            /* 0 for a core file */
  struct core *core;    /* NULL for a process */
  char command[64];     /* its name, printable */
  uint64_t start_time;  /* identifies the process together with its PID */
  struct stats_page page;
  struct shapes *shapes; /* NULL if its layout is this tool's */
};

/* One part of a read. */
struct piece {
  uintptr_t from;
  void *to;
  size_t size;
};

/* Finds tcm in a process or core file; complains if it is not there. */
enum status target_open(struct target *target, const char *argument);
void target_close(struct target *target);
/* Reads all pieces or fails: 0, or a negative errno. */
int target_read_pieces(const struct target *target, const struct piece *pieces,
                       size_t n);
int target_read(const struct target *target, uintptr_t from, void *to,
                size_t size);
int target_write(const struct target *target, uintptr_t to, const void *from,
                 size_t size);
/* Whether it is still the process that was opened. */
bool target_is_same(const struct target *target);
/* Whether the layout of its library is this tool's; complains if not.  @command
 * is the command that needs it. */
bool target_is_alike(const struct target *target, const char *command);
/* Reports why reading failed with -@error. */
enum status target_failed(const struct target *target, int error);
/* Whether @page, read at @address, is tcm's page. */
bool page_is_sound(const struct stats_page *page, uintptr_t address);

struct core *core_open(const char *path, enum status *status);
void core_close(struct core *core);
int core_read(const struct core *core, uintptr_t from, void *to, size_t size);
/* The next page in the core after @after that looks like tcm's; 0 if there is
 * none. */
uintptr_t core_find_page(const struct core *core, uintptr_t after);
void core_command(const struct core *core, char *name, size_t size);
/* The content of the note of a type, and its length; NULL if there is none. */
const char *core_note(const struct core *core, uint32_t type, size_t *length);

/* ---- Its numbers ------------------------------------------------------ */
struct thread_view {
  uint32_t thread;   /* 0: an orphaned cache */
  char name[32];     /* of the thread */
  uint64_t bytes;    /* cached, the held block included */
  uint64_t objects;  /* cached */
  uint64_t capacity; /* bytes that its bins may hold */
  uint64_t held;     /* bytes of a large block held for reuse */
  struct cache_traffic traffic;
};

struct option_view {
  bool known; /* the target has this option */
  uint64_t value;
  unsigned source;
};

struct view {
  struct stats_page page;
  struct stats_raw raw;
  struct tcm_stats stats;
  bool exact; /* nothing changed while it was read */
  struct thread_view *threads;
  size_t nthreads;
  struct option_view options[OPTION_COUNT];
};

/* Reads all numbers; complains if the target ended meanwhile. */
enum status view_read(struct target *target, struct view *view);
void view_free(struct view *view);
/* Allocations so far: the count if *@exact, otherwise a lower bound. */
uint64_t view_allocations(const struct view *view, bool *exact);

extern const char *const option_names[OPTION_COUNT];
extern const char *const option_sources[SOURCE_COUNT];
extern const bool option_is_fixed[OPTION_COUNT];

/* ---- Its heap --------------------------------------------------------- */
struct arena_view {
  struct arena arena; /* a copy; its pointers are addresses in the target */
  uintptr_t address;  /* of the descriptor */
};

struct heap_view {
  struct arena_view *arenas;
  size_t narenas;
  struct span *mapped; /* blocks with their own mapping */
  size_t nmapped;
  bool known;                /* the kernel reported what is resident */
  uint64_t resident;         /* bytes, of arenas and metadata */
  uint64_t swapped;          /* bytes */
  uint64_t huge;             /* bytes in huge pages of the kernel */
  uint64_t process_resident; /* bytes, of the whole process */
};

enum status heap_read(const struct target *target, struct heap_view *heap);
void heap_free(struct heap_view *heap);

/* ---- Ways to show ------------------------------------------------------ */
enum status show_overview(struct target *target);
/* As JSON or OpenMetrics. */
enum status show_document(struct target *target);
enum status show_classes(struct target *target);
/* The classes in a file that --json wrote. */
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
/* The live screen of one process, or of all for NULL. */
enum status show_top(const char *pid);
enum status request_release(struct target *target);
enum status request_set(struct target *target, const char *assignment);
/* The same, silently. */
enum status request_option(struct target *target, enum option_id id,
                           uint64_t value);
/* Withdraws a pending request. */
enum status request_withdraw(struct target *target);

/* Version of the documents of --json.  Raise it when a member is removed or its
 * meaning changes, not when one is added. */
#define JSON_SCHEMA 1

/* Writes a document or samples for a target whose numbers were read. */
enum status json_write(const struct target *target, const struct view *view,
                       const struct heap_view *heap);
/* The document as text, which the caller frees; NULL, with a complaint. */
char *json_text(const struct target *target, const struct view *view,
                const struct heap_view *heap);
enum status metrics_write(const struct target *target, const struct view *view,
                          const struct heap_view *heap);
/* Writes the end of the samples, after all targets. */
void metrics_end(void);

/* Redirects standard output to a file that output_end() puts in place or drops;
 * false, with a complaint, if that fails. */
bool output_begin(const char *path);
bool output_end(const char *path, bool keep);

/* ---- Text -------------------------------------------------------------- */
/* Writes a line to standard error, unless settings.quiet. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A size, rounded or exact (--bytes); @text holds at least 32 characters. */
const char *size_text(char *text, uint64_t bytes);
/* Whether --json or --openmetrics was asked for. */
bool wants_document(void);
const char *bold(void);
const char *plain(void);
const char *good(void);
const char *bad(void);
/* Starts a color, the number of an escape sequence; plain() ends it. */
void color_on(const char *number);
/* Columns of the terminal; 80 if the output is a file. */
size_t screen_width(void);
/* Prints text wrapped into lines of that width, indented from the second line
 * on. */
void put_wrapped(const char *text);

#endif /* TOOLS_TCM_STAT_H */
