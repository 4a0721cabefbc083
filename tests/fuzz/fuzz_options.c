/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The options.  The text is the environment, one variable per line.  The test
 * compares the values that tcm reads with those of a second parser.
 */
#include "fuzz.h"

#include <ctype.h>

#include "base/options.h"

#define VARIABLES 200
#define TEXT_MAX 20000

extern char **environ;

static char text[TEXT_MAX];
static char *variables[VARIABLES + 1];

static void
make_environment(const uint8_t *data, size_t size)
{
  size_t n = 0, i;
  char *start = text;

  size = size < TEXT_MAX - 1 ? size : TEXT_MAX - 1;
  memcpy(text, data, size);
  text[size] = '\0';
  for (i = 0; i <= size && n < VARIABLES; i++)
    if (text[i] == '\n' || text[i] == '\0') {
      text[i] = '\0';
      variables[n++] = start;
      start = text + i + 1;
    }
  variables[n] = NULL;
}

/* TCM_ and the name of the option in capitals. */
static void
write_variable(const struct option_row *option, char *out)
{
  const char *from;

  out += sprintf(out, "TCM_");
  for (from = option->name; *from != '\0'; from++)
    *out++ = (char)toupper((unsigned char)*from);
  strcpy(out, "=");
}

/* The number in the text; false if there is none or it is too large. */
static bool
read_value(const char *from, uint64_t *value)
{
  size_t digits = strspn(from, "0123456789");
  unsigned __int128 n = 0;
  size_t i;
  int shift = 0;

  if (digits == 0)
    return false;
  for (i = 0; i < digits; i++) {
    n = n * 10 + (unsigned)(from[i] - '0');
    if (n > UINT64_MAX)
      return false;
  }
  from += digits;
  if (*from != '\0') {
    shift = *from == 'K'   ? 10
            : *from == 'M' ? 20
            : *from == 'G' ? 30
            : *from == 'T' ? 40
                           : 0;
    if (shift == 0 || from[1] != '\0' || n << shift > UINT64_MAX)
      return false;
  }
  *value = (uint64_t)(n << shift);
  return true;
}

static bool
is_allowed(enum option_id id, uint64_t value)
{
  const struct option_row *option = &tcmi_option_table[id];

  if (id == OPTION_page_size && (value & (value - 1)) != 0)
    return false;
  return value >= option->min && value <= option->max;
}

static void
expect_option(enum option_id id)
{
  const struct option_row *option = &tcmi_option_table[id];
  uint64_t expected = option->default_value, value;
  bool given = false;
  char name[64];
  char **v;

  write_variable(option, name);
  for (v = variables; *v != NULL; v++)
    if (strncmp(*v, name, strlen(name)) == 0 &&
        read_value(*v + strlen(name), &value) && is_allowed(id, value)) {
      expected = value;
      given = true;
    }
  FUZZ_MUST(tcmi_option(id) == expected);
  FUZZ_MUST(tcmi_option_source(id) ==
            (given ? SOURCE_ENVIRONMENT : SOURCE_DEFAULT));
  FUZZ_MUST(tcmi_option(id) >= option->min);
  FUZZ_MUST(tcmi_option(id) <= option->max);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  char **saved = environ;
  int id;

  make_environment(data, size);
  environ = variables;
  tcmi_options_init(NULL);
  for (id = 0; id < OPTION_COUNT; id++)
    expect_option((enum option_id)id);
  for (id = 0; variables[id] != NULL; id++)
    (void)tcmi_option_find(variables[id]);
  environ = saved;
  return 0;
}
