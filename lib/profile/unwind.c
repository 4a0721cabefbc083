/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "profile/unwind.h"

#include <string.h>

#include "base/bits.h"
#include "base/params.h"

/* A larger frame, by its frame pointer, is taken for an invalid one. */
#define FRAME_MAX ((uintptr_t)1 << 20)

#define WORD sizeof(uintptr_t)

/* Offsets of the caller's frame pointer and of the return address from the
 * frame pointer, in words. */
#ifdef __riscv
#define FP_SAVED (-2)
#define FP_RETURN (-1)
#else
#define FP_SAVED 0
#define FP_RETURN 1
#endif

/* Other machines lay out their frames differently; stacks are empty there. */
#if defined __x86_64__ || defined __i386__ || defined __aarch64__ || \
    defined __riscv
#define HAS_FRAME_POINTERS 1
#else
#define HAS_FRAME_POINTERS 0
#endif

UNWIND_READS bool
tcmi_unwind_read(struct unwind_frame *frame, uintptr_t at, uintptr_t *word)
{
  if (at % WORD != 0)
    return false;
  if (at >> PAGE_SHIFT != frame->page) {
    if (!tcmi_system_is_readable(at & ~(uintptr_t)7))
      return false;
    frame->page = at >> PAGE_SHIFT;
  }
  *word = *(const volatile uintptr_t *)at;
  return true;
}

/* Stores the registers of the function that this is inlined into. */
static ALWAYS_INLINE void
capture(struct unwind_frame *frame)
{
  uintptr_t *regs = frame->regs;

  frame->exact = true;
  frame->page = UNWIND_NO_PAGE;
#if defined __x86_64__ && UNWIND_CFI
  __asm__ volatile("leaq 1f(%%rip), %%rax\n"
                   "1:\n\t"
                   "movq %%rax, 128(%0)\n\t"
                   "movq %%rbx, 24(%0)\n\t"
                   "movq %%rbp, 48(%0)\n\t"
                   "movq %%rsp, 56(%0)\n\t"
                   "movq %%r12, 96(%0)\n\t"
                   "movq %%r13, 104(%0)\n\t"
                   "movq %%r14, 112(%0)\n\t"
                   "movq %%r15, 120(%0)"
                   :
                   : "r"(regs)
                   : "rax", "memory");
  frame->pc = regs[UNWIND_RA];
  frame->known = 1 << 3 | 1 << UNWIND_FP | 1 << UNWIND_SP | 0xf << 12;
#elif defined __aarch64__
  uintptr_t pc;
  __asm__ volatile("adr %0, 1f\n"
                   "1:\n\t"
                   "stp x19, x20, [%1, #152]\n\t"
                   "stp x21, x22, [%1, #168]\n\t"
                   "stp x23, x24, [%1, #184]\n\t"
                   "stp x25, x26, [%1, #200]\n\t"
                   "stp x27, x28, [%1, #216]\n\t"
                   "stp x29, x30, [%1, #232]\n\t"
                   "mov x9, sp\n\t"
                   "str x9, [%1, #248]"
                   : "=&r"(pc)
                   : "r"(regs)
                   : "x9", "memory");
  frame->pc = pc;
  frame->known = (uint64_t)0x1fff << 19;
#else
  regs[UNWIND_FP] = (uintptr_t)__builtin_frame_address(0);
  regs[UNWIND_SP] = regs[UNWIND_FP] - WORD;
  frame->pc = (uintptr_t)&tcmi_unwind;
  frame->known = 1 << UNWIND_FP | 1 << UNWIND_SP;
#endif
}

/* Goes to the caller by the chain of frame pointers. */
static enum unwind_step
step_by_frame_pointer(struct unwind_frame *frame)
{
  uintptr_t fp = frame->regs[UNWIND_FP], sp = frame->regs[UNWIND_SP];
  uintptr_t saved, pc;

  if (!HAS_FRAME_POINTERS || !(frame->known >> UNWIND_FP & 1))
    return UNWIND_LOST;
  if (fp == 0)
    return UNWIND_END;
  if (fp < sp || fp - sp > FRAME_MAX || fp % WORD != 0 ||
      !tcmi_unwind_read(frame, fp + (uintptr_t)(FP_SAVED * (int)WORD),
                        &saved) ||
      !tcmi_unwind_read(frame, fp + (uintptr_t)(FP_RETURN * (int)WORD), &pc) ||
      pc < PAGE_SIZE)
    return UNWIND_LOST;
  frame->regs[UNWIND_FP] = saved;
  frame->regs[UNWIND_SP] = fp + (uintptr_t)((FP_RETURN + 1) * (int)WORD);
  frame->known = (uint64_t)1 << UNWIND_FP | (uint64_t)1 << UNWIND_SP;
  frame->pc = pc;
  frame->exact = false;
  return UNWIND_OK;
}

static enum unwind_step
step(struct unwind_frame *frame, const struct unwind_code *code)
{
#if UNWIND_CFI
  enum unwind_step done;

  if (code->npairs > 0) {
    done = tcmi_unwind_by_cfi(frame, code);
    if (done != UNWIND_LOST)
      return done;
  }
#endif
  (void)code;
  return step_by_frame_pointer(frame);
}

/* Looks for the object that contains the code at @pc, unless it is still the
 * one of the last frame. */
