/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * block_check.h - whether a pointer of the program is a block in use.
 *
 *     alignment -> page -> small: start of an object -> in use
 *                       \-> large, or in a slab: start of the block -> in use
 *
 * Each check returns if its step holds, and otherwise aborts with one line that
 * names the mistake.
 *
 * Invariants
 *   C1  a check of a small object is certain about its start.  About its use it
 *       is certain only when the object has the mark of a free one, or when the
 *       thread has no cache, see mark.h.
 *   C2  a check of a large block, or of one in a slab, is certain.
 *
 * Locking: the caller holds no lock; CENTRAL, REGISTRY and SLAB inside.
 */
#ifndef TCM_FRONT_BLOCK_CHECK_H
#define TCM_FRONT_BLOCK_CHECK_H

#include "base/compiler.h"
#include "base/params.h"
#include "cache/misuse.h"
#include "cache/size_class.h"
#include "heap/pagemap.h"

/* Reports an address that is not aligned as each block is. */
void tcmi_check_alignment_failed(struct call call, uintptr_t address)
    __attribute__((noreturn, cold));
/* An object of the class must be in use at @address. */
void tcmi_check_object(struct call call, unsigned class_id, uintptr_t address);
/* The span of the block in use that starts at @address, a large one or one in a
 * slab.  @gone is the message for a block that was freed. */
MUST_CHECK struct span *tcmi_check_large(struct call call, uintptr_t address,
                                         const char *gone);
/* Aborts, and reports why the address is not a block in use; @gone is the
 * message for one that may have been a block. */
void tcmi_refuse(struct call call, void *block, const char *gone)
    __attribute__((noreturn, cold));

static inline void
check_block_alignment(struct call call, uintptr_t address)
{
  if (unlikely(address % BLOCK_ALIGN != 0))
    tcmi_check_alignment_failed(call, address);
}

/* An object of the class must start at @address. */
static inline void
check_block_start(struct call call, unsigned class_id, uintptr_t address)
{
  struct span *span = pagemap_span(address);

  if (unlikely(span != NULL &&
               !size_class_is_start(class_id, address - span->start)))
    tcmi_misuse(call, "pointer not at the start of a block", address);
}

#endif /* TCM_FRONT_BLOCK_CHECK_H */
