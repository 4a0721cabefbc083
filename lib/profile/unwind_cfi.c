/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "profile/unwind_cfi.h"

#if UNWIND_CFI

/* Rows that instructions may have saved at once; compilers nest two. */
#define ROWS_ASIDE 3

/* Where the caller's value of a register is. */
enum rule {
  RULE_SAME,      /* still in the register */
  RULE_UNDEFINED, /* lost */
  RULE_AT,        /* in memory, at an offset from the CFA */
  RULE_IS,        /* the CFA plus an offset */
  RULE_REGISTER,  /* in another register */
  RULE_EXPR_AT,   /* in memory, at the value of an expression */
  RULE_EXPR_IS    /* the value of an expression */
};

/* A value is an offset, the number of a register, or the offset of an
 * expression from the start of the table.  All fields: [owner thread] */
struct row {
  uint8_t rules[UNWIND_REGS]; /* enum rule */
  uint8_t cfa_reg;
  bool cfa_is_expr;
  int32_t values[UNWIND_REGS];
  int32_t cfa_value;
};

/* All fields: [owner thread] */
struct interpreter {
  const struct cfi *cfi;
  const uint8_t *table;
  uintptr_t at;     /* offset in the code where the row begins to apply */
  uintptr_t wanted; /* offset in the code whose row is wanted */
  struct row row;
  struct row initial; /* after the instructions of the CIE */
  struct row aside[ROWS_ASIDE];
  unsigned naside;
};

static void
set_rule(struct interpreter *in, uint64_t reg, enum rule rule, int64_t value)
{
  /* The others are floating-point registers. */
  if (reg >= UNWIND_REGS)
    return;
  in->row.rules[reg] = (uint8_t)rule;
  in->row.values[reg] = (int32_t)value;
}

static void
restore(struct interpreter *in, uint64_t reg)
{
  if (reg < UNWIND_REGS)
    set_rule(in, reg, (enum rule)in->initial.rules[reg],
             in->initial.values[reg]);
}

static void
set_cfa(struct interpreter *in, struct cursor *c, uint64_t reg, int64_t value)
{
  if (reg >= UNWIND_REGS)
    c->bad = true;
  in->row.cfa_reg = (uint8_t)reg;
  in->row.cfa_value = (int32_t)value;
  in->row.cfa_is_expr = false;
}

/* The place of the expression at the cursor; moves the cursor past it. */
static int64_t
skip_expression(struct interpreter *in, struct cursor *c)
{
  int64_t place = c->at - in->table;
  uint64_t length = tcmi_cursor_uleb(c);

  if (c->bad || length > (size_t)(c->end - c->at))
    c->bad = true;
  else
    c->at += length;
  return place;
}

static void
put_aside(struct interpreter *in, struct cursor *c, bool back)
{
  if (back && in->naside > 0)
    in->row = in->aside[--in->naside];
  else if (!back && in->naside < ROWS_ASIDE)
    in->aside[in->naside++] = in->row;
  else
    c->bad = true;
}

/* Executes an instruction about the CFA; false if @op is not one. */
static bool
execute_cfa(struct interpreter *in, struct cursor *c, uint8_t op)
{
  int64_t step = in->cfi->data_step;
  uint64_t reg;

  switch (op) {
  case 0x0c: /* def_cfa */
    reg = tcmi_cursor_uleb(c);
    set_cfa(in, c, reg, (int64_t)tcmi_cursor_uleb(c));
    return true;
  case 0x0d: /* def_cfa_register */
    set_cfa(in, c, tcmi_cursor_uleb(c), in->row.cfa_value);
    return true;
  case 0x0e: /* def_cfa_offset */
    in->row.cfa_value = (int32_t)tcmi_cursor_uleb(c);
    return true;
  case 0x0f: /* def_cfa_expression */
    in->row.cfa_value = (int32_t)skip_expression(in, c);
    in->row.cfa_is_expr = true;
    return true;
  case 0x12: /* def_cfa_sf */
    reg = tcmi_cursor_uleb(c);
    set_cfa(in, c, reg, tcmi_cursor_sleb(c) * step);
    return true;
  case 0x13: /* def_cfa_offset_sf */
    in->row.cfa_value = (int32_t)(tcmi_cursor_sleb(c) * step);
    return true;
  default:
    return false;
  }
}

