/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rules of the return addresses seen last.
 *
 *     pc --hash--> | pc | rule | check |
 *                              |
 *     check == mix(pc, rule, bytes of the FDE, bytes of its CIE)
 *
 * A rule depends on nothing but those bytes.  They are read again each time,
 * and if the check differs, the rule is computed again.  So an entry is never
 * stale, whatever object was unloaded and loaded at its place, and never torn,
 * whoever writes it meanwhile: another thread, a signal handler, or a thread
 * that did not survive a fork.
 *
 * Rejected: a count of unloaded objects.  dl_iterate_phdr() takes the loader's
 * lock, and libc unloads objects without a call to dlclose().  Rejected: a lock
 * that is tried.  A thread that does not get it walks ten times as slowly.
 */
#include "config.h"

#include "profile/unwind_cfi.h"

#if UNWIND_CFI

#include <string.h>

#include "base/atomics.h"
#include "base/metadata.h"
#include "base/params.h"

#define WORD sizeof(uintptr_t)

/* Programs allocate in several hundred places, gcc in several thousand. */
#define ENTRIES_SHIFT 10
#define ENTRIES ((size_t)1 << ENTRIES_SHIFT)

/* Longer FDEs and CIEs belong to functions with many rows. */
#define SOURCE_MAX 512

#define RULE_WORDS (sizeof(struct unwind_rule) / sizeof(uint64_t))
_Static_assert(sizeof(struct unwind_rule) % sizeof(uint64_t) == 0,
               "a rule is copied by words");

/* All fields: [atomic: relaxed] */
struct entry {
  uint64_t pc;
  uint64_t check;
  uint64_t rule[RULE_WORDS];
};

/* [atomic: release, acquire by walks] ENTRIES of them, or NULL */
static struct entry *entries;

size_t
tcmi_unwind_cache_make(void)
{
  size_t size = ENTRIES * sizeof(struct entry);
  struct entry *made;

  if (entries != NULL || (made = tcmi_metadata_alloc_zeroed(size)) == NULL)
    return 0;
  atomic_store_release(&entries, made);
  return size;
}

static struct entry *
entry_of(uintptr_t pc)
{
  struct entry *all = atomic_load_acquire(&entries);

  return all == NULL
             ? NULL
             : &all[(uint64_t)pc * 0x9e3779b97f4a7c15u >> (64 - ENTRIES_SHIFT)];
}

static ALWAYS_INLINE uint64_t
mix(uint64_t sum, uint64_t word)
{
  sum = (sum ^ word) * 0x9e3779b97f4a7c15u;
  return sum << 29 | sum >> 35;
}

/* Mixes in the bytes of an FDE or a CIE; false if it is too long, or not inside
 * the object. */
static ALWAYS_INLINE bool
mix_source(const struct unwind_code *code, const uint8_t *source, uint64_t *sum)
{
  uintptr_t place = (uintptr_t)source - code->object.start;
  uintptr_t size = code->object.end - code->object.start;
  const uint8_t *last;
  uint32_t length;
  uint64_t word;

  if (place >= size || size - place < 2 * sizeof word)
    return false;
  memcpy(&length, source, sizeof length);
  if (length < sizeof word || length > SOURCE_MAX ||
      length > size - place - sizeof length)
    return false;
  last = source + sizeof length + length - sizeof word;
  for (; source < last; source += sizeof word) {
    memcpy(&word, source, sizeof word);
    *sum = mix(*sum, word);
  }
  memcpy(&word, last, sizeof word);
  *sum = mix(*sum, word);
  return true;
}

