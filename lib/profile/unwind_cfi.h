/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * unwind_cfi.h - shared by the files that read call-frame information.
 *
 *     unwind_cache.c    pc -> the rule that was found for it before
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
  uint32_t pair;         /* the number of the pair that names the FDE */
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
MUST_CHECK bool tcmi_cfi_find(const struct unwind_code *code, uintptr_t pc,
                              struct cfi *cfi);
/* The FDE of a pair; NULL if it is not inside the object. */
const uint8_t *tcmi_cfi_fde(const struct unwind_code *code, size_t pair);

/* Evaluates the expression at the cursor, which begins with its length.  Its
 * stack initially holds *@first if @first is not NULL. */
MUST_CHECK bool tcmi_cfi_evaluate(struct unwind_frame *frame,
                                  struct cursor *cursor, const uintptr_t *first,
                                  uintptr_t *value);

/* Registers that a rule can restore: those that calls preserve, and the return
 * address. */
#ifdef __x86_64__
#define RULE_SAVED 7
#else
#define RULE_SAVED 15
#endif

/* A row in which the CFA is a register plus an offset and each register is
 * unchanged or in memory, as nearly all are.  All fields: [owner thread] */
struct unwind_rule {
  uint32_t pair;      /* number of the pair that names the FDE */
  int32_t cfa_offset; /* bytes */
  uint8_t cfa_reg;
  uint8_t nsaved; /* registers in memory; 0: the frame is the outermost one */
  uint16_t saved[RULE_SAVED]; /* the return address first, see rule_saved() */
};

/* Words from the CFA that a register may be saved at, in either direction. */
#define RULE_REACH 1024

static inline uint16_t
rule_saved(unsigned reg, int words)
{
  return (uint16_t)((unsigned)(words + RULE_REACH) << 5 | reg);
}

/* The rule of the code at @pc, if it is cached and still correct. */
MUST_CHECK bool tcmi_unwind_recall(const struct unwind_code *code, uintptr_t pc,
                                   struct unwind_rule *rule);
void tcmi_unwind_remember(const struct unwind_code *code, uintptr_t pc,
                          const struct unwind_rule *rule);
/* Goes to the caller by a rule. */
enum unwind_step tcmi_unwind_by_rule(struct unwind_frame *frame,
                                     const struct unwind_rule *rule);

#endif /* UNWIND_CFI */

#endif /* TCM_PROFILE_UNWIND_CFI_H */
