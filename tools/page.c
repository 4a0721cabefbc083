/* SPDX-License-Identifier: BSD-2-Clause */
#include "page.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Embeds a file of tools/ at build time. */
#define PART(name, file)                                                   \
  __asm__(".pushsection .rodata\n"                                         \
          ".globl tcm_page_" #name "\n.hidden tcm_page_" #name "\n"        \
          "tcm_page_" #name ":\n.incbin \"" PAGES "/" file "\"\n.byte 0\n" \
          ".popsection\n");                                                \
  extern const char tcm_page_##name[] __attribute__((visibility("hidden")))

PART(report, "report.html");
PART(flame, "flame.html");
PART(style, "page.css");
PART(script, "page.js");
PART(graph, "flame.js");

static const struct {
  const char *mark;
  const char *part; /* NULL: the data */
} parts[] = {
    {"@STYLE@", tcm_page_style},
    {"@SCRIPT@", tcm_page_script},
    {"@FLAME@", tcm_page_graph},
    {"@DATA@", NULL},
};
#define NPARTS (sizeof parts / sizeof *parts)

enum status
page_check_output(const char *command)
{
  if (settings.output != NULL || !isatty(STDOUT_FILENO))
    return STATUS_OK;
  complain("%s writes a page for a browser: name its file with -o", command);
  return STATUS_USAGE;
}

/* The part whose mark is at the start of @text; NPARTS if there is none. */
static size_t
find_part(const char *text)
{
  size_t i;

  for (i = 0; i < NPARTS; i++)
    if (strncmp(text, parts[i].mark, strlen(parts[i].mark)) == 0)
      break;
  return i;
}

void
page_write(enum page_form form, void (*put_data)(const void *from),
           const void *from)
{
  const char *text = form == FORM_REPORT ? tcm_page_report : tcm_page_flame;

  while (*text != '\0') {
    size_t length = strcspn(text + 1, "@") + 1, i = find_part(text);
    if (i == NPARTS) {
      printf("%.*s", (int)length, text);
      text += length;
      continue;
    }
    if (parts[i].part == NULL)
      put_data(from);
    else
      printf("%s", parts[i].part);
    text += strlen(parts[i].mark);
  }
}

void
page_put_text(const char *text)
{
  putchar('"');
  for (; *text != '\0'; text++)
    if (*text == '"' || *text == '\\' || *text == '<' ||
        (unsigned char)*text < ' ')
      printf("\\u%04x", (unsigned char)*text);
    else
      putchar(*text);
  putchar('"');
}

void
page_put_json(const char *json)
{
  for (; *json != '\0'; json++)
    if (*json == '<')
      printf("\\u003c");
    else
      putchar(*json);
}

void
page_put_time(void)
{
  char when[64];
  time_t now = time(NULL);

  strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S %z", localtime(&now));
  printf("\"time\":\"%s\"", when);
}
