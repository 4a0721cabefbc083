/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * profile.h - which stacks hold the memory: a sample of all blocks.
 *
 *     bytes allocated by a thread:
 *     |----block----|-block-|---block---|-- ...          sample_left counts
 *                       ^ sample        ^ sample          down to the next
 *
 *     sampled block --span->sample--> record --> stack: pcs, sums
 *
 * While samples are taken a thread's tags are 0 (T6 of thread_cache.h), so that
 * each malloc takes the slow path and counts; while none are, nothing differs.
 * A sampled block is a large block of a page or more, whatever its size: its
 * tag is 0, so its free takes the slow path by itself and finds the record in
 * its span; frees of other blocks are as fast as ever.
 *
 * Invariants
 *   F1  each byte begins a sample with the same probability, 1 / mean, in
 *       every thread that has a cache and in every function that allocates.
 *   F2  span->sample is the number of a record, counted from 1, while the block
 *       is in use and sampled; the record names the block.
 *   F3  a stack is stored once and never moves or goes away; what was
 *       allocated with it and what of that was freed only grows.
 *   F4  a record or stack that has no place is not taken, and counted as lost.
 *   F5  what was in use by a stack when all stacks together had most, at the
 *       peak, is still known.  A peak has a number; a stack whose number is
 *       that of the last one changed since then and kept what it had, and any
 *       other has it still.  So a new peak costs no more than its number:
 *
 *         number of the peak    7   8   9          9          9
 *         stack, its number     6   6   6          9          9
 *         in use                A   A   A          B          C
 *         kept                  -   -   -          A          A    <- at peak 9
 *
 * A sampled block has its pages to itself, so the place that it would have had
 * beside others is noted: its home, which the next block of its size gets.  By
 * the homes tcm-stat finds the stacks that keep partly used pages from being
 * returned.
 *
 * A reader outside the process copies the stacks while they are in use: sums of
 * one stack may be of slightly different moments.
 *
 * Locking: LOCK_PROFILE for records and stacks.  A thread that holds it already,
 * in a signal handler, takes no sample.
 *
 * Cost: 29 instructions more for each malloc, some 30,000 for each sample.
 * Rejected: limiting what a bin shows until the next sample.  What is freed
 * comes on top of it, so that a thread that allocates and frees in turn never
 * reaches the limit.
 */
#ifndef TCM_PROFILE_PROFILE_H
#define TCM_PROFILE_PROFILE_H

#include "base/atomics.h"
#include "base/compiler.h"
#include "base/lock.h"
#include "cache/thread_cache.h"
#include "heap/span.h"

/* Records and stacks lie in chunks, which stay.  A place of a stack is in
 * units. */
#define PROFILE_UNIT 8
#define PROFILE_CHUNK_SHIFT 16
#define PROFILE_CHUNK ((size_t)1 << PROFILE_CHUNK_SHIFT)
/* 16 MiB: 262,000 sampled blocks. */
#define PROFILE_CHUNKS 256
/* 24 MiB: some 60,000 stacks. */
#define PROFILE_STACK_CHUNKS 384
#define PROFILE_BUCKETS 8192

/* Bytes from sample to sample where an option needs samples and nobody said how
 * many. */
#define PROFILE_MEAN_DEFAULT ((uint64_t)512 << 10)

/* How long sampled blocks were in use: less than a millisecond, less than two,
 * less than four; the last is 2^30 ms, 12 days, and more. */
#define PROFILE_LIFETIMES 32

/* Sums of blocks are in parts of one, as weights are no whole numbers. */
#define PROFILE_BLOCK 4096

/* A sampled block in use.  All fields: [lock: profile] */
struct profile_record {
  uintptr_t block; /* its address; 0: the record is free */
  size_t size;     /* usable bytes */
  uint64_t bytes;  /* that it stands for */
  uint64_t blocks; /* that it stands for, in parts of PROFILE_BLOCK */
  uint64_t slack;  /* bytes of the span beyond what is usable */
  uint64_t time;   /* milliseconds, of tcmi_system_nanoseconds() */
  uintptr_t home;  /* where it would lie as an object of its size class; 0: it
                      would be a large block, or that is not known */
  uint32_t stack;  /* its place, or the next free record's number */
  uint32_t thread; /* id of the one that allocated it */
};

