/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guard_pattern.h - what guard.c writes into and after blocks.
 *
 *     in use:   | junk at first ... | red zone |
 *     freed:    | junk ............ | red zone |
 *                                   ^ size     ^ end
 *
 * Invariants: G1 of guard.h.
 *
 * Locking: none; the block is the caller's.
 */
#ifndef TCM_FRONT_GUARD_PATTERN_H
#define TCM_FRONT_GUARD_PATTERN_H

#include "base/compiler.h"

/* The smallest red zone, in bytes. */
#define RED_ZONE_MIN 16

/* A pointer made of these bytes is invalid on every processor. */
#define JUNK_NEW 0xaa
#define JUNK_FREED 0xee

/* The class of a block, or 0 for a large one; the size of its memory in
 * bytes. */
unsigned tcmi_pattern_class(uintptr_t block);
size_t tcmi_pattern_capacity(uintptr_t block);

/* The red zone of a block of @size bytes: its end; its first damaged byte, or
 * its end. */
void tcmi_zone_draw(uintptr_t block, size_t size);
uintptr_t tcmi_zone_end(uintptr_t block, size_t size);
uintptr_t tcmi_zone_damage(uintptr_t block, size_t size);

/* The first fills the block with @junk; the second returns whether it still
 * holds JUNK_FREED. */
void tcmi_junk_fill(uintptr_t block, size_t size, int junk);
MUST_CHECK bool tcmi_junk_holds(uintptr_t block, size_t size);

#endif /* TCM_FRONT_GUARD_PATTERN_H */
