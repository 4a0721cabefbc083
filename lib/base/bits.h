/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bits.h - arithmetic on powers of two, and bitmaps of 64-bit words.
 *
 *     bit i of a bitmap = words[i / 64] >> (i % 64) & 1
 *
 * Functions on a range [first, first + n) process one word at a time.
 */
#ifndef TCM_BASE_BITS_H
#define TCM_BASE_BITS_H

#include "base/compiler.h"

static inline size_t
round_up(size_t n, size_t power_of_two)
{
  return (n + power_of_two - 1) & ~(power_of_two - 1);
}

static inline size_t
round_down(size_t n, size_t power_of_two)
{
  return n & ~(power_of_two - 1);
}

static inline bool
is_power_of_two(size_t n)
{
  return n != 0 && (n & (n - 1)) == 0;
}

static inline size_t
min_size(size_t a, size_t b)
{
  return a < b ? a : b;
}

static inline size_t
max_size(size_t a, size_t b)
{
  return a > b ? a : b;
}

/* Number of bits in @n: 0 for 0, 1 for 1, 2 for 2 and 3. */
static inline unsigned
bit_width(uint64_t n)
{
  return n == 0 ? 0 : 64 - (unsigned)__builtin_clzll(n);
}

static inline unsigned
lowest_bit(uint64_t word)
{
  return (unsigned)__builtin_ctzll(word);
}

static inline bool
bit_get(const uint64_t *words, size_t i)
{
  return words[i / 64] >> (i % 64) & 1;
}

static inline void
bit_set(uint64_t *words, size_t i)
{
  words[i / 64] |= (uint64_t)1 << (i % 64);
}

static inline void
bit_clear(uint64_t *words, size_t i)
{
  words[i / 64] &= ~((uint64_t)1 << (i % 64));
}

/* The mask of the part of [first, end) that lies in the word of @first. */
static inline uint64_t
range_mask(size_t first, size_t end)
{
  size_t low = first % 64;
  size_t n = min_size(end - first, 64 - low);
  uint64_t ones = n == 64 ? ~(uint64_t)0 : ((uint64_t)1 << n) - 1;
  return ones << low;
}

static inline void
bits_set_range(uint64_t *words, size_t first, size_t n)
{
  size_t end = first + n;
  for (; first < end; first = (first / 64 + 1) * 64)
    words[first / 64] |= range_mask(first, end);
}

static inline void
bits_clear_range(uint64_t *words, size_t first, size_t n)
{
  size_t end = first + n;
  for (; first < end; first = (first / 64 + 1) * 64)
    words[first / 64] &= ~range_mask(first, end);
}

/* The bits of [first, first + n) as a number; n is from 1 to 64. */
static inline uint64_t
bits_get_range(const uint64_t *words, size_t first, size_t n)
{
  const uint64_t *word = &words[first / 64];
  size_t low = first % 64;
  uint64_t bits = word[0] >> low;

  if (low + n > 64)
    bits |= word[1] << (64 - low);
  return bits & ~(uint64_t)0 >> (64 - n);
}

/* Sets these bits to those of a number. */
static inline void
bits_put_range(uint64_t *words, size_t first, size_t n, uint64_t bits)
{
  uint64_t *word = &words[first / 64];
  size_t low = first % 64;
  uint64_t mask = ~(uint64_t)0 >> (64 - n);

  word[0] = (word[0] & ~(mask << low)) | (bits & mask) << low;
  if (low + n > 64)
    word[1] = (word[1] & ~(mask >> (64 - low))) | (bits & mask) >> (64 - low);
}

/* Number of set bits in [first, first + n). */
static inline size_t
bits_count_range(const uint64_t *words, size_t first, size_t n)
{
  size_t end = first + n, count = 0;
  for (; first < end; first = (first / 64 + 1) * 64)
    count += (size_t)__builtin_popcountll(words[first / 64] &
                                          range_mask(first, end));
  return count;
}

/* The first set (@want 1) or clear (@want 0) bit at or after @first, or
 * @end. */
static inline size_t
bits_find(const uint64_t *words, size_t first, size_t end, bool want)
{
  uint64_t flip = want ? 0 : ~(uint64_t)0, word;
  size_t i = first / 64;

  if (first >= end)
    return end;
  word = (words[i] ^ flip) & ~(uint64_t)0 << (first % 64);
  while (word == 0) {
    if (++i * 64 >= end)
      return end;
    word = words[i] ^ flip;
  }
  return min_size(i * 64 + lowest_bit(word), end);
}

/* The bit after the last set one before @end, or 0. */
static inline size_t
bits_end_before(const uint64_t *words, size_t end)
{
  while (end > 0) {
    size_t word = (end - 1) / 64;
    uint64_t below = words[word] & range_mask(word * 64, end);
    if (below != 0)
      return word * 64 + bit_width(below);
    end = word * 64;
  }
  return 0;
}

#endif /* TCM_BASE_BITS_H */
