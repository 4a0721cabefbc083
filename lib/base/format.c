/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "base/format.h"

static void
line_char(struct line *line, char c)
{
  /* The last byte is reserved for the newline. */
  if (line->length < sizeof line->text - 1)
    line->text[line->length++] = c;
}

void
tcmi_line_text(struct line *line, const char *text)
{
  /* External text must not end the line or control a terminal. */
  for (; *text != '\0'; text++)
    line_char(line,
              (char)((unsigned char)*text < ' ' || *text == 127 ? '?' : *text));
}

static void
line_number(struct line *line, uint64_t value, unsigned base)
{
  char digits[20];
  size_t n = 0;

  do {
    digits[n++] = "0123456789abcdef"[value % base];
    value /= base;
  } while (value != 0);
  while (n > 0)
    line_char(line, digits[--n]);
}

void
tcmi_line_decimal(struct line *line, uint64_t value)
{
  line_number(line, value, 10);
}

void
tcmi_line_hex(struct line *line, uintptr_t value)
{
  tcmi_line_text(line, "0x");
  line_number(line, value, 16);
}

void
tcmi_line_end(struct line *line)
{
  line->text[line->length++] = '\n';
}
