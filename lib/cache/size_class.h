/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * size_class.h - the sizes that small requests are rounded up to.
 *
 *     request 1..16 -> 16; 17..32 -> 32; ... 113..128 -> 128;
 *     129..144 -> 144; ...                eight steps per doubling
 *     28673..30720 -> 30720; 30721..32768 -> 32768;  above: a large block
 *
 * Invariants
 *   C1  sizes ascend; a request above 128 bytes wastes at most 11.2 % of its
 *       block.
 *   C2  each size is a multiple of BLOCK_ALIGN, and so is the address of each
 *       block; each size above SIZE_CLASS_SMALL_MAX is a multiple of 128.
 *   C3  a tag is twice the class: the offset, in words, of its bin in a thread
 *       cache.  This saves the fast path a shift.
 *
 * The tables are constants; no locking.
 */
#ifndef TCM_CACHE_SIZE_CLASS_H
#define TCM_CACHE_SIZE_CLASS_H

#include "base/compiler.h"
#include "base/params.h"
#include "cache/size_class_table.h"

struct size_class {
  uint32_t size;    /* [const] bytes of a block */
  uint16_t pages;   /* [const] pages of a span */
  uint16_t nobjs;   /* [const] blocks of a span */
  uint32_t batch;   /* [const] blocks that move between tiers at once */
  uint32_t inverse; /* [const] 2^32 / size, rounded up */
};

/* An object of a class begins at a place of its span, counted in steps of
 * BLOCK_ALIGN, if factor * place < limit in 32 bits. */
struct starts {
  uint32_t factor; /* [const] 2^32 / (size / BLOCK_ALIGN), rounded up, or 0 */
  uint32_t limit;  /* [const] the factor, or 1 */
};

extern const struct size_class tcmi_size_classes[SIZE_CLASS_COUNT];
extern const struct starts tcmi_starts[SIZE_CLASS_COUNT];
extern const uint8_t tcmi_tags[SIZE_CLASS_TAGS_LENGTH];

/* The index of a size in the table of tags: up to SIZE_CLASS_SMALL_MAX, and
 * above it up to SIZE_CLASS_MAX. */
static inline size_t
small_tag_index(size_t size)
{
  return (size + BLOCK_ALIGN - 1) >> BLOCK_ALIGN_SHIFT;
}

static inline size_t
middle_tag_index(size_t size)
{
  return (size + 127 + SIZE_CLASS_TAGS_GAP * 128) >> 7;
}

#define LARGE_TAG_INDEX (SIZE_CLASS_TAGS_LENGTH - 1)

/* The tag of the class of a request of @size bytes, at most SIZE_CLASS_MAX. */
static inline size_t
size_tag_of(size_t size)
{
  return tcmi_tags[size <= SIZE_CLASS_SMALL_MAX ? small_tag_index(size)
                                                : middle_tag_index(size)];
}

/* The class of such a request. */
static inline unsigned
size_class_of(size_t size)
{
  return (unsigned)size_tag_of(size) >> 1;
}

static inline size_t
size_class_size(unsigned class_id)
{
  return tcmi_size_classes[class_id].size;
}

/* The number of the object that holds byte @offset of a span. */
static inline unsigned
size_class_index(unsigned class_id, uintptr_t offset)
{
  return (unsigned)((uint64_t)offset * tcmi_size_classes[class_id].inverse >>
                    32);
}

/* Whether an object begins at byte @offset of a span. */
static inline bool
size_class_is_start(unsigned class_id, uintptr_t offset)
{
  return size_class_index(class_id, offset) * size_class_size(class_id) ==
         offset;
}

/* The smallest class for @size bytes whose blocks are all aligned to @align, a
 * power of two up to PAGE_SIZE; 0 if there is none. */
unsigned tcmi_size_class_aligned(size_t size, size_t align);

#endif /* TCM_CACHE_SIZE_CLASS_H */
