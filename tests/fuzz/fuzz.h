/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz.h - a fuzz target reads a list of operations, one per line:
 *
 *     # two blocks, the second resized
 *     malloc 0 100
 *     malloc 1 4000
 *     realloc 1 80000
 *
 * a word and up to four numbers, decimal or 0x hexadecimal.  An invalid line
 * does nothing, so any text is an input, and every input is readable.  Each
 * target begins with an empty heap and leaves it empty, so that the result of
 * an input does not depend on earlier ones.
 */
#ifndef TCM_TESTS_FUZZ_FUZZ_H
#define TCM_TESTS_FUZZ_FUZZ_H

#include "config.h"

#define TEST_DIRECT 1
#include "../support/memory.h"

#include "base/report.h"
#include "base/system.h"

/* libFuzzer calls this, or main.c in its place. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_NUMBERS 4
/* At most this many operations of one input are executed. */
#define FUZZ_MAX 3000

struct fuzz_op {
  char word[16];
  size_t number[FUZZ_NUMBERS]; /* 0 where the line has none */
};

struct fuzz_text {
  const char *at, *end;
  unsigned left; /* operations still to be read */
};

#define FUZZ_MUST(condition) \
  ((condition) ? (void)0 : fuzz_stop(__FILE__, __LINE__, #condition))

static HARNESS_UNUSED void
fuzz_stop(const char *file, int line, const char *condition)
{
  harness_say("%s:%d: not true: %s", file, line, condition);
  abort();
}

static HARNESS_UNUSED struct fuzz_text
fuzz_begin(const uint8_t *data, size_t size)
{
  struct fuzz_text text = {(const char *)data, (const char *)data + size,
                           FUZZ_MAX};

  return text;
}

static inline bool
fuzz_is_end(char c)
{
  return c == '\n' || c == '\0';
}

/* Reads a number of the line; 0 at its end or if there is no number. */
static HARNESS_UNUSED size_t
fuzz_number(struct fuzz_text *text)
{
  size_t value = 0, base = 10, digit;

  while (text->at < text->end && *text->at == ' ')
    text->at++;
  if (text->end - text->at > 2 && text->at[0] == '0' && text->at[1] == 'x') {
    base = 16;
    text->at += 2;
  }
  for (; text->at < text->end; text->at++) {
    char c = *text->at;
    digit = c >= '0' && c <= '9'   ? (size_t)(c - '0')
            : c >= 'a' && c <= 'f' ? (size_t)(c - 'a' + 10)
                                   : base;
    if (digit >= base)
      break;
    value = value * base + digit;
  }
  return value;
}

/* Reads one line; false at the end of the text. */
static HARNESS_UNUSED bool
fuzz_next(struct fuzz_text *text, struct fuzz_op *op)
{
  size_t n = 0;
  int i;

  memset(op, 0, sizeof *op);
  if (text->at >= text->end || text->left == 0)
    return false;
  text->left--;
  for (; text->at < text->end && *text->at != ' ' && !fuzz_is_end(*text->at);
       text->at++)
    if (n < sizeof op->word - 1)
      op->word[n++] = *text->at;
  for (i = 0; i < FUZZ_NUMBERS; i++)
    op->number[i] = fuzz_number(text);
  while (text->at < text->end && !fuzz_is_end(*text->at))
    text->at++;
  if (text->at < text->end)
    text->at++;
  return true;
}

static inline bool
fuzz_is(const struct fuzz_op *op, const char *word)
{
  return strcmp(op->word, word) == 0;
}

/* "fail MASK NTH COUNT": makes system calls fail, see system.h. */
static HARNESS_UNUSED bool
fuzz_fail(const struct fuzz_op *op)
{
  if (!fuzz_is(op, "fail"))
    return false;
  (void)tcmi_system_fail((unsigned)op->number[0], (unsigned)op->number[1],
                         (unsigned)op->number[2]);
  return true;
}

#endif /* TCM_TESTS_FUZZ_FUZZ_H */
