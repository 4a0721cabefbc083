/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "base/random.h"

#include <string.h>
#include <sys/auxv.h>

/* A permutation of the 64-bit words, in which each output bit depends on all
 * input bits, after Stafford's "Better Bit Mixing". */
static uint64_t
permute(uint64_t x)
{
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

uint64_t
tcmi_random(enum random_use use)
{
  const void *bytes = (const void *)getauxval(AT_RANDOM);
  uint64_t word[2], key;

  if (bytes != NULL) {
    memcpy(word, bytes, sizeof word);
  } else {
    word[0] = (uintptr_t)&word;
    word[1] = (uintptr_t)&tcmi_random;
  }
  key = permute((uint64_t)use + 1);
  return permute(word[0] ^ key) + permute(word[1] + key);
}

uint64_t
tcmi_random_next(uint64_t *state)
{
  *state += 0x9e3779b97f4a7c15u;
  return permute(*state);
}
