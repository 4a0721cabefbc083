/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "cache/size_class.h"

const struct size_class tcmi_size_classes[SIZE_CLASS_COUNT] = {SIZE_CLASS_ROWS};
const struct starts tcmi_starts[SIZE_CLASS_COUNT] = {SIZE_CLASS_STARTS};
const uint8_t tcmi_tags[] = SIZE_CLASS_TAGS;

unsigned
tcmi_size_class_aligned(size_t size, size_t align)
{
  unsigned class_id = size_class_of(size < align ? align : size);

  /* Spans begin at a page, so all blocks are aligned if the size is a multiple
   * of @align.  Each larger power of two is such a size, so the loop is
   * short. */
  while (class_id < SIZE_CLASS_COUNT &&
         (size_class_size(class_id) & (align - 1)) != 0)
    class_id++;
  return class_id < SIZE_CLASS_COUNT ? class_id : 0;
}
