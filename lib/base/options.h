/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * options.h - the options; options.def has one row for each.
 *
 *     default < container < file < program < environment < API, request
 *
 * The file, tcm_options in the program, and the environment assign in the same
 * form: TCM_<NAME>=<value>.
 *
 * Invariants
 *   O1  the current value of each option is within its range.
 *   O2  fixed options do not change after tcmi_options_init(); they have their
 *       own page, which then becomes read-only.
 *   O3  the file and the environment are ignored if the program is privileged.
 *   O4  an invalid value, or a name much like that of an option, causes one
 *       line of output; it never prevents the start.
 *   O5  a path is a copy, because programs overwrite their environment.
 *
 * Locking: none; values are single words, read and written in relaxed order.
 */
#ifndef TCM_BASE_OPTIONS_H
#define TCM_BASE_OPTIONS_H

#include "base/atomics.h"
#include "base/compiler.h"

enum option_id {
#define OPTION(name, default_value, min, max, fixed, help) OPTION_##name,
#include "base/options.def"
  OPTION_COUNT
};

enum text_option_id {
#define TEXT_OPTION(name, help) TEXT_##name,
#include "base/options.def"
  TEXT_COUNT
};

/* Bytes of a path with its NUL: all fixed options must fit on one page. */
#define OPTION_TEXT_BYTES 1024

/* Values of the option "check". */
enum check_level {
  CHECK_NONE,   /* a free is checked by the mark of the block */
  CHECK_FREES,  /* by a bit per block: each invalid free is detected at once */
  CHECK_BOUNDS, /* also red zones, junk, the sizes of sized frees */
  CHECK_QUARANTINE /* also writes after free */
};

enum option_source {
  SOURCE_DEFAULT,
  SOURCE_ENVIRONMENT,
  SOURCE_API,
  SOURCE_REQUEST,   /* tcm-stat(1), see observe/stats_page.h */
  SOURCE_CONTAINER, /* the limits of the process's control groups */
  SOURCE_FILE,      /* OPTIONS_FILE */
  SOURCE_PROGRAM,   /* tcm_options in the program */
  SOURCE_COUNT      /* tcm-stat(1) knows the numbers: only append */
};

struct option_values {
  uint64_t value[OPTION_COUNT]; /* [atomic: relaxed] current */
  uint8_t source[OPTION_COUNT]; /* [atomic: relaxed] enum option_source */
};

extern struct option_values tcmi_open_values;   /* options that may change */
extern struct option_values *tcmi_fixed_values; /* NULL until init */

/* Keep it small: the loader relocates the table in each process. */
struct option_row {
  const char *name;       /* [const] */
  const char *help;       /* [const] one sentence */
  uint64_t default_value; /* [const] */
  uint64_t max;           /* [const] inclusive, like min */
  uint32_t min;           /* [const] */
  bool fixed;             /* [const] sealed at start */
};

extern const struct option_row tcmi_option_table[OPTION_COUNT];

/* What an administrator sets for all processes.  At most OPTIONS_FILE_MAX bytes
 * including a NUL. */
#define OPTIONS_FILE "/etc/tcm.conf"
#define OPTIONS_FILE_MAX 4096

/* Reads @file (unless it is NULL), then tcm_options, then the environment.
 * Call it once, at start, before any other thread exists. */
void tcmi_options_init(const char *file);
/* Makes the fixed options read-only. */
void tcmi_options_seal(void);

uint64_t tcmi_option(enum option_id id);
enum option_source tcmi_option_source(enum option_id id);
/* Returns 0, -EPERM or -ERANGE. */
MUST_CHECK int tcmi_option_change(enum option_id id, uint64_t value,
                                  enum option_source source);
/* Sets a better default, unless the environment, the API or a request has set
 * the option. */
void tcmi_option_suggest(enum option_id id, uint64_t value);
/* A path, or "". */
const char *tcmi_option_text(enum text_option_id id);
/* The option of that name, or OPTION_COUNT. */
enum option_id tcmi_option_find(const char *name);

#endif /* TCM_BASE_OPTIONS_H */
