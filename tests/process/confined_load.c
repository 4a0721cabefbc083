/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What confined.sh runs inside a limit of 256 MiB:
 *
 *     confined_load phases          ten phases of 120 MiB, each in another
 *                                   size; every 50th block is freed one phase
 *                                   late
 *     confined_load churn SECONDS   200 MiB live; blocks of all sizes are
 *                                   replaced continuously
 *     confined_load leak DIRECTORY  blocks of 3000 bytes that are never freed,
 *                                   and a heap profile in that directory
 *
 * It exits with 0, or is killed.
 */
#include "../support/harness.h"
#include "../support/memory.h"

#include <time.h>

#define MIB ((size_t)1 << 20)
#define BLOCKS_MAX (120 * MIB / 100)

static void *block[BLOCKS_MAX];
static void *late[BLOCKS_MAX / 50 + 1];
static size_t sizes[BLOCKS_MAX];

static void
phases(void)
{
  static const size_t classes[] = {120,  5000,  300,   20000, 700,
                                   1500, 60000, 10000, 200,   400000};
  size_t phase, late_count = 0, i;

  for (phase = 0; phase < sizeof classes / sizeof *classes; phase++) {
    size_t size = classes[phase], count = 120 * MIB / size, next = 0;
    for (i = 0; i < count; i++) {
      block[i] = malloc(size);
      REQUIRE(block[i] != NULL);
      memset(block[i], 1, size);
    }
    for (i = 0; i < late_count; i++)
      free(late[i]);
    for (i = 0; i < count; i++)
      if (i % 50 == 0)
        late[next++] = block[i];
      else
        free(block[i]);
    late_count = next;
    harness_say("  phase of %zu B: %ld MiB resident", size,
                memory_resident_bytes() / (long)MIB);
  }
}

static size_t
any_size(uint64_t *state)
{
  size_t low = (size_t)64 << (harness_random(state) % 12);

  return low + harness_random(state) % low;
}

static void
churn(long seconds)
{
  uint64_t state = 11, steps = 0;
  size_t bytes = 0, count = 0, i;
  struct timespec start, now;
  long most = 0;

  while (bytes < 200 * MIB) {
    sizes[count] = any_size(&state);
    block[count] = malloc(sizes[count]);
    REQUIRE(block[count] != NULL);
    memset(block[count], 1, sizes[count]);
    bytes += sizes[count++];
  }
  clock_gettime(CLOCK_MONOTONIC, &start);
  do {
    i = harness_random(&state) % count;
    bytes -= sizes[i];
    free(block[i]);
    do
      sizes[i] = any_size(&state);
    while (bytes + sizes[i] > 201 * MIB);
    block[i] = malloc(sizes[i]);
    REQUIRE(block[i] != NULL);
    memset(block[i], 1, sizes[i]);
    bytes += sizes[i];
    if (++steps % 16384 == 0) {
      long resident = memory_resident_bytes();
      most = resident > most ? resident : most;
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while (now.tv_sec - start.tv_sec < seconds);
  harness_say("  200 MiB live, %llu replaced: at most %ld MiB resident",
              (unsigned long long)steps, most / (long)MIB);
}

/* tcm reads the variables at process start, so the program executes itself. */
static void
leak(char **argv)
{
  if (getenv("TCM_PROFILE_DIR") == NULL) {
    REQUIRE(setenv("TCM_PROFILE_DIR", argv[2], 1) == 0);
    REQUIRE(setenv("TCM_PROFILE_BYTES", "16384", 1) == 0);
    execv("/proc/self/exe", argv);
    REQUIRE(!"exec");
  }
  for (;;)
    memset(harness_pointer(malloc(3000)), 1, 3000);
}

int
main(int argc, char **argv)
{
  if (argc > 2 && strcmp(argv[1], "leak") == 0)
    leak(argv);
  else if (argc > 1 && strcmp(argv[1], "churn") == 0)
    churn(argc > 2 ? atol(argv[2]) : 5);
  else
    phases();
  return 0;
}
