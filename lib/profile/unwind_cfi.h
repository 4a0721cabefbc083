/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * unwind_cfi.h - shared by the files that read call-frame information.
 *
 *     unwind_table.c    .eh_frame_hdr -> FDE and CIE of a pc
 *     unwind_cfi.c      their instructions -> a row of rules -> the caller
 *     unwind_expr.c     rules that are expressions
 *
 * Bytes are read through a cursor that never leaves the mapping of the object.
 * An unknown instruction or format ends the step, not the process.
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
  bool bad; /* a read went past the end, or the data is not understood */
};

/* An FDE and its CIE.  All fields: [owner thread] */
struct cfi {
  struct cursor initial; /* instructions of the CIE */
  struct cursor own;     /* instructions of the FDE */
  uintptr_t start;       /* of the code that the FDE describes */
  uintptr_t size;        /* of that code, in bytes */
  uint64_t code_step;    /* bytes; advances are multiples of it */
  int64_t data_step;     /* bytes; offsets are multiples of it */
  unsigned ra;           /* register that represents the return address */
  uint8_t encoding;      /* of addresses in the FDE */
  bool augmented;        /* entries give the length of their augmentation */
  bool signal;           /* a frame that the kernel made for a handler */
};

uint64_t tcmi_cursor_number(struct cursor *cursor, unsigned bytes);
uint64_t tcmi_cursor_uleb(struct cursor *cursor);
int64_t tcmi_cursor_sleb(struct cursor *cursor);

/* Finds the FDE of the code at @pc; false if there is none or it is not
 * understood. */
MUST_CHECK bool tcmi_cfi_find(const struct system_object *object, uintptr_t pc,
                              struct cfi *cfi);

/* Evaluates the expression at the cursor, which begins with its length.  Its
 * stack initially holds *@first if @first is not NULL. */
MUST_CHECK bool tcmi_cfi_evaluate(struct unwind_frame *frame,
                                  struct cursor *cursor, const uintptr_t *first,
                                  uintptr_t *value);

#endif /* UNWIND_CFI */

#endif /* TCM_PROFILE_UNWIND_CFI_H */
