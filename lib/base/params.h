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

/* Processors that a mask of them has room for.  Where the kernel is made for
 * more, a process counts as having one. */
#define SYSTEM_CPUS_MAX 4096

/* The huge page of x86-64 and of aarch64 with 4 KiB pages. */
#define HUGE_PAGE_SHIFT 21
#define HUGE_PAGE_SIZE ((size_t)1 << HUGE_PAGE_SHIFT)
#define HUGE_PAGE_PAGES (HUGE_PAGE_SIZE / PAGE_SIZE)

/* Every block begins at a multiple of 16, which the widest type requires. */
#define BLOCK_ALIGN_SHIFT 4
#define BLOCK_ALIGN ((size_t)1 << BLOCK_ALIGN_SHIFT)

/* Address space that Linux gives without being asked for more: 47 bits on
 * x86-64 and riscv64 with 48-bit tables, 48 on aarch64, 32 on 32-bit. */
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

/* Address space that one leaf of the pagemap covers: 8 GiB, so that a leaf still
 * fits a process limited to 64 MiB. */
#define LEAF_SIZE ((uintptr_t)1 << LEAF_SHIFT)

/* Leaves in a row, see pagemap.h, so that the window reaches 64 GiB.  The words
 * of such a row are 32 MiB of address space, as the first arena is.  A large
 * heap that needs more rows gets longer ones. */
#if ADDRESS_BITS == 32
#define ROW_LEAVES 1
#else
#define ROW_LEAVES 8
#endif
#define ROW_SIZE (ROW_LEAVES * LEAF_SIZE)

/* Address space whose spans one chunk of the pagemap names: 2 MiB of address
 * space for 1 GiB, so that a limit of address space is not spent on the map. */
#define CHUNK_SHIFT 30

/* Reservations of address space: the first one small enough for a process
 * with a tight RLIMIT_AS, then doubling. */
#define ARENA_MIN_SIZE ((size_t)4 << 20)
#define ARENA_FIRST_SIZE ((size_t)32 << 20)
#define ARENA_MAX_SIZE ((size_t)1 << 30)

/* Memory made accessible at a time: small while the process is small, since
 * RLIMIT_DATA, overcommit mode 2 and mlockall charge it at once. */
#define COMMIT_STEP_MIN ((size_t)256 << 10)
#define COMMIT_STEP_MAX HUGE_PAGE_SIZE

/* Before a run that needs this much fresh memory, the heap returns the same
 * amount of idle memory: that takes a twentieth of the time that the program
 * needs to touch the run, and the peak does not grow by unused memory. */
#define FRESH_RETURN_SIZE ((size_t)32 << 20)

/* The heap grows by a sixteenth, and by this much at least, before what lies in
 * caches is flushed. */
#define FLUSH_STEP_MIN ((size_t)1 << 20)

/* What each thread cache may hold whatever the others hold: four classes at two
 * batches of 32 KiB.  Of a thousand threads that take turns (tests/bench/crowd.c)
 * 3.3 % of the mallocs are slow with this and with twice as much, 8.5 % with
 * half of it. */
#define CACHE_SHARE ((size_t)256 << 10)
/* What caches may hold beyond their shares, all together: four that are as large
 * as the default of thread_cache_bytes. */
#define CACHE_POOL ((size_t)32 << 20)

/* Above the soft limit all free memory is returned each time the heap has grown
 * by a 64th of the limit, and by this much at least. */
#define SOFT_LIMIT_STEP_MIN ((size_t)256 << 10)

/* Free memory of this size is worth a thread that returns it, or a look at the
 * clock in each slow free where there is no thread.  A slow free in so many
 * looks at what is free in spans. */
#define BACKGROUND_MIN ((size_t)8 << 20)
#define BACKGROUND_THRESHOLD_MIN ((size_t)1 << 20)
#define BACKGROUND_EVERY 256

/* A round of return follows the one before after this time, see rounds.h: a
 * second at first, and long enough to keep what a load needs every few
 * seconds.  It exceeds half of the maximum only while this many pages a
 * millisecond are faulted in again; a return and a fault take 1 to 3 us
 * together. */
#define ROUND_PERIOD_MIN_MS 1000
#define ROUND_PERIOD_MAX_MS 4000
#define ROUND_FAULTS_PER_MS 4

/* Pages that a call of the program returns in a round at most: the system takes
 * some 0.3 us for each, and no call shall take a millisecond more than its
 * own work.  A look at a span or a huge page, and a call of the system, take as
 * long as so many pages. */
#define ROUND_PIECE_PAGES 2048
#define ROUND_PIECE_NANOSECONDS 600000
#define WORK_OF_LOOK 2
#define WORK_OF_CALL 6

/* A thread that left or could not be started is tried again after this time; each
 * refusal doubles it. */
#define BACKGROUND_PAUSE_MIN_MS 1000
#define BACKGROUND_PAUSE_MAX_MS 64000
/* A call that needs the process alone waits so long for the thread to end. */
#define BACKGROUND_LEAVE_MAX_MS 10
/* While there is a thread, it looks for a request so often: tcm-stat(1) shall
 * not wait for a second, and four wake-ups a second of a thread that lives for
 * seconds cost nothing that can be measured. */
#define REQUEST_LOOK_MS 250

/* Memory of at least this size is cleared by the system, page by page as it is
 * touched, if few of its pages seem to have been used before: touching all of
 * it costs thirty times as much as clearing does, touching little nothing. */
#define CLEAR_BY_DISCARD_SIZE ((size_t)64 << 10)

/* A large block of at least this size grows by moving its pages; below it
 * a copy costs less than two system calls and the faults after them. */
#define REMAP_MIN_SIZE ((size_t)1 << 20)

/* Regions for tcm's own structures; the first one small for small programs. */
#define METADATA_REGION_FIRST ((size_t)128 << 10)
#define METADATA_REGION_SIZE ((size_t)512 << 10)
#define METADATA_OWN_MAPPING ((size_t)64 << 10)

#endif /* TCM_BASE_PARAMS_H */
