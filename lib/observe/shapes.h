/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shapes.h - describes tcm's structures to a tool of another version.
 *
 *     stats_page.shapes --> struct stats_shapes
 *                             counts
 *                             places and sizes of members, by shapes.def
 *                             size classes
 *                             names of the options
 *
 * The library and the tool have the numbers of shapes.def in common, and the
 * library fills in its own places.  So a tool reads the statistics of each
 * library that has the table: of older ones, which lack some rows, and of newer
 * ones, whose additional rows it ignores.  A command that needs more than the
 * rows of the table, for example the map of the pages, needs equal layouts, see
 * layout.h.
 *
 * Invariants
 *   D1  a row of shapes.def never changes its number; neither the counts nor
 *       the form of what follows them change without a new
 *       TCM_STATS_PAGE_VERSION.
 *   D2  the object is in the library's writable data, though nothing writes to
 *       it: core files have that, but not constant data.
 */
#ifndef TCM_OBSERVE_SHAPES_H
#define TCM_OBSERVE_SHAPES_H

#include <stdint.h>

#include "base/options.h"
#include "cache/size_class.h"

/* A constant has its value as place. */
struct stats_shape {
  uint32_t at;   /* [const] offset of the member */
  uint32_t size; /* [const] bytes of the struct or member; 0 for a constant */
};

enum shape_id {
#define CONSTANT(name) CONSTANT_##name,
#define STRUCT(type) STRUCT_##type,
#define FIELD(type, member, name) FIELD_##type##_##name,
#define GONE(type, name) GONE_##type##_##name,
#include "observe/shapes.def"
#undef CONSTANT
#undef STRUCT
#undef FIELD
#undef GONE
  SHAPE_COUNT
};

/* A size class. */
struct shape_class {
  uint32_t size;    /* [const] the columns of SIZE_CLASS_ROWS */
  uint32_t pages;   /* [const] */
  uint32_t nobjs;   /* [const] */
  uint32_t batch;   /* [const] */
  uint32_t inverse; /* [const] */
};

#define SHAPE_NAME_MAX 32

struct stats_shapes {
  uint32_t nplaces;    /* [const] words of struct stats_places */
  uint32_t request_at; /* [const] offset of the request in the page */
  uint32_t nshapes;    /* [const] SHAPE_COUNT */
  uint32_t nclasses;   /* [const] SIZE_CLASS_COUNT */
  uint32_t noptions;   /* [const] OPTION_COUNT */
  uint32_t name_size;  /* [const] SHAPE_NAME_MAX */
  struct stats_shape shapes[SHAPE_COUNT];       /* [const] by shapes.def */
  struct shape_class classes[SIZE_CLASS_COUNT]; /* [const] by class */
  char options[OPTION_COUNT][SHAPE_NAME_MAX];   /* [const] names, by number */
};

extern struct stats_shapes tcmi_stats_shapes;

#endif /* TCM_OBSERVE_SHAPES_H */
