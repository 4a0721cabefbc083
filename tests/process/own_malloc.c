/* SPDX-License-Identifier: BSD-2-Clause */
/* A program that defines malloc, free, calloc and realloc itself runs with tcm
 * preloaded.  Every other name of the family must work on the program's blocks.
 * The macros below build variants of the program:
 *   OWN_ALIGNED  it also defines posix_memalign
 *   OWN_WRAPPER  it defines malloc and free, which wrap the next library's
 *   OWN_LOOP     its malloc calls memalign, which would call malloc again */
#include "../support/child.h"

#include <malloc.h>

void *pvalloc(size_t size);

/* Looked up by name: libcs that lack these do not declare them. */
static void (*free_with_size)(void *, size_t);
static void (*free_with_alignment)(void *, size_t, size_t);
static void (*old_free)(void *);
/* Calls of the program's functions. */
static unsigned mallocs, frees, aligned;

/* Libraries must find these, whatever the flags of the build are. */
#pragma GCC visibility push(default)

#if defined OWN_WRAPPER

static void *
next(const char *name)
{
  return dlsym(RTLD_NEXT, name);
}

void *
malloc(size_t size)
{
  static void *(*real)(size_t);

  if (real == NULL)
    real = (void *(*)(size_t))next("malloc");
  mallocs++;
  return real(size);
}

void
free(void *block)
{
  static void (*real)(void *);

  if (real == NULL)
    real = (void (*)(void *))next("free");
  frees++;
  real(block);
}

static int
is_own(const void *block)
{
  return harness_owns(block);
}

#elif defined OWN_LOOP

/* tcm's memalign calls the program's malloc, which calls tcm's memalign. */
void *
malloc(size_t size)
{
  mallocs++;
  return memalign(64, size);
}

static void *(*real_realloc)(void *, size_t);

void
free(void *block)
{
  if (real_realloc == NULL)
    real_realloc = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
  frees++;
  if (block != NULL)
    real_realloc(block, 0);
}

static int
is_own(const void *block)
{
  return harness_owns(block);
}

#else

/* A heap that never reuses a block.  The size is stored before each block. */
#define HEAP_SIZE ((size_t)64 << 20)
static char heap[HEAP_SIZE] __attribute__((aligned(64)));
static size_t heap_used;
enum { HEADER = 64 };

static int
is_own(const void *block)
{
  return (const char *)block >= heap && (const char *)block < heap + HEAP_SIZE;
}

static void *
carve(size_t align, size_t size)
{
  uintptr_t from = (uintptr_t)heap;
  size_t start = (from + heap_used + HEADER + align - 1) / align * align - from;

  if (size > HEAP_SIZE || start > HEAP_SIZE - size) {
    errno = ENOMEM;
    return NULL;
  }
  heap_used = start + size;
  memcpy(heap + start - HEADER, &size, sizeof size);
  return heap + start;
}

void *
malloc(size_t size)
{
  mallocs++;
  return carve(64, size);
}

/* A block of another heap aborts the program. */
void
free(void *block)
{
  frees++;
  if (block != NULL && !is_own(block))
    abort();
}

void *
calloc(size_t count, size_t size)
{
  mallocs++;
  return carve(64, count * size); /* never used before */
}

void *
realloc(void *block, size_t size)
{
  void *moved = carve(64, size);
  size_t old = 0;

  if (moved == NULL || block == NULL)
    return moved;
  if (!is_own(block))
    abort();
  memcpy(&old, (char *)block - HEADER, sizeof old);
  return memcpy(moved, block, old < size ? old : size);
}

#ifdef OWN_ALIGNED
int
posix_memalign(void **block, size_t align, size_t size)
{
  aligned++;
  *block = carve(align < 64 ? 64 : align, size);
  return *block == NULL ? ENOMEM : 0;
}
#endif
#endif
#pragma GCC visibility pop

static void
find(const char *name, void *place)
{
  void *symbol = dlsym(RTLD_DEFAULT, name);

  memcpy(place, &symbol, sizeof symbol);
}

/* The block must belong to the heap that the program's functions use. */
static void
expect_own(void *block, size_t align, size_t size, const char *name)
{
  EXPECT_FOR(block != NULL, "%s", name);
  if (block == NULL)
    return;
  EXPECT_FOR((uintptr_t)block % align == 0, "%s: %p", name, block);
  EXPECT_FOR(is_own(block), "%s(%zu, %zu): %p", name, align, size, block);
  memset(block, 0x5a, size);
  free(block);
}

static void
arrays(void)
{
  char *block = reallocarray(NULL, 10, 10);
  unsigned before = frees;

  EXPECT(block != NULL && is_own(block));
  memset(block, 7, 100);
  block = reallocarray(block, 100, 10);
  EXPECT(block != NULL && is_own(block) && block[99] == 7);
  free(block);
  EXPECT(frees > before);
  errno = 0;
  EXPECT(reallocarray(NULL, harness_size(SIZE_MAX), 2) == NULL);
  EXPECT(errno == ENOMEM);
}

