/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "profile/unwind_cfi.h"

#if UNWIND_CFI

#include <string.h>

/* Encodings of addresses: the lower four bits are the form; the next three are
 * the base that the value is added to. */
#define ENCODED_FORM 0x0f
#define ENCODED_BASE 0x70
#define ENCODED_PC 0x10
#define ENCODED_INDIRECT 0x80
#define ENCODED_OMIT 0xff

/* The only kind of table that linkers write: pairs of 4-byte offsets from the
 * start of the table. */
#define TABLE_VERSION 1
#define TABLE_COUNT 0x03
#define TABLE_PAIRS 0x3b

uint64_t
tcmi_cursor_number(struct cursor *cursor, unsigned bytes)
{
  uint64_t value = 0;

  if (cursor->bad || (size_t)(cursor->end - cursor->at) < bytes) {
    cursor->bad = true;
    return 0;
  }
  for (unsigned i = 0; i < bytes; i++)
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    value |= (uint64_t)cursor->at[i] << (8 * i);
#else
    value = value << 8 | cursor->at[i];
#endif
  cursor->at += bytes;
  return value;
}

/* A LEB128 number, seven bits per byte; sets *@shift to its number of bits. */
static uint64_t
leb(struct cursor *cursor, unsigned *shift, uint8_t *last)
{
  uint64_t value = 0;

  *shift = 0;
  do {
    *last = (uint8_t)tcmi_cursor_number(cursor, 1);
    if (*shift < 64)
      value |= (uint64_t)(*last & 0x7f) << *shift;
    *shift += 7;
  } while (*last & 0x80 && !cursor->bad);
  return value;
}

uint64_t
tcmi_cursor_uleb(struct cursor *cursor)
{
  unsigned shift;
  uint8_t last;

  return leb(cursor, &shift, &last);
}

int64_t
tcmi_cursor_sleb(struct cursor *cursor)
{
  unsigned shift;
  uint8_t last;
  uint64_t value = leb(cursor, &shift, &last);

  if (last & 0x40 && shift < 64)
    value |= ~(uint64_t)0 << shift;
  return (int64_t)value;
}

/* A number in one of the forms of an encoding. */
static uint64_t
encoded_form(struct cursor *cursor, uint8_t encoding)
{
  switch (encoding & ENCODED_FORM) {
  case 0x0: /* an address */
  case 0x4:
  case 0xc:
    return tcmi_cursor_number(cursor, 8);
  case 0x1:
    return tcmi_cursor_uleb(cursor);
  case 0x2:
    return tcmi_cursor_number(cursor, 2);
  case 0x3:
    return tcmi_cursor_number(cursor, 4);
  case 0x9:
    return (uint64_t)tcmi_cursor_sleb(cursor);
  case 0xa:
    return (uint64_t)(int16_t)tcmi_cursor_number(cursor, 2);
  case 0xb:
    return (uint64_t)(int32_t)tcmi_cursor_number(cursor, 4);
  default:
    cursor->bad = true;
    return 0;
  }
}

static uintptr_t
encoded_address(struct cursor *cursor, uint8_t encoding)
{
  uintptr_t here = (uintptr_t)cursor->at;
  uintptr_t value = encoded_form(cursor, encoding);

  if (encoding & ENCODED_INDIRECT)
    cursor->bad = true;
  if ((encoding & ENCODED_BASE) == ENCODED_PC)
    return here + value;
  if ((encoding & ENCODED_BASE) != 0)
    cursor->bad = true;
  return value;
}

/* Reads the fields of an augmentation, one for each letter. */
static void
read_augmentation(struct cursor *cursor, const char *letters, struct cfi *cfi)
{
  for (; *letters != '\0' && !cursor->bad; letters++) {
    uint8_t encoding;
    switch (*letters) {
    case 'R':
      cfi->encoding = (uint8_t)tcmi_cursor_number(cursor, 1);
      break;
    case 'L':
      (void)tcmi_cursor_number(cursor, 1);
      break;
    case 'P':
      encoding = (uint8_t)tcmi_cursor_number(cursor, 1);
      if (encoding != ENCODED_OMIT)
        (void)encoded_form(cursor, encoding);
      break;
    case 'S':
      cfi->signal = true;
      break;
    case 'B': /* aarch64: return addresses are signed with key B */
    case 'G': /* aarch64: stack memory is tagged */
      break;
    default:
      return;
    }
  }
}

/* Moves a cursor to the contents of an entry; false for the last one. */
static bool
enter_entry(struct cursor *cursor)
{
  uint64_t length = tcmi_cursor_number(cursor, 4);

  if (length == 0xffffffff)
    length = tcmi_cursor_number(cursor, 8);
  if (cursor->bad || length == 0 || length > (size_t)(cursor->end - cursor->at))
    return false;
  cursor->end = cursor->at + length;
  return true;
}

