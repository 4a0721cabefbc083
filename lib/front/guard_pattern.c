/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "front/guard_pattern.h"

#include <string.h>

#include "base/bits.h"
#include "base/params.h"
#include "cache/size_class.h"
#include "cache/slab.h"
#include "heap/pagemap.h"

/* The largest red zone of a large block, in bytes. */
#define RED_ZONE_LARGE 64

/* A larger block gets junk at both ends only: filling it would populate pages
 * that the program never touches. */
#define JUNK_WHOLE ((size_t)1 << 20)
#define JUNK_EDGE PAGE_SIZE

/* The pattern differs from byte to byte and has no letter, no 0 and no 255. */
static unsigned char
zone_byte(uintptr_t address)
{
  return (unsigned char)(0x80 | ((address * 0x9e37u >> 9) & 0x3f));
}

/* The class of the block, or 0 for a large one. */
unsigned
tcmi_pattern_class(uintptr_t block)
{
  const struct span *span = pagemap_span(block);

  return span->slab ? slab_of(span)->class_id : span->class_id;
}

size_t
tcmi_pattern_capacity(uintptr_t block)
{
  unsigned class_id = tcmi_pattern_class(block);

  return class_id != 0 ? size_class_size(class_id)
                       : span_bytes(pagemap_span(block));
}

/* The end of the red zone of a block of @size bytes. */
uintptr_t
tcmi_zone_end(uintptr_t block, size_t size)
{
  size_t capacity = tcmi_pattern_capacity(block);

  if (tcmi_pattern_class(block) == 0)
    capacity = min_size(capacity, size + RED_ZONE_LARGE);
  return block + capacity;
}

void
tcmi_zone_draw(uintptr_t block, size_t size)
{
  uintptr_t end = tcmi_zone_end(block, size);

  for (uintptr_t at = block + size; at < end; at++)
    *(unsigned char *)at = zone_byte(at);
}

/* The first damaged byte of the red zone, or its end. */
uintptr_t
tcmi_zone_damage(uintptr_t block, size_t size)
{
  uintptr_t end = tcmi_zone_end(block, size), at = block + size;

  while (at < end && *(const unsigned char *)at == zone_byte(at))
    at++;
  return at;
}

/* Bytes of junk at each end of a block; a small block is filled whole. */
static size_t
junk_part(size_t size)
{
  return size <= JUNK_WHOLE ? size : JUNK_EDGE;
}

void
tcmi_junk_fill(uintptr_t block, size_t size, int junk)
{
  size_t part = junk_part(size);

  memset((void *)block, junk, part);
  if (part < size)
    memset((void *)(block + size - part), junk, part);
}

static bool
is_junk(uintptr_t start, size_t size)
{
  const unsigned char *bytes = (const unsigned char *)start;

  return size == 0 ||
         (bytes[0] == JUNK_FREED && memcmp(bytes, bytes + 1, size - 1) == 0);
}

bool
tcmi_junk_holds(uintptr_t block, size_t size)
{
  size_t part = junk_part(size);

  return is_junk(block, part) && is_junk(block + size - part, part);
}
