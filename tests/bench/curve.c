/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * curve.c - the cost of an operation and of an object, by the number of live
 * objects.
 *
 *     curve N OPS
 *
 * Each turn allocates N objects of 16 to 255 bytes, replaces a random one N
 * times, and frees all.  Turns repeat until their first parts have allocated
 * OPS objects.  One line reports the nanoseconds per operation in each part,
 * and for the first turn the bytes requested and the growth of the process.
 */
#include "process.h"
#include "workload.h"

#include <inttypes.h>

#define SIZE_LOW 4
#define SIZE_HIGH 8

static struct curve {
  void **slots;
  uint32_t count;
  struct rng rng;
  uint64_t requested; /* bytes of the live objects */
  double fill, replace, empty;
} curve;

void
die(const char *what)
{
  fprintf(stderr, "curve: %s\n", what);
  exit(1);
}

static void *
object_new(void)
{
  size_t size_bytes = rng_size(&curve.rng, SIZE_LOW, SIZE_HIGH);
  curve.requested += size_bytes;
  return block_new(size_bytes);
}

static void
object_free(void *p)
{
  curve.requested -= ((uint64_t *)p)[0] ^ (uintptr_t)p;
  block_free(p);
}

static void
fill(void)
{
  double start = now_seconds();
  for (uint32_t i = 0; i < curve.count; i++)
    curve.slots[i] = object_new();
  curve.fill += now_seconds() - start;
}

static void
replace(void)
{
  double start = now_seconds();
  for (uint32_t i = 0; i < curve.count; i++) {
    void **slot = &curve.slots[rng_below(&curve.rng, curve.count)];
    object_free(*slot);
    *slot = object_new();
  }
  curve.replace += now_seconds() - start;
}

static void
empty(void)
{
  double start = now_seconds();
  for (uint32_t i = 0; i < curve.count; i++)
    object_free(curve.slots[i]);
  curve.empty += now_seconds() - start;
}

int
main(int argc, char **argv)
{
  uint64_t rounds, full_bytes = 0, aged_bytes = 0;
  long base_kib, full_kib = 0, aged_kib = 0, in_huge_pages_kib = 0;
  double each;
  if (argc != 3)
    die("usage: curve N OPS");
  curve.count = (uint32_t)number(argv[1]);
  if (curve.count < 1)
    die("at least one object");
  rounds = number(argv[2]) / curve.count;
  rounds = rounds > 0 ? rounds : 1;
  curve.slots = map_new(curve.count * sizeof *curve.slots);
  memset(curve.slots, 0, curve.count * sizeof *curve.slots);
  rng_seed(&curve.rng, curve.count);
  base_kib = resident_kib();
  for (uint64_t i = 0; i < rounds; i++) {
    fill();
    if (i == 0) {
      full_bytes = curve.requested;
      full_kib = resident_kib() - base_kib;
      in_huge_pages_kib = huge_kib();
    }
    replace();
    if (i == 0) {
      aged_bytes = curve.requested;
      aged_kib = resident_kib() - base_kib;
    }
    empty();
  }
  each = 1e9 / ((double)rounds * curve.count);
  printf("n=%" PRIu32 " allocate_ns=%.3f replace_ns=%.3f free_ns=%.3f "
         "full_bytes=%" PRIu64 " full_kib=%ld aged_bytes=%" PRIu64
         " aged_kib=%ld huge_kib=%ld malloc=%s\n",
         curve.count, curve.fill * each, curve.replace * each,
         curve.empty * each, full_bytes, full_kib, aged_bytes, aged_kib,
         in_huge_pages_kib, allocator_object());
  return 0;
}
