/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shapes_table.h - the rows of shapes.def with the values of this version: the
 * library publishes them, and the tool compares its own with them.
 */
#ifndef TCM_OBSERVE_SHAPES_TABLE_H
#define TCM_OBSERVE_SHAPES_TABLE_H

#include <stddef.h>

#include "base/metadata.h"
#include "base/params.h"
#include "cache/cache_owner.h"
#include "cache/central_list.h"
#include "cache/transfer_cache.h"
#include "heap/arena.h"
#include "heap/large.h"
#include "heap/page_heap.h"
#include "heap/page_range.h"
#include "heap/pagemap.h"
#include "heap/span.h"
#include "observe/shapes.h"

#define SHAPES_CONSTANT(name) [CONSTANT_##name] = {(uint32_t)(name), 0},
#define SHAPES_STRUCT(type) [STRUCT_##type] = {0, sizeof(struct type)},
#define SHAPES_FIELD(type, member, name)                              \
  [FIELD_##type##_##name] = {(uint32_t)offsetof(struct type, member), \
                             (uint32_t)sizeof(((struct type *)0)->member)},
#define SHAPES_GONE(type, name)

#endif /* TCM_OBSERVE_SHAPES_TABLE_H */
