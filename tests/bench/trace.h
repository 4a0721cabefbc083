/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trace.h - the two files of a recorded program.
 *
 * tracer.c, preloaded into a program, writes the raw file.  pack.c converts it
 * into the packed file, which replay.c plays.
 *
 *   raw      chunks, each of one thread:  struct trace_chunk, then events
 *            an event:  kind, 1 byte
 *                       sequence number minus that of the event before
 *                       address minus that of the event before, zigzag
 *                       size, unless the kind is a free or a begin
 *                       log2 of the alignment, if the kind is aligned
 *            numbers have 7 bits a byte, the low ones first, the top bit set
 *            on all bytes but the last
 *
 *   packed   struct trace_head, struct trace_thread[nthreads], uint32_t
 *            threads of each epoch[nepochs], struct trace_op[nops], uint64_t
 *            planned offsets[nplaces]
 *
 * Sequence numbers order the events of all threads.  An allocation takes its
 * number after it is done, a free before it begins.  So, in this order, no
 * address is allocated while it is in use.  For that reason, a realloc is two
 * events.
 *
 * Packed operations name objects, not addresses.  The order within a thread is
 * kept exactly.  Epochs keep the threads together: an epoch is a fixed number
 * of events in the recorded order, and no thread begins an epoch before all
 * have ended the previous one.  Inside an epoch, an operation on an object of
 * another thread waits until the object is there.  The number of an object that
 * another thread frees is reused in the next epoch at the earliest; so no order
 * that the epochs allow can confuse two objects.  Planned addresses follow the
 * recorded order.  In another order two objects may overlap, so nothing is
 * compared there.
 */
#ifndef TCM_TESTS_BENCH_TRACE_H
#define TCM_TESTS_BENCH_TRACE_H

#include <stdint.h>

#define TRACE_CHUNK_MAGIC UINT32_C(0x6b6e6863)
#define TRACE_PACK_MAGIC UINT64_C(0x314b434150454341)

/* The kinds of both files. */
enum trace_kind {
  TRACE_NONE,
  TRACE_MALLOC,
  TRACE_CALLOC,
  TRACE_ALIGNED,
  TRACE_FREE,
  TRACE_REALLOC_BEGIN, /* raw only */
  TRACE_REALLOC_END,   /* raw only; address 0 if it failed or freed */
  TRACE_REALLOC,       /* packed only; a TRACE_SIZE follows */
  TRACE_SIZE,          /* packed only; the size that the object had */
  TRACE_EPOCH,         /* packed only; id is the epoch that begins */
  TRACE_PEAK,          /* packed only; the peak of live bytes */
};

struct trace_chunk {
  uint32_t magic;
  uint32_t thread; /* threads are numbered in order of first allocation */
  uint32_t bytes;  /* of the events that follow */
  uint32_t nevents;
  uint64_t sequence; /* base of the first event's sequence number */
};

struct trace_head {
  uint64_t magic;
  uint64_t nthreads, nepochs, nops, nids, nplaces;
  uint64_t plan_bytes;      /* address space that the plan needs */
  uint64_t nallocs, nfrees; /* a realloc is one of each */
  uint64_t nleft;           /* objects never freed in the trace */
  uint64_t nunknown;        /* frees of objects allocated untraced */
  uint64_t peak_bytes;      /* live, each object rounded up to 16 bytes */
  uint64_t peak_requested;  /* live at that time, not rounded */
  uint64_t peak_objects;
};

struct trace_thread {
  uint64_t first_op, nops;
  uint64_t first_place;
  uint64_t first_epoch;
};

/* word: kind 0-3, remote 4, fresh 5, log2 of the alignment 8-15, size 16-63.
 * remote: another thread allocated the object that is freed or resized; fresh:
 * no earlier object was planned at the place, so it is zero. */
struct trace_op {
  uint32_t id;   /* of the object that is allocated or freed */
  uint32_t from; /* of the object that a realloc frees */
  uint64_t word;
};

#define TRACE_REMOTE (UINT64_C(1) << 4)
#define TRACE_FRESH (UINT64_C(1) << 5)

static inline uint64_t
trace_word(enum trace_kind kind, uint64_t size, unsigned align_log)
{
  return (uint64_t)kind | (uint64_t)align_log << 8 | size << 16;
}

static inline enum trace_kind
trace_kind(const struct trace_op *op)
{
  return (enum trace_kind)(op->word & 15);
}

static inline uint64_t
trace_size(const struct trace_op *op)
{
  return op->word >> 16;
}

static inline unsigned
trace_align_log(const struct trace_op *op)
{
  return (unsigned)(op->word >> 8) & 255;
}

#endif /* TCM_TESTS_BENCH_TRACE_H */
