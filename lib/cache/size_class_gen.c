/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * size_class_gen.c - prints size_class_table.h.
 *
 * Sizes: multiples of 16 up to 128, then eight steps per doubling up to 32 KiB.
 * A request above 128 bytes wastes less than 1/9 of its block (11.2 %): the gap
 * between two classes is an eighth of the lower one.
 *
 * Spans: the fewest pages, at least two, that hold 8 objects (4 above 4 KiB)
 * and waste at most 3.5 % at the end.  Two, because each span costs a
 * descriptor and two list operations.
 *
 * Batches: what moves between the tiers at once, 64 objects or 32 KiB.
 *
 * The index of an object in its span is offset * inverse >> 32.  An object
 * begins at a place, in steps of 16 bytes, if the low 32 bits of place * factor
 * are below a limit.  The generator checks both for every offset of every class
 * before it prints.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define PAGE 4096u
#define MAX_PAGES 32u
#define MAX_SIZE 32768u
#define SMALL_MAX 1024u
#define BATCH_BYTES 32768u
#define BATCH_MAX 64u
#define STEP 16u
#define GAP (SMALL_MAX / STEP - SMALL_MAX / 128)

static unsigned sizes[128];
static unsigned count = 1; /* class 0 is "none" */

static void
make_sizes(void)
{
  for (unsigned size = 16; size <= 128; size += 16)
    sizes[count++] = size;
  for (unsigned base = 128; base < MAX_SIZE; base *= 2)
    for (unsigned step = 1; step <= 8; step++)
      sizes[count++] = base + base / 8 * step;
}

static unsigned
pages_of(unsigned size)
{
  unsigned least = size <= PAGE ? 8 : 4;

  for (unsigned pages = 2; pages <= MAX_PAGES; pages++) {
    unsigned bytes = pages * PAGE;
    unsigned over = bytes % size;
    if (bytes / size >= least && over * 1000 <= bytes * 35)
      return pages;
  }
  fprintf(stderr, "no span for size %u\n", size);
  exit(1);
}

static unsigned
batch_of(unsigned size)
{
  unsigned batch = BATCH_BYTES / size;

  return batch > BATCH_MAX ? BATCH_MAX : batch < 1 ? 1 : batch;
}

static uint32_t
inverse_of(unsigned size, unsigned bytes)
{
  uint64_t inverse = (((uint64_t)1 << 32) + size - 1) / size;

  for (unsigned offset = 0; offset < bytes; offset++) {
    if (offset * inverse >> 32 != offset / size) {
      fprintf(stderr, "inverse of %u is wrong at %u\n", size, offset);
      exit(1);
    }
  }
  return (uint32_t)inverse;
}

static uint32_t
limit_of(uint32_t factor)
{
  return factor == 0 ? 1 : factor;
}

/* 2^32 / steps, rounded up; 0 for one step, because each place is a start. */
static uint32_t
factor_of(unsigned size, unsigned bytes)
{
  unsigned steps = size / STEP;
  uint32_t factor = (uint32_t)((((uint64_t)1 << 32) + steps - 1) / steps);

  for (uint32_t place = 0; place < bytes / STEP; place++) {
    if ((place * factor < limit_of(factor)) != (place % steps == 0)) {
      fprintf(stderr, "factor of %u is wrong at %u\n", size, place);
      exit(1);
    }
  }
  return factor;
}

static void
print_starts(void)
{
  printf(
      "/* factor and limit */\n#define SIZE_CLASS_STARTS \\\n  {0, 0}, \\\n");
  for (unsigned i = 1; i < count; i++) {
    uint32_t factor = factor_of(sizes[i], pages_of(sizes[i]) * PAGE);
    printf("  {%uu, %uu}%s", (unsigned)factor, (unsigned)limit_of(factor),
           i + 1 < count ? ", \\\n" : "\n\n");
  }
}

/* The tags of the requests from @first to @last in steps of @step. */
static void
print_tags(unsigned first, unsigned last, unsigned step)
{
  unsigned class_id = 1, n = 0;

  for (unsigned size = first; size <= last; size += step) {
    while (sizes[class_id] < size)
      class_id++;
    printf("%s%u,", n++ % 15 == 0 ? " \\\n    " : " ", 2 * class_id);
  }
}

int
main(void)
{
  make_sizes();
  printf("/* SPDX-License-Identifier: BSD-2-Clause */\n"
         "/* Made by size_class_gen.c; change that and run it again. */\n"
         "/* clang-format off */\n"
         "#ifndef TCM_CACHE_SIZE_CLASS_TABLE_H\n"
         "#define TCM_CACHE_SIZE_CLASS_TABLE_H\n\n"
         "/* Classes are numbered from 1; 0 is none. */\n"
         "#define SIZE_CLASS_COUNT %u\n"
         "#define SIZE_CLASS_MAX %u\n"
         "#define SIZE_CLASS_SMALL_MAX %u\n"
         "#define SIZE_CLASS_BATCH_MAX %u\n\n"
         "/* size, pages per span, objects per span, batch, inverse */\n"
         "#define SIZE_CLASS_ROWS \\\n  {0, 0, 0, 0, 0}, \\\n",
         count, MAX_SIZE, SMALL_MAX, BATCH_MAX);
  for (unsigned i = 1; i < count; i++) {
    unsigned pages = pages_of(sizes[i]);
    printf("  {%u, %u, %u, %u, %uu}%s", sizes[i], pages,
           pages * PAGE / sizes[i], batch_of(sizes[i]),
           (unsigned)inverse_of(sizes[i], pages * PAGE),
           i + 1 < count ? ", \\\n" : "\n\n");
  }
  print_starts();
  printf(
      "/* Twice the class of a request of n bytes: (n + 15) / 16 -> tag, and\n"
      " * above SIZE_CLASS_SMALL_MAX (n + 127) / 128 + GAP -> tag.  The last\n"
      " * tag is that of a large block. */\n"
      "#define SIZE_CLASS_TAGS_GAP %u\n#define SIZE_CLASS_TAGS_LENGTH %u\n"
      "#define SIZE_CLASS_TAGS \\\n  {",
      GAP, MAX_SIZE / 128 + GAP + 2);
  print_tags(0, SMALL_MAX, STEP);
  print_tags(SMALL_MAX + 128, MAX_SIZE, 128);
  printf(" 0 \\\n  }\n\n#endif /* TCM_CACHE_SIZE_CLASS_TABLE_H */\n");
  return 0;
}
