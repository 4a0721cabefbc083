/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rejected: slots of the size of their block.  The pool would need a list of
 * free address space, and a fault far beyond a block would lie in another
 * block's slot.
 *
 * Rejected: closing pages with mprotect(2) alone.  Each block would then take
 * two of the 65,530 mappings that Linux allows.
 */
#include "config.h"

#include "profile/guarded.h"

#include <string.h>

#include "base/atomics.h"
#include "base/bits.h"
#include "base/lock.h"
#include "base/metadata.h"
#include "base/options.h"
#include "base/random.h"
#include "base/system.h"
#include "heap/large.h"
#include "profile/unwind.h"

/* Bytes of an edge that hold the pattern. */
#define EDGE_MAX 64

/* The open pages begin SLOT_MARGIN into their slot, and the slot begins
 * SLOT_SHIFT after a multiple of GUARDED_MAX.  So the pages begin at such a
 * multiple and end at the next one, or before it. */
#define SLOT_MARGIN (GUARDED_SLOT_SIZE / 4)
#define SLOT_SHIFT (GUARDED_MAX - SLOT_MARGIN)

struct lock tcmi_profile_lock = LOCK_INITIALIZER(LOCK_PROFILE);

struct guarded_pool tcmi_guarded;

static struct guarded_slot *
slot_of(uint32_t number)
{
  return &tcmi_guarded.slots[number - 1];
}

static uint32_t
number_of(const struct guarded_slot *slot)
{
  return (uint32_t)(slot - tcmi_guarded.slots) + 1;
}

static uintptr_t
slot_start(uint32_t number)
{
  return tcmi_guarded.start + (number - 1) * GUARDED_SLOT_SIZE;
}

/* ---- Which slot ---------------------------------------------------------- */

bool
tcmi_guarded_wants(size_t align, size_t size, uint64_t *random)
{
  uint64_t every = tcmi_option(OPTION_guard_samples);

  return every != 0 && size <= GUARDED_MAX && align <= GUARDED_MAX &&
         (every == 1 || tcmi_random_next(random) % every == 0);
}

/* Reserves the address space in one piece, so that all slots are adjacent. */
static bool
pool_make_locked(void)
{
  size_t n = (size_t)tcmi_option(OPTION_guard_slots);
  size_t size = (n + 1) * GUARDED_SLOT_SIZE;
  uintptr_t begin, start;
  void *space;

  lock_assert_held(&tcmi_profile_lock);
  tcmi_guarded.slots =
      tcmi_metadata_alloc_zeroed(n * sizeof(struct guarded_slot));
  if (tcmi_guarded.slots == NULL ||
      tcmi_system_reserve(size, NULL, &space) != 0)
    return false;
  begin = (uintptr_t)space;
  start = round_up(begin + GUARDED_SLOT_SIZE - SLOT_SHIFT, GUARDED_SLOT_SIZE) -
          (GUARDED_SLOT_SIZE - SLOT_SHIFT);
  if (start > begin)
    (void)!tcmi_system_release(space, start - begin);
  size -= start - begin + n * GUARDED_SLOT_SIZE;
  if (size > 0)
    (void)!tcmi_system_release((void *)(start + n * GUARDED_SLOT_SIZE), size);
  /* A huge page would take 2 MiB for a block of any size. */
  (void)!tcmi_system_advise_huge((void *)start, n * GUARDED_SLOT_SIZE,
                                 /*want=*/false);
  tcmi_guarded.nslots = n;
  /* Readers without the lock see this. */
  atomic_store_release(&tcmi_guarded.start, start);
  return true;
}

/* The number of the slot freed first, or 0 if too few slots are waiting. */
static uint32_t
oldest_locked(void)
{
  uint32_t number = tcmi_guarded.first;

  lock_assert_held(&tcmi_profile_lock);
  if (number == 0 || tcmi_guarded.waiting <= tcmi_guarded.used / 4)
    return 0;
  tcmi_guarded.first = slot_of(number)->next;
  tcmi_guarded.waiting--;
  return number;
}

/* Whether the period has room for one more block; counts it. */
static bool
has_time_locked(void)
{
  uint64_t now = tcmi_system_milliseconds() / GUARDED_PERIOD_MS;

  lock_assert_held(&tcmi_profile_lock);
  if (tcmi_guarded.period != now) {
    tcmi_guarded.period = now;
    tcmi_guarded.in_period = 0;
  }
  return tcmi_guarded.in_period++ < GUARDED_PER_PERIOD ||
         tcmi_option(OPTION_guard_samples) == 1;
}

