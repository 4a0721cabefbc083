/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * params.h - every compile-time constant of tcm, with its unit and reason.
 */
#ifndef TCM_BASE_PARAMS_H
#define TCM_BASE_PARAMS_H

#include <stdint.h>

/* The page of tcm: the smallest page of any kernel that tcm serves.  A kernel
 * with larger pages is handled at run time, see system.h. */
#define PAGE_SHIFT 12
#define PAGE_SIZE ((size_t)1 << PAGE_SHIFT)

/* The largest page of any kernel that tcm serves. */
#define SYSTEM_PAGE_MAX ((size_t)64 << 10)

/* Processors in an affinity mask.  If the kernel is built for more, tcm assumes
 * that the process has one processor. */
#define SYSTEM_CPUS_MAX 4096

/* The huge page of x86-64 and of aarch64 with 4 KiB pages. */
#define HUGE_PAGE_SHIFT 21
#define HUGE_PAGE_SIZE ((size_t)1 << HUGE_PAGE_SHIFT)
#define HUGE_PAGE_PAGES (HUGE_PAGE_SIZE / PAGE_SIZE)

/* Every block is aligned to 16 bytes, as the widest type requires. */
#define BLOCK_ALIGN_SHIFT 4
#define BLOCK_ALIGN ((size_t)1 << BLOCK_ALIGN_SHIFT)

/* Address space that Linux provides by default: 47 bits on x86-64 and riscv64
 * with 48-bit tables, 48 on aarch64, 32 on 32-bit. */
#if UINTPTR_MAX == UINT32_MAX
#define ADDRESS_BITS 32
#define LEAF_SHIFT 31
#elif defined(__x86_64__)
#define ADDRESS_BITS 47
#define LEAF_SHIFT 33
#else
#define ADDRESS_BITS 48
#define LEAF_SHIFT 33
#endif

/* Address space that one leaf of the pagemap covers: 8 GiB, so that a leaf
 * still fits a process limited to 64 MiB. */
#define LEAF_SIZE ((uintptr_t)1 << LEAF_SHIFT)

/* Leaves in a row, see pagemap.h: the window of a thread cache then covers 64
 * GiB.  The words of a row take 32 MiB of address space, as much as the first
 * arena.  A large heap that needs more rows gets longer ones. */
#if ADDRESS_BITS == 32
#define ROW_LEAVES 1
#else
#define ROW_LEAVES 8
#endif
#define ROW_SIZE (ROW_LEAVES * LEAF_SIZE)

/* Address space that one chunk of the pagemap covers.  A chunk takes 2 MiB for
 * 1 GiB, so the pagemap does not use up a limit on address space. */
#define CHUNK_SHIFT 30

/* Reservations of address space: the first one is small enough for a process
 * with a tight RLIMIT_AS; each later one doubles. */
#define ARENA_MIN_SIZE ((size_t)4 << 20)
#define ARENA_FIRST_SIZE ((size_t)32 << 20)
#define ARENA_MAX_SIZE ((size_t)1 << 30)

/* Memory committed at a time.  The step is small while the process is small,
 * because RLIMIT_DATA, overcommit mode 2 and mlockall charge it immediately. */
#define COMMIT_STEP_MIN ((size_t)256 << 10)
#define COMMIT_STEP_MAX HUGE_PAGE_SIZE

/* When a run needs this much fresh memory, the heap returns as much idle
 * memory, so that unused memory does not raise the peak.  Returning takes a
 * twentieth of the time that the program needs to touch the run. */
#define FRESH_RETURN_SIZE ((size_t)32 << 20)

/* The caches are flushed each time the heap has grown by a sixteenth, and by at
 * least this much. */
#define FLUSH_STEP_MIN ((size_t)1 << 20)

