/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include "base/bits.h"

#define NBITS 320

/* The expected bits, one byte each. */
static bool naive[NBITS];
static uint64_t words[NBITS / 64];

static void
expect_equal(void)
{
  size_t i;

  for (i = 0; i < NBITS; i++)
    must_for(bit_get(words, i) == naive[i], "bit %zu", i);
}

static void
naive_fill(size_t first, size_t n, bool value)
{
  for (; n > 0; n--)
    naive[first++] = value;
}

static size_t
naive_count(size_t first, size_t n)
{
  size_t count = 0;

  for (; n > 0; n--)
    count += naive[first++];
  return count;
}

static size_t
naive_find(size_t first, size_t end, bool want)
{
  while (first < end && naive[first] != want)
    first++;
  return first;
}

START_TEST(rounding)
{
  size_t power, n;

  for (power = 1; power <= 4096; power *= 2)
    for (n = 0; n < 5000; n++) {
      must(round_up(n, power) % power == 0);
      must(round_up(n, power) >= n && round_up(n, power) - n < power);
      must(round_down(n, power) % power == 0);
      must(round_down(n, power) <= n && n - round_down(n, power) < power);
    }
}
END_TEST

START_TEST(powers_and_widths)
{
  unsigned i;

  must(!is_power_of_two(0));
  must(bit_width(0) == 0);
  for (i = 0; i < 64; i++) {
    uint64_t one = (uint64_t)1 << i;
    must(is_power_of_two(one));
    must(bit_width(one) == i + 1);
    must(bit_width(one | (one - 1)) == i + 1);
    must(lowest_bit(one) == i);
    must(lowest_bit(~(one - 1)) == i);
    if (i > 1)
      must(!is_power_of_two(one - 1) && !is_power_of_two(one + 1));
  }
  ck_assert_uint_eq(min_size(3, 4), 3);
  ck_assert_uint_eq(min_size(4, 3), 3);
  ck_assert_uint_eq(max_size(3, 4), 4);
  ck_assert_uint_eq(max_size(4, 3), 4);
}
END_TEST

START_TEST(mask_of_every_range_in_a_word)
{
  size_t first, n, bit;

  for (first = 0; first < 128; first++)
    for (n = 1; n <= 130; n++) {
      uint64_t mask = range_mask(first, first + n);
      for (bit = 0; bit < 64; bit++) {
        size_t place = first / 64 * 64 + bit;
        bool inside = place >= first && place < first + n;
        must_for((mask >> bit & 1) == inside, "%zu %zu %zu", first, n, bit);
      }
    }
}
END_TEST

/* All operations on random ranges, compared with one byte per bit. */
/* Replaces up to 64 bits by random ones, and reads them back. */
static void
put_and_get(uint64_t *state, size_t first, size_t n)
{
  uint64_t bits = harness_random(state), expected;

  n = n > 64 ? 64 : n;
  if (n == 0 || first >= NBITS)
    return;
  expected = n == 64 ? bits : bits & (((uint64_t)1 << n) - 1);
  bits_put_range(words, first, n, bits);
  must(bits_get_range(words, first, n) == expected);
  for (size_t i = 0; i < n; i++)
    naive[first + i] = bits >> i & 1;
}

START_TEST(ranges_against_bytes)
{
  uint64_t state = unit_seed();
  int step;

  for (step = 0; step < 50000; step++) {
    size_t first = unit_below(&state, NBITS);
    size_t n = unit_below(&state, NBITS - first + 1);
    bool want = step % 2;
    switch (unit_below(&state, 5)) {
    case 0:
      bits_set_range(words, first, n);
      naive_fill(first, n, true);
      break;
    case 1:
      bits_clear_range(words, first, n);
      naive_fill(first, n, false);
      break;
    case 2:
      bit_set(words, first);
      naive[first] = true;
      break;
    case 3:
      bit_clear(words, first);
      naive[first] = false;
      break;
    case 4:
      put_and_get(&state, first, n);
      break;
    }
    must(bits_count_range(words, first, n) == naive_count(first, n));
    must(bits_find(words, first, first + n, want) ==
         naive_find(first, first + n, want));
    if (step % 64 == 0)
      expect_equal();
  }
}
END_TEST

START_TEST(empty_ranges)
{
  uint64_t ones[2] = {~(uint64_t)0, ~(uint64_t)0};

  bits_clear_range(ones, 64, 0);
  bits_clear_range(ones, 63, 0);
  ck_assert_uint_eq(bits_count_range(ones, 0, 128), 128);
  ck_assert_uint_eq(bits_count_range(ones, 5, 0), 0);
  ck_assert_uint_eq(bits_find(ones, 128, 128, true), 128);
  ck_assert_uint_eq(bits_find(ones, 0, 128, false), 128);
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("bits");

  tcase_add_test(tests, rounding);
  tcase_add_test(tests, powers_and_widths);
  tcase_add_test(tests, mask_of_every_range_in_a_word);
  tcase_add_test(tests, ranges_against_bytes);
  tcase_add_test(tests, empty_ranges);
  return unit_run(tests);
}
