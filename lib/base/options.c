/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fixed options are in a separate zeroed area that is aligned at run time.
 * Aligning the object itself to the largest page of any kernel would align the
 * whole library to it.
 */
#include "config.h"

#include "base/options.h"

#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "base/params.h"
#include "base/report.h"
#include "base/system.h"

const struct option_row tcmi_option_table[OPTION_COUNT] = {
#define OPTION(name, default_value, min, max, fixed, help) \
  {#name, help, default_value, max, min, fixed},
#include "base/options.def"
};

static const char *const text_names[TEXT_COUNT] = {
#define TEXT_OPTION(name, help) #name,
#include "base/options.def"
};

/* The contents of the page of fixed options. */
struct fixed_options {
  struct option_values values;               /* [atomic: relaxed] */
  char texts[TEXT_COUNT][OPTION_TEXT_BYTES]; /* [init] paths, or empty */
};

struct option_values tcmi_open_values;
struct option_values *tcmi_fixed_values;
static char fixed_area[2 * SYSTEM_PAGE_MAX];

static char *
text_of(enum text_option_id id)
{
  return ((struct fixed_options *)(void *)tcmi_fixed_values)->texts[id];
}

const char *
tcmi_option_text(enum text_option_id id)
{
  return tcmi_fixed_values == NULL ? "" : text_of(id);
}

static struct option_values *
values_of(enum option_id id)
{
  return tcmi_option_table[id].fixed ? tcmi_fixed_values : &tcmi_open_values;
}

uint64_t
tcmi_option(enum option_id id)
{
  if (unlikely(tcmi_fixed_values == NULL))
    return tcmi_option_table[id].default_value;
  return atomic_load_relaxed(&values_of(id)->value[id]);
}

enum option_source
tcmi_option_source(enum option_id id)
{
  if (tcmi_fixed_values == NULL)
    return SOURCE_DEFAULT;
  return (enum option_source)atomic_load_relaxed(&values_of(id)->source[id]);
}

static void
option_store(enum option_id id, uint64_t value, enum option_source source)
{
  atomic_store_relaxed(&values_of(id)->value[id], value);
  atomic_store_relaxed(&values_of(id)->source[id], (uint8_t)source);
}

static bool
option_allows(enum option_id id, uint64_t value)
{
  const struct option_row *option = &tcmi_option_table[id];

  if (id == OPTION_page_size && value != 0 && !is_power_of_two(value))
    return false;
  return value >= option->min && value <= option->max;
}

int
tcmi_option_change(enum option_id id, uint64_t value, enum option_source source)
{
  if (tcmi_option_table[id].fixed)
    return -EPERM;
  if (!option_allows(id, value))
    return -ERANGE;
  option_store(id, value, source);
  if (id == OPTION_messages)
    tcmi_report_enable(value != 0);
  return 0;
}

void
tcmi_option_suggest(enum option_id id, uint64_t value)
{
  enum option_source source = tcmi_option_source(id);

  if ((source == SOURCE_DEFAULT || source == SOURCE_CONTAINER) &&
      value != tcmi_option(id) && option_allows(id, value))
    option_store(id, value, SOURCE_CONTAINER);
}

enum option_id
tcmi_option_find(const char *name)
{
  for (int id = 0; id < OPTION_COUNT; id++)
    if (strcmp(tcmi_option_table[id].name, name) == 0)
      return (enum option_id)id;
  return OPTION_COUNT;
}

/* Whether @variable, up to its '=', is TCM_ and @name in upper case. */
static bool
variable_is_option(const char *variable, const char *name)
{
  for (variable += 4; *name != '\0'; variable++, name++) {
    char upper =
        (char)(*name >= 'a' && *name <= 'z' ? *name - 'a' + 'A' : *name);
    if (*variable != upper)
      return false;
  }
  return *variable == '=';
}

/* Parses a decimal number with an optional suffix K, M, G or T, a power of
 * 1024; false if the text contains anything else. */
static bool
parse_number(const char *text, uint64_t *value)
{
  static const char suffixes[] = "KMGT";
  const char *suffix;
  uint64_t n = 0;

  if (*text < '0' || *text > '9')
    return false;
  for (; *text >= '0' && *text <= '9'; text++)
    if (__builtin_mul_overflow(n, (uint64_t)10, &n) ||
        __builtin_add_overflow(n, (uint64_t)(*text - '0'), &n))
      return false;
  if (*text != '\0' && (suffix = strchr(suffixes, *text)) != NULL) {
    unsigned shift = 10 * (unsigned)(suffix - suffixes + 1);
    if (n > UINT64_MAX >> shift)
      return false;
    n <<= shift;
    text++;
  }
  *value = n;
  return *text == '\0';
}

static void
begin_warning(struct line *line, enum option_source source)
{
  tcmi_report_begin(line);
  tcmi_line_text(line, source == SOURCE_ENVIRONMENT ? "environment: "
                       : source == SOURCE_FILE      ? OPTIONS_FILE ": "
                                                    : "tcm_options: ");
}

static void
warn_about(const char *variable, size_t length, const char *what,
           enum option_source source)
{
  struct line line;
  char name[64];

  length = min_size(length, sizeof name - 1);
  memcpy(name, variable, length);
  name[length] = '\0';
  begin_warning(&line, source);
  tcmi_line_text(&line, name);
  tcmi_line_text(&line, what);
  tcmi_report_warn(&line);
}

static void
warn_value(const char *variable, enum option_id id, enum option_source source)
{
  const struct option_row *option = &tcmi_option_table[id];
  struct line line;

  begin_warning(&line, source);
  tcmi_line_text(&line, variable);
  tcmi_line_text(&line, " is not a number from ");
  tcmi_line_decimal(&line, option->min);
  tcmi_line_text(&line, " to ");
  tcmi_line_decimal(&line, option->max);
  if (id == OPTION_page_size)
    tcmi_line_text(&line, " and a power of two");
  tcmi_line_text(&line, tcmi_option_source(id) == SOURCE_DEFAULT
                            ? "; tcm uses the default, "
                            : "; tcm uses ");
  tcmi_line_decimal(&line, tcmi_option(id));
  tcmi_report_warn(&line);
}

/* A name that differs from an option in at most this many letters is reported
 * as a typing error.  Other names are not: other software also has variables
 * that begin with TCM_. */
#define TYPING_ERRORS 2
#define NAME_LENGTH_MAX 31

static char
to_lower(char c)
{
  return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* Whether at most TYPING_ERRORS inserted, removed or changed letters turn @name
 * into @option.  Computes the usual table of edit distances row by row. */
static bool
resembles(const char *name, size_t length, const char *option)
{
  size_t n = strlen(option), row[NAME_LENGTH_MAX + 1];

  if (n > NAME_LENGTH_MAX || length > n + TYPING_ERRORS ||
      n > length + TYPING_ERRORS)
    return false;
  for (size_t j = 0; j <= n; j++)
    row[j] = j;
  for (size_t i = 1; i <= length; i++) {
    size_t before = row[0];
    row[0] = i;
    for (size_t j = 1; j <= n; j++) {
      size_t same = before + (to_lower(name[i - 1]) != option[j - 1]);
      before = row[j];
      row[j] = min_size(same, min_size(row[j], row[j - 1]) + 1);
    }
  }
  return row[n] <= TYPING_ERRORS;
}

/* @length is the length of the variable's name. */
static bool
resembles_an_option(const char *variable, size_t length)
{
  for (int id = 0; id < OPTION_COUNT; id++)
    if (resembles(variable + 4, length - 4, tcmi_option_table[id].name))
      return true;
  for (int id = 0; id < TEXT_COUNT; id++)
    if (resembles(variable + 4, length - 4, text_names[id]))
      return true;
  return false;
}

/* Reads @variable if it is a path option; returns whether it is. */
static bool
read_text(const char *variable, const char *value, enum option_source source)
{
  size_t length = strlen(value);

  for (int id = 0; id < TEXT_COUNT; id++) {
    if (!variable_is_option(variable, text_names[id]))
      continue;
    if (*value == '/' && length < OPTION_TEXT_BYTES)
      memcpy(text_of((enum text_option_id)id), value, length + 1);
    else
      warn_about(variable, (size_t)(value - 1 - variable),
                 " is not an absolute path of less than 1024 bytes and is "
                 "ignored",
                 source);
    return true;
  }
  return false;
}

static void
read_variable(const char *variable, enum option_source source)
{
  const char *equals = strchr(variable, '=');
  uint64_t value;

  if (equals == NULL || read_text(variable, equals + 1, source))
    return;
  for (int id = 0; id < OPTION_COUNT; id++) {
    if (!variable_is_option(variable, tcmi_option_table[id].name))
      continue;
    if (parse_number(equals + 1, &value) &&
        option_allows((enum option_id)id, value))
      option_store((enum option_id)id, value, source);
    else
      warn_value(variable, (enum option_id)id, source);
    return;
  }
  if (source != SOURCE_ENVIRONMENT ||
      resembles_an_option(variable, (size_t)(equals - variable)))
    warn_about(variable, (size_t)(equals - variable),
               " names no option of tcm and is ignored", source);
}

/* Whether @variable decides if messages about the other variables are
 * written. */
static bool
is_about_messages(const char *variable)
{
  return strncmp(variable, "TCM_MESSAGES=", 13) == 0;
}

/* Defined by a program that has its own options, see tcm.h. */
extern const char tcm_options[] WEAK;

/* The texts of the file and of the program: words, each with a NUL.  Few
 * processes have such a text, so the lengths are not on the same pages.
 * [init] */
static char texts[2][OPTIONS_FILE_MAX];
static size_t text_lengths[2]; /* [init] */

/* Ends each word of a text by a NUL, and overwrites comments with NULs. */
static void
split_words(char *text, size_t length)
{
  bool comment = false;

  for (size_t i = 0; i < length; i++) {
    comment = text[i] != '\n' && (comment || text[i] == '#');
    if (comment || strchr(" \t\r\n", text[i]) != NULL)
      text[i] = '\0';
  }
  text[length] = '\0';
}

static void
read_words(const char *text, size_t length, enum option_source source,
           bool about_messages)
{
  for (size_t at = 0; at < length; at += strlen(text + at) + 1) {
    const char *word = text + at;
    if (*word == '\0' || is_about_messages(word) != about_messages)
      continue;
    if (strncmp(word, "TCM_", 4) == 0 && strchr(word, '=') != NULL)
      read_variable(word, source);
    else
      warn_about(word, strlen(word), " is not of the form TCM_NAME=VALUE",
                 source);
  }
}

static void
read_environment(bool about_messages)
{
  char **variable = tcmi_system_environment();

  for (; variable != NULL && *variable != NULL; variable++)
    if (strncmp(*variable, "TCM_", 4) == 0 &&
        is_about_messages(*variable) == about_messages)
      read_variable(*variable, SOURCE_ENVIRONMENT);
}

/* Each source overrides those before it. */
static void
read_sources(bool secure, bool about_messages)
{
  read_words(texts[0], text_lengths[0], SOURCE_FILE, about_messages);
  read_words(texts[1], text_lengths[1], SOURCE_PROGRAM, about_messages);
  if (!secure)
    read_environment(about_messages);
}

/* Reads the texts; returns the source of one that is too long, or
 * SOURCE_DEFAULT. */
static enum option_source
fill_texts(const char *file)
{
  long got = file == NULL
                 ? 0
                 : tcmi_system_read_file(file, texts[0], OPTIONS_FILE_MAX);
  enum option_source too_long = SOURCE_DEFAULT;

  text_lengths[0] = got < 0 ? 0 : (size_t)got;
  text_lengths[1] =
      tcm_options == NULL ? 0 : strnlen(tcm_options, OPTIONS_FILE_MAX);
  for (size_t i = 0; i < 2; i++) {
    if (text_lengths[i] == OPTIONS_FILE_MAX) {
      too_long = i == 0 ? SOURCE_FILE : SOURCE_PROGRAM;
      text_lengths[i] = 0;
    }
    if (text_lengths[i] == 0)
      continue;
    if (i == 1)
      memcpy(texts[i], tcm_options, text_lengths[i]);
    split_words(texts[i], text_lengths[i]);
  }
  return too_long;
}

void
tcmi_options_init(const char *file)
{
  bool secure = tcmi_system_is_secure_mode();
  enum option_source too_long;

  tcmi_fixed_values = (struct option_values *)(void *)round_up(
      (size_t)fixed_area, SYSTEM_PAGE_MAX);
  for (int id = 0; id < OPTION_COUNT; id++)
    option_store((enum option_id)id, tcmi_option_table[id].default_value,
                 SOURCE_DEFAULT);
  for (int id = 0; id < TEXT_COUNT; id++)
    *text_of((enum text_option_id)id) = '\0';
  too_long = fill_texts(secure ? NULL : file);
  read_sources(secure, /*about_messages=*/true);
  tcmi_report_enable(tcmi_option(OPTION_messages) != 0);
  if (too_long != SOURCE_DEFAULT)
    warn_about("", 0, "longer than 4095 bytes and ignored", too_long);
  read_sources(secure, /*about_messages=*/false);
}

void
tcmi_options_seal(void)
{
  /* If the kernel refuses, the page stays writable; nothing else changes. */
  (void)!tcmi_system_seal(tcmi_fixed_values, SYSTEM_PAGE_MAX);
}
