/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the structures of a library with another layout: member by member, from
 * the places that it publishes in lib/observe/shapes.h.
 *
 * Each structure of the target is converted to the layout of this tool.  A
 * member that the target does not have reads as 0.
 */
#include "shapes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "observe/shapes_table.h"

/* No structure that this tool reads is larger. */
#define STRUCT_MAX ((size_t)1 << 28)
#define PART_MAX ((size_t)16 << 20)
/* Parts read at once. */
#define PARTS_MAX 16

static const struct stats_shape own[SHAPE_COUNT] = {
#define CONSTANT SHAPES_CONSTANT
#define STRUCT SHAPES_STRUCT
#define FIELD SHAPES_FIELD
#define GONE SHAPES_GONE
#include "observe/shapes.def"
#undef CONSTANT
#undef STRUCT
#undef FIELD
#undef GONE
};

/* The struct of each member; SHAPE_COUNT for other rows. */
static const enum shape_id owners[SHAPE_COUNT] = {
#define CONSTANT(name) SHAPE_COUNT,
#define STRUCT(type) SHAPE_COUNT,
#define FIELD(type, member, name) STRUCT_##type,
#define GONE(type, name) SHAPE_COUNT,
#include "observe/shapes.def"
#undef CONSTANT
#undef STRUCT
#undef FIELD
#undef GONE
};

static const bool is_constant[SHAPE_COUNT] = {
#define CONSTANT(name) [CONSTANT_##name] = true,
#define STRUCT(type)
#define FIELD(type, member, name)
#define GONE(type, name)
#include "observe/shapes.def"
};

/* What another library publishes. */
struct shapes {
  struct stats_shape at[SHAPE_COUNT]; /* size 0: the library lacks it */
  struct size_class sizes[SIZE_CLASS_COUNT];
  unsigned nclasses;
  int options[OPTION_COUNT]; /* its number of each option, or -1 */
  uint32_t request_at;
};

/* ---- Attaching ----------------------------------------------------------- */

/* The constants must be equal, and each struct must exist. */
static bool
is_readable(const struct shapes *shapes)
{
  for (unsigned id = 0; id < SHAPE_COUNT; id++) {
    if (is_constant[id] && shapes->at[id].at != own[id].at)
      return false;
    if (shapes->at[id].size > STRUCT_MAX || shapes->at[id].at > STRUCT_MAX)
      return false;
    if (owners[id] != SHAPE_COUNT && shapes->at[id].size > 0 &&
        shapes->at[id].at + shapes->at[id].size > shapes->at[owners[id]].size)
      return false;
  }
  return true;
}

static int
classes_read(const struct target *target, struct shapes *shapes, uintptr_t from,
             unsigned n)
{
  struct shape_class classes[SIZE_CLASS_COUNT] = {{0}};
  int error;

  if (n > SIZE_CLASS_COUNT)
    return -ENOTSUP;
  error = target_read(target, from, classes, n * sizeof *classes);
  for (unsigned c = 0; c < n; c++)
    shapes->sizes[c] = (struct size_class){
        classes[c].size, (uint16_t)classes[c].pages, (uint16_t)classes[c].nobjs,
        classes[c].batch, classes[c].inverse};
  shapes->nclasses = n;
  return error;
}

static int
options_find(const struct target *target, struct shapes *shapes, uintptr_t from,
             unsigned n, size_t size)
{
  char *names;
  int error;

  if (n > 4096 || size == 0 || size > 256)
    return -ENOTSUP;
  names = calloc(n + 1, size);
  if (names == NULL)
    return -ENOMEM;
  error = target_read(target, from, names, n * size);
  for (int id = 0; id < OPTION_COUNT; id++) {
    shapes->options[id] = -1;
    for (unsigned other = 0; other < n; other++)
      if (strncmp(names + other * size, option_names[id], size) == 0)
        shapes->options[id] = (int)other;
  }
  free(names);
  return error;
}

/* The page of the target may have more or fewer places than this tool's. */
static int
page_translate(struct target *target, const struct stats_shapes *head)
{
  size_t known = sizeof(struct stats_places) / sizeof(uintptr_t);
  size_t n = head->nplaces < known ? head->nplaces : known;

  memset(&target->page.places, 0, sizeof target->page.places);
  return target_read(target,
                     target->page.self + offsetof(struct stats_page, places),
                     &target->page.places, n * sizeof(uintptr_t));
}

