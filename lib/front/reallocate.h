/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reallocate.h - realloc: keep the block, resize it in place, move its pages,
 * or copy it, in this order.
 */
#ifndef TCM_FRONT_REALLOCATE_H
#define TCM_FRONT_REALLOCATE_H

#include "base/compiler.h"

/* realloc(3) with glibc's choices; NULL with errno ENOMEM on failure. */
void *tcmi_reallocate(void *block, size_t size);

#endif /* TCM_FRONT_REALLOCATE_H */
