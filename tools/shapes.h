/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shapes.h - reads tcm's structures from a target whose library may have
 * another layout than this tool.
 *
 *     equal layout      target_read(), unchanged
 *     another layout    member by member, as the library describes itself in
 *                       lib/observe/shapes.h
 *
 * No locking: plain values.
 */
#ifndef TOOLS_SHAPES_H
#define TOOLS_SHAPES_H

#include "tcm-stat.h"

#include "observe/shapes.h"

/* Prepares to read the target; false if its layout is unknown. */
bool shapes_attach(struct target *target);
void shapes_detach(struct target *target);

/* An array of structs of the target, and where its copy goes. */
struct shape_part {
  enum shape_id type;
  uintptr_t from;
  void *to;
  size_t n;
};

/* Reads structs of the target into those of this tool: 0, or a negative errno.
 * The second reads several arrays, in one system call if the layouts are
 * equal. */
int shape_read(const struct target *target, enum shape_id type, uintptr_t from,
               void *to);
int shape_read_parts(const struct target *target,
                     const struct shape_part *parts, size_t n);
/* The offset and size of a member, or the size of a struct. */
size_t shape_offset(const struct target *target, enum shape_id member);
size_t shape_size(const struct target *target, enum shape_id id);
/* The size classes of the target; index 0 is unused. */
const struct size_class *shape_classes(const struct target *target,
                                       unsigned *count);
/* The target's number of an option; -1 if it does not have it. */
int shape_option(const struct target *target, enum option_id id);
/* The address of the request. */
uintptr_t shape_request(const struct target *target);

#endif /* TOOLS_SHAPES_H */