static uint32_t
take_locked(void)
{
  uint32_t number;

  lock_assert_held(&tcmi_profile_lock);
  if (!has_time_locked())
    return 0;
  if (tcmi_guarded.start == 0 && !tcmi_guarded.failed)
    tcmi_guarded.failed = !pool_make_locked();
  if (tcmi_guarded.failed)
    return 0;
  number = tcmi_guarded.used < tcmi_guarded.nslots ? ++tcmi_guarded.used
                                                   : oldest_locked();
  if (number != 0)
    tcmi_guarded.blocks++;
  else
    tcmi_guarded.missed++;
  return number;
}

uint32_t
tcmi_guarded_take(void)
{
  uint32_t number;

  lock_acquire(&tcmi_profile_lock);
  number = take_locked();
  lock_release(&tcmi_profile_lock);
  if (number != 0)
    atomic_store_release(&slot_of(number)->state, GUARDED_TAKEN);
  return number;
}

/* Appends the slot to the queue. */
static void
enqueue_locked(uint32_t number)
{
  lock_assert_held(&tcmi_profile_lock);
  slot_of(number)->next = 0;
  if (tcmi_guarded.waiting++ == 0)
    tcmi_guarded.first = number;
  else
    slot_of(tcmi_guarded.last)->next = number;
  tcmi_guarded.last = number;
}

void
tcmi_guarded_give_back(uint32_t number)
{
  lock_acquire(&tcmi_profile_lock);
  enqueue_locked(number);
  tcmi_guarded.blocks--;
  tcmi_guarded.missed++;
  lock_release(&tcmi_profile_lock);
}

/* ---- Its pages ----------------------------------------------------------- */

/* On the first use of a slot, commits it and walls it off, so that its blocks
 * split no mapping.  The order matters: if a mapping has walls, or had a part
 * with walls, the kernel writes all of it to a core file. */
static void
slot_prepare(struct guarded_slot *slot)
{
  void *start = (void *)slot_start(number_of(slot));

  if (slot->block != 0)
    return;
  slot->committed = tcmi_system_commit(start, GUARDED_SLOT_SIZE) == 0;
  if (!slot->committed)
    return;
  /* An emulator may accept advice that it does not implement. */
  slot->walled = tcmi_system_wall(start, GUARDED_SLOT_SIZE) == 0 &&
                 !tcmi_system_is_readable((uintptr_t)start);
  if (!slot->walled && tcmi_system_close(start, GUARDED_SLOT_SIZE) == 0)
    slot->committed = false;
}

static bool
pages_open(struct guarded_slot *slot)
{
  void *start = (void *)slot->start;

  if (!slot->committed && tcmi_system_commit(start, slot->bytes) != 0)
    return false;
  return !slot->walled || tcmi_system_unwall(start, slot->bytes) == 0;
}

/* If the kernel cannot wall pages off, or cannot now because the program locked
 * them, it may still be able to close them.  Pages that an earlier, larger
 * block left open or with contents are tried again. */
static void
pages_close(struct guarded_slot *slot)
{
  void *start = (void *)slot->start;
  size_t size = max_size(slot->bytes, slot->kept);

  slot->kept = 0;
  if (slot->walled && tcmi_system_wall(start, size) == 0)
    return;
  if (tcmi_system_discard(start, size) != 0)
    slot->kept = size;
  if (tcmi_system_close(start, size) == 0)
    slot->committed = false;
}

/* ---- Edges --------------------------------------------------------------- */

/* The pattern.  Differs from byte to byte, and is never a letter, 0 or 255. */
static unsigned char
edge_byte(uintptr_t address)
{
  return (unsigned char)(0x80 | ((address * 0x9e37u >> 9) & 0x3f));
}

/* The parts of the open pages that hold the pattern.
 * All fields: [owner thread] */
struct edges {
  uintptr_t before, block; /* start and end of the part before the block */
  uintptr_t end, behind;   /* start and end of the part after it */
};

static struct edges
edges_of(const struct guarded_slot *slot)
{
  uintptr_t end = slot->block + slot->size;
  size_t before = slot->block - slot->start;
  size_t behind = slot->start + slot->bytes - end;

  return (struct edges){
      .before = slot->block - min_size(before, EDGE_MAX),
      .block = slot->block,
      .end = end,
      .behind = end + min_size(behind, EDGE_MAX),
  };
}

static void
edge_draw(uintptr_t at, uintptr_t end)
{
  for (; at < end; at++)
    *(unsigned char *)at = edge_byte(at);
}