static void
enter_code(struct unwind_code *code, uintptr_t pc)
{
  if (likely(pc - code->object.start < code->object.end - code->object.start))
    return;
  *code = (struct unwind_code){.npairs = 0};
  if (!tcmi_system_object(pc, &code->object))
    return;
#if UNWIND_CFI
  tcmi_cfi_open(code);
#endif
}

/* Without the signature that aarch64 puts into the upper bits. */
static uintptr_t
stripped(uintptr_t pc)
{
#ifdef __aarch64__
  return pc & (((uintptr_t)1 << ADDRESS_BITS) - 1);
#else
  return pc;
#endif
}

/* ---- What has not changed since the last walk ---------------------------- */

/* Elsewhere a return address may be anywhere in its frame. */
#if defined __x86_64__ && UNWIND_CFI
#define HAS_PAST 1
#else
#define HAS_PAST 0
#endif

/* A walk in progress.  All fields: [owner thread] */
struct walk {
  struct unwind_past *past; /* or NULL */
  size_t from;              /* frames of the past below this one are gone */
  size_t tail; /* frames of the past, from there on, that were taken */
  size_t n;    /* frames walked */
  uintptr_t cfas[UNWIND_PAST]; /* of the last frames walked, by n modulo */
  bool plain; /* so far, each return address was right below its CFA */
};

static void
note_frame(struct walk *walk, const struct unwind_frame *frame)
{
  uintptr_t cfa = frame->regs[UNWIND_SP];

  walk->plain = walk->plain && !frame->exact &&
                (walk->n == 0 || cfa > walk->cfas[(walk->n - 1) % UNWIND_PAST]);
  walk->cfas[walk->n++ % UNWIND_PAST] = cfa;
}

/* Whether the walk is at a frame of the past, and all frames outside of it are
 * as they were: walk->from and walk->tail then say which.
 *
 * A caller's frame follows from the frame that it called, unless the caller has
 * a frame of variable size.  Then a return address that was there earlier may
 * be left over at its old place; that is rare, and was a real caller at that
 * time. */
static bool
is_past(struct walk *walk, struct unwind_frame *frame)
{
  const struct unwind_past *past = walk->past;
  uintptr_t cfa = frame->regs[UNWIND_SP], word;
  size_t n = past->n, i = walk->from;

  while (i < n && past->frames[i].cfa < cfa)
    i++;
  walk->from = i;
  if (i == n || past->frames[i].cfa != cfa || past->frames[i].pc != frame->pc)
    return false;
  for (i++; i < n; i++) {
    if (tcmi_unwind_read(frame, past->frames[i].cfa - WORD, &word) &&
        word == past->frames[i].pc)
      continue;
    walk->from = i;
    return false;
  }
  walk->from++;
  walk->tail = n - walk->from;
  return true;
}

/* The frames walked are now the past, followed by what was taken from it. */
static void
keep_past(struct walk *walk, const uintptr_t *pcs)
{
  struct unwind_past *past = walk->past;
  size_t kept = min_size(walk->n, UNWIND_PAST - walk->tail);

  past->n = 0;
  if (!walk->plain)
    return;
  memmove(&past->frames[kept], &past->frames[walk->from],
          walk->tail * sizeof past->frames[0]);
  for (size_t i = 0; i < kept; i++) {
    size_t frame = walk->n - kept + i;
    past->frames[i].cfa = walk->cfas[frame % UNWIND_PAST];
    past->frames[i].pc = pcs[frame];
  }
  past->n = kept + walk->tail;
}

/* Takes the rest of the stack from the past; the number of return addresses. */
static size_t
take_past(const struct walk *walk, uintptr_t *pcs, size_t most, bool *whole)
{
  size_t n = min_size(walk->tail, most);

  for (size_t i = 0; i < n; i++)
    pcs[i] = walk->past->frames[walk->from + i].pc;
  *whole = walk->past->whole && n == walk->tail;
  return n;
}

NOINLINE size_t
tcmi_unwind(struct unwind_past *past, uintptr_t *pcs, size_t most, bool *whole)
{
  struct unwind_code code = {.npairs = 0};
  struct unwind_frame frame = {.page = UNWIND_NO_PAGE};
  struct walk walk;
  enum unwind_step done = UNWIND_OK;
  bool own = true, taken = false;
  size_t n = 0;

  walk.past = HAS_PAST ? past : NULL;
  walk.from = walk.tail = walk.n = 0;
  walk.plain = true;
  capture(&frame);
  for (size_t i = 0; walk.n < most && i < (size_t)2 * UNWIND_FRAMES; i++) {
    enter_code(&code, frame.pc - !frame.exact);
    own = own && (i == 0 || code.object.is_tcm);
    if (i > 0 && !own) {
      pcs[walk.n] = frame.pc + frame.exact;
      note_frame(&walk, &frame);
      taken = walk.past != NULL && walk.plain && is_past(&walk, &frame);
      if (taken)
        break;
    }
    done = step(&frame, &code);
    frame.pc = stripped(frame.pc);
    if (done == UNWIND_OK && frame.pc == 0)
      done = UNWIND_END;
    if (done != UNWIND_OK)
      break;
  }
  *whole = done == UNWIND_END;
  if (taken)
    n = take_past(&walk, pcs + walk.n, most - walk.n, whole);
  else if (walk.past != NULL)
    walk.past->whole = *whole;
  /* A stack that was cut has no outer frames to keep. */
  walk.plain = walk.plain && (taken || done != UNWIND_OK);
  if (walk.past != NULL)
    keep_past(&walk, pcs);
  return walk.n + n;
}
