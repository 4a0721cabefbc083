/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * options.h - the settings, one row each in options.def.
 *
 *     default  <  container  <  environment (TCM_<NAME>)  <  API, request
 *
 * Invariants
 *   O1  a value in force lies in its range.
 *   O2  fixed options do not change after tcmi_options_init(); they have their
 *       own page, which is made read-only then.
 *   O3  the environment is ignored where the program is privileged.
 *   O4  a wrong value or an unknown TCM_ name costs one line, never the start.
 *   O5  a path is a copy: programs write over their environment.
 *
 * Locking: none; values are single words, read and written with relaxed order.
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

/* Bytes of a path with its end, so that all fixed options lie on one page. */
#define OPTION_TEXT_BYTES 1024

enum option_source {
  SOURCE_DEFAULT,
  SOURCE_ENVIRONMENT,
  SOURCE_API,
  SOURCE_REQUEST,   /* tcm-stat(1), see observe/stats_page.h */
  SOURCE_CONTAINER, /* the limits of the process's control groups */
  SOURCE_COUNT
};

struct option_values {
  uint64_t value[OPTION_COUNT]; /* [atomic: relaxed] in force */
  uint8_t source[OPTION_COUNT]; /* [atomic: relaxed] enum option_source */
};

extern struct option_values tcmi_open_values;   /* those that may change */
extern struct option_values *tcmi_fixed_values; /* NULL until init */

/* Keep it small: the loader writes to the table in each process. */
struct option_row {
  const char *name;       /* [const] */
  const char *help;       /* [const] one sentence */
  uint64_t default_value; /* [const] */
  uint64_t max;           /* [const] inclusive, as min */
  uint32_t min;           /* [const] */
  bool fixed;             /* [const] sealed at start */
};

extern const struct option_row tcmi_option_table[OPTION_COUNT];

/* Reads the environment; called once, at start, before any other thread. */
void tcmi_options_init(void);
/* Makes the fixed options read-only. */
void tcmi_options_seal(void);

uint64_t tcmi_option(enum option_id id);
enum option_source tcmi_option_source(enum option_id id);
/* 0, or -EPERM or -ERANGE. */
MUST_CHECK int tcmi_option_change(enum option_id id, uint64_t value,
                                  enum option_source source);
/* A better default, in force unless somebody said otherwise. */
void tcmi_option_suggest(enum option_id id, uint64_t value);
/* A path, or "". */
const char *tcmi_option_text(enum text_option_id id);
/* The option of that name, or OPTION_COUNT. */
enum option_id tcmi_option_find(const char *name);

#endif /* TCM_BASE_OPTIONS_H */
