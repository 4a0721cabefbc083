/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sample_math.h - distances and weights of samples, without libm.
 *
 *     each byte begins a sample with probability 1 / mean, independently:
 *     distance:             -mean * ln(u),  u uniform in (0, 1]
 *     a block of s bytes is sampled with  p = 1 - exp(-s / mean)
 *     and represents 1/p blocks of its size
 *
 * Invariants
 *   M1  relative errors are below 1e-12, too small to show in a million
 *       samples.
 *
 * No locking: pure.  Cost: some fifty instructions each.
 */
#ifndef TCM_PROFILE_SAMPLE_MATH_H
#define TCM_PROFILE_SAMPLE_MATH_H

#include "base/compiler.h"

/* The natural logarithm of a positive normal number. */
double tcmi_sample_log(double x);
/* Bytes to the next sample, at least 1, from a random word. */
size_t tcmi_sample_distance(uint64_t mean, uint64_t random);
/* The number of blocks of @size bytes that a sampled one represents. */
double tcmi_sample_weight(uint64_t mean, size_t size);

#endif /* TCM_PROFILE_SAMPLE_MATH_H */
