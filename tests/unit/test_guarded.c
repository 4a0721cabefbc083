/* SPDX-License-Identifier: BSD-2-Clause */
/* Sampled blocks between inaccessible pages. */
/* Symbolizing a report takes a quarter of a second, and many children fault. */
#define TEST_SANITIZER_OPTIONS ":symbolize=0"
#include "unit.h"

#include <signal.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "front/allocate.h"
#include "front/heap_check.h"
#include "front/reallocate.h"
#include "heap/large.h"
#include "heap/pagemap.h"
#include "profile/guarded.h"
#include "profile/profile.h"
#include "tcm.h"

#define PAGE ((size_t)4096)
#define MIB ((size_t)1 << 20)

/* Every allocation is a sample, and every sample is guarded. */
static void
start(const char *slots)
{
  setenv("TCM_GUARD_SAMPLES", "1", 1);
  setenv("TCM_GUARD_SLOTS", slots, 1);
  setenv("TCM_PROFILE_BYTES", "1", 1);
  tcmi_free(tcmi_allocate(1));
}

static bool
is_guarded(const void *block)
{
  const struct guarded_slot *slot = tcmi_guarded_find((uintptr_t)block);

  return slot != NULL && slot->block == (uintptr_t)block;
}

/* A block of @size bytes that ends, or begins, next to an inaccessible page. */
static char *
placed(size_t align, size_t size, bool at_end)
{
  for (int i = 0; i < 1000; i++) {
    char *block = tcmi_allocate_aligned(align, size);
    uintptr_t edge = (uintptr_t)block + (at_end ? size : 0);
    must(is_guarded(block) && (uintptr_t)block % align == 0);
    if (edge % PAGE == 0)
      return block;
    tcmi_free(block);
  }
  ck_abort_msg("no block of %zu bytes is there", size);
}

struct touch {
  char *at;
  bool write;
};

static void
touch(void *argument)
{
  struct touch *t = argument;

  if (t->write)
    *(volatile char *)t->at = 1;
  else
    (void)*(volatile char *)t->at;
}

/* A sanitizer reports the signal and exits. */
static void
must_have_died(int status)
{
  must_for((WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) ||
               (TCM_SANITIZED && WIFEXITED(status) && WEXITSTATUS(status) != 0),
           "status %#x", (unsigned)status);
}

static void
must_fault(char *at, bool write)
{
  struct touch t = {at, write};
  char text[4096];

  must_have_died(unit_child(touch, &t, text, sizeof text));
  must_for(TCM_SANITIZED || *text == '\0', "%s", text);
}

static void
must_not_fault(char *at)
{
  struct touch t = {at, false};
  char text[4096];

  ck_assert_int_eq(unit_child(touch, &t, text, sizeof text), 0);
}

static const size_t sizes[] = {16, 4096, 65536, 100000, MIB};

static void
both_sides(void)
{
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (int at_end = 0; at_end < 2; at_end++) {
      size_t size = sizes[i];
      char *block = placed(8, size, at_end);
      memset(block, 1, size);
      ck_assert_uint_eq(tcmi_usable_size(CALL_HERE("test"), block), size);
      if (at_end)
        must_fault(block + size, true);
      else
        must_fault(block - 1, false);
      tcmi_free(block);
      must_fault(block, false);
      must_fault(block + size - 1, true);
    }
  tcmi_heap_check();
}

START_TEST(both_sides_and_after_free)
{
  start("64");
  both_sides();
}
END_TEST

/* As on a kernel that cannot wall off pages. */
START_TEST(without_walls)
{
  start("64");
  unit_fail_all(1u << SYSTEM_WALL);
  both_sides();
  ck_assert_uint_gt(unit_fail_none(), 0);
}
END_TEST

START_TEST(alignments)
{
  start("64");
  for (size_t align = BLOCK_ALIGN; align <= MIB; align *= 2) {
    char *block = placed(align, align, true);
    must_fault(block + align, true);
    tcmi_free(block);
    block = tcmi_allocate_aligned(align, 10);
    must(is_guarded(block) && (uintptr_t)block % align == 0);
    tcmi_free(block);
  }
  must(!is_guarded(tcmi_allocate_aligned(2 * MIB, 10)));
  must(!is_guarded(tcmi_allocate(MIB + 1)));
  tcmi_heap_check();
}
END_TEST

