/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tcm.h - the C interface of tcm, a thread-caching memory allocator.
 *
 * Two families of names reach the same heap:
 *
 *   malloc, free, ...     the standard names; libtcm replaces libc's when it
 *                         is linked or preloaded (see tcm(7));
 *   tcm_malloc, ...       the same functions under a prefix, for a program
 *                         that keeps libc's malloc for everything else.
 *
 * Alignment: every block is aligned to 16 bytes.
 *
 * Threads: any thread may call any function, and may free a block that another
 * thread allocated.  Signals: no function is async-signal-safe unless its entry
 * says so.  Fork: the child of a threaded process may call all functions
 * immediately.
 *
 * Standards: ISO C (C17 7.22.3, C23 7.24.3), POSIX.1-2024; where these leave
 * a choice, tcm does what glibc's manual says.
 */
#ifndef TCM_H
#define TCM_H

#include <stddef.h>
#include <stdint.h>

#define TCM_VERSION_MAJOR 0
#define TCM_VERSION_MINOR 1
#define TCM_VERSION_PATCH 0

#ifdef __cplusplus
extern "C" {
#if __cplusplus >= 201103L
#define TCM_NOTHROW noexcept
#else
#define TCM_NOTHROW throw()
#endif
#else
#define TCM_NOTHROW
#endif

#if defined(__GNUC__) || defined(__clang__)
#define TCM_ATTR(list) __attribute__(list)
#else
#define TCM_ATTR(list)
#endif
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 11
#define TCM_MALLOC TCM_ATTR((__malloc__, __malloc__(tcm_free, 1)))
#else
#define TCM_MALLOC TCM_ATTR((__malloc__))
#endif
/* A block that is never freed is not a leak: its heap frees it. */
#define TCM_HEAP_MALLOC TCM_ATTR((__malloc__))
/* Two macros, since C89 and C++98 have no variadic ones. */
#define TCM_ALLOC_SIZE(n) TCM_ATTR((__alloc_size__(n)))
#define TCM_ALLOC_SIZE2(m, n) TCM_ATTR((__alloc_size__(m, n)))
#define TCM_ALLOC_ALIGN(n) TCM_ATTR((__alloc_align__(n)))
#define TCM_CHECK_RESULT TCM_ATTR((__warn_unused_result__))

/**
 * Free a block.
 *
 * @ptr: a block from any function of this header or of the standard family,
 *       not yet freed; NULL is allowed and does nothing.
 * Errors: any other pointer aborts the process, after one line on standard
 *       error that begins "tcm: "; tcm(7), "Wrong pointers", lists the few
 *       cases that are detected later.  errno is preserved.
 * Cost: about 28 instructions, no lock, while the block fits the thread cache.
 * Source: lib/api/tcm.c; C17 7.22.3.3, POSIX.1-2024 free().  Since 0.1.
 */
void tcm_free(void *ptr) TCM_NOTHROW;

/**
 * Allocate a block of uninitialized memory.
 *
 * @size: bytes; 0 gives a unique block that can be freed.
 * Returns: the block, or NULL with errno ENOMEM when memory is exhausted, a
 *       limit is reached, or @size exceeds PTRDIFF_MAX.
 * Cost: about 15 instructions, no lock, while the thread cache has a block.
 * Source: lib/api/tcm.c; C17 7.22.3.4.  Since 0.1.
 */
void *tcm_malloc(size_t size) TCM_NOTHROW TCM_MALLOC
    TCM_ALLOC_SIZE(1) TCM_CHECK_RESULT;

/**
 * Allocate a zeroed array of @count elements of @size bytes each.
 *
 * Returns: the block, or NULL with errno ENOMEM, including when the product
 *       overflows.  Memory that the kernel still guarantees to be zero is not
 *       touched.
 * Cost: that of tcm_malloc(), and of clearing memory that was in use before.
 *       If little of a large block seems to have been used, the kernel clears
 *       it instead, page by page as the program touches it.
 * Source: lib/api/tcm.c; C17 7.22.3.2.  Since 0.1.
 */
void *tcm_calloc(size_t count, size_t size) TCM_NOTHROW TCM_MALLOC
    TCM_ALLOC_SIZE2(1, 2) TCM_CHECK_RESULT;

/**
 * Change the size of a block, moving it if necessary.
 *
 * @ptr: a block as for tcm_free(), or NULL, which allocates.
 * @size: the new size in bytes; 0 with a non-NULL @ptr frees the block and
 *       returns NULL, as glibc does.
 * Returns: the block, with its contents up to the smaller size; or NULL with
 *       errno ENOMEM, and the old block is untouched.
 * Cost: a block that keeps its size class keeps its address.  A large block
 *       grows and shrinks in place where possible; a very large one moves by
 *       remapping pages, not by copying.
 * Source: lib/front/reallocate.c; C17 7.22.3.5.  Since 0.1.
 */
void *tcm_realloc(void *ptr, size_t size) TCM_NOTHROW
    TCM_ALLOC_SIZE(2) TCM_CHECK_RESULT;

/**
 * tcm_realloc() to @count elements of @size bytes each, with an overflow check.
 *
 * Returns: as tcm_realloc(); NULL with errno ENOMEM when the product
 *       overflows, and the old block is untouched.
 * Source: lib/front/reallocate.c; POSIX.1-2024 reallocarray().  Since 0.1.
 */
void *tcm_reallocarray(void *ptr, size_t count, size_t size) TCM_NOTHROW
    TCM_ALLOC_SIZE2(2, 3) TCM_CHECK_RESULT;

/**
 * Allocate @size bytes aligned to @alignment.
 *
 * @alignment: a power of two; another value is rounded up to one, as in glibc,
 *       and 0 to 8.
 * Returns: the block, or NULL with errno ENOMEM, or EINVAL when @alignment
 *       cannot be rounded up to a power of two.
 * Cost: that of tcm_malloc() for the next size class with that alignment;
 *       above the page size, that of a large block.
 * Source: lib/api/tcm.c; memalign(3).  Since 0.1.
 */
void *tcm_memalign(size_t alignment, size_t size) TCM_NOTHROW TCM_MALLOC
    TCM_ALLOC_SIZE(2) TCM_CHECK_RESULT;

/**
 * Allocate @size bytes aligned to @alignment.
 *
 * @alignment: a power of two; any other value is an error.  @size need not be
 *       a multiple of it.
 * Returns: the block, or NULL with errno EINVAL or ENOMEM.
 * Source: lib/api/tcm.c; C23 7.24.3.1.  Since 0.1.
 */
void *tcm_aligned_alloc(size_t alignment, size_t size) TCM_NOTHROW TCM_MALLOC
    TCM_ALLOC_SIZE(2) TCM_ALLOC_ALIGN(1) TCM_CHECK_RESULT;

/**
 * Allocate @size bytes aligned to @alignment into *@out.
 *
 * @alignment: a power of two and a multiple of sizeof(void *).
 * Returns: 0, or EINVAL or ENOMEM with *@out unchanged; errno is set only in
 *          the case of ENOMEM.
 * Source: lib/api/tcm.c; POSIX.1-2024 posix_memalign().  Since 0.1.
 */
int tcm_posix_memalign(void **out, size_t alignment,
                       size_t size) TCM_NOTHROW TCM_CHECK_RESULT;

/**
 * Allocate @size bytes aligned to the system's page size.
 *
 * Returns: the block, or NULL with errno ENOMEM.
 * Source: lib/api/tcm.c; valloc(3).  Since 0.1.
 */
void *tcm_valloc(size_t size) TCM_NOTHROW TCM_MALLOC
    TCM_ALLOC_SIZE(1) TCM_CHECK_RESULT;

/**
 * tcm_valloc() with @size rounded up to whole pages, at least one page.
 *
 * Returns: the block, or NULL with errno ENOMEM.
 * Source: lib/api/tcm.c; pvalloc(3).  Since 0.1.
 */
void *tcm_pvalloc(size_t size) TCM_NOTHROW TCM_MALLOC TCM_CHECK_RESULT;

/**
 * The number of bytes that the program may use in a block.
 *
 * @ptr: a block, or NULL, which gives 0.
 * Returns: at least the size requested.
 * Errors: aborts as tcm_free() does.
 * Source: lib/api/tcm.c; malloc_usable_size(3).  Since 0.1.
 */
size_t tcm_malloc_usable_size(void *ptr) TCM_NOTHROW;

/**
 * Free a block whose requested size the caller knows.
 *
 * @size: the size that was requested when the block was allocated.
 * Errors: as tcm_free(); when the option "check" is above 0, a size that
 *       cannot be that of the block aborts.
 * Source: lib/api/tcm.c; C23 7.24.3.4.  Since 0.1.
 */
void tcm_free_sized(void *ptr, size_t size) TCM_NOTHROW;

/**
 * Free a block from tcm_aligned_alloc() whose alignment and size are known.
 *
 * Errors: as tcm_free_sized().
 * Source: lib/api/tcm.c; C23 7.24.3.5.  Since 0.1.
 */
void tcm_free_aligned_sized(void *ptr, size_t alignment,
                            size_t size) TCM_NOTHROW;

/**
 * Make a block larger where it is.
 *
 * @ptr: a block in use, or NULL, which cannot grow.
 * @size: bytes that it must hold.  A size that already fits is not an error and
 *       changes nothing.
 * Returns: the usable size in bytes, at least @size; 0 with errno ENOMEM when
 *       the block cannot grow in place.  In that case the block is unchanged.
 * Errors: aborts as tcm_free() does.
 * Cost: a block up to 32 KiB never grows.  For a larger one, a lock, and a
 *       system call if the block has its own mapping.
 * Source: lib/front/reallocate.c.  Since 0.1.
 */
size_t tcm_expand(void *ptr, size_t size) TCM_NOTHROW;

/**
 * The usable size that tcm_malloc(@size) would give, without allocating.
 *
 * Returns: bytes; 0 when @size exceeds PTRDIFF_MAX.
 * Signals: async-signal-safe once the process has allocated.
 * Source: lib/api/tcm.c.  Since 0.1.
 */
size_t tcm_good_size(size_t size) TCM_NOTHROW;

/**
 * Allocate at least @size bytes and report how many are usable.
 *
 * @actual: receives the usable size in bytes; may not be NULL.  Untouched on
 *       failure.
 * Returns: as tcm_malloc().
 * Source: lib/api/tcm.c; C++23 allocate_at_least, for C.  Since 0.1.
 */
void *tcm_malloc_at_least(size_t size, size_t *actual)
    TCM_NOTHROW TCM_MALLOC TCM_CHECK_RESULT;

/**
 * Allocate up to @count blocks of @size bytes each.
 *
 * @ptrs: array of @count pointers, owned by the caller; the first N are set.
 * Returns: N, the number of blocks; less than @count, with errno ENOMEM, when
 *       memory ran out.
 * Cost: moves whole batches, so it is cheaper than @count calls of
 *       tcm_malloc().
 * Source: lib/api/batch.c.  Since 0.1.
 */
size_t tcm_malloc_batch(size_t size, void **ptrs,
                        size_t count) TCM_NOTHROW TCM_CHECK_RESULT;

/**
 * Free @count blocks.
 *
 * @ptrs: array of @count blocks as for tcm_free(), of any sizes; NULL entries
 *       are skipped.  The caller keeps the array itself.
 * Source: lib/api/batch.c.  Since 0.1.
 */
void tcm_free_batch(void *const *ptrs, size_t count) TCM_NOTHROW;

/**
 * Return all free memory to the OS: that of the calling thread's cache, the
 * caches of dead threads, the transfer caches, the page heap, and the central
 * lists, down to single system pages inside spans that are partly in use.
 *
 * Returns: the number of bytes returned by this call.
 * Cost: walks the free part of the heap; system calls.
 * Source: lib/api/tcm.c.  Since 0.1.
 */
size_t tcm_release_free_memory(void) TCM_NOTHROW;

/**
 * Return free memory to the OS as tcm_release_free_memory() does, but stop
 * before the sum exceeds @bytes.
 *
 * @bytes: a number of bytes; less than a system page returns nothing.
 * Returns: the number of bytes returned by this call.  It is less than @bytes
 *       if there is no more, or if fewer than 128 KiB remain and only spans
 *       that are partly in use have free pages.
 * Cost: walks the free part of the heap until @bytes are returned, with system
 *       calls.
 * Source: lib/process/release.c.  Since 0.1.
 */
size_t tcm_release_at_most(size_t bytes) TCM_NOTHROW;

/**
 * malloc_trim(3) under the prefix: tcm_release_free_memory() with a boolean
 * result.
 *
 * @pad: bytes of free pages to keep.
 * Returns: 1 if any memory was returned, else 0.
 * Source: lib/api/tcm.c; malloc_trim(3).  Since 0.1.
 */
int tcm_malloc_trim(size_t pad) TCM_NOTHROW;

/**
 * Announce that the calling thread will not allocate for a while.  Flushes its
 * cache to the transfer caches, where other threads find the blocks, and to the
 * central lists when those are full.  A server calls it before it waits.
 *
 * Cost: proportional to the number of cached blocks.
 * Source: lib/api/tcm.c.  Since 0.1.
 */
void tcm_thread_idle(void) TCM_NOTHROW;

/**
 * Whether @ptr points into memory of tcm: into a large block in use, or into a
 * span of small blocks with at least one block in use or cached.
 *
 * Returns: 1 or 0.  Never faults, whatever @ptr is.
 * Signals: async-signal-safe.
 * Source: lib/api/tcm.c.  Since 0.1.
 */
int tcm_owns(const void *ptr) TCM_NOTHROW;

/* A heap of the program: its blocks can be freed at once. */
typedef struct tcm_heap tcm_heap;

/**
 * Make a heap without a block.
 *
 * Returns: the heap, to be deleted with tcm_heap_delete(); or NULL with errno
 *       ENOMEM.
 * Cost: about 2 KiB of tcm's own memory.
 * Source: lib/front/heaps.c.  Since 0.1.
 */
tcm_heap *tcm_heap_new(void) TCM_NOTHROW TCM_CHECK_RESULT;

/**
 * Allocate a block from a heap.
 *
 * @heap: from tcm_heap_new(), not deleted; the same in the next functions.
 * @size: bytes; 0 gives a unique block.
 * Returns: as tcm_malloc().  The block is freed with its heap, or before that
 *       with free(), tcm_free() or their siblings.  realloc() leaves it in its
 *       heap.
 * Errors: a deleted heap aborts the process, as a wrong pointer does, unless
 *       its memory has been reused.
 * Threads: any thread may allocate from a heap and free its blocks.
 * Cost: a lock, which threads that use one heap share; about 110 instructions
 *       for a block up to 32 KiB, and 240 for its free.
 * Source: lib/front/heaps.c.  Since 0.1.
 */
void *tcm_heap_malloc(tcm_heap *heap, size_t size) TCM_NOTHROW TCM_HEAP_MALLOC
    TCM_ALLOC_SIZE(2) TCM_CHECK_RESULT;

/**
 * Allocate a zeroed array of @count elements of @size bytes each from a heap.
 *
 * Returns: as tcm_heap_malloc(); NULL with errno ENOMEM also when the product
 *       overflows.
 * Cost: that of tcm_heap_malloc(), and of clearing the block.
 * Source: lib/front/heaps.c.  Since 0.1.
 */
void *tcm_heap_calloc(tcm_heap *heap, size_t count,
                      size_t size) TCM_NOTHROW TCM_HEAP_MALLOC
    TCM_ALLOC_SIZE2(2, 3) TCM_CHECK_RESULT;

/**
 * Allocate an aligned block from a heap.
 *
 * Returns: as tcm_heap_malloc(); NULL with errno EINVAL when @alignment is not
 *       a power of two.
 * Source: lib/front/heaps.c.  Since 0.1.
 */
void *tcm_heap_aligned_alloc(tcm_heap *heap, size_t alignment,
                             size_t size) TCM_NOTHROW TCM_HEAP_MALLOC
    TCM_ALLOC_ALIGN(2) TCM_ALLOC_SIZE(3) TCM_CHECK_RESULT;

/**
 * The memory that a heap holds for its blocks, in bytes, whether they are in
 * use or free.
 *
 * Signals: async-signal-safe.
 * Source: lib/front/heaps.c.  Since 0.1.
 */
size_t tcm_heap_bytes(const tcm_heap *heap) TCM_NOTHROW;

/**
 * Free all blocks of a heap, and the heap.
 *
 * @heap: a heap that no other thread is using, nor any of its blocks; NULL is
 *       allowed and does nothing.
 * Errors: a heap that is deleted already aborts the process, as above.
 * Cost: visits each run of pages of the heap, 8 to 128 KiB for small blocks,
 *       but not each block.
 * Source: lib/front/heaps.c.  Since 0.1.
 */
void tcm_heap_delete(tcm_heap *heap) TCM_NOTHROW;

/* Where the current value of an option came from. */
enum tcm_option_source {
  TCM_OPTION_DEFAULT = 0,
  TCM_OPTION_ENVIRONMENT = 1,
  TCM_OPTION_API = 2,
  TCM_OPTION_REQUEST = 3,   /* tcm-stat(1) */
  TCM_OPTION_CONTAINER = 4, /* the control groups of the process */
  TCM_OPTION_FILE = 5,      /* /etc/tcm.conf */
  TCM_OPTION_PROGRAM = 6    /* tcm_options in the program */
};

/**
 * Options that are compiled into a program.  The library only reads this; a
 * program may define it, once, in its own code:
 *
 *     const char tcm_options[] = "TCM_SOFT_LIMIT_BYTES=1G TCM_CHECK=1";
 *
 * Format: that of /etc/tcm.conf, see tcm(7), at most 4095 bytes.  It overrides
 * the file, and the environment overrides it.
 * Source: lib/base/options.c.  Since 0.1.
 */
extern const char tcm_options[];

/* One option, as tcm_option_info() describes it. */
struct tcm_option_info {
  const char *name; /* "check"; the variable is TCM_CHECK */
  const char *help; /* one sentence */
  uint64_t value;   /* the current one */
  uint64_t default_value;
  uint64_t min, max; /* the range, both ends included */
  enum tcm_option_source source;
  int fixed; /* 1: it is set at program start and does not change later */
};

/**
 * Read an option.
 *
 * @name: as in tcm(7), in lower case without the TCM_ prefix.
 * @value: receives the current value.
 * Returns: 0, or -1 with errno ENOENT for an unknown name.
 * Source: lib/api/tcm.c.  Since 0.1.
 */
int tcm_option_get(const char *name, uint64_t *value) TCM_NOTHROW;

/**
 * Set an option that is not fixed at start.
 *
 * Returns: 0, or -1 with errno ENOENT for an unknown name, EPERM for one fixed
 *       at start, ERANGE for a value outside its range.
 * Source: lib/api/tcm.c.  Since 0.1.
 */
int tcm_option_set(const char *name, uint64_t value) TCM_NOTHROW;

/**
 * Describe option number @index, counted from 0.
 *
 * Returns: 0, or -1 with errno ENOENT past the last one.
 * Source: lib/api/tcm.c.  Since 0.1.
 */
int tcm_option_info(size_t index, struct tcm_option_info *info) TCM_NOTHROW;

/* The memory that tcm holds, in bytes unless stated otherwise.  The first seven
 * fields add up to mapped_bytes.  New fields are only appended. */
struct tcm_stats {
  uint64_t in_use_bytes;         /* allocated by the application */
  uint64_t thread_cache_bytes;   /* free, in the thread caches */
  uint64_t transfer_cache_bytes; /* free, in the transfer caches */
  uint64_t central_list_bytes;   /* free, in spans of the central lists */
  uint64_t page_heap_bytes;      /* free, in the page heap, not returned */
  uint64_t returned_bytes;       /* free, not backed: returned or never used */
  uint64_t metadata_bytes;       /* tcm's own data */
  uint64_t mapped_bytes;         /* the sum: what tcm may touch */
  uint64_t reserved_bytes;       /* address space, including mapped_bytes */
  uint64_t large_bytes;          /* part of in_use_bytes in large blocks */
  uint64_t large_count;          /* large blocks, a count */
  uint64_t span_count;           /* spans of the central lists, a count */
  uint64_t thread_cache_count;   /* thread caches, with those of dead threads */
  uint64_t released_total_bytes; /* ever returned to the OS */
  uint64_t most_mapped_bytes;    /* high-water mark of mapped_bytes */
  uint64_t soft_limit_hits;      /* times the soft limit returned memory */
  uint64_t hard_limit_hits;      /* times the hard limit refused memory */
};

/**
 * Read the statistics.
 *
 * @stats: receives the numbers.
 * @size: sizeof(struct tcm_stats) as the caller compiled it.  Only that many
 *       bytes are written; fields that this library lacks are set to zero.
 * Returns: 0, or -1 with errno EINVAL when @size is 0.
 * Cost: reads all counters; does not wait for other threads, and allocates
 *       nothing.
 * Signals: async-signal-safe.
 * Source: lib/observe/stats.c.  Since 0.1.
 */
int tcm_stats(struct tcm_stats *stats, size_t size) TCM_NOTHROW;

/**
 * Start or stop counting what the calling thread allocates and frees.
 *
 * @on: 0 to stop; another value to start.
 * Returns: 0, or -1 with errno ENOMEM.
 * Cost: while a thread counts, each of its calls takes the slow path: 225
 *       instructions for a small block and its free instead of 43.  No cost for
 *       other threads, or after it has stopped.
 * Source: lib/front/counting.c.  Since 0.1.
 */
int tcm_count_thread_bytes(int on) TCM_NOTHROW;

/* What a thread allocated and freed while it counted, in bytes: blocks at their
 * usable sizes, except those of the heaps of tcm_heap_new().  Both only grow.
 * New fields are only appended. */
struct tcm_thread_bytes {
  uint64_t allocated; /* also by realloc: the new size of a resized block */
  uint64_t freed;     /* blocks of any thread; by realloc, the old size */
};

/**
 * Read the sums of the calling thread; 0 if it never counted.
 *
 * @bytes: receives the sums.
 * @size: sizeof(struct tcm_thread_bytes) as the caller compiled it, as in
 *       tcm_stats().
 * Returns: 0, or -1 with errno EINVAL when @size is 0.
 * Cost: two loads.
 * Fork: the child continues with the sums of the thread that forked.
 * Source: lib/api/tcm.c.  Since 0.1.
 */
int tcm_thread_bytes(struct tcm_thread_bytes *bytes, size_t size) TCM_NOTHROW;

/* Output formats of tcm_stats_print(). */
enum tcm_stats_format {
  TCM_STATS_TEXT = 0, /* the lines of malloc_stats(3) */
  TCM_STATS_JSON = 1, /* one object with members named as above */
  TCM_STATS_XML = 2   /* the elements of malloc_info(3) */
};

/**
 * Write the statistics to a file descriptor.
 *
 * @fd: open for writing.
 * Returns: 0, or -1 with errno EINVAL for an unknown @format.
 * Cost: as tcm_stats(), and about a millisecond per GiB to ask the kernel which
 *       pages are resident; allocates nothing.
 * Signals: async-signal-safe.
 * Source: lib/observe/stats_print.c.  Since 0.1.
 */
int tcm_stats_print(int fd, enum tcm_stats_format format) TCM_NOTHROW;

/* What tcm_walk_blocks() calls with each block, its usable size, and the
 * caller's argument. */
typedef int (*tcm_block_callback)(void *block, size_t size, void *arg);

/**
 * Call a function for each block in use, for tools.
 *
 * @callback: gets the block, its usable size in bytes as of
 *       tcm_malloc_usable_size(), and @arg.  It returns 0 to continue.  It may
 *       call any function of this header.  It must return: no exception, no
 *       longjmp(3).
 * Returns: 0 after the last block, or what the callback returned to end the
 *       walk; -1 with errno ENOMEM when there is no memory for the walk itself.
 * Threads: a block that is in use during the whole call is reported once; one
 *       that is allocated, freed or resized meanwhile may be reported, possibly
 *       at an old address or size.  If no other thread allocates or frees
 *       meanwhile, no free block is reported.  No lock is held during the
 *       callback.
 * Cost: reads the descriptors of all memory in use, never the blocks; 24 to
 *       40 bytes of tcm's own memory for each cached block, until it returns.
 * Source: lib/observe/walk.c.  Since 0.1.
 */
int tcm_walk_blocks(tcm_block_callback callback, void *arg) TCM_NOTHROW;

/**
 * Start the heap profile: sample blocks allocated from now on, with the stacks
 * that allocate them.
 *
 * @bytes: the average number of bytes between samples; 524288 costs little.
 * Returns: 0, or -1 with errno ERANGE when @bytes is 0 or above 2^40.
 * Cost: while samples are taken, 29 more instructions for each allocation; for
 *       each sample, a stack walk and a page of memory.
 * Source: lib/api/profile.c.  Since 0.1.
 */
int tcm_profile_start(uint64_t bytes) TCM_NOTHROW;

/**
 * Take no more samples.  Samples already taken stay in the profile; a sampled
 * block leaves it when it is freed.
 *
 * Source: lib/api/profile.c.  Since 0.1.
 */
void tcm_profile_stop(void) TCM_NOTHROW;

/**
 * Write the heap profile to a file descriptor, in the text form of pprof.
 *
 * @fd: open for writing.
 * Returns: 0; or -1 with errno ENOENT when no sample was ever taken, or with
 *          the errno of write(2) when the profile was not written completely.
 * Cost: that of formatting a line per stack; allocates nothing and takes no
 *       lock.
 * Signals: async-signal-safe.
 * Source: lib/api/profile.c.  Since 0.1.
 */
int tcm_profile_write(int fd) TCM_NOTHROW;

/**
 * The version of the library in use, for example "0.1.0".
 *
 * Signals: async-signal-safe.
 * Source: lib/api/tcm.c.  Since 0.1.
 */
const char *tcm_version(void) TCM_NOTHROW;

#ifdef __cplusplus
}
#endif

#endif /* TCM_H */
