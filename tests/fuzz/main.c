/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - runs a fuzz target over its stored corpus.
 *
 *     fuzz_NAME             every file of tests/fuzz/corpus/NAME, and variants
 *     fuzz_NAME FILE...     these files alone
 *
 * Without libFuzzer, this file makes the variants from a fixed seed, which it
 * prints: it drops, repeats and replaces lines, and changes numbers.  It prints
 * the text that ended the program.  With libFuzzer, the program runs only the
 * corpus, unless there are arguments, which are libFuzzer's.
 */
#include "../support/sanitizers.h"
#include "fuzz.h"

#include <dirent.h>
#include <limits.h>

/* tests/fuzz/corpus/NAME for the program fuzz_NAME. */
static const char *
corpus_folder(void)
{
  static char path[PATH_MAX];
  const char *top = getenv("TEST_SRCDIR");
  const char *name = strstr(program_invocation_short_name, "fuzz_");

  REQUIRE(name != NULL);
  snprintf(path, sizeof path, "%s/tests/fuzz/corpus/%s",
           top != NULL ? top : ".", name + strlen("fuzz_"));
  return path;
}

#ifdef TCM_FUZZING

int LLVMFuzzerInitialize(int *argc, char ***argv);

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
  static char runs[] = "-runs=0";
  static char *arguments[4];

  if (*argc != 1)
    return 0;
  arguments[0] = (*argv)[0];
  arguments[1] = runs;
  arguments[2] = (char *)(uintptr_t)corpus_folder();
  *argc = 3;
  *argv = arguments;
  return 0;
}

#else

#define TEXT_MAX 65536
#define LINES_MAX 4096

static char text[TEXT_MAX]; /* the running input */
static size_t length;
static const char *origin;
static uint64_t state;

static size_t
below(size_t limit)
{
  return (size_t)(harness_random(&state) >> 16) % limit;
}

/* Prints the running input, without stdio, because the heap may be broken. */
static void
report_message(int number)
{
  static const char head[] = "---- this text ended the program:\n";

  if (write(STDOUT_FILENO, head, sizeof head - 1) < 0 ||
      write(STDOUT_FILENO, text, length) < 0)
    _exit(HARNESS_ERROR);
  harness_say("---- from %s", origin);
  signal(number, SIG_DFL);
  raise(number);
}

static void
run(void)
{
  (void)LLVMFuzzerTestOneInput((const uint8_t *)text, length);
}

static void
load(const char *path)
{
  FILE *file = fopen(path, "r");

  REQUIRE(file != NULL);
  length = fread(text, 1, sizeof text - 1, file);
  text[length] = '\0';
  fclose(file);
  origin = path;
}

/* ---- Variants ------------------------------------------------------------ */

struct text_line {
  const char *start;
  size_t length;
};

static size_t
split(const char *from, struct text_line *lines)
{
  size_t n = 0;

  while (*from != '\0' && n < LINES_MAX) {
    lines[n].start = from;
    lines[n].length = strcspn(from, "\n");
    from += lines[n].length + (from[lines[n].length] == '\n');
    n++;
  }
  return n;
}

static void
append(const char *part, size_t n)
{
  if (length + n >= sizeof text)
    return;
  memcpy(text + length, part, n);
  length += n;
}

/* A number near one of the listed ones, or any number. */
static size_t
strange_number(void)
{
  static const size_t numbers[] = {
      0,
      1,
      8,
      16,
      127,
      1024,
      4096,
      32768,
      65536,
      1 << 20,
      1 << 21,
      1 << 26,
      (size_t)1 << 31,
      (size_t)1 << 47,
      SIZE_MAX,
  };

  if (below(4) == 0)
    return harness_random(&state) >> below(64);
  return numbers[below(sizeof numbers / sizeof *numbers)] + below(3) - 1;
}

/* One line with one of its numbers replaced. */
static void
append_changed(const struct text_line *line)
{
  char number[24];
  size_t i, digits = 0;

  for (i = 0; i < line->length; i++)
    if (line->start[i] == ' ')
      digits++;
  if (digits == 0) {
    append(line->start, line->length);
    return;
  }
  digits = below(digits) + 1;
  for (i = 0; i < line->length && digits > 0; i++)
    digits -= line->start[i] == ' ';
  append(line->start, i);
  snprintf(number, sizeof number, "%zu",
           below(2) ? below(70) : strange_number());
  append(number, strlen(number));
  while (i < line->length && line->start[i] != ' ')
    i++;
  append(line->start + i, line->length - i);
}

/* Makes a changed copy of @from in the text. */
static void
vary(const char *from)
{
  static struct text_line lines[LINES_MAX];
  size_t n = split(from, lines), rate = 2 + below(30), i;

  length = 0;
  for (i = 0; i < n; i++) {
    const struct text_line *line = &lines[below(rate) == 0 ? below(n) : i];
    size_t kind = below(rate * 3);
    if (kind == 0)
      continue;
    if (kind < 3)
      append_changed(line);
    else
      append(line->start, line->length);
    append("\n", 1);
    if (kind == 3)
      i -= i > 3 ? below(4) : 0;
    if (length > sizeof text - 2048)
      break;
  }
  text[length] = '\0';
}

static void
run_variants(long count)
{
  static char original[TEXT_MAX];

  memcpy(original, text, length + 1);
  for (; count > 0; count--) {
    vary(original);
    run();
  }
}

/* ---- The corpus ---------------------------------------------------------- */

static int
is_input(const struct dirent *entry)
{
  return entry->d_name[0] != '.';
}

static void
run_folder(const char *folder)
{
  long variants = harness_count(TCM_SANITIZED ? 30 : 150, 20000);
  struct dirent **entries;
  int n = scandir(folder, &entries, is_input, alphasort), i;
  char path[PATH_MAX];

  if (n <= 0) {
    harness_say("no inputs in %s", folder);
    exit(HARNESS_ERROR);
  }
  for (i = 0; i < n; i++) {
    snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
    load(path);
    run();
    run_variants(variants);
    free(entries[i]);
  }
  free(entries);
  harness_say("%d texts, %ld variants of each", n, variants);
}

int
main(int argc, char **argv)
{
  const char *seed = getenv("TEST_SEED");
  int i;

  state = seed != NULL ? strtoull(seed, NULL, 0) : 20240229;
  harness_say("seed %llu", (unsigned long long)state);
  signal(SIGABRT, report_message);
  signal(SIGSEGV, report_message);
  signal(SIGBUS, report_message);
  signal(SIGALRM, report_message);
  alarm(harness_is_long() ? 20000 : 900);
  for (i = 1; i < argc; i++) {
    load(argv[i]);
    run();
    harness_say("%s", argv[i]);
  }
  if (argc == 1)
    run_folder(corpus_folder());
  return HARNESS_PASS;
}

#endif
