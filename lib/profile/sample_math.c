/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "profile/sample_math.h"

#include <string.h>

#define LN2 0.693147180559945309417
#define SQRT2 1.41421356237309504880

double
tcmi_sample_log(double x)
{
  uint64_t bits;
  double s, square, sum = 0, mantissa;
  int exponent;

  memcpy(&bits, &x, sizeof bits);
  exponent = (int)(bits >> 52) - 1023;
  bits = (bits & (((uint64_t)1 << 52) - 1)) | (uint64_t)1023 << 52;
  memcpy(&mantissa, &bits, sizeof mantissa);
  if (mantissa > SQRT2) {
    mantissa /= 2;
    exponent++;
  }
  /* ln m = 2 (s + s^3/3 + s^5/5 + ...), |s| < 0.172. */
  s = (mantissa - 1) / (mantissa + 1);
  square = s * s;
  for (int i = 21; i >= 1; i -= 2)
    sum = sum * square + 1.0 / i;
  return 2 * s * sum + exponent * LN2;
}

size_t
tcmi_sample_distance(uint64_t mean, uint64_t random)
{
  double u = ((double)(random >> 11) + 1) / 9007199254740992.0;
  double bytes = 1 - tcmi_sample_log(u) * (double)mean;

  /* ln u is above -37, so below 2^46 for the largest mean. */
  return bytes < (double)(SIZE_MAX / 2) ? (size_t)bytes : SIZE_MAX / 2;
}

/* 1 - exp(-x), x > 0. */
static double
one_minus_exp(double x)
{
  double half, sum = 0;

  if (x > 40)
    return 1;
  /* 1 - e^-x = (1 - e^-h) (1 + e^-h) with h = x/2; repeats until h is small. */
  if (x > 0.5) {
    half = one_minus_exp(x / 2);
    return half * (2 - half);
  }
  for (int i = 14; i >= 1; i--)
    sum = (1 - sum) * x / i;
  return sum;
}

double
tcmi_sample_weight(uint64_t mean, size_t size)
{
  return 1 / one_minus_exp((double)size / (double)mean);
}
