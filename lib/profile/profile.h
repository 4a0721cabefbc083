/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * profile.h - the heap profile: samples of blocks, and the stacks that
 * allocated them.
 *
 *     bytes of a class that a thread allocates, or of its large blocks:
 *     |----block----|----block----|----block----|-- ...  objects_left counts
 *                       ^ sample        ^ sample          blocks, sample_left
 *                                                         bytes to the next
 *
 *     sampled block --span->sample--> record --> stack: pcs, sums
 *
 * While samples are taken, a thread's tags are 0 (T6 of thread_cache.h), so
 * each malloc takes the slow path and counts.  Otherwise nothing changes.
 * Each class has its own distance to the next sample, in objects; the large
 * blocks have one in bytes.  Together they act as one distance would: if
 * samples begin at a constant rate in each class, they do so in all classes
 * together.
 * A sampled block is always a large block of at least one page.  Its tag is 0,
 * so its free takes the slow path anyway and finds the record in the span;
 * frees of other blocks are not slowed down.
 *
 * Invariants
 *   F1  each byte begins a sample with the same probability, 1 / mean, in
 *       every thread that has a cache and in every function that allocates.
 *   F2  span->sample is the number of a record, counted from 1, while the block
 *       is in use and sampled; the record names the block.
 *   F3  a stack is stored once and never moves or disappears; its sums of
 *       allocated and freed bytes only grow.
 *   F4  if there is no room for a record or a stack, the sample is not taken,
 *       and counts as lost.
 *   F5  for each stack, the bytes in use at the peak, the high-water mark of
 *       all stacks together, are known.  Each peak has a number.  A stack that
 *       has the number of the last peak changed since then, and kept what it
 *       had in use at the peak; any other stack still has the same in use.  So
 *       a new peak only increments its number:
 *
 *         number of the peak    7   8   9          9          9
 *         stack, its number     6   6   6          9          9
 *         in use                A   A   A          B          C
 *         kept                  -   -   -          A          A    <- at peak 9
 *
 * A sampled block shares its pages with no other block.  So its record notes
 * its home, the place that it would have had without sampling; the next block
 * of its size gets that place.  From the homes, tcm-stat finds the stacks that
 * keep partly used pages from being returned.
 *
 * Readers in other processes copy the stacks while they change: the sums of one
 * stack may come from slightly different moments.
 *
 * Locking: LOCK_PROFILE, of guarded.h, for records and stacks.  If a signal
 * handler interrupts a thread that holds it, the handler takes no samples.
 *
 * Cost: 12 instructions more for each malloc; 20,000 to 30,000 for each sample,
 * see unwind.h.
 * Rejected: one distance for all classes, in bytes.  A malloc then also reads
 * the size of its class, four instructions more.
 * Rejected: limiting how many objects a bin shows until the next sample.  Freed
 * objects go on top of the bin, so a thread that alternates between malloc and
 * free never reaches the limit.
 */
#ifndef TCM_PROFILE_PROFILE_H
#define TCM_PROFILE_PROFILE_H

#include "base/atomics.h"
#include "base/compiler.h"
#include "base/lock.h"
#include "cache/thread_cache.h"
#include "heap/span.h"

/* Records and stacks lie in chunks, which are never freed.  The place of a
 * stack is counted in units. */
#define PROFILE_UNIT 8
#define PROFILE_CHUNK_SHIFT 16
#define PROFILE_CHUNK ((size_t)1 << PROFILE_CHUNK_SHIFT)
/* 16 MiB: 262,000 sampled blocks. */
#define PROFILE_CHUNKS 256
/* 24 MiB: about 60,000 stacks. */
#define PROFILE_STACK_CHUNKS 384
#define PROFILE_BUCKETS 8192

/* Mean bytes between samples if another option needs samples while
 * profile_bytes is 0. */
#define PROFILE_MEAN_DEFAULT ((uint64_t)512 << 10)

/* Counters of how long sampled blocks were in use: less than 1 ms, 2 ms, 4 ms,
 * and so on; the last is 2^30 ms (12 days) and more. */
#define PROFILE_LIFETIMES 32

/* Sums of blocks are in fractions of one, since weights are not integers. */
#define PROFILE_BLOCK 4096

/* A sampled block in use.  All fields: [lock: profile] */
struct profile_record {
  uintptr_t block; /* its address; 0: the record is free */
  size_t size;     /* usable bytes */
  uint64_t bytes;  /* that it represents */
  uint64_t blocks; /* that it represents, in units of 1 / PROFILE_BLOCK */
  uint64_t slack;  /* bytes of the span beyond the usable ones */
  uint64_t time;   /* of allocation: tcmi_system_nanoseconds() in ms */
  uintptr_t home;  /* its address as an object of its size class; 0 if it
                      would be a large block, or that is not known */
  uint32_t stack;  /* its place, or the next free record's number */
  uint32_t thread; /* id of the thread that allocated it */
};