/* Bytes that each thread cache may hold regardless of the others: four classes
 * with two batches of 32 KiB each.  When a thousand threads take turns
 * (tests/bench/crowd.c), 3.3 % of their mallocs take the slow path with this
 * share and also with twice as much, 8.5 % with half of it. */
#define CACHE_SHARE ((size_t)256 << 10)
/* Bytes that all thread caches together may hold beyond their shares: four
 * times the default of thread_cache_bytes. */
#define CACHE_POOL ((size_t)32 << 20)

/* Above the soft limit, all free memory is returned each time the heap has
 * grown by a 64th of the limit, and by at least this much. */
#define SOFT_LIMIT_STEP_MIN ((size_t)256 << 10)

/* With this much idle memory, tcm starts a thread to return it; if there can be
 * no thread, each slow free checks the clock.  One in BACKGROUND_EVERY slow
 * frees also checks the free memory in spans. */
#define BACKGROUND_MIN ((size_t)8 << 20)
#define BACKGROUND_THRESHOLD_MIN ((size_t)1 << 20)
#define BACKGROUND_EVERY 256

/* The time between two rounds that return memory, see rounds.h: a second at
 * first, then long enough to keep memory that a load needs every few seconds.
 * It exceeds half of the maximum only while this many returned pages per
 * millisecond are faulted in again.  Returning a page and faulting it in again
 * takes 1 to 3 us. */
#define ROUND_PERIOD_MIN_MS 1000
#define ROUND_PERIOD_MAX_MS 4000
#define ROUND_FAULTS_PER_MS 4

/* The limit on the pages that one call of the program returns in a round.  The
 * kernel takes about 0.3 us per page, and returning memory must not add a
 * millisecond to any call.  WORK_OF_CHECK is the cost of examining a span or a
 * huge page, WORK_OF_CALL that of a system call, both in pages returned. */
#define ROUND_PIECE_PAGES 2048
#define ROUND_PIECE_NANOSECONDS 600000
#define WORK_OF_CHECK 2
#define WORK_OF_CALL 6

/* When broken huge pages are collapsed, see collapse.h: with at least so many,
 * 16 MiB, and so many page faults for each of them.  Checking one takes 5 to
 * 10 us, as long as some ten page faults.  After each round, the thread
 * collapses at most COLLAPSE_MAX, which takes some 16 ms. */
#define COLLAPSE_BROKEN_MIN 8
#define COLLAPSE_FAULTS 128
#define COLLAPSE_CHECKS 512
#define COLLAPSE_MAX 32

/* After the thread was made to leave or could not be started, tcm waits this
 * long before it tries again; each failure doubles the time. */
#define BACKGROUND_PAUSE_MIN_MS 1000
#define BACKGROUND_PAUSE_MAX_MS 64000
/* The longest time that a call which needs a process without that thread waits
 * for the thread to end. */
#define BACKGROUND_LEAVE_MAX_MS 10
/* How often the thread, while it exists, checks for a request: tcm-stat(1)
 * should not wait for a second.  Four wake-ups a second, for the few seconds
 * that the thread lives, have no measurable cost. */
#define REQUEST_POLL_MS 250

/* Memory of at least this size is not cleared but discarded, if few of its
 * pages seem to have been used before: the kernel then clears each page when it
 * is touched.  Touching every page then costs thirty times as much as clearing
 * the memory; touching few pages costs nothing. */
#define CLEAR_BY_DISCARD_SIZE ((size_t)64 << 10)

/* A large block of at least this size grows by moving its pages.  For a smaller
 * one, a copy costs less than two system calls and the faults that follow. */
#define REMAP_MIN_SIZE ((size_t)1 << 20)

/* Regions for tcm's own structures; the first one is small, for small
 * programs. */
#define METADATA_REGION_FIRST ((size_t)128 << 10)
#define METADATA_REGION_SIZE ((size_t)512 << 10)
#define METADATA_OWN_MAPPING ((size_t)64 << 10)

#endif /* TCM_BASE_PARAMS_H */
