/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * owner.h - programs that define a malloc and do not define the whole family.
 *
 *     program's:  malloc  free  calloc  realloc
 *     tcm's:      memalign  aligned_alloc  reallocarray  malloc_usable_size ...
 *
 * The program's free() gets whatever the others return, so those must work on
 * the program's blocks.  Each asks here, and is told what the process-wide name
 * means; in a process that is tcm's alone it goes on in tcm.
 *
 * Invariants
 *   O1  the owner of free() decides: tcm serves itself while that is tcm's.
 *   O2  malloc, free, calloc and realloc never ask.  The fast path stays what
 *       it is, and a program must define all four, as glibc demands it too.
 *   O3  a program's function that calls back into tcm gets tcm's own block: no
 *       recursion.
 *
 * Cost: one comparison of two addresses, on no fast path.
 */
#ifndef TCM_API_OWNER_H
#define TCM_API_OWNER_H

#include "base/compiler.h"

/* Whether free() is the program's. */
bool tcmi_owner_is_program(void);
/* realloc() and free(), whosever they are. */
void *tcmi_owner_realloc(void *ptr, size_t size);
void tcmi_owner_free(void *ptr);
/* Whether malloc_usable_size() can tell nothing about the block: it may be one
 * of the program's, and is none of tcm's. */
bool tcmi_owner_is_unknown(const void *ptr);
/* A block that free() takes, if one can be had.  The program's own aligned
 * function is asked, or else its malloc(), with a size that makes an aligned
 * block likely.  If the block is not aligned, tcm's own is returned, which is
 * what glibc does at once.  Rejected: to fail then; a program's free() may pass
 * on what is not its own. */
void *tcmi_owner_allocate_aligned(size_t align, size_t size);

/* tcm's own functions by names that nothing replaces; in malloc.c. */
void *tcmi_own_malloc(size_t size);
void tcmi_own_free(void *ptr);
void *tcmi_own_realloc(void *ptr, size_t size);
void *tcmi_own_memalign(size_t alignment, size_t size);
void *tcmi_own_aligned_alloc(size_t alignment, size_t size);
int tcmi_own_posix_memalign(void **out, size_t alignment, size_t size);

#endif /* TCM_API_OWNER_H */
