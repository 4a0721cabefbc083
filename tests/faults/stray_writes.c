/* SPDX-License-Identifier: BSD-2-Clause */
/* A program that writes where it must not.  It may lose its own bytes, but no
 * more: the heap continues to return memory that nothing else uses, or ends the
 * process with a message. */
#include "../support/child.h"
#include "../support/churn.h"

#include <malloc.h>

enum { COUNT = 1000 };
static char *block[COUNT];
static char victim[4096] __attribute__((aligned(4096)));

static void
take(size_t size)
{
  size_t i;

  for (i = 0; i < COUNT; i++) {
    block[i] = (char *)malloc(harness_size(size));
    REQUIRE(block[i] != NULL);
    memset(block[i], 1, size);
  }
}

static void
drop(size_t from, size_t step)
{
  size_t i;

  for (i = from; i < COUNT; i += step)
    free(block[i]);
}

/* Whatever happened before, blocks must not overlap each other or an object of
 * the program. */
static void
expect_sound_heap(size_t size)
{
  static struct churn_slot slots[3000];
  uint64_t state = harness.seed;
  size_t i;
  int turn;

  for (i = 0; i < COUNT; i++) {
    block[i] = (char *)malloc(harness_size(size));
    EXPECT(block[i] != NULL);
    EXPECT(block[i] + size <= victim || block[i] >= victim + sizeof victim);
    if (block[i] != NULL && harness.failures == 0)
      memset(block[i], 2, size);
  }
  if (harness.failures != 0)
    return;
  for (turn = 0; turn < 20000; turn++)
    churn_step(slots, 3000, &state);
  churn_clear(slots, 3000);
  drop(0, 1);
  malloc_trim(0);
  EXPECT(memory_is_zero(victim, sizeof victim));
}

/* Writes beyond the end of a block into the next one, which is in use. */
static void
overflow_into_a_block(void)
{
  size_t i;

  take(48);
  for (i = 0; i < COUNT; i += 2)
    memset(harness_pointer(block[i]), 0x41, malloc_usable_size(block[i]) + 8);
  drop(0, 1);
  expect_sound_heap(48);
}

static void
overflow_by_one_byte(void)
{
  size_t i;

  take(40);
  for (i = 0; i < COUNT; i++)
    *((char *)harness_pointer(block[i]) + malloc_usable_size(block[i])) = 0x41;
  drop(0, 1);
  expect_sound_heap(40);
}

static void
underflow(void)
{
  size_t i;

  take(48);
  for (i = 10; i < COUNT; i += 2)
    memset((char *)harness_pointer(block[i]) - 8, 0x41, 8);
  drop(0, 1);
  expect_sound_heap(48);
}

/* Overwrites every word with an address inside the victim. */
static void
aim(char *freed, size_t size)
{
  uintptr_t *word = (uintptr_t *)harness_pointer(freed);
  size_t i;

  for (i = 0; i < size / sizeof *word; i++)
    word[i] = (uintptr_t)victim + 256;
}

static void
write_after_free_of(size_t size)
{
  size_t i;

  take(size);
  drop(0, 2);
  for (i = 0; i < COUNT; i += 2)
    aim(block[i], size);
  drop(1, 2);
  expect_sound_heap(size);
}

static void
write_after_free_small(void)
{
  write_after_free_of(64);
}

static void
write_after_free_middle(void)
{
  write_after_free_of(3000);
}

/* Writes past the end of a block in use, into the free block after it. */
static void
overflow_into_free_blocks(void)
{
  size_t i;

  take(64);
  drop(0, 2);
  for (i = 1; i < COUNT; i += 2)
    aim(block[i], malloc_usable_size(block[i]) + 64);
  drop(1, 2);
  expect_sound_heap(64);
}

/* Sized delete with a size of another class. */
static void
wrong_size_of_delete(void)
{
  void (*sized)(void *, size_t);
  void *symbol = dlsym(RTLD_DEFAULT, "_ZdlPvm");
  size_t i;

  if (symbol == NULL) {
    harness_skip("there is no sized operator delete");
    return;
  }
  memcpy(&sized, &symbol, sizeof symbol);
  take(64);
  for (i = 0; i < COUNT; i++)
    sized(block[i], i % 3 == 0 ? 3000 : 500);
  expect_sound_heap(64);
  expect_sound_heap(500);
}

static const struct harness_case cases[] = {
    {"overflow-into-a-block", overflow_into_a_block},
    {"overflow-by-one-byte", overflow_by_one_byte},
    {"overflow-into-free-blocks", overflow_into_free_blocks},
    {"underflow", underflow},
    {"write-after-free-small", write_after_free_small},
    {"write-after-free-middle", write_after_free_middle},
    {"wrong-size-of-delete", wrong_size_of_delete},
};

HARNESS_MAIN(cases)
