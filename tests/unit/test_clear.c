/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include <sys/mman.h>

#include "base/params.h"
#include "heap/clear.h"

#define MIB ((size_t)1 << 20)

static unsigned char *
map(size_t size)
{
  void *start = mmap(NULL, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  must(start != MAP_FAILED);
  return start;
}

static size_t
resident_bytes(void *start, size_t size)
{
  size_t page = (size_t)sysconf(_SC_PAGESIZE), n = 0;
  unsigned char pages[MIB / 4096];

  must(size / page <= sizeof pages && mincore(start, size, pages) == 0);
  for (size_t i = 0; i < size / page; i++)
    n += pages[i] & 1;
  return n * page;
}

/* Clears as calloc does; returns whether memory was returned to the OS. */
static bool
clear(unsigned char *memory, size_t size)
{
  bool cleared = tcmi_clear_sparse(memory, size);

  if (!cleared)
    memset(memory, 0, size);
  must(memory_is_zero(memory, size));
  return cleared;
}

/* Sparsely used memory is returned to the OS, except its first page and the
 * probed pages.  Its ends may lie inside pages.  Other memory is unchanged. */
START_TEST(little_used_memory_goes_to_the_system)
{
  const size_t cut = 192;
  unsigned char *memory = map(MIB);

  memory[0] = memory[MIB / 2] = memory[MIB - 1] = 1;
  ck_assert(clear(memory + cut, MIB - 2 * cut));
  ck_assert_uint_eq(memory[0] + memory[MIB - 1], 2);
  munmap(memory, MIB);
  memory = map(MIB);
  memory[MIB / 2] = 1;
  ck_assert(tcmi_clear_sparse(memory, MIB));
  ck_assert_uint_le(resident_bytes(memory, MIB),
                    MIB / 4 + tcmi_system_page_size());
  memory[0] = 1;
  ck_assert(!tcmi_clear_sparse(memory, CLEAR_BY_DISCARD_SIZE - 1));
  ck_assert_uint_eq(memory[0], 1);
  memset(memory, 1, MIB);
  ck_assert(!tcmi_clear_sparse(memory, MIB));
  ck_assert_uint_eq(memory[0] + memory[MIB - 1], 2);
  munmap(memory, MIB);
}
END_TEST

/* One byte per page is used: the block looks sparse, but no page is unused. */
START_TEST(wrong_guess_is_seen_after_one_block)
{
  unsigned char *memory = map(MIB);
  unsigned returned = 0;

  for (unsigned round = 0; round < 5000; round++) {
    for (size_t at = 8; at < MIB; at += (size_t)sysconf(_SC_PAGESIZE))
      memory[at] = 1;
    returned += clear(memory, MIB);
  }
  ck_assert_uint_eq(returned, 1);
  munmap(memory, MIB);
}
END_TEST

/* One of 16 pages is used: the guess remains correct, so few rounds probe. */
START_TEST(right_guess_stays)
{
  unsigned char *memory = map(MIB);
  size_t most = 0;

  for (unsigned round = 0; round < 1000; round++) {
    for (size_t at = 8; at < MIB; at += 16 * (size_t)sysconf(_SC_PAGESIZE))
      memory[at] = 1;
    must(tcmi_clear_sparse(memory, MIB));
    most += round % 2 && resident_bytes(memory, MIB) > MIB / 8;
  }
  ck_assert_uint_le(most, 30);
  munmap(memory, MIB);
}
END_TEST

/* The use of the blocks changes with each phase. */
START_TEST(guess_follows_the_load)
{
  unsigned char *memory = map(MIB);
  unsigned returned[4] = {0};

  for (unsigned phase = 0; phase < 4; phase++)
    for (unsigned round = 0; round < 4000; round++) {
      size_t step = (phase % 2 == 0 ? 1 : 64) * (size_t)sysconf(_SC_PAGESIZE);
      for (size_t at = 8; at < MIB; at += step)
        memory[at] = 1;
      returned[phase] += clear(memory, MIB);
    }
  ck_assert_uint_le(returned[0], 1);
  ck_assert_uint_ge(returned[1], 2500);
  ck_assert_uint_le(returned[2], 1100);
  ck_assert_uint_ge(returned[3], 2500);
  munmap(memory, MIB);
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("clear");

  tcase_add_test(tests, little_used_memory_goes_to_the_system);
  tcase_add_test(tests, wrong_guess_is_seen_after_one_block);
  tcase_add_test(tests, right_guess_stays);
  tcase_add_test(tests, guess_follows_the_load);
  return unit_run(tests);
}
