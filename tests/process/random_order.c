/* SPDX-License-Identifier: BSD-2-Clause */
/* TCM_RANDOM_ORDER: the address of the next block does not follow from those of
 * the last ones, and a freed block is not reused at once. */
#include "../support/child.h"

#define BLOCKS 2000
#define SIZE 64

static char *blocks[BLOCKS];

static void
allocate_all(void)
{
  for (int i = 0; i < BLOCKS; i++)
    blocks[i] = malloc(harness_size(SIZE));
}

/* How many blocks directly follow the previous one in memory. */
static int
neighbors(void)
{
  int count = 0;

  for (int i = 1; i < BLOCKS; i++)
    count += blocks[i] - blocks[i - 1] == SIZE;
  return count;
}

/* How many freed blocks the next malloc returns again. */
static int
returns(void)
{
  int count = 0;

  for (int i = 0; i < BLOCKS; i++) {
    char *freed = harness_pointer(blocks[i]);
    free(blocks[i]);
    blocks[i] = malloc(harness_size(SIZE));
    count += blocks[i] == freed;
  }
  return count;
}

static int
count_both(int is_random)
{
  int near, back;

  allocate_all();
  near = neighbors();
  back = returns();
  harness_say("  %s order: %d of %d blocks behind the last, %d come back",
              is_random ? "random" : "plain", near, BLOCKS, back);
  if (is_random)
    return near <= BLOCKS / 20 && back <= BLOCKS / 5 ? HARNESS_PASS
                                                     : HARNESS_FAIL;
  return near >= BLOCKS / 2 && back == BLOCKS ? HARNESS_PASS : HARNESS_FAIL;
}

/* The random order must not break the heap under all kinds of calls. */
static int
use(void)
{
  uint64_t state = harness.seed;

  memset(blocks, 0, sizeof blocks);
  for (int step = 0; step < 200000; step++) {
    size_t i = (size_t)(harness_random(&state) >> 20) % BLOCKS;
    size_t size = (size_t)(harness_random(&state) >> 20) % 9000;
    if (blocks[i] != NULL && blocks[i][0] != (char)i)
      return HARNESS_FAIL;
    if (step % 3 == 0) {
      free(blocks[i]);
      blocks[i] = calloc(1, size + 1);
      if (blocks[i][0] != 0 || blocks[i][size] != 0)
        return HARNESS_FAIL;
    } else {
      blocks[i] = realloc(blocks[i], size + 1);
    }
    memset(blocks[i], (int)i, size + 1);
  }
  for (int i = 0; i < BLOCKS; i++)
    free(blocks[i]);
  return HARNESS_PASS;
}

static void
plain(void)
{
  unsetenv("TCM_RANDOM_ORDER");
  EXPECT(child_again("plain"));
}

static void
at_random(void)
{
  REQUIRE(setenv("TCM_RANDOM_ORDER", "1", 1) == 0);
  EXPECT(child_again("random"));
}

static void
in_use(void)
{
  REQUIRE(setenv("TCM_RANDOM_ORDER", "1", 1) == 0);
  EXPECT(child_again("use"));
}

static const struct harness_case cases[] = {
    {"plain", plain},
    {"at-random", at_random},
    {"in-use", in_use},
};

int
main(int argc, char **argv)
{
  if (argc == 2 && strcmp(argv[0], "again") == 0 && strcmp(argv[1], "use") == 0)
    return use();
  if (argc == 2 && strcmp(argv[0], "again") == 0)
    return count_both(strcmp(argv[1], "random") == 0);
  return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
