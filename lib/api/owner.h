/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * owner.h - programs that define malloc, but not the whole family.
 *
 *     program's:  malloc  free  calloc  realloc
 *     tcm's:      memalign  aligned_alloc  reallocarray  malloc_usable_size ...
 *
 * The program's free() gets whatever tcm's functions return, so those must work
 * on the program's blocks.  Each checks here which function the process-wide
 * name means; if it is tcm's, the call continues in tcm.
 *
 * Invariants
 *   O1  the owner of free() decides: while it is tcm, tcm serves the call.
 *   O2  malloc, free, calloc and realloc never check.  So the fast path stays
 *       as it is, and a program must define all four, as glibc requires too.
 *   O3  a program's function that calls back into tcm gets tcm's own block: no
 *       recursion.
 *
 * Cost: one comparison of two addresses, never on a fast path.
 */
#ifndef TCM_API_OWNER_H
#define TCM_API_OWNER_H

#include "base/compiler.h"

/* Whether free() is the program's. */
bool tcmi_owner_is_program(void);
/* realloc() and free(), tcm's or the program's. */
void *tcmi_owner_realloc(void *ptr, size_t size);
void tcmi_owner_free(void *ptr);
/* Whether malloc_usable_size() cannot know the block's size: the block is not
 * tcm's, and may be the program's. */
bool tcmi_owner_is_unknown(const void *ptr);
/* A block that free() accepts, if possible.  Calls the program's own aligned
 * function, or else its malloc(), with a size that makes an aligned block
 * likely.  If that block is not aligned, returns a block of tcm, as glibc
 * always does.  Rejected: failing in that case; a program's free() may pass on
 * blocks that are not its own. */
void *tcmi_owner_allocate_aligned(size_t align, size_t size);

/* tcm's own functions by names that no program replaces; in malloc.c. */
void *tcmi_own_malloc(size_t size);
void tcmi_own_free(void *ptr);
void *tcmi_own_realloc(void *ptr, size_t size);
void *tcmi_own_memalign(size_t alignment, size_t size);
void *tcmi_own_aligned_alloc(size_t alignment, size_t size);
int tcmi_own_posix_memalign(void **out, size_t alignment, size_t size);

#endif /* TCM_API_OWNER_H */
