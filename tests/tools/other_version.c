/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program whose page says that it is of another version of tcm: another
 * format by default, another layout with an argument.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "observe/stats_page.h"

static struct stats_page page __attribute__((aligned(4096))) = {
    .magic = TCM_STATS_PAGE_MAGIC,
    .version = TCM_STATS_PAGE_VERSION + 1,
    .size = sizeof(struct stats_page),
    .library = "9.8.7",
};

int
main(int argc, char **argv)
{
  (void)argv;
  if (argc > 1) {
    page.version = TCM_STATS_PAGE_VERSION;
    page.layout = 12345;
    page.self = (uintptr_t)&page;
  }
  puts("ready");
  fflush(stdout);
  pause();
  return 0;
}