static bool
edge_holds(uintptr_t at, uintptr_t end)
{
  while (at < end && *(const unsigned char *)at == edge_byte(at))
    at++;
  return at == end;
}

static void
expect_whole(struct call call, const struct guarded_slot *slot)
{
  struct edges edges = edges_of(slot);
  struct misuse_details details = {
      .past = "allocated",
      .past_from = slot->allocated.depth == 0
                       ? NULL
                       : (const void *)slot->allocated.pcs[0],
  };

  if (unlikely(!edge_holds(edges.end, edges.behind)))
    tcmi_misuse_detailed(call, "overflow past the end of the block",
                         slot->block, &details);
  if (unlikely(!edge_holds(edges.before, edges.block)))
    tcmi_misuse_detailed(call, "underflow before the start of the block",
                         slot->block, &details);
}

/* ---- A block's life ------------------------------------------------------ */

static void
note(struct guarded_stack *stack, const uintptr_t *pcs, size_t depth)
{
  stack->thread = lock_self();
  stack->depth = (uint32_t)min_size(depth, GUARDED_FRAMES);
  memcpy(stack->pcs, pcs, stack->depth * sizeof *pcs);
}

void
tcmi_guarded_allocated(uint32_t number, const uintptr_t *pcs, size_t depth)
{
  struct guarded_slot *slot = slot_of(number);

  note(&slot->allocated, pcs, depth);
  slot->freed.depth = 0;
}

static void
choose_place(struct guarded_slot *slot, size_t align, size_t size, bool at_end)
{
  align = max_size(align, BLOCK_ALIGN);
  slot->bytes = round_up(size, tcmi_system_page_size());
  slot->start = slot_start(number_of(slot)) + SLOT_MARGIN;
  atomic_store_relaxed(
      &slot->block,
      slot->start + (at_end ? round_down(slot->bytes - size, align) : 0));
  atomic_store_relaxed(&slot->size, size);
}

static struct span *
place(struct guarded_slot *slot, bool zero)
{
  uintptr_t first = round_down(slot->block, PAGE_SIZE);
  struct edges edges = edges_of(slot);
  struct span *span;

  if (!pages_open(slot))
    return NULL;
  span =
      tcmi_large_enter(first, (slot->start + slot->bytes - first) >> PAGE_SHIFT,
                       slot->block - first, number_of(slot));
  if (span == NULL) {
    pages_close(slot);
    return NULL;
  }
  if (zero && slot->kept > 0)
    memset((void *)slot->block, 0, slot->size);
  edge_draw(edges.before, edges.block);
  edge_draw(edges.end, edges.behind);
  atomic_store_release(&slot->state, GUARDED_LIVE);
  return span;
}

struct span *
tcmi_guarded_place(uint32_t number, size_t align, size_t size, bool zero,
                   bool at_end)
{
  struct guarded_slot *slot = slot_of(number);
  struct span *span;

  slot_prepare(slot);
  choose_place(slot, align, max_size(size, 1), at_end);
  span = place(slot, zero);
  if (span == NULL)
    tcmi_guarded_give_back(number);
  return span;
}

/* Not inlined, so that callers do not hold the array on their stack. */
static NOINLINE void
note_free(struct guarded_slot *slot)
{
  uintptr_t pcs[GUARDED_FRAMES];
  bool whole;
  size_t depth = tcmi_unwind(NULL, pcs, GUARDED_FRAMES, &whole);

  note(&slot->freed, pcs, depth);
}

void
tcmi_guarded_free(struct call call, struct span *span)
{
  uint32_t number = span->slot;
  struct guarded_slot *slot = slot_of(number);

  expect_whole(call, slot);
  note_free(slot);
  /* Before the pages can fault. */
  atomic_store_release(&slot->state, GUARDED_FREED);
  pages_close(slot);
  tcmi_large_leave(span);
  lock_acquire(&tcmi_profile_lock);
  enqueue_locked(number);
  lock_release(&tcmi_profile_lock);
}

const struct guarded_slot *
tcmi_guarded_find(uintptr_t address)
{
  uintptr_t start = atomic_load_acquire(&tcmi_guarded.start);
  size_t i = (address - start) / GUARDED_SLOT_SIZE;
  const struct guarded_slot *slot;

  if (start == 0 || address < start || i >= tcmi_guarded.nslots)
    return NULL;
  slot = &tcmi_guarded.slots[i];
  return atomic_load_acquire(&slot->state) >= GUARDED_LIVE ? slot : NULL;
}
