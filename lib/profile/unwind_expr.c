/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "profile/unwind_cfi.h"

#if UNWIND_CFI

/* The expressions of linkers and libc need five. */
#define DEPTH 16

/* All fields: [owner thread] */
struct machine {
  struct unwind_frame *frame;
  struct cursor cursor;
  intptr_t stack[DEPTH];
  unsigned depth;
  bool bad;
};

static void
push(struct machine *m, uintptr_t value)
{
  if (m->depth == DEPTH)
    m->bad = true;
  else
    m->stack[m->depth++] = (intptr_t)value;
}

static uintptr_t
pop(struct machine *m)
{
  if (m->depth > 0)
    return (uintptr_t)m->stack[--m->depth];
  m->bad = true;
  return 0;
}

/* Pushes a copy of the @n-th value from the top. */
static void
pick(struct machine *m, unsigned n)
{
  if (n < m->depth)
    push(m, (uintptr_t)m->stack[m->depth - 1 - n]);
  else
    m->bad = true;
}

static void
push_register(struct machine *m, uint64_t reg)
{
  int64_t offset = tcmi_cursor_sleb(&m->cursor);

  if (reg < UNWIND_REGS && (m->frame->known >> reg & 1))
    push(m, m->frame->regs[reg] + (uintptr_t)offset);
  else
    m->bad = true;
}

/* Constants: DW_OP_const1u to DW_OP_consts. */
static void
push_constant(struct machine *m, uint8_t op)
{
  struct cursor *c = &m->cursor;

  switch (op) {
  case 0x08:
    push(m, tcmi_cursor_number(c, 1));
    break;
  case 0x09:
    push(m, (uintptr_t)(int8_t)tcmi_cursor_number(c, 1));
    break;
  case 0x0a:
    push(m, tcmi_cursor_number(c, 2));
    break;
  case 0x0b:
    push(m, (uintptr_t)(int16_t)tcmi_cursor_number(c, 2));
    break;
  case 0x0c:
    push(m, tcmi_cursor_number(c, 4));
    break;
  case 0x0d:
    push(m, (uintptr_t)(int32_t)tcmi_cursor_number(c, 4));
    break;
  case 0x0e:
  case 0x0f:
    push(m, tcmi_cursor_number(c, 8));
    break;
  case 0x10:
    push(m, tcmi_cursor_uleb(c));
    break;
  default:
    push(m, (uintptr_t)tcmi_cursor_sleb(c));
    break;
  }
}

/* Operations on two values. */
static void
combine(struct machine *m, uint8_t op)
{
  uintptr_t b = pop(m), a = pop(m);

  switch (op) {
  case 0x1a: /* and */
    push(m, a & b);
    break;
  case 0x1c: /* minus */
    push(m, a - b);
    break;
  case 0x1e: /* mul */
    push(m, a * b);
    break;
  case 0x21: /* or */
    push(m, a | b);
    break;
  case 0x22: /* plus */
    push(m, a + b);
    break;
  case 0x24: /* shl */
    push(m, b < 64 ? a << b : 0);
    break;
  case 0x25: /* shr */
    push(m, b < 64 ? a >> b : 0);
    break;
  case 0x27: /* xor */
    push(m, a ^ b);
    break;
  case 0x29: /* eq */
    push(m, a == b);
    break;
  case 0x2a: /* ge */
    push(m, (intptr_t)a >= (intptr_t)b);
    break;
  case 0x2b: /* gt */
    push(m, (intptr_t)a > (intptr_t)b);
    break;
  case 0x2c: /* le */
    push(m, (intptr_t)a <= (intptr_t)b);
    break;
  case 0x2d: /* lt */
    push(m, (intptr_t)a < (intptr_t)b);
    break;
  case 0x2e: /* ne */
    push(m, a != b);
    break;
  default:
    m->bad = true;
  }
}

static void
dereference(struct machine *m)
{
  uintptr_t word;

  if (tcmi_unwind_read(m->frame, pop(m), &word))
    push(m, word);
  else
    m->bad = true;
}

static void
operate(struct machine *m, uint8_t op)
{
  if (op >= 0x30 && op <= 0x4f) {
    push(m, op - 0x30u);
  } else if (op >= 0x70 && op <= 0x8f) {
    push_register(m, op - 0x70u);
  } else if (op >= 0x08 && op <= 0x11) {
    push_constant(m, op);
  } else if (op == 0x06) {
    dereference(m);
  } else if (op == 0x12) { /* dup */
    pick(m, 0);
  } else if (op == 0x13) { /* drop */
    (void)pop(m);
  } else if (op == 0x14) { /* over */
    pick(m, 1);
  } else if (op == 0x15) {
    pick(m, (unsigned)tcmi_cursor_number(&m->cursor, 1));
  } else if (op == 0x1f) { /* neg */
    push(m, 0 - pop(m));
  } else if (op == 0x20) { /* not */
    push(m, ~pop(m));
  } else if (op == 0x23) { /* plus_uconst */
    push(m, pop(m) + tcmi_cursor_uleb(&m->cursor));
  } else if (op == 0x92) { /* bregx */
    push_register(m, tcmi_cursor_uleb(&m->cursor));
  } else if (op != 0x96) { /* nop */
    combine(m, op);
  }
}

bool
tcmi_cfi_evaluate(struct unwind_frame *frame, struct cursor *cursor,
                  const uintptr_t *first, uintptr_t *value)
{
  uint64_t length = tcmi_cursor_uleb(cursor);
  struct machine m = {.frame = frame, .cursor = *cursor};

  if (cursor->bad || length > (size_t)(cursor->end - cursor->at))
    return false;
  m.cursor.end = m.cursor.at + length;
  if (first != NULL)
    push(&m, *first);
  while (m.cursor.at < m.cursor.end && !m.bad && !m.cursor.bad)
    operate(&m, (uint8_t)tcmi_cursor_number(&m.cursor, 1));
  *value = pop(&m);
  return !m.bad && !m.cursor.bad;
}

#endif /* UNWIND_CFI */
