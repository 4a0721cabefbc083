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

/* The huge page of x86-64 and of aarch64 with 4 KiB pages. */
#define HUGE_PAGE_SHIFT 21
#define HUGE_PAGE_SIZE ((size_t)1 << HUGE_PAGE_SHIFT)
#define HUGE_PAGE_PAGES (HUGE_PAGE_SIZE / PAGE_SIZE)

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

/* Address space that one leaf of the pagemap covers: 8 GiB, so that the
 * window of a thread cache (see thread_cache.h) holds the heap of nearly every
 * process, and a leaf still fits a process limited to 64 MiB. */
#define LEAF_SIZE ((uintptr_t)1 << LEAF_SHIFT)

/* Reservations of address space: the first one small enough for a process
 * with a tight RLIMIT_AS, then doubling. */
#define ARENA_MIN_SIZE ((size_t)4 << 20)
#define ARENA_FIRST_SIZE ((size_t)32 << 20)
#define ARENA_MAX_SIZE ((size_t)1 << 30)

/* Memory made accessible at a time: small while the process is small, since
 * RLIMIT_DATA, overcommit mode 2 and mlockall charge it at once. */
#define COMMIT_STEP_MIN ((size_t)256 << 10)
#define COMMIT_STEP_MAX HUGE_PAGE_SIZE

/* A block of at least this size that is freed goes back to the system at
 * once: keeping it would be noticed, and clearing it again would cost more
 * than fresh pages do. */
#define RETURN_AT_ONCE_SIZE ((size_t)64 << 20)

/* The heap grows by a sixteenth, and by this much at least, before what lies in
 * caches is settled. */
#define SETTLE_STEP_MIN ((size_t)1 << 20)

/* Thread caches hold so much for each processor that the process may use, all
 * together, up to the default of cache_total_bytes. */
#define CACHE_BYTES_PER_CPU ((size_t)16 << 20)

/* Above the soft limit all free memory is returned each time the heap has grown
 * by a 64th of the limit, and by this much at least. */
#define SOFT_LIMIT_STEP_MIN ((size_t)256 << 10)

/* So many bytes that can be returned make a thread that returns them worth
 * while; it looks once a period.  Slow frees come so often to a look at what is
 * free in spans. */
#define BACKGROUND_LEAST ((size_t)8 << 20)
#define BACKGROUND_PERIOD_MS 4000
#define BACKGROUND_EVERY 256

/* Memory of at least this size is cleared by the system, page by page as it is
 * touched, if few of its pages seem to have been used before: touching all of
 * it costs thirty times as much as clearing does, touching little nothing. */
#define CLEAR_BY_DISCARD_SIZE ((size_t)64 << 10)

/* A large block of at least this size moves by remapping its pages; below it
 * a copy costs less than two system calls and the faults after them. */
#define REMAP_MIN_SIZE ((size_t)1 << 20)

/* Regions for tcm's own structures; the first one small for small programs. */
#define METADATA_REGION_FIRST ((size_t)128 << 10)
#define METADATA_REGION_SIZE ((size_t)512 << 10)
#define METADATA_OWN_MAPPING ((size_t)64 << 10)

#endif /* TCM_BASE_PARAMS_H */
