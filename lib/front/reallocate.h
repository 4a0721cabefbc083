/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reallocate.h - realloc: keep the block, resize it in place, move its pages,
 * or copy it, in this order.
 */
#ifndef TCM_FRONT_REALLOCATE_H
#define TCM_FRONT_REALLOCATE_H

#include "base/compiler.h"
#include "cache/misuse.h"

/* realloc(3) with glibc's choices; NULL with errno ENOMEM on failure. */
void *tcmi_reallocate(void *block, size_t size);
/* Makes a block in use larger where it is; its usable size after that, at least
 * @size.  If that is not possible, 0 with errno ENOMEM. */
size_t tcmi_expand(struct call call, void *block, size_t size);

#endif /* TCM_FRONT_REALLOCATE_H */
