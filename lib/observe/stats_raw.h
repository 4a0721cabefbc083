/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stats_raw.h - the numbers as the process holds them, and the sums of them.
 *
 *     stats.c, inside     --read-->  struct stats_raw  --sum-->  tcm_stats
 *     tcm-stat, outside   --read-->                              class_stats
 *
 * Both read in the same way, without stopping any thread: the shared numbers,
 * then the thread caches, then the shared numbers again.  If the shared numbers
 * did not change, nothing moved between the tiers, and each byte was seen in
 * one place.  Otherwise both try again.  After some tries they report that the
 * parts are from slightly different moments.
 *
 * Invariants
 *   W1  the parts that tcmi_stats_sum() makes add up to mapped_bytes, always.
 *
 * No locking: plain values.
 */
#ifndef TCM_OBSERVE_STATS_RAW_H
#define TCM_OBSERVE_STATS_RAW_H

#include "base/compiler.h"
#include "cache/size_class.h"
#include "cache/thread_cache.h"
#include "tcm.h"

/* All fields: [const] */
struct raw_class {
  uint64_t spans;        /* of the central list */
  uint64_t free_objects; /* in them */
  uint64_t clean_pages;  /* pages of them without memory */
  uint64_t transfer;     /* objects in the transfer cache */
};

/* The numbers that threads share.  All fields: [const] */
struct raw_shared {
  struct raw_class classes[SIZE_CLASS_COUNT];
  uint64_t used_pages;      /* in runs handed out by the page heap */
  uint64_t idle_pages;      /* free and resident */
  uint64_t faulted_pages;   /* handed out without memory, in total */
  uint64_t committed_bytes; /* of the arenas */
  uint64_t reserved_bytes;  /* of the arenas */
  uint64_t most_bytes;      /* high-water mark of mapped bytes */
  uint64_t metadata_bytes;
  uint64_t released_bytes; /* in total */
  uint64_t large_count;    /* blocks, those held by thread caches too */
  uint64_t large_bytes;
  uint64_t slack_bytes; /* of these, in no block: see heap/large.h */
  uint64_t soft_hits;   /* how often each limit was hit */
  uint64_t hard_hits;
};

/* The numbers that belong to one thread each.  All fields: [const] */
struct raw_threads {
  uint64_t objects[SIZE_CLASS_COUNT]; /* in the bins of all caches */
  uint64_t bytes;                     /* of these and of held blocks */
  uint64_t caches;                    /* a count */
  uint64_t orphans;                   /* of them, orphaned */
  uint64_t held_bytes;                /* of large blocks held for reuse */
  uint64_t held_blocks;
  struct cache_traffic traffic; /* totals, see thread_cache.h */
};

/* All fields: [const] */
struct stats_raw {
  const struct size_class *sizes; /* of the library that was read, by class */
  struct raw_shared shared;
  struct raw_threads threads;
  bool exact; /* nothing moved while it was read */
};

/* All fields: [const] */
struct class_stats {
  uint64_t size;          /* bytes of a block */
  uint64_t spans;         /* spans of the class */
  uint64_t span_bytes;    /* of them */
  uint64_t live;          /* blocks in use by the application */
  uint64_t free_central;  /* free blocks in spans */
  uint64_t free_transfer; /* free blocks in the transfer cache */
  uint64_t free_thread;   /* free blocks in thread caches */
  uint64_t clean_bytes;   /* of span_bytes, without memory */
};

/* Computes the sums.  False if the parts exceed the whole, so that one of them
 * had to be cut: they are from different moments, or wrong. */
bool tcmi_stats_sum(const struct stats_raw *raw, struct tcm_stats *stats);
/* Whether each page that was handed out is in a span or a large block.  False
 * while a thread has pages but has not recorded their use: it may have been
 * interrupted or stopped in between. */
bool tcmi_stats_is_consistent(const struct stats_raw *raw);
/* The numbers of one class. */
void tcmi_stats_sum_class(const struct stats_raw *raw, unsigned class_id,
                          struct class_stats *stats);

#endif /* TCM_OBSERVE_STATS_RAW_H */