static size_t
mappings(void)
{
  FILE *maps = fopen("/proc/self/maps", "r");
  size_t lines = 0;
  int c;

  must(maps != NULL);
  while ((c = getc(maps)) != EOF)
    lines += c == '\n';
  fclose(maps);
  return lines;
}

START_TEST(few_mappings)
{
  void *page;
  size_t before;

  start("1024");
  before = mappings();
  for (int i = 0; i < 500; i++)
    must(is_guarded(tcmi_allocate(5000)));
  /* If the kernel cannot wall off pages, each block adds two mappings. */
  ck_assert_int_eq(tcmi_system_map(PAGE, &page), 0);
  ck_assert_uint_le(mappings(),
                    before + (tcmi_system_wall(page, PAGE) == 0 ? 10 : 1010));
}
END_TEST

/* The slot freed first is reused first; until then, an access faults. */
START_TEST(the_oldest_is_reused)
{
  char *blocks[12], *one;
  size_t i;

  start("8");
  /* The block that start() freed still occupies one of the slots. */
  for (i = 0; i < 7; i++)
    must(is_guarded(blocks[i] = tcmi_allocate(64)));
  /* A quarter of the slots is always kept back. */
  must(!is_guarded(tcmi_allocate(64)));
  for (i = 0; i < 7; i++)
    tcmi_free(blocks[i]);
  for (i = 0; i < 5; i++)
    tcmi_free(tcmi_allocate(64));
  must_fault(blocks[6], false);
  one = tcmi_allocate(64);
  for (i = 0; i < 2; i++)
    must((uintptr_t)tcmi_allocate(64) / MIB != (uintptr_t)one / MIB);
  ck_assert_uint_eq(tcmi_guarded.used, 8);
  ck_assert_uint_ge(tcmi_guarded.missed, 1);
  tcmi_heap_check();
}
END_TEST

START_TEST(no_more_slots_than_asked_for)
{
  char *blocks[100];
  size_t guarded = 0, i;

  start("10");
  for (i = 0; i < 100; i++) {
    blocks[i] = tcmi_allocate(100);
    guarded += is_guarded(blocks[i]);
  }
  must_for(guarded >= 7 && guarded <= 10, "%zu", guarded);
  for (i = 0; i < 100; i++)
    tcmi_free(blocks[i]);
  tcmi_heap_check();
}
END_TEST

static size_t
in_use(void)
{
  struct tcm_stats stats;

  must(tcm_stats(&stats, sizeof stats) == 0);
  must(stats.in_use_bytes + stats.thread_cache_bytes +
           stats.transfer_cache_bytes + stats.central_list_bytes +
           stats.page_heap_bytes + stats.returned_bytes +
           stats.metadata_bytes ==
       stats.mapped_bytes);
  return stats.in_use_bytes;
}

START_TEST(numbers)
{
  size_t before, i;

  start("64");
  before = in_use();
  for (i = 1; i <= MIB; i = i * 3 + 1) {
    void *block = tcmi_allocate(i);
    ck_assert_uint_eq(in_use(), before + i);
    must(tcm_owns(block) && tcm_owns((char *)block + i - 1));
    ck_assert_uint_eq(tcm_good_size(i), i);
    tcm_free_sized(block, i);
    ck_assert_uint_eq(in_use(), before);
    must(!tcm_owns(block));
  }
  ck_assert_uint_eq(tcmi_large_stats.slack, 0);
}
END_TEST

START_TEST(resized)
{
  size_t size = 16;
  char *block;

  start("64");
  block = tcmi_allocate(size);
  for (int i = 0; i < 40; i++) {
    size_t next = i < 18 ? size * 2 : size / 2;
    unit_mark(block, size, 7);
    block = tcmi_reallocate(block, next);
    must(unit_is_marked(block, next < size ? next : size, 7));
    size = next;
  }
  tcmi_free(block);
  tcmi_heap_check();
}
END_TEST