/* Executes an instruction about one register; false if @op is not one. */
static bool
execute_register(struct interpreter *in, struct cursor *c, uint8_t op)
{
  int64_t step = in->cfi->data_step;
  uint64_t reg;

  if (op < 0x05 || op > 0x16 || (op >= 0x0a && op <= 0x0f) || op == 0x12 ||
      op == 0x13)
    return false;
  reg = tcmi_cursor_uleb(c);
  switch (op) {
  case 0x05: /* offset_extended */
    set_rule(in, reg, RULE_AT, (int64_t)tcmi_cursor_uleb(c) * step);
    break;
  case 0x06: /* restore_extended */
    restore(in, reg);
    break;
  case 0x07:
    set_rule(in, reg, RULE_UNDEFINED, 0);
    break;
  case 0x08:
    set_rule(in, reg, RULE_SAME, 0);
    break;
  case 0x09:
    set_rule(in, reg, RULE_REGISTER, (int64_t)tcmi_cursor_uleb(c));
    break;
  case 0x10:
    set_rule(in, reg, RULE_EXPR_AT, skip_expression(in, c));
    break;
  case 0x11: /* offset_extended_sf */
    set_rule(in, reg, RULE_AT, tcmi_cursor_sleb(c) * step);
    break;
  case 0x14: /* val_offset */
    set_rule(in, reg, RULE_IS, (int64_t)tcmi_cursor_uleb(c) * step);
    break;
  case 0x15: /* val_offset_sf */
    set_rule(in, reg, RULE_IS, tcmi_cursor_sleb(c) * step);
    break;
  default: /* val_expression */
    set_rule(in, reg, RULE_EXPR_IS, skip_expression(in, c));
    break;
  }
  return true;
}

/* Executes an instruction that advances to the next row, or any other. */
static void
execute_other(struct interpreter *in, struct cursor *c, uint8_t op)
{
  switch (op) {
  case 0x00: /* nop */
#ifdef __aarch64__
  case 0x2d: /* the return address is signed: unwind.c always strips it */
#endif
    break;
  case 0x01: /* set_loc: compilers do not use it in .eh_frame */
    c->bad = true;
    break;
  case 0x02: /* advance_loc1, 2 and 4 */
  case 0x03:
  case 0x04:
    in->at += tcmi_cursor_number(c, 1u << (op - 2)) * in->cfi->code_step;
    break;
  case 0x0a: /* remember_state */
    put_aside(in, c, false);
    break;
  case 0x0b: /* restore_state */
    put_aside(in, c, true);
    break;
  case 0x2e: /* GNU_args_size */
    (void)tcmi_cursor_uleb(c);
    break;
  default:
    c->bad = true;
  }
}

/* Executes instructions until the row is that of the wanted code; false if an
 * instruction is not understood. */
static bool
execute(struct interpreter *in, struct cursor c)
{
  while (c.at < c.end && !c.bad && in->at <= in->wanted) {
    uint8_t op = (uint8_t)tcmi_cursor_number(&c, 1), low = op & 0x3f;
    if (op >> 6 == 1) {
      in->at += low * in->cfi->code_step;
    } else if (op >> 6 == 2) {
      set_rule(in, low, RULE_AT,
               (int64_t)tcmi_cursor_uleb(&c) * in->cfi->data_step);
    } else if (op >> 6 == 3) {
      restore(in, low);
    } else if (!execute_cfa(in, &c, op) && !execute_register(in, &c, op)) {
      execute_other(in, &c, op);
    }
  }
  return !c.bad;
}

static bool
evaluate(const struct interpreter *in, struct unwind_frame *frame,
         int32_t place, const uintptr_t *first, uintptr_t *value)
{
  struct cursor cursor = {.at = in->table + place, .end = in->cfi->own.end};

  /* An expression of the CIE lies before the FDE, in the same mapping. */
  if (cursor.at >= cursor.end)
    cursor.end = cursor.at + 256;
  return tcmi_cfi_evaluate(frame, &cursor, first, value);
}

/* The caller's value of a register; false if it is lost. */
static bool
recover(const struct interpreter *in, struct unwind_frame *frame, unsigned reg,
        uintptr_t cfa, uintptr_t *value)
{
  int32_t operand = in->row.values[reg];
  uintptr_t at;

  switch ((enum rule)in->row.rules[reg]) {
  case RULE_SAME:
    *value = frame->regs[reg];
    return frame->known >> reg & 1;
  case RULE_AT:
    return tcmi_unwind_read(frame, cfa + (uintptr_t)(intptr_t)operand, value);
  case RULE_IS:
    *value = cfa + (uintptr_t)(intptr_t)operand;
    return true;
  case RULE_REGISTER:
    *value = frame->regs[(unsigned)operand % UNWIND_REGS];
    return (unsigned)operand < UNWIND_REGS &&
           (frame->known >> operand & 1) != 0;
  case RULE_EXPR_AT:
    return evaluate(in, frame, operand, &cfa, &at) &&
           tcmi_unwind_read(frame, at, value);
  case RULE_EXPR_IS:
    return evaluate(in, frame, operand, &cfa, value);
  case RULE_UNDEFINED:
  default:
    return false;
  }
}

