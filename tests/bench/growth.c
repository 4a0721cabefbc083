/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * growth.c - blocks that grow by realloc, by half of their size each time.
 *
 * growth: one vector grows from 16 B to 16 MiB; only the last byte is written
 *     at each step.  Shows the cost of moving blocks.
 * growth-filled: the same, but every new byte is written, as in programs.
 * growth-strings: many short strings grow to 4 KiB in turn, so that none has
 *     free space after it for long.
 */
#include "workload.h"

#include <string.h>

#define SIZE_FIRST 16
#define VECTOR_LAST (16 * MIB)
#define STRING_LAST (4 * KIB)
#define STRINGS 64

static size_t
grown(size_t size_bytes, size_t last)
{
  size_t next = size_bytes + size_bytes / 2;
  return next < last ? next : last;
}

static void
vector_run(const struct work *work, int filled)
{
  for (uint64_t i = 0; i < work->ops; i++) {
    size_t size_bytes = SIZE_FIRST;
    char *p = malloc(size_bytes);
    while (p != NULL && size_bytes < VECTOR_LAST) {
      size_t next = grown(size_bytes, VECTOR_LAST);
      char *q = realloc(p, next);
      if (q == NULL)
        die("out of memory");
      p = q;
      if (filled)
        memset(p + size_bytes, 1, next - size_bytes);
      p[next - 1] = 1;
      escape(p);
      size_bytes = next;
    }
    free(p);
  }
}

static void
growth_run(const struct work *work)
{
  vector_run(work, /*filled=*/0);
}

static void
filled_run(const struct work *work)
{
  vector_run(work, /*filled=*/1);
}

/* Grows string number `i` by one step; its first byte identifies it. */
static void
string_grow(char **strings, unsigned i, size_t from, size_t to)
{
  char *p = realloc(strings[i], to);
  if (p == NULL || (from > 0 && p[0] != (char)i))
    die("a string was lost as it grew");
  memset(p + from, (char)i, to - from);
  strings[i] = p;
}

static void
strings_body(struct worker *worker)
{
  char *strings[STRINGS];
  for (uint64_t done = 0; done < worker->ops; done += STRINGS) {
    size_t from = 0, to = SIZE_FIRST;
    memset(strings, 0, sizeof strings);
    do {
      for (unsigned i = 0; i < STRINGS; i++)
        string_grow(strings, i, from, to);
      from = to;
      to = grown(from, STRING_LAST);
    } while (from < STRING_LAST);
    for (unsigned i = 0; i < STRINGS; i++)
      free(strings[i]);
  }
}

static void
strings_run(const struct work *work)
{
  run_threads(work, NULL, strings_body);
}

const struct shape growth_shapes[] = {
    {"growth", growth_run, "one vector grown from 16 B to 16 MiB"},
    {"growth-filled", filled_run, "the same, every byte written"},
    {"growth-strings", strings_run, "one of 64 strings, 16 B to 4 KiB"},
    {0}};