#define PROFILE_RECORDS (PROFILE_CHUNK / sizeof(struct profile_record))

/* All fields: [lock: profile], read by anybody. */
struct profile_stack {
  uint32_t next; /* place of the next one of its bucket, or 0 */
  uint32_t hash;
  uint32_t depth;     /* number of pcs */
  uint32_t whole;     /* 1 if the walk came to the outermost frame */
  uint64_t samples;   /* taken */
  uint64_t allocated; /* bytes, ever */
  uint64_t allocated_blocks;
  uint64_t freed; /* bytes, of those */
  uint64_t freed_blocks;
  uint64_t peak_number; /* of the peak that what was kept is of */
  uint64_t peak;        /* bytes in use then */
  uint64_t peak_blocks;
  uint32_t lifetimes[PROFILE_LIFETIMES]; /* samples that were freed */
  uintptr_t pcs[]; /* return addresses, the innermost first */
};

/* All fields: [lock: profile], read by anybody, unless labelled otherwise. */
struct profile {
  uint64_t mean;    /* [atomic: relaxed] bytes from sample to sample, or 0 */
  uint64_t samples; /* ever taken */
  uint64_t lost;    /* there was no place for them */
  uint64_t live;    /* bytes in use, of all stacks */
  uint64_t peak;    /* the most of these, ever */
  uint64_t peak_number; /* of that peak, from 1; 0: there was none yet */
  uint64_t peak_time;   /* of it, as in a record */
  uint32_t nrecords;    /* ever used */
  uint32_t first_free;  /* number of a record, or 0 */
  uint64_t stack_bytes; /* used by stacks, 0 is no place */
  uint64_t nstacks;
  uint64_t metadata_bytes; /* of all the following */
  uint32_t *buckets;       /* places, by hash; NULL until first needed */
  struct profile_record *records[PROFILE_CHUNKS];
  char *stacks[PROFILE_STACK_CHUNKS];
};

/* All zero, and apart from small variables, so that a process that takes no
 * samples has no page of it. */
extern struct profile tcmi_profile;
/* One more with each change of mean. [atomic: relaxed] */
extern uint32_t tcmi_profile_epoch;
extern struct lock tcmi_profile_lock;

/* ---- The tables: profile_table.c ------------------------------------------- */

/* Prepares a sample of a block of @size bytes: the number of its record, or 0. */
uint32_t tcmi_profile_add(const uintptr_t *pcs, size_t depth, bool whole,
                          size_t size, uint64_t mean);
/* The block of @usable bytes came to be there, with @slack bytes that it does not
 * need, and counts.  It would lie at @home if it were no sample. */
void tcmi_profile_place(uint32_t number, uintptr_t block, uintptr_t home,
                        size_t usable, size_t slack);
/* It is no more. */
void tcmi_profile_remove(uint32_t number);
/* It was never placed. */
void tcmi_profile_cancel(uint32_t number);
struct profile_record *tcmi_profile_record(uint32_t number);
/* The stack at @place, which moves to the next one; NULL at the end. */
const struct profile_stack *tcmi_profile_next_stack(uint64_t *place);

/* ---- The sampler: profile.c ------------------------------------------------ */

/* Puts the option profile_bytes into force. */
void tcmi_profile_apply(void);
/* Lets the calling thread follow a change. */
COLD void tcmi_profile_follow(void);
/* A sampled block; NULL if this one is not sampled.  It has as many bytes as
 * one of the size class, or as a large one where that is 0. */
void *tcmi_profile_allocate(size_t align, size_t size, unsigned class_id,
                            bool zero);
/* A large block was resized, and is another to the profile. */
void tcmi_profile_resized(struct span *span);
/* The sampled block of a span is freed. */
void tcmi_profile_freed(struct span *span);
/* Usable bytes of it. */
size_t tcmi_profile_usable(const struct span *span);

/* What a stack had in use at the peak of that number. */
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
