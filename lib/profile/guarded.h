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
 * The rest of the open pages is the edge.  Next to the block, the edge holds a
 * pattern, which is checked when the block is freed.
 *
 * Invariants
 *   K1  the pages of a slot that is not live are inaccessible and hold no
 *       memory.
 *   K2  a block lies between two such pages; its end or its start is next to
 *       one, as far as its alignment allows.
 *   K3  at least a quarter of the slots ever used is freed and waiting; the
 *       slot that was freed first is reused first.
 *   K4  a slot describes its last block, for readers without a lock.
 *   K5  at most GUARDED_PER_PERIOD blocks are guarded in a period, unless the
 *       option asks to guard every sample.
 *   K6  a live block is a large block with its own span, see B2 of large.h,
 *       and a sampled block, see F2 of profile.h; its usable size is the size
 *       requested.
 *
 * Where the kernel can wall pages off inside a mapping, all slots lie in two
 * mappings: the slots ever used, and the rest.  Elsewhere, each live block
 * splits a mapping.
 *
 * Locking: LOCK_PROFILE protects the list of slots.  A slot itself belongs to
 * the thread that took it or that frees its block.
 *
 * Cost: beyond the sample's own cost, a block and its free take about as many
 * instructions again, nearly all for the stack walk of the free, and two system
 * calls.  Each slot ever used takes 1 KiB
 * and two pages of page tables.
 */
#ifndef TCM_PROFILE_GUARDED_H
#define TCM_PROFILE_GUARDED_H

#include "base/atomics.h"
#include "base/compiler.h"
#include "base/lock.h"
#include "base/params.h"
#include "cache/misuse.h"
#include "heap/span.h"

#define GUARDED_MAX ((size_t)1 << 20)
/* No block covers the start of a huge page, see pagemap.h. */
#define GUARDED_SLOT_SIZE HUGE_PAGE_SIZE
/* The length of a period, and the number of blocks guarded in one at most: 390
 * a second, 1 % of a processor.  No limit applies if the option asks to guard
 * every sample. */
#define GUARDED_PERIOD_MS 128
#define GUARDED_PER_PERIOD 50
/* Frames kept of each stack; they make a slot 1 KiB large. */
#define GUARDED_FRAMES 60

enum guarded_state {
  GUARDED_UNUSED,
  GUARDED_TAKEN, /* about to get a block */
  GUARDED_LIVE,
  GUARDED_FREED
};

/* Which thread did something, and where.  All fields: [owner thread], any
 * thread may read */
struct guarded_stack {
  uint32_t thread;               /* id */
  uint32_t depth;                /* number of pcs */
  uintptr_t pcs[GUARDED_FRAMES]; /* return addresses, the innermost first */
};

struct guarded_slot {
  uint32_t state;  /* [atomic: release, acquire by readers] */
  uint32_t next;   /* [lock: profile] number of the slot freed after it */
  uintptr_t block; /* [atomic: relaxed] where the block is, or was */
  size_t size;     /* [atomic: relaxed] bytes requested */
  uintptr_t start; /* [owner thread] start of its open pages */
  size_t bytes;    /* [owner thread] size of its open pages */
  size_t kept;     /* [owner thread] bytes that may hold old contents */
  bool committed;  /* [owner thread] the whole slot is committed */
  bool walled;     /* [owner thread] the kernel walls its pages off */
  struct guarded_stack allocated; /* [owner thread] */
  struct guarded_stack freed;     /* [owner thread] depth 0: not freed yet */
};

/* An access that the fault handler reported, for readers in other processes.
 * All fields: [atomic: relaxed] */
struct guarded_fault {
  uintptr_t address; /* 0: no fault so far */
  uintptr_t pc;      /* 0: not known */
  uint32_t thread;   /* id */
  char access;       /* 'r', 'w', or 'a': not known */
};

/* All fields: [lock: profile], any thread may read. */
struct guarded_pool {
  uintptr_t start; /* of the first slot; 0: there is no pool */
  size_t nslots;   /* capacity */
  struct guarded_slot *slots;
  uint32_t used;    /* slots ever used */
  uint32_t waiting; /* freed slots in the queue */
  uint32_t first;   /* number of the slot freed first, or 0 */
  uint32_t last;
  uint64_t blocks;            /* ever guarded */
  uint64_t missed;            /* blocks without a slot, or without memory */
  uint64_t period;            /* number of the last period with a block */
  uint32_t in_period;         /* blocks in that period */
  bool failed;                /* there is no memory for a pool */
  struct guarded_fault fault; /* the last one */
};

/* Also protects the records and stacks of profile.h, which uses this file. */
extern struct lock tcmi_profile_lock;

extern struct guarded_pool tcmi_guarded;

/* Whether to guard a sample of this size and alignment.  Draws a random word
 * only if the option requires it. */
bool tcmi_guarded_wants(size_t align, size_t size, uint64_t *random);
/* The number of a slot, or 0.  The caller must place or give back the slot. */
uint32_t tcmi_guarded_take(void);
void tcmi_guarded_give_back(uint32_t number);
/* Records the stack that allocates the block of the slot. */
void tcmi_guarded_allocated(uint32_t number, const uintptr_t *pcs,
                            size_t depth);
/* Puts a block into a slot, at the end or the start of its open pages.  Without
 * memory, gives the slot back and returns NULL. */
MUST_CHECK struct span *tcmi_guarded_place(uint32_t number, size_t align,
                                           size_t size, bool zero, bool at_end);
/* Closes the slot of a block that was removed from the pagemap; aborts if an
 * edge is damaged. */
void tcmi_guarded_free(struct call call, struct span *span);
/* The slot that contains an address, if it was ever used; NULL otherwise.
 * Async-signal-safe. */
const struct guarded_slot *tcmi_guarded_find(uintptr_t address);

/* Which error an access to @address in the slot is; NULL for an access after
 * free or inside a block in use. */
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

/* Where @address is relative to the block, and at what distance. */
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