static int
shapes_read(struct target *target, struct shapes *shapes)
{
  uintptr_t at = target->page.shapes;
  struct stats_shapes head;
  size_t start = offsetof(struct stats_shapes, shapes);
  unsigned n;
  int error = target_read(target, at, &head, start);

  if (error != 0)
    return error;
  n = head.nshapes < SHAPE_COUNT ? head.nshapes : SHAPE_COUNT;
  error = target_read(target, at + start, shapes->at, n * sizeof *shapes->at);
  at += start + head.nshapes * sizeof *shapes->at;
  if (error == 0)
    error = classes_read(target, shapes, at, head.nclasses);
  at += head.nclasses * sizeof(struct shape_class);
  if (error == 0)
    error = options_find(target, shapes, at, head.noptions, head.name_size);
  if (error == 0)
    error = page_translate(target, &head);
  shapes->request_at = head.request_at;
  return error == 0 && !is_readable(shapes) ? -ENOTSUP : error;
}

bool
shapes_attach(struct target *target)
{
  struct shapes *shapes;

  if (target->page.layout == STATS_LAYOUT)
    return true;
  shapes = calloc(1, sizeof *shapes);
  if (shapes != NULL && shapes_read(target, shapes) == 0) {
    target->shapes = shapes;
    return true;
  }
  free(shapes);
  return false;
}

void
shapes_detach(struct target *target)
{
  free(target->shapes);
  target->shapes = NULL;
}

/* ---- Reading ------------------------------------------------------------- */

size_t
shape_offset(const struct target *target, enum shape_id member)
{
  return target->shapes != NULL ? target->shapes->at[member].at
                                : own[member].at;
}

size_t
shape_size(const struct target *target, enum shape_id id)
{
  return target->shapes != NULL ? target->shapes->at[id].size : own[id].size;
}

const struct size_class *
shape_classes(const struct target *target, unsigned *count)
{
  *count = target->shapes != NULL ? target->shapes->nclasses : SIZE_CLASS_COUNT;
  return target->shapes != NULL ? target->shapes->sizes : tcmi_size_classes;
}

int
shape_option(const struct target *target, enum option_id id)
{
  return target->shapes != NULL ? target->shapes->options[id] : (int)id;
}

uintptr_t
shape_request(const struct target *target)
{
  return target->page.self + (target->shapes != NULL
                                  ? target->shapes->request_at
                                  : offsetof(struct stats_page, request));
}

/* A number of 1, 2, 4 or 8 bytes; 0 for none. */
static uint64_t
number_at(const char *from, size_t size)
{
  union {
    uint8_t one;
    uint16_t two;
    uint32_t four;
    uint64_t eight;
  } number = {.eight = 0};

  memcpy(&number, from, size <= sizeof number ? size : 0);
  return size == 1   ? number.one
         : size == 2 ? number.two
         : size == 4 ? number.four
                     : number.eight;
}

static void
number_put(char *to, size_t size, uint64_t value)
{
  union {
    uint8_t one;
    uint16_t two;
    uint32_t four;
    uint64_t eight;
  } number = {.eight = 0};

  if (size == 1)
    number.one = (uint8_t)value;
  else if (size == 2)
    number.two = (uint16_t)value;
  else if (size == 4)
    number.four = (uint32_t)value;
  else
    number.eight = value;
  memcpy(to, &number, size);
}

/* Arrays and structs inside are left as zeroes. */
static void
translate(const struct shapes *shapes, enum shape_id type, const char *from,
          char *to)
{
  memset(to, 0, own[type].size);
  for (unsigned id = 0; id < SHAPE_COUNT; id++)
    if (owners[id] == type && own[id].size <= sizeof(uint64_t))
      number_put(to + own[id].at, own[id].size,
                 number_at(from + shapes->at[id].at, shapes->at[id].size));
}

/* Reads a part from a target with another layout. */
static int
part_read(const struct target *target, const struct shape_part *part)
{
  size_t size = target->shapes->at[part->type].size;
  char *room;
  int error;

  if (size == 0 || size > PART_MAX / part->n)
    return -ENOTSUP;
  room = malloc(part->n * size);
  if (room == NULL)
    return -ENOMEM;
  error = target_read(target, part->from, room, part->n * size);
  for (size_t i = 0; i < part->n && error == 0; i++)
    translate(target->shapes, part->type, room + i * size,
              (char *)part->to + i * own[part->type].size);
  free(room);
  return error;
}

int
shape_read_parts(const struct target *target, const struct shape_part *parts,
                 size_t n)
{
  struct piece pieces[PARTS_MAX];
  int error = 0;

  if (n > PARTS_MAX)
    return -EINVAL;
  for (size_t i = 0; i < n && error == 0; i++) {
    pieces[i] = (struct piece){parts[i].from, parts[i].to,
                               parts[i].n * own[parts[i].type].size};
    if (target->shapes != NULL)
      error = part_read(target, &parts[i]);
  }
  return target->shapes != NULL ? error : target_read_pieces(target, pieces, n);
}

int
shape_read(const struct target *target, enum shape_id type, uintptr_t from,
           void *to)
{
  struct shape_part part = {type, from, to, 1};

  return shape_read_parts(target, &part, 1);
}