/* The slots held other blocks before. */
START_TEST(zeroed)
{
  start("4");
  for (int i = 0; i < 50; i++) {
    size_t size = i % 2 == 0 ? 100 : 70000;
    char *block = tcmi_allocate_zeroed(1, size);
    for (size_t k = 0; k < size; k++)
      must(block[k] == 0);
    memset(block, 0xff, size);
    tcmi_free(block);
  }
}
END_TEST

/* Locked memory is neither returned nor walled off, but it can be closed. */
START_TEST(locked)
{
  start("4");
  if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
    return;
  for (int i = 0; i < 50; i++) {
    char *block = tcmi_allocate_zeroed(1, 100);
    for (size_t k = 0; k < 100; k++)
      must(block[k] == 0);
    memset(block, 0xff, 100);
    tcmi_free(block);
    if (is_guarded(block))
      must_fault(block, false);
  }
  tcmi_heap_check();
}
END_TEST

/* Pages that could not be returned keep old bytes until a later try succeeds.
 * Meanwhile, the slot may hold smaller blocks. */
START_TEST(zeroed_after_failure_and_smaller_block)
{
  unsigned failing = 1u << SYSTEM_WALL | 1u << SYSTEM_DISCARD;
  size_t size = 100000;
  char *block;

  start("1");
  for (int smaller = 0; smaller < 3; smaller++) {
    block = tcmi_allocate(size);
    must(is_guarded(block));
    memset(block, 0xff, size);
    (void)tcmi_system_fail(failing, 1, 1000);
    tcmi_free(block);
    ck_assert_uint_gt(tcmi_system_fail(0, 0, 0), 0);
    for (int i = 0; i < smaller; i++)
      tcmi_free(tcmi_allocate(100));
    block = tcmi_allocate_zeroed(1, size);
    must(is_guarded(block));
    for (size_t k = 0; k < size; k++)
      must(block[k] == 0);
    tcmi_free(block);
  }
}
END_TEST

/* ---- Reports ------------------------------------------------------------- */

static void
act_double_free(void *block)
{
  tcmi_free(block);
  tcmi_free(block);
}

static void
act_free_inside(void *block)
{
  tcmi_free((char *)block + 16);
}

static void
act_use_freed(void *block)
{
  tcmi_free(block);
  tcmi_usable_size(CALL_HERE("test"), block);
}

static void
act_write_behind(void *block)
{
  ((char *)block)[60] = 1;
  tcmi_free(block);
}

static void
act_write_before(void *block)
{
  ((char *)block)[-1] = 1;
  tcmi_free(block);
}

START_TEST(wrong_frees)
{
  char *block;

  start("64");
  block = tcmi_allocate(64);
  unit_must_abort(act_double_free, block, "free(): double free at 0x");
  unit_must_abort(act_double_free, block, ", freed from ");
  unit_must_abort(act_use_freed, block, "test(): block is free at 0x");
  unit_must_abort(act_free_inside, block,
                  "free(): pointer not at the start of a block at 0x");
}
END_TEST

/* Writes to the unused bytes before and after a block, on its own pages. */
START_TEST(damaged_edges)
{
  char *block;

  start("64");
  block = tcmi_allocate(60);
  unit_must_abort(act_write_behind, block,
                  "free(): overflow past the end of the block at 0x");
  do
    block = tcmi_allocate(64);
  while ((uintptr_t)block % PAGE == 0);
  unit_must_abort(act_write_before, block,
                  "free(): underflow before the start of the block at 0x");
}
END_TEST

static void
must_report(char *at, bool write, const char *const *parts)
{
  struct touch t = {at, write};
  char text[16384];
  int status = unit_child(touch, &t, text, sizeof text);

  must_have_died(status);
  for (; *parts != NULL; parts++)
    must_for(strstr(text, *parts) != NULL, "no %s in %s", *parts, text);
}

START_TEST(a_report)
{
  static const char *const over[] = {
      "tcm: SIGSEGV: overflow past the end of the block at 0x",
      " 3 bytes after the 64 bytes at 0x", "  allocated by thread ", NULL};
  static const char *const under[] = {
      "tcm: SIGSEGV: underflow before the start of the block at 0x",
      " 1 byte before the 64 bytes at 0x", NULL};
  static const char *const gone[] = {
      " after free at 0x", " 5 bytes into the 64 bytes at 0x",
      "  allocated by thread ", "  freed by thread ", NULL};
  char *block;

  setenv("TCM_GUARD_REPORT", "1", 1);
  start("64");
  block = placed(8, 64, true);
  must_report(block + 67, true, over);
  block = placed(8, 64, false);
  must_report(block - 1, false, under);
  tcmi_free(block);
  must_report(block + 5, false, gone);
}
END_TEST

