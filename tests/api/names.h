/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * names.h - lets one source test the standard names and the tcm_ names.
 *
 *   (nothing defined)  malloc is whatever the dynamic linker finds
 *   TEST_DIRECT        malloc is tcm's, in a static program
 *   TEST_PREFIXED      malloc means tcm_malloc; libc keeps its own malloc
 *
 * Include it after the system's headers: they must not see the new names.
 */
#ifndef TCM_TESTS_API_NAMES_H
#define TCM_TESTS_API_NAMES_H

#ifdef TEST_PREFIXED
#define TEST_DIRECT 1
#endif
#include "../support/memory.h"

#include <malloc.h>

#ifdef TEST_PREFIXED
#define malloc tcm_malloc
#define free tcm_free
#define calloc tcm_calloc
#define realloc tcm_realloc
#define reallocarray tcm_reallocarray
#define memalign tcm_memalign
#define aligned_alloc tcm_aligned_alloc
#define posix_memalign tcm_posix_memalign
#define valloc tcm_valloc
#define pvalloc tcm_pvalloc
#define malloc_usable_size tcm_malloc_usable_size
#define malloc_trim tcm_malloc_trim
#define free_sized tcm_free_sized
#define free_aligned_sized tcm_free_aligned_sized
#endif

/* Names that a libc may lack: the address of the function, or NULL. */
#ifdef TEST_DIRECT
void *pvalloc(size_t); /* musl does not declare it */
void free_sized(void *, size_t);
void free_aligned_sized(void *, size_t, size_t);
#define NAMES_FIND(name) ((void *)(uintptr_t)(name))
#else
#define NAMES_FIND(name) dlsym(RTLD_DEFAULT, #name)
#endif

/* Sizes that no allocator can serve, the edges of the arithmetic first. */
static const size_t names_impossible[] = {
    (size_t)PTRDIFF_MAX,
    (size_t)PTRDIFF_MAX + 1,
    (size_t)PTRDIFF_MAX - 4095,
    (size_t)PTRDIFF_MAX - 65536,
    SIZE_MAX,
    SIZE_MAX - 1,
    SIZE_MAX - 7,
    SIZE_MAX - 15,
    SIZE_MAX - 16,
    SIZE_MAX - 4095,
    SIZE_MAX - 4096,
    SIZE_MAX - 65535,
    SIZE_MAX - ((size_t)2 << 20),
    SIZE_MAX / 2 + 2,
    SIZE_MAX / 4 * 3,
};
#define NAMES_IMPOSSIBLE_COUNT \
  (sizeof names_impossible / sizeof *names_impossible)

/* Sizes on both sides of every border that an allocator may have. */
static const size_t names_sizes[] = {
    0,        1,        7,       8,       9,       15,      16,      17,
    24,       31,       32,      33,      48,      63,      64,      65,
    100,      127,      128,     129,     255,     256,     257,     511,
    512,      513,      1000,    1023,    1024,    1025,    1040,    2047,
    2048,     2049,     4095,    4096,    4097,    8191,    8192,    8193,
    16384,    16385,    32767,   32768,   32769,   40000,   65535,   65536,
    65537,    100000,   131071,  131072,  131073,  262144,  262145,  524288,
    1048575,  1048576,  1048577, 2097152, 2097153, 3000000, 4194305, 8388608,
    33554431, 33554433,
};
#define NAMES_SIZE_COUNT (sizeof names_sizes / sizeof *names_sizes)

#ifndef TEST_DIRECT
/* Sets the pointer that @function points to, to the function of this name; NULL
 * where the process has none. */
__attribute__((unused)) static void
names_find(const char *name, void *function)
{
  void *symbol = dlsym(RTLD_DEFAULT, name);

  memcpy(function, &symbol, sizeof symbol);
}
#endif

#endif /* TCM_TESTS_API_NAMES_H */