/* The check of a rule; false if there is none. */
static ALWAYS_INLINE bool
check_of(const struct unwind_code *code, uintptr_t pc, uint32_t pair,
         const uint64_t rule[RULE_WORDS], uint64_t *check)
{
  const uint8_t *fde;
  uint64_t sum = pc;
  uint32_t back;

  if (pair >= code->npairs || (fde = tcmi_cfi_fde(code, pair)) == NULL)
    return false;
  for (size_t i = 0; i < RULE_WORDS; i++)
    sum = mix(sum, rule[i]);
  /* The same bytes elsewhere describe other code. */
  sum = mix(sum, (uintptr_t)fde);
  if (!mix_source(code, fde, &sum))
    return false;
  memcpy(&back, fde + sizeof back, sizeof back);
  if (!mix_source(code, fde + sizeof back - back, &sum))
    return false;
  *check = sum;
  return true;
}

bool
tcmi_unwind_recall(const struct unwind_code *code, uintptr_t pc,
                   struct unwind_rule *rule)
{
  const struct entry *entry = entry_of(pc);
  uint64_t words[RULE_WORDS], check;

  if (entry == NULL || atomic_load_relaxed(&entry->pc) != pc)
    return false;
  for (size_t i = 0; i < RULE_WORDS; i++)
    words[i] = atomic_load_relaxed(&entry->rule[i]);
  memcpy(rule, words, sizeof words);
  return check_of(code, pc, rule->pair, words, &check) &&
         check == atomic_load_relaxed(&entry->check);
}

void
tcmi_unwind_remember(const struct unwind_code *code, uintptr_t pc,
                     const struct unwind_rule *rule)
{
  struct entry *entry = entry_of(pc);
  uint64_t words[RULE_WORDS], check;

  memcpy(words, rule, sizeof words);
  if (entry == NULL || !check_of(code, pc, rule->pair, words, &check))
    return;
  atomic_store_relaxed(&entry->pc, pc);
  atomic_store_relaxed(&entry->check, check);
  for (size_t i = 0; i < RULE_WORDS; i++)
    atomic_store_relaxed(&entry->rule[i], words[i]);
}

/* Reads the word where a register is saved; the CFA is aligned. */
UNWIND_READS static ALWAYS_INLINE bool
read_saved(struct unwind_frame *frame, uintptr_t cfa, uint16_t saved,
           uintptr_t *word)
{
  uintptr_t at = cfa - RULE_REACH * WORD + ((unsigned)saved >> 5) * WORD;

  if (unlikely(at >> PAGE_SHIFT != frame->page))
    return tcmi_unwind_read(frame, at, word);
  *word = *(const volatile uintptr_t *)at;
  return true;
}

/* As for a row, see apply() in unwind_cfi.c. */
UNWIND_READS enum unwind_step
tcmi_unwind_by_rule(struct unwind_frame *frame, const struct unwind_rule *rule)
{
  uintptr_t *regs = frame->regs;
  uintptr_t cfa = regs[rule->cfa_reg] + (uintptr_t)(intptr_t)rule->cfa_offset;
  uint64_t known = frame->known;
  uintptr_t pc;

  if (rule->nsaved == 0)
    return UNWIND_END;
  if (!(known >> rule->cfa_reg & 1) || cfa % WORD != 0 ||
      cfa < regs[UNWIND_SP] || !read_saved(frame, cfa, rule->saved[0], &pc) ||
      (cfa == regs[UNWIND_SP] && pc == frame->pc))
    return UNWIND_LOST;
  for (unsigned i = 1; i < rule->nsaved; i++) {
    unsigned reg = rule->saved[i] & 31;
    known |= (uint64_t)1 << reg;
    if (unlikely(!read_saved(frame, cfa, rule->saved[i], &regs[reg])))
      known &= ~((uint64_t)1 << reg);
  }
  regs[UNWIND_SP] = cfa;
  regs[UNWIND_RA] = frame->pc = pc;
  frame->known = known | (uint64_t)1 << UNWIND_SP | (uint64_t)1 << UNWIND_RA;
  frame->exact = false;
  return UNWIND_OK;
}

#else

size_t
tcmi_unwind_cache_make(void)
{
  return 0;
}

#endif /* UNWIND_CFI */