/* ---- Handlers ------------------------------------------------------------ */

static const void *expected_at;

static void
exit_by_siginfo(int signal, siginfo_t *info, void *context)
{
  _exit(context != NULL && info->si_addr == expected_at ? signal : 99);
}

static void
end_without(int signal)
{
  _exit(signal + 100);
}

/* Writes past a guarded block; the program set a handler before tcm started. */
static void
act_under_handler(void *how)
{
  struct sigaction action = {.sa_flags = SA_SIGINFO};
  char *block;

  setenv("TCM_GUARD_REPORT", "1", 1);
  if (how == act_under_handler)
    action.sa_sigaction = exit_by_siginfo;
  else if (how == act_double_free)
    action = (struct sigaction){.sa_handler = end_without,
                                .sa_flags = (int)SA_RESETHAND};
  else
    action = (struct sigaction){.sa_handler = SIG_IGN};
  sigaction(SIGSEGV, &action, NULL);
  start("64");
  block = placed(8, 64, true);
  expected_at = block + 64;
  /* A sent signal is not reported, and stays ignored. */
  if (action.sa_handler == SIG_IGN)
    raise(SIGSEGV);
  block[64] = 1;
}

START_TEST(a_handler_that_was_there)
{
  static const char report[] = "tcm: SIGSEGV: overflow past the end of";
  char text[4096];
  int status;

  status = unit_child(act_under_handler, act_under_handler, text, sizeof text);
  must_for(WIFEXITED(status) && WEXITSTATUS(status) == SIGSEGV, "%#x",
           (unsigned)status);
  ck_assert_int_eq(strncmp(text, report, sizeof report - 1), 0);
  status = unit_child(act_under_handler, act_double_free, text, sizeof text);
  must_for(WIFEXITED(status) && WEXITSTATUS(status) == SIGSEGV + 100, "%#x",
           (unsigned)status);
  ck_assert_int_eq(strncmp(text, report, sizeof report - 1), 0);
  status = unit_child(act_under_handler, NULL, text, sizeof text);
  must_have_died(status);
  ck_assert_int_eq(strncmp(text, report, sizeof report - 1), 0);
}
END_TEST

/* A fault elsewhere, or a sent signal, ends the process without a report. */
static void
act_elsewhere(void *sent)
{
  setenv("TCM_GUARD_REPORT", "1", 1);
  start("64");
  if (sent != NULL)
    raise(SIGSEGV);
  *(volatile char *)harness_pointer((void *)16) = 1;
}

START_TEST(other_faults)
{
  char text[4096];
  int status;

  for (int sent = 0; sent < 2; sent++) {
    status = unit_child(act_elsewhere, sent ? text : NULL, text, sizeof text);
    must_have_died(status);
    must_for(strstr(text, "tcm: ") == NULL, "%s", text);
  }
}
END_TEST

/* ---- Threads and forks --------------------------------------------------- */

#define BLOCKS 3000

static char *handed[BLOCKS];

static void *
free_all(void *argument)
{
  for (size_t i = (uintptr_t)argument; i < BLOCKS; i += 2)
    tcmi_free(handed[i]);
  return NULL;
}

START_TEST(freed_by_other_threads)
{
  pthread_t threads[2];
  size_t before;

  start("64");
  before = in_use();
  for (int round = 0; round < 3; round++) {
    for (size_t i = 0; i < BLOCKS; i++)
      *(handed[i] = tcmi_allocate(i % 5000 + 1)) = 1;
    for (uintptr_t k = 0; k < 2; k++)
      unit_thread(&threads[k], free_all, (void *)k);
    for (int k = 0; k < 2; k++)
      unit_join(threads[k]);
    tcmi_heap_check();
  }
  ck_assert_uint_eq(in_use(), before);
  ck_assert_uint_eq(tcmi_guarded.waiting, tcmi_guarded.used);
}
END_TEST

