/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "profile/unwind.h"

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

NOINLINE size_t
tcmi_unwind(uintptr_t *pcs, size_t most, bool *whole)
{
  struct unwind_code code = {.npairs = 0};
  struct unwind_frame frame = {.page = UNWIND_NO_PAGE};
  enum unwind_step done = UNWIND_OK;
  bool own = true;
  size_t n = 0;

  capture(&frame);
  for (size_t i = 0; n < most && i < (size_t)2 * UNWIND_FRAMES; i++) {
    enter_code(&code, frame.pc - !frame.exact);
    own = own && (i == 0 || code.object.is_tcm);
    if (i > 0 && !own)
      pcs[n++] = frame.pc + frame.exact;
    done = step(&frame, &code);
    frame.pc = stripped(frame.pc);
    if (done == UNWIND_OK && frame.pc == 0)
      done = UNWIND_END;
    if (done != UNWIND_OK)
      break;
  }
  *whole = done == UNWIND_END;
  return n;
}