#define PROFILE_RECORDS (PROFILE_CHUNK / sizeof(struct profile_record))

/* All fields: [lock: profile], any thread may read. */
struct profile_stack {
  uint32_t next; /* place of the next stack in its bucket, or 0 */
  uint32_t hash;
  uint32_t depth;     /* number of pcs */
  uint32_t whole;     /* 1 if the walk reached the outermost frame */
  uint64_t samples;   /* taken */
  uint64_t allocated; /* bytes, ever */
  uint64_t allocated_blocks;
  uint64_t freed; /* bytes, of those */
  uint64_t freed_blocks;
  uint64_t peak_number; /* the peak that the next two fields belong to */
  uint64_t peak;        /* bytes in use then */
  uint64_t peak_blocks;
  uint32_t lifetimes[PROFILE_LIFETIMES]; /* counts of freed samples */
  uintptr_t pcs[]; /* return addresses, the innermost first */
};

/* All fields: [lock: profile], any thread may read, unless labeled
 * otherwise. */
struct profile {
  uint64_t mean;    /* [atomic: relaxed] bytes from sample to sample, or 0 */
  uint64_t samples; /* ever taken */
  uint64_t lost;    /* not taken for lack of room */
  uint64_t live;    /* bytes in use, of all stacks */
  uint64_t peak;    /* high-water mark of live */
  uint64_t peak_number; /* of that peak, from 1; 0: no peak yet */
  uint64_t peak_time;   /* of that peak, as in a record */
  uint32_t nrecords;    /* ever used */
  uint32_t first_free;  /* number of a record, or 0 */
  uint64_t stack_bytes; /* used by stacks; place 0 is never used */
  uint64_t nstacks;
  uint64_t metadata_bytes; /* of all the following */
  uint32_t *buckets;       /* places, by hash; NULL until first needed */
  struct profile_record *records[PROFILE_CHUNKS];
  char *stacks[PROFILE_STACK_CHUNKS];
};

/* All zero and kept away from small variables, so that no page of it is
 * resident in a process that takes no samples. */
extern struct profile tcmi_profile;
/* Incremented with each change of mean. [atomic: relaxed] */
extern uint32_t tcmi_profile_epoch;

/* ---- The tables: profile_table.c ----------------------------------------- */

/* Prepares a sample of a block of @size bytes.  Returns the number of its
 * record, or 0. */
uint32_t tcmi_profile_add(const uintptr_t *pcs, size_t depth, bool whole,
                          size_t size, uint64_t mean);
/* Completes and counts the sample: its block has @usable bytes and @slack bytes
 * beyond them, and would be at @home without sampling. */
void tcmi_profile_place(uint32_t number, uintptr_t block, uintptr_t home,
                        size_t usable, size_t slack);
/* Removes a sample whose block is freed. */
void tcmi_profile_remove(uint32_t number);
/* Drops a sample that was never placed. */
void tcmi_profile_cancel(uint32_t number);
struct profile_record *tcmi_profile_record(uint32_t number);
/* The stack at *@place, or NULL at the end; advances *@place to the next. */
const struct profile_stack *tcmi_profile_next_stack(uint64_t *place);

/* ---- The sampler: profile.c ---------------------------------------------- */

/* Applies the option profile_bytes. */
void tcmi_profile_apply(void);
/* Applies a change of mean to the calling thread. */
COLD void tcmi_profile_follow(void);
/* Returns a sampled block, or NULL if this allocation is not sampled.  The
 * block has as many bytes as an object of the size class, or as a large block
 * if @class_id is 0. */
void *tcmi_profile_allocate(size_t align, size_t size, unsigned class_id,
                            bool zero);
/* Counts a large block that was resized as freed and allocated again. */
void tcmi_profile_resized(struct span *span);
/* Removes the sampled block of a span, which is freed. */
void tcmi_profile_freed(struct span *span);
/* Usable bytes of the sampled block of a span. */
size_t tcmi_profile_usable(const struct span *span);

/* What a stack had in use at the last peak, whose number is @peak_number. */
static inline void
profile_at_peak(const struct profile_stack *stack, uint64_t peak_number,
                uint64_t *bytes, uint64_t *blocks)
{
  bool kept = stack->peak_number == peak_number;

  *bytes = kept ? stack->peak : stack->allocated - stack->freed;
  *blocks =
      kept ? stack->peak_blocks : stack->allocated_blocks - stack->freed_blocks;
}

static inline void
profile_poll(void)
{
  if (unlikely(atomic_load_relaxed(&tcmi_profile_epoch) !=
               tcmi_thread_cache->sample_epoch))
    tcmi_profile_follow();
}

/* Whether the calling thread takes samples. */
static inline bool
profile_counts(void)
{
  return unlikely(tcmi_thread_cache->sample_left != 0);
}

#endif /* TCM_PROFILE_PROFILE_H */