static void
act_in_child(void *block)
{
  CHECK(*(char *)block == 7);
  *(char *)block = 8;
  for (int i = 0; i < 200; i++)
    tcmi_free(tcmi_allocate(100));
  tcmi_free(block);
  tcmi_heap_check();
}

START_TEST(in_a_child)
{
  char text[4096], *block;

  start("16");
  *(block = tcmi_allocate(64)) = 7;
  ck_assert_int_eq(unit_child(act_in_child, block, text, sizeof text), 0);
  must(*block == 7);
  must_not_fault(block);
  tcmi_free(block);
  must_fault(block, false);
}
END_TEST

/* ---- Limits -------------------------------------------------------------- */

START_TEST(without_memory)
{
  start("64");
  unit_fail_all(~0u);
  for (int i = 0; i < 100; i++)
    (void)tcmi_allocate(100000);
  ck_assert_uint_gt(unit_fail_none(), 0);
  tcmi_free(tcmi_allocate(1000000));
  tcmi_heap_check();
}
END_TEST

START_TEST(off_by_default)
{
  setenv("TCM_PROFILE_BYTES", "1", 1);
  for (int i = 0; i < 100; i++)
    must(!is_guarded(tcmi_allocate(100)));
  ck_assert_uint_eq(tcmi_guarded.start, 0);
  ck_assert_uint_eq(tcm_good_size(100), 112);
}
END_TEST

START_TEST(asking_for_guards_starts_samples)
{
  uint64_t value;

  setenv("TCM_GUARD_SAMPLES", "3", 1);
  for (int i = 0; i < 10000; i++)
    tcmi_free(tcmi_allocate(10000));
  ck_assert_int_eq(tcm_option_get("profile_bytes", &value), 0);
  ck_assert_uint_eq(value, 524288);
  must_for(tcmi_guarded.blocks * 6 > tcmi_profile.samples &&
               tcmi_guarded.blocks * 2 < tcmi_profile.samples,
           "%llu of %llu", (unsigned long long)tcmi_guarded.blocks,
           (unsigned long long)tcmi_profile.samples);
}
END_TEST

/* The number of guarded blocks is limited, however many samples there are. */
START_TEST(they_cost_little_time)
{
  uint64_t begin = tcmi_system_milliseconds(), periods;

  setenv("TCM_GUARD_SAMPLES", "2", 1);
  setenv("TCM_PROFILE_BYTES", "1", 1);
  for (int i = 0; i < 3000; i++)
    tcmi_free(tcmi_allocate(100));
  periods = (tcmi_system_milliseconds() - begin) / GUARDED_PERIOD_MS + 2;
  must_for(tcmi_guarded.blocks >= GUARDED_PER_PERIOD &&
               tcmi_guarded.blocks <= periods * GUARDED_PER_PERIOD,
           "%llu", (unsigned long long)tcmi_guarded.blocks);
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("guarded");

  tcase_add_test(tests, both_sides_and_after_free);
  tcase_add_test(tests, without_walls);
  tcase_add_test(tests, alignments);
  tcase_add_test(tests, few_mappings);
  tcase_add_test(tests, the_oldest_is_reused);
  tcase_add_test(tests, no_more_slots_than_asked_for);
  tcase_add_test(tests, numbers);
  tcase_add_test(tests, resized);
  tcase_add_test(tests, zeroed);
  tcase_add_test(tests, zeroed_after_failure_and_smaller_block);
  tcase_add_test(tests, locked);
  tcase_add_test(tests, wrong_frees);
  tcase_add_test(tests, damaged_edges);
  tcase_add_test(tests, a_report);
  tcase_add_test(tests, a_handler_that_was_there);
  tcase_add_test(tests, other_faults);
  tcase_add_test(tests, freed_by_other_threads);
  tcase_add_test(tests, in_a_child);
  tcase_add_test(tests, without_memory);
  tcase_add_test(tests, off_by_default);
  tcase_add_test(tests, they_cost_little_time);
  tcase_add_test(tests, asking_for_guards_starts_samples);
  return unit_run(tests);
}