static bool
find_cfa(const struct interpreter *in, struct unwind_frame *frame,
         uintptr_t *cfa)
{
  const struct row *row = &in->row;

  if (row->cfa_is_expr)
    return evaluate(in, frame, row->cfa_value, NULL, cfa);
  *cfa = frame->regs[row->cfa_reg] + (uintptr_t)(intptr_t)row->cfa_value;
  return frame->known >> row->cfa_reg & 1;
}

/* Replaces the registers of the frame by those of the caller. */
static enum unwind_step
apply(const struct interpreter *in, struct unwind_frame *frame)
{
  struct unwind_frame caller = {.known = 0};
  unsigned ra = in->cfi->ra;
  bool signal = in->cfi->signal;
  uintptr_t cfa;

  if (in->row.rules[ra] == RULE_UNDEFINED)
    return UNWIND_END;
  if (!find_cfa(in, frame, &cfa) || !recover(in, frame, ra, cfa, &caller.pc))
    return UNWIND_LOST;
  for (unsigned reg = 0; reg < UNWIND_REGS; reg++)
    if (recover(in, frame, reg, cfa, &caller.regs[reg]))
      caller.known |= (uint64_t)1 << reg;
  if (in->row.rules[UNWIND_SP] == RULE_SAME) {
    caller.regs[UNWIND_SP] = cfa;
    caller.known |= (uint64_t)1 << UNWIND_SP;
  }
  /* Only a signal handler may run on another stack than its caller. */
  if (!signal && (cfa < frame->regs[UNWIND_SP] ||
                  (cfa == frame->regs[UNWIND_SP] && caller.pc == frame->pc)))
    return UNWIND_LOST;
  caller.exact = signal;
  caller.page = frame->page;
  *frame = caller;
  return UNWIND_OK;
}

/* Adds a register to a rule; false if it is not in memory, or too far away. */
static bool
save(struct unwind_rule *rule, const struct row *row, unsigned reg)
{
  int32_t word = (int32_t)sizeof(uintptr_t), words = row->values[reg] / word;

  if (row->rules[reg] != RULE_AT || row->values[reg] % word != 0 ||
      words < -RULE_REACH || words >= RULE_REACH || rule->nsaved == RULE_SAVED)
    return false;
  rule->saved[rule->nsaved++] = rule_saved(reg, words);
  return true;
}

/* Turns the row into a rule; false if a rule cannot express the row. */
static bool
summarize(const struct interpreter *in, struct unwind_rule *rule)
{
  const struct row *row = &in->row;

  *rule = (struct unwind_rule){.pair = in->cfi->pair,
                               .cfa_offset = row->cfa_value,
                               .cfa_reg = row->cfa_reg};
  if (in->cfi->ra != UNWIND_RA || in->cfi->signal)
    return false;
  if (row->rules[UNWIND_RA] == RULE_UNDEFINED)
    return true;
  if (row->cfa_is_expr || row->rules[UNWIND_SP] != RULE_SAME ||
      !save(rule, row, UNWIND_RA))
    return false;
  for (unsigned reg = 0; reg < UNWIND_REGS; reg++)
    if (reg != UNWIND_RA && row->rules[reg] != RULE_SAME &&
        !save(rule, row, reg))
      return false;
  return true;
}

/* Not inlined, so that a walk by remembered rules needs little stack. */
static NOINLINE enum unwind_step
interpret(struct unwind_frame *frame, const struct unwind_code *code,
          uintptr_t pc)
{
  struct unwind_rule rule;
  struct interpreter in;
  struct cfi cfi;

  if (!tcmi_cfi_find(code, pc, &cfi) || cfi.ra >= UNWIND_REGS)
    return UNWIND_LOST;
  in.cfi = &cfi;
  in.table = code->object.table;
  in.at = 0;
  in.wanted = pc - cfi.start;
  in.naside = 0;
  in.row = (struct row){.cfa_reg = UNWIND_SP};
  if (!execute(&in, cfi.initial))
    return UNWIND_LOST;
  in.initial = in.row;
  in.at = 0;
  if (!execute(&in, cfi.own))
    return UNWIND_LOST;
  if (summarize(&in, &rule))
    tcmi_unwind_remember(code, pc, &rule);
  return apply(&in, frame);
}

enum unwind_step
tcmi_unwind_by_cfi(struct unwind_frame *frame, const struct unwind_code *code)
{
  uintptr_t pc = frame->pc - !frame->exact;
  struct unwind_rule rule;

  return likely(tcmi_unwind_recall(code, pc, &rule))
             ? tcmi_unwind_by_rule(frame, &rule)
             : interpret(frame, code, pc);
}

#endif /* UNWIND_CFI */