static bool
read_cie(struct cursor cursor, struct cfi *cfi)
{
  const char *letters;
  uint64_t version, length;

  if (!enter_entry(&cursor) || tcmi_cursor_number(&cursor, 4) != 0)
    return false;
  version = tcmi_cursor_number(&cursor, 1);
  letters = (const char *)cursor.at;
  while (tcmi_cursor_number(&cursor, 1) != 0 && !cursor.bad)
    ;
  cfi->code_step = tcmi_cursor_uleb(&cursor);
  cfi->data_step = tcmi_cursor_sleb(&cursor);
  cfi->ra = (unsigned)(version == 1 ? tcmi_cursor_number(&cursor, 1)
                                    : tcmi_cursor_uleb(&cursor));
  if (cursor.bad || (version != 1 && version != 3) ||
      (letters[0] != '\0' && letters[0] != 'z'))
    return false;
  cfi->augmented = letters[0] == 'z';
  cfi->initial = cursor;
  if (!cfi->augmented)
    return true;
  length = tcmi_cursor_uleb(&cursor);
  cfi->initial = cursor;
  read_augmentation(&cursor, letters + 1, cfi);
  if (cursor.bad || length > (size_t)(cursor.end - cfi->initial.at))
    return false;
  cfi->initial.at += length;
  return true;
}

/* Reads the FDE at the cursor and its CIE, which lies before it. */
static bool
read_fde(const struct system_object *object, struct cursor cursor,
         struct cfi *cfi)
{
  struct cursor cie = {.end = (const uint8_t *)object->end};
  const uint8_t *here;
  uint64_t back, length;

  if (!enter_entry(&cursor))
    return false;
  here = cursor.at;
  back = tcmi_cursor_number(&cursor, 4);
  if (cursor.bad || back == 0 || back > (uintptr_t)here - object->start)
    return false;
  cie.at = here - back;
  *cfi = (struct cfi){.encoding = 0};
  if (!read_cie(cie, cfi))
    return false;
  cfi->start = encoded_address(&cursor, cfi->encoding);
  cfi->size = encoded_form(&cursor, cfi->encoding);
  if (cfi->augmented) {
    length = tcmi_cursor_uleb(&cursor);
    if (length > (size_t)(cursor.end - cursor.at))
      return false;
    cursor.at += length;
  }
  cfi->own = cursor;
  return !cursor.bad;
}

static int32_t
pair_word(const uint8_t *pairs, size_t i)
{
  int32_t word;

  memcpy(&word, pairs + i * sizeof word, sizeof word);
  return word;
}

void
tcmi_cfi_open(struct unwind_code *code)
{
  struct cursor cursor = {.at = code->object.table,
                          .end = (const uint8_t *)code->object.end};
  uint64_t head, count;

  code->npairs = 0;
  if (code->object.table == NULL)
    return;
  head = tcmi_cursor_number(&cursor, 4);
  /* The version; the encodings of the next field, the count and the pairs. */
  if ((head & 0xff) != TABLE_VERSION || (head >> 16 & 0xff) != TABLE_COUNT ||
      head >> 24 != TABLE_PAIRS)
    return;
  (void)encoded_form(&cursor, (uint8_t)(head >> 8));
  count = tcmi_cursor_number(&cursor, 4);
  if (cursor.bad || count > (size_t)(cursor.end - cursor.at) / 8)
    return;
  code->pairs = cursor.at;
  code->npairs = (size_t)count;
}

const uint8_t *
tcmi_cfi_fde(const struct unwind_code *code, size_t pair)
{
  const struct system_object *object = &code->object;
  const uint8_t *fde = object->table + pair_word(code->pairs, 2 * pair + 1);

  return (uintptr_t)fde - object->start < object->end - object->start ? fde
                                                                      : NULL;
}

bool
tcmi_cfi_find(const struct unwind_code *code, uintptr_t pc, struct cfi *cfi)
{
  intptr_t wanted = (intptr_t)(pc - (uintptr_t)code->object.table);
  struct cursor cursor = {.end = (const uint8_t *)code->object.end};
  size_t low = 0, high = code->npairs;

  if (high == 0 || pair_word(code->pairs, 0) > wanted)
    return false;
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    if (pair_word(code->pairs, 2 * middle) <= wanted)
      low = middle;
    else
      high = middle;
  }
  cursor.at = tcmi_cfi_fde(code, low);
  if (cursor.at == NULL || !read_fde(&code->object, cursor, cfi))
    return false;
  cfi->pair = (uint32_t)low;
  return pc - cfi->start < cfi->size;
}

#endif /* UNWIND_CFI */
