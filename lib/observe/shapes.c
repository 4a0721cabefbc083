/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "observe/shapes.h"

#include "observe/shapes_table.h"
#include "observe/stats_page.h"

struct stats_shapes tcmi_stats_shapes = {
    .nplaces = sizeof(struct stats_places) / sizeof(uintptr_t),
    .request_at = offsetof(struct stats_page, request),
    .nshapes = SHAPE_COUNT,
    .nclasses = SIZE_CLASS_COUNT,
    .noptions = OPTION_COUNT,
    .name_size = SHAPE_NAME_MAX,
    .shapes =
        {
#define CONSTANT SHAPES_CONSTANT
#define STRUCT SHAPES_STRUCT
#define FIELD SHAPES_FIELD
#define GONE SHAPES_GONE
#include "observe/shapes.def"
        },
    .classes = {SIZE_CLASS_ROWS},
    .options =
        {
#define OPTION(name, default_value, min, max, fixed, help) #name,
#include "base/options.def"
        },
};
