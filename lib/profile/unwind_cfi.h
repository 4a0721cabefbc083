/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * unwind_cfi.h - what the files that read call-frame information share.
 *
 *     unwind_table.c    .eh_frame_hdr -> FDE and CIE of a pc
 *     unwind_cfi.c      their instructions -> a row of rules -> the caller
 *     unwind_expr.c     rules that are expressions
 *
 * Bytes are read through a cursor that never leaves the mapping of the object.
 * What these files do not know ends the step, not the process.
 *
 * No locking.
 */
#ifndef TCM_PROFILE_UNWIND_CFI_H
#define TCM_PROFILE_UNWIND_CFI_H

#include "profile/unwind.h"

#if UNWIND_CFI

/* All fields: [owner thread] */
struct cursor {
  const uint8_t *at;
  const uint8_t *end;
  bool bad; /* something ran over the end, or is not understood */
};

/* A CIE and an FDE of it.  All fields: [owner thread] */
struct cfi {
  struct cursor initial; /* instructions of the CIE */
  struct cursor own;     /* those of the FDE */
  uintptr_t start;       /* of the code that they describe */
  uintptr_t size;        /* of it, bytes */
  uint64_t code_step;    /* bytes; advances are multiples of it */
  int64_t data_step;     /* bytes; offsets are multiples of it */
  unsigned ra;           /* register that stands for the return address */
  uint8_t encoding;      /* of addresses in the FDE */
  bool augmented;        /* lengths of augmentations are given */
  bool signal;           /* a frame that the kernel made for a handler */
};

uint64_t tcmi_cursor_number(struct cursor *cursor, unsigned bytes);
uint64_t tcmi_cursor_uleb(struct cursor *cursor);
int64_t tcmi_cursor_sleb(struct cursor *cursor);

/* What describes the code at @pc; false if nothing does, or not understood. */
MUST_CHECK bool tcmi_cfi_find(const struct system_object *object, uintptr_t pc,
                              struct cfi *cfi);

/* The value of an expression that lies at the cursor, its length first; *@first
 * is on its stack if not NULL. */
MUST_CHECK bool tcmi_cfi_evaluate(struct unwind_frame *frame,
                                  struct cursor *cursor, const uintptr_t *first,
                                  uintptr_t *value);

#endif /* UNWIND_CFI */

#endif /* TCM_PROFILE_UNWIND_CFI_H */
