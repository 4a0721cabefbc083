/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * new_delete.h - the C++ operators by their mangled names.
 *
 *     new_delete.c           the four that do the work; a program may replace
 *                            any of them by its own
 *     new_delete_forward.c   the others, which must call the program's own
 *                            operators where it has replaced those four
 *
 * Source: ISO C++17 [new.delete].
 */
#ifndef TCM_API_NEW_DELETE_H
#define TCM_API_NEW_DELETE_H

#include "base/compiler.h"

/* How size_t is mangled. */
#ifdef __LP64__
#define SIZE "m"
#else
#define SIZE "j"
#endif
#define MANGLED(name) __asm__(name) EXPORT

void *operator_new(size_t size) MANGLED("_Znw" SIZE);
void *operator_new_aligned(size_t size, size_t align)
    MANGLED("_Znw" SIZE "St11align_val_t");
void operator_delete(void *ptr) MANGLED("_ZdlPv");
void operator_delete_aligned(void *ptr, size_t align)
    MANGLED("_ZdlPvSt11align_val_t");

/* tcm's own operators, whose addresses show whether the program replaced them.
 * The last returns a block, or NULL after calling the new_handler, which may
 * throw. */
void *tcmi_operator_new(size_t size);
void *tcmi_operator_new_aligned(size_t size, size_t align);
void *tcmi_operator_new_or_null(const void *from, size_t size, size_t align);

#endif /* TCM_API_NEW_DELETE_H */
