/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program whose page says that it is of another version of tcm: another
 * format by default; with an argument another layout, with a description of it
 * that is wrong in one place:
 *
 *     sound                   nothing is wrong
 *     nowhere                 it has no description
 *     classes, options,       a number is too large
 *     names, struct, member
 *     constant                its pages have another size
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "observe/shapes_table.h"
#include "observe/stats_page.h"

static struct stats_page page __attribute__((aligned(4096))) = {
    .magic = TCM_STATS_PAGE_MAGIC,
    .version = TCM_STATS_PAGE_VERSION + 1,
    .size = sizeof(struct stats_page),
    .library = "9.8.7",
};

static struct stats_shapes shapes = {
    .nplaces = 1,
    .nshapes = SHAPE_COUNT,
    .nclasses = 10,
    .noptions = 1,
    .name_size = SHAPE_NAME_MAX,
    .shapes =
        {
#define CONSTANT SHAPES_CONSTANT
#define STRUCT SHAPES_STRUCT
#define FIELD SHAPES_FIELD
#define GONE SHAPES_GONE
#include "observe/shapes.def"
        },
};

static void
damage(const char *what)
{
  page.version = TCM_STATS_PAGE_VERSION;
  page.layout = 12345;
  page.self = (uintptr_t)&page;
  page.shapes = strcmp(what, "nowhere") == 0 ? 0 : (uintptr_t)&shapes;
  if (strcmp(what, "classes") == 0)
    shapes.nclasses = 1000000;
  else if (strcmp(what, "options") == 0)
    shapes.noptions = UINT32_MAX;
  else if (strcmp(what, "names") == 0)
    shapes.name_size = UINT32_MAX;
  else if (strcmp(what, "struct") == 0)
    shapes.shapes[STRUCT_central_list].size = UINT32_MAX;
  else if (strcmp(what, "member") == 0)
    shapes.shapes[FIELD_central_list_spans].at = UINT32_MAX;
  else if (strcmp(what, "constant") == 0)
    shapes.shapes[CONSTANT_PAGE_SHIFT].at++;
}

int
main(int argc, char **argv)
{
  if (argc > 1)
    damage(argv[1]);
  puts("ready");
  fflush(stdout);
  pause();
  return 0;
}
