/* SPDX-License-Identifier: BSD-2-Clause */
/* A program wraps only malloc, and calls the function by glibc's internal name.
 * These names must be tcm's too, because the program passes the blocks to tcm's
 * free and realloc.  The test calls the other such names directly. */
#include "../support/child.h"

#include <malloc.h>

/* Other libcs lack these. */
#define LIBC_NAME __attribute__((weak, visibility("default")))
extern LIBC_NAME void *__libc_malloc(size_t size);
extern LIBC_NAME void __libc_free(void *block);
extern LIBC_NAME void *__libc_calloc(size_t count, size_t size);
extern LIBC_NAME void *__libc_realloc(void *block, size_t size);
extern LIBC_NAME void *__libc_memalign(size_t alignment, size_t size);
extern LIBC_NAME void *__libc_valloc(size_t size);
extern LIBC_NAME void *__libc_pvalloc(size_t size);

static unsigned mallocs;

__attribute__((visibility("default"))) void *
malloc(size_t size)
{
  mallocs++;
  return __libc_malloc(size);
}

static void
wrapped_malloc(void)
{
  char *block = malloc(harness_size(100)), *copy;
  unsigned before = mallocs;

  EXPECT(block != NULL && harness_owns(block));
  block = realloc(block, harness_size(5000));
  EXPECT(block != NULL && malloc_usable_size(block) >= 5000);
  free(block);
  copy = strdup("libc's strdup calls the program's malloc");
  EXPECT(mallocs > before && harness_owns(copy));
  free(copy);
  block = memalign(4096, harness_size(100));
  EXPECT((uintptr_t)block % 4096 == 0 && harness_owns(block));
  free(block);
}

static void
each_name(void)
{
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  char *block = __libc_calloc(10, harness_size(10));

  EXPECT(harness_owns(block) && block[0] == 0 && block[99] == 0);
  block = __libc_realloc(block, harness_size(3000));
  EXPECT(harness_owns(block));
  __libc_free(block);
  block = __libc_memalign(1024, harness_size(10));
  EXPECT(harness_owns(block) && (uintptr_t)block % 1024 == 0);
  free(block);
  block = __libc_valloc(harness_size(10));
  EXPECT(harness_owns(block) && (uintptr_t)block % page == 0);
  free(block);
  block = __libc_pvalloc(harness_size(10));
  EXPECT(harness_owns(block) && (uintptr_t)block % page == 0);
  EXPECT(malloc_usable_size(block) >= page);
  __libc_free(block);
  block = __libc_malloc(harness_size(10));
  EXPECT(harness_owns(block));
  free(block);
}

static const struct harness_case cases[] = {
    {"wrapped-malloc", wrapped_malloc},
    {"each-name", each_name},
};

HARNESS_MAIN(cases)
