/* SPDX-License-Identifier: BSD-2-Clause */
#include "tcm-stat.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

void
complain(const char *format, ...)
{
  va_list arguments;

  if (settings.quiet)
    return;
  fflush(stdout);
  fprintf(stderr, "tcm-stat: ");
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
}

const char *
size_text(char *text, uint64_t bytes)
{
  static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double size = (double)bytes;
  unsigned unit = 0;

  if (settings.bytes) {
    snprintf(text, 32, "%" PRIu64, bytes);
    return text;
  }
  for (; size >= 1023.95 && unit < 5; unit++)
    size /= 1024;
  snprintf(text, 32, unit == 0 ? "%.0f %s" : "%.1f %s", size, units[unit]);
  return text;
}

bool
wants_document(void)
{
  return settings.json || settings.openmetrics;
}

const char *
bold(void)
{
  return settings.color ? "\033[1m" : "";
}

const char *
plain(void)
{
  return settings.color ? "\033[0m" : "";
}

const char *
good(void)
{
  return settings.color ? "\033[1;32m" : "";
}

const char *
bad(void)
{
  return settings.color ? "\033[1;31m" : "";
}

void
color_on(const char *number)
{
  if (settings.color)
    printf("\033[%sm", number);
}

size_t
screen_width(void)
{
  struct winsize size;

  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
    return 80;
  return size.ws_col < 40 ? 40 : size.ws_col;
}

void
put_wrapped(const char *text)
{
  size_t width = screen_width() - 1, column = 0;

  while (*text != '\0') {
    size_t length = strcspn(text, " ");
    if (column > 0 && column + 1 + length > width) {
      printf("\n  ");
      column = 2;
    } else if (column > 0) {
      putchar(' ');
      column++;
    }
    printf("%.*s", (int)length, text);
    column += length;
    text += length + (text[length] == ' ');
  }
  putchar('\n');
}