#ifdef OWN_ALIGNED
#define OWNS_ALIGNED 1
#else
#define OWNS_ALIGNED 0
#endif

/* The program's heap aligns every block to 64. */
static void
small_alignments(void)
{
  static const size_t sizes[] = {0, 1, 8, 100, 1000, 5000};
  size_t align, i;

  for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    for (align = sizeof(void *); align <= 64; align *= 2) {
      void *block = NULL;
      expect_own(memalign(align, sizes[i]), align, sizes[i], "memalign");
      expect_own(aligned_alloc(align, sizes[i]), align, sizes[i],
                 "aligned_alloc");
      EXPECT(posix_memalign(&block, align, sizes[i]) == 0);
      expect_own(block, align, sizes[i], "posix_memalign");
    }
  }
}

/* If the program's malloc returns no block with this alignment, tcm returns its
 * own block, as glibc does. */
static void
large_alignments(void)
{
  size_t align, page = (size_t)sysconf(_SC_PAGESIZE);

  for (align = 128; align <= (size_t)1 << 20; align *= 8) {
    void *block = NULL;
    EXPECT(posix_memalign(&block, align, 100) == 0 && block != NULL);
    EXPECT((uintptr_t)block % align == 0);
    EXPECT(is_own(block) || harness_owns(block));
#if defined OWN_ALIGNED || defined OWN_WRAPPER
    expect_own(memalign(align, 100), align, 100, "memalign");
    expect_own(aligned_alloc(align, 100), align, 100, "aligned_alloc");
#endif
  }
  EXPECT((uintptr_t)valloc(100) % page == 0);
  EXPECT((uintptr_t)pvalloc(100) % page == 0);
#if defined OWN_ALIGNED || defined OWN_WRAPPER
  expect_own(valloc(100), page, 100, "valloc");
  expect_own(pvalloc(100), page, page, "pvalloc");
#endif
}

static void
errors(void)
{
  void *block = &block;

  errno = 0;
  EXPECT(memalign(harness_size((SIZE_MAX >> 1) + 2), 8) == NULL);
  EXPECT(errno == EINVAL);
  errno = 0;
  EXPECT(aligned_alloc(harness_size(3), 8) == NULL);
  EXPECT(errno == EINVAL);
#ifndef OWN_ALIGNED
  EXPECT(posix_memalign(&block, harness_size(3), 8) == EINVAL);
  EXPECT(posix_memalign(&block, 64, harness_size(SIZE_MAX - 8)) == ENOMEM);
#endif
  EXPECT(block == &block);
  errno = 0;
  EXPECT(memalign(64, harness_size(SIZE_MAX - 8)) == NULL);
  EXPECT(errno == ENOMEM);
  errno = 0;
  EXPECT(pvalloc(harness_size(SIZE_MAX - 8)) == NULL);
  EXPECT(errno == ENOMEM);
}

/* tcm knows only the sizes of its own blocks.  For others it returns 0 and does
 * not abort. */
static void
usable_size(void)
{
  void *block = malloc(harness_size(100));
  char *copy = strdup("libc calls the program's malloc");

  EXPECT(malloc_usable_size(NULL) == 0);
  if (harness_owns(block)) {
    EXPECT(malloc_usable_size(block) >= 100);
    EXPECT(malloc_usable_size(copy) >= strlen(copy));
  } else {
    EXPECT(malloc_usable_size(block) == 0);
    EXPECT(malloc_usable_size(copy) == 0);
  }
  free(block);
  free(copy);
}

static void
other_frees(void)
{
  unsigned before = frees;

  find("free_sized", &free_with_size);
  find("free_aligned_sized", &free_with_alignment);
  find("cfree", &old_free);
  REQUIRE(free_with_size != NULL && free_with_alignment != NULL &&
          old_free != NULL);
  free_with_size(malloc(harness_size(100)), 100);
  free_with_alignment(aligned_alloc(64, harness_size(128)), 64, 128);
  old_free(malloc(harness_size(100)));
  EXPECT(frees >= before + 3);
  free_with_size(NULL, 0);
}

static void
both_allocators_were_called(void)
{
  EXPECT(mallocs > 0 && frees > 0);
  EXPECT(aligned > 0 || !OWNS_ALIGNED);
}

static const struct harness_case cases[] = {
    {"arrays", arrays},
    {"small-alignments", small_alignments},
    {"large-alignments", large_alignments},
    {"errors", errors},
    {"usable-size", usable_size},
    {"other-frees", other_frees},
    {"both-allocators-were-called", both_allocators_were_called},
};

HARNESS_MAIN(cases)
