/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guarded.h - sampled blocks between inaccessible pages.
 *
 *     pool:  | slot 1 | slot 2 | ... |      address space, 2 MiB a slot
 *
 *     slot:  | walled ............. |###| block| walled ............... |
 *                                   ^    open pages, from the middle of a huge
 *                                        page on: the block at their end, or at
 *                                        their start, by chance
 *
 *     never used --take--> taken --place--> live --free--> freed --.
 *                            ^                                     |
 *                            '------ the oldest first -------------'
 *
 * The rest of the open pages is the edge.  Next to the block it holds a pattern,
 * which is checked when the block is freed.
 *
 * Invariants
 *   K1  pages of a slot that is not live are inaccessible and hold no memory.
 *   K2  a block lies between two such pages, its end or its start next to one,
 *       as far as its alignment allows.
 *   K3  a quarter of the slots that were ever used waits, freed, at least; the
 *       slot that was freed first is used first.
 *   K4  a slot describes the block that it had last, for readers without a lock.
 *   K5  at most GUARDED_PER_PERIOD blocks are guarded in a period, unless the
 *       option says that every sample is.
 *   K6  a live block is a large one with a span of its own, see B2 of large.h,
 *       and a sampled one, see F2 of profile.h; its usable size is what was
 *       asked for.
 *
 * Where the kernel can wall pages off within a mapping, all slots lie in two
 * mappings, the used and the others.  Where it cannot, a live block splits them.
 *
 * Locking: LOCK_PROFILE for who has which slot; a slot belongs to the thread
 * that took it or frees its block.
 *
 * Cost: for a block and its free some 28,000 instructions, nearly all for the
 * stack of the free, and two system calls, beside those of the sample: 20 us
 * where a sample alone takes 6.  For each slot ever used 1 KiB, and two pages of
 * tables.
 */
#ifndef TCM_PROFILE_GUARDED_H
#define TCM_PROFILE_GUARDED_H

#include "base/atomics.h"
#include "base/compiler.h"
#include "base/params.h"
#include "cache/misuse.h"
#include "heap/span.h"

#define GUARDED_MAX ((size_t)1 << 20)
/* No block covers the begin of a huge page, see pagemap.h. */
#define GUARDED_SLOT_SIZE HUGE_PAGE_SIZE
/* In a period of so many milliseconds so many blocks are guarded at most: 390 a
 * second, a hundredth of a processor.  Not if every sample is to be. */
#define GUARDED_PERIOD_MS 128
#define GUARDED_PER_PERIOD 50
/* Frames of each stack that are kept; a slot is a kilobyte with these. */
#define GUARDED_FRAMES 60

enum guarded_state {
  GUARDED_UNUSED,
  GUARDED_TAKEN, /* it is about to get a block */
  GUARDED_LIVE,
  GUARDED_FREED
};

/* Where and by whom something was done.  All fields: [owner thread], read by
 * anybody */
struct guarded_stack {
  uint32_t thread;               /* id */
  uint32_t depth;                /* number of pcs */
  uintptr_t pcs[GUARDED_FRAMES]; /* return addresses, the innermost first */
};

struct guarded_slot {
  uint32_t state;  /* [atomic: release, acquire by readers] */
  uint32_t next;   /* [lock: profile] number of the one freed after it */
  uintptr_t block; /* [atomic: relaxed] where the block is, or was */
  size_t size;     /* [atomic: relaxed] that was asked for */
  uintptr_t start; /* [owner thread] of its open pages */
  size_t bytes;    /* [owner thread] of them */
  size_t kept;     /* [owner thread] that may hold what earlier blocks left */
  bool committed;  /* [owner thread] the whole slot is */
  bool walled;     /* [owner thread] the kernel walls its pages off */
  struct guarded_stack allocated; /* [owner thread] */
  struct guarded_stack freed;     /* [owner thread] depth 0: not yet */
};

/* An access that the handler reported, for readers from outside.
 * All fields: [atomic: relaxed] */
struct guarded_fault {
  uintptr_t address; /* 0: there was none */
  uintptr_t pc;      /* 0: not known */
  uint32_t thread;   /* id */
  char access;       /* 'r', 'w', or 'a': not known */
};

/* All fields: [lock: profile], read by anybody. */
struct guarded_pool {
  uintptr_t start; /* of the first slot; 0: there is no pool */
  size_t nslots;   /* that it has room for */
  struct guarded_slot *slots;
  uint32_t used;    /* ever */
  uint32_t waiting; /* freed, in a queue */
  uint32_t first;   /* number of the one freed first, or 0 */
  uint32_t last;
  uint64_t blocks;            /* ever guarded */
  uint64_t missed;            /* no slot was left for them, or no memory */
  uint64_t period;            /* number of the last one with a block */
  uint32_t in_period;         /* blocks that it has */
  bool failed;                /* there is no memory for a pool */
  struct guarded_fault fault; /* the last one */
};

extern struct guarded_pool tcmi_guarded;

/* Whether a sample of this size and alignment shall be guarded; by a random
 * word, which is drawn only if the option says so. */
bool tcmi_guarded_wants(size_t align, size_t size, uint64_t *random);
/* The number of a slot, or 0.  It must be placed or given back. */
uint32_t tcmi_guarded_take(void);
void tcmi_guarded_give_back(uint32_t number);
/* Says where the block that the slot gets is allocated. */
void tcmi_guarded_allocated(uint32_t number, const uintptr_t *pcs,
                            size_t depth);
/* Puts a block into a slot, at the end of its pages or else at their start;
 * NULL without memory, and then the slot is given back. */
MUST_CHECK struct span *tcmi_guarded_place(uint32_t number, size_t align,
                                           size_t size, bool zero, bool at_end);
/* Closes the slot of a block that was taken out of the pagemap; aborts if the
 * edges are damaged. */
void tcmi_guarded_free(struct call call, struct span *span);
/* The slot that an address lies in, if it was ever used; NULL otherwise.
 * Async-signal-safe. */
const struct guarded_slot *tcmi_guarded_find(uintptr_t address);

/* What an access at @address of the slot is, or NULL: one after free, or one to a
 * block that is in use. */
static inline const char *
guarded_error(const struct guarded_slot *slot, uintptr_t address)
{
  if (atomic_load_relaxed(&slot->state) == GUARDED_FREED)
    return NULL;
  if (address < slot->block)
    return "underflow before the start of the block";
  return address - slot->block < slot->size
             ? NULL
             : "overflow past the end of the block";
}

/* Where it lies of the block, and how far. */
static inline const char *
guarded_distance(const struct guarded_slot *slot, uintptr_t address,
                 size_t *distance)
{
  size_t offset = address - slot->block;

  if (address < slot->block) {
    *distance = slot->block - address;
    return "before";
  }
  *distance = offset < slot->size ? offset : offset - slot->size;
  return offset < slot->size ? "into" : "after";
}

#endif /* TCM_PROFILE_GUARDED_H */
