/* SPDX-License-Identifier: BSD-2-Clause */
#include "unit.h"

#include "base/params.h"
#include "base/system.h"
#include "cache/central_list.h"
#include "cache/thread_cache.h"
#include "front/allocate.h"
#include "heap/page_heap.h"
#include "observe/stats.h"
#include "process/release.h"

#define MIB ((size_t)1 << 20)
#define MOST 4000

static void *blocks[MOST];

static struct tcm_stats
stats_now(void)
{
  struct tcm_stats s;

  tcmi_stats_collect(&s);
  must(s.in_use_bytes + s.thread_cache_bytes + s.transfer_cache_bytes +
           s.central_list_bytes + s.page_heap_bytes + s.returned_bytes +
           s.metadata_bytes ==
       s.mapped_bytes);
  must(s.reserved_bytes >= s.mapped_bytes);
  must(s.in_use_bytes >= s.large_bytes);
  return s;
}

/* The usable bytes of all blocks that are in use. */
static uint64_t
live_bytes(void)
{
  uint64_t sum = 0;
  int i;

  for (i = 0; i < MOST; i++)
    if (blocks[i] != NULL)
      sum += tcmi_usable_size(call_unknown("test"), blocks[i]);
  return sum;
}

START_TEST(empty_heap)
{
  struct tcm_stats s = stats_now();

  ck_assert_uint_eq(s.mapped_bytes, 0);
  ck_assert_uint_eq(s.reserved_bytes, 0);
  ck_assert_uint_eq(s.span_count, 0);
  ck_assert_uint_eq(s.large_count, 0);
}
END_TEST

/* While only one thread works, the numbers are exact to the byte. */
START_TEST(in_use_is_what_is_in_use)
{
  uint64_t state = unit_seed();
  int step;

  for (step = 0; step < 30000; step++) {
    size_t i = unit_below(&state, MOST);
    tcmi_free(blocks[i]);
    blocks[i] = NULL;
    if (unit_below(&state, 3) != 0)
      blocks[i] =
          tcmi_allocate(unit_below(&state, step % 200 == 0 ? MIB : 3000));
    if (step % 500 == 0)
      must_for(stats_now().in_use_bytes == live_bytes(), "step %d", step);
    if (step % 3000 == 0)
      (void)tcmi_release_all();
  }
  for (step = 0; step < MOST; step++) {
    tcmi_free(blocks[step]);
    blocks[step] = NULL;
  }
  ck_assert_uint_eq(stats_now().in_use_bytes, 0);
}
END_TEST

START_TEST(large_blocks)
{
  struct tcm_stats s;

  blocks[0] = tcmi_allocate(5 * MIB);
  blocks[1] = tcmi_allocate(100 * MIB);
  s = stats_now();
  ck_assert_uint_eq(s.large_count, 2);
  ck_assert_uint_eq(s.large_bytes, 105 * MIB);
  tcmi_free(blocks[0]);
  s = stats_now();
  ck_assert_uint_eq(s.large_count, 1);
  ck_assert_uint_eq(s.large_bytes, 100 * MIB);
  tcmi_free(blocks[1]);
  s = stats_now();
  ck_assert_uint_eq(s.large_count, 0);
  ck_assert_uint_eq(s.large_bytes, 0);
  ck_assert_uint_eq(s.in_use_bytes, 0);
  (void)tcmi_release_all();
  ck_assert_uint_ge(stats_now().released_total_bytes, 100 * MIB);
}
END_TEST

START_TEST(numbers_of_one_class)
{
  unsigned c = size_class_of(500);
  struct class_stats s;
  uint64_t objects;
  int i;

  for (i = 0; i < 1000; i++)
    blocks[i] = tcmi_allocate(500);
  for (i = 0; i < 400; i++)
    tcmi_free(blocks[i]);
  tcmi_stats_class(c, &s);
  objects = s.spans * tcmi_size_classes[c].nobjs;
  ck_assert_uint_eq(s.size, 512);
  ck_assert_uint_eq(s.live, 600);
  ck_assert_uint_eq(s.live + s.free_central + s.free_transfer + s.free_thread,
                    objects);
  ck_assert_uint_ge(objects, 600);
}
END_TEST

START_TEST(released_bytes_move_to_returned)
{
  struct tcm_stats before, after;
  size_t bytes;
  int i;

  for (i = 0; i < MOST; i++)
    blocks[i] = memset(tcmi_allocate(2000), 1, 2000);
  for (i = 0; i < MOST; i++)
    tcmi_free(blocks[i]);
  before = stats_now();
  bytes = tcmi_release_all();
  after = stats_now();
  ck_assert_uint_gt(bytes, 7 * MIB);
  ck_assert_uint_eq(after.released_total_bytes,
                    before.released_total_bytes + bytes);
  ck_assert_uint_eq(after.page_heap_bytes, 0);
  ck_assert_uint_ge(after.returned_bytes, before.returned_bytes + bytes);
}
END_TEST

/* ---- Reports ------------------------------------------------------------- */

static char report[1 << 16];
static size_t length;

static void
append(void *to, const char *text, size_t n)
{
  must(to == report);
  must(n > 0 && text[n - 1] == '\n');
  must(length + n < sizeof report);
  memcpy(report + length, text, n);
  length += n;
  report[length] = '\0';
}

/* The first number in the line of the report that contains @label. */
static uint64_t
number_before(const char *label)
{
  const char *place = strstr(report, label);

  ck_assert_msg(place != NULL, "no \"%s\" in %s", label, report);
  while (place > report && place[-1] != '\n')
    place--;
  return strtoull(place + strcspn(place, "0123456789"), NULL, 10);
}

START_TEST(text_report_holds_the_numbers)
{
  struct tcm_stats s;
  int i;

  for (i = 0; i < 100; i++)
    blocks[i] = tcmi_allocate((size_t)i * 1000);
  for (i = 0; i < 50; i++)
    tcmi_free(blocks[i]);
  tcmi_stats_print_text(append, report);
  s = stats_now();
  ck_assert_uint_eq(number_before("in use by application"), s.in_use_bytes);
  ck_assert_uint_eq(number_before("in page heap"), s.page_heap_bytes);
  ck_assert_uint_eq(number_before("central cache"), s.central_list_bytes);
  ck_assert_uint_eq(number_before("transfer cache"), s.transfer_cache_bytes);
  ck_assert_uint_eq(number_before("thread cache"), s.thread_cache_bytes);
  ck_assert_uint_eq(number_before("Bytes mapped"), s.mapped_bytes);
}
END_TEST

/* Checks that each element that opens is closed, in order; returns the number
 * of tags. */
static int
xml_depth_is_sound(void)
{
  char names[16][32];
  const char *p = report;
  int depth = 0, elements = 0;

  while ((p = strchr(p, '<')) != NULL) {
    const char *end = strchr(p, '>');
    size_t n = strcspn(p + 1, " />");
    must(end != NULL && n < 32);
    if (p[1] == '/') {
      n = strcspn(p + 2, ">");
      must(depth > 0 && strlen(names[--depth]) == n &&
           strncmp(names[depth], p + 2, n) == 0);
    } else if (end[-1] != '/') {
      must(depth < 16);
      memcpy(names[depth], p + 1, n);
      names[depth++][n] = '\0';
    }
    elements++;
    p = end;
  }
  must(depth == 0);
  return elements;
}

START_TEST(xml_report_is_well_formed)
{
  uint64_t sum = 0;
  const char *p;
  int i;

  for (i = 0; i < MOST; i++)
    blocks[i] = tcmi_allocate((size_t)i % 3000);
  for (i = 0; i < MOST; i += 3)
    tcmi_free(blocks[i]);
  tcmi_stats_print_xml(append, report);
  ck_assert_int_eq(strncmp(report, "<malloc version=\"1\">", 20), 0);
  ck_assert_int_gt(xml_depth_is_sound(), 20);
  for (p = report; (p = strstr(p, "live=\"")) != NULL; p++)
    sum += strtoull(p + 6, NULL, 10);
  ck_assert_uint_eq(sum, (uint64_t)MOST - (MOST + 2) / 3);
}
END_TEST

/* ---- The page that tools read -------------------------------------------- */

START_TEST(stats_page_is_found_by_its_magic)
{
  ck_assert(memory_is_aligned(&tcmi_stats_page, 4096));
  ck_assert_uint_le(sizeof tcmi_stats_page, 4096);
  ck_assert_str_eq(tcmi_stats_page.magic, TCM_STATS_PAGE_MAGIC);
  ck_assert_uint_eq(tcmi_stats_page.version, TCM_STATS_PAGE_VERSION);
  ck_assert_uint_eq(tcmi_stats_page.size, sizeof tcmi_stats_page);
}
END_TEST

static void *
use_in_thread(void *unused)
{
  tcmi_free(tcmi_allocate(10));
  return unused;
}

START_TEST(stats_page_counts)
{
  struct stats_raw raw;
  pthread_t thread;
  uint64_t seen;
  int i;

  for (i = 0; i < 5; i++) {
    unit_thread(&thread, use_in_thread, NULL);
    unit_join(thread);
  }
  ck_assert_uint_eq(tcmi_stats_page.thread_starts, 5);
  ck_assert_uint_eq(tcmi_stats_page.thread_ends, 5);
  /* Their caches count, and the counts stay when a cache is freed. */
  ck_assert_uint_eq(tcmi_stats_page.slow_mallocs, 5);
  tcmi_free(tcmi_allocate(100));
  tcmi_free(tcmi_allocate(200));
  ck_assert_uint_eq(tcmi_stats_page.slow_mallocs, 6);
  tcmi_stats_read(&raw);
  ck_assert_uint_ge(raw.threads.traffic.slow_mallocs, 1);
  while (tcmi_thread_cache_flush_orphan())
    ;
  seen = raw.threads.traffic.slow_mallocs;
  tcmi_stats_read(&raw);
  ck_assert_uint_eq(raw.threads.traffic.slow_mallocs, seen);
  tcmi_free(tcmi_allocate(MIB));
  tcmi_stats_read(&raw);
  ck_assert_uint_eq(raw.threads.traffic.large_mallocs, 1);
}
END_TEST

/* ---- Threads ------------------------------------------------------------- */

static int stop; /* [atomic: relaxed] */

static void *
churn(void *seed)
{
  uint64_t state = (uint64_t)(uintptr_t)seed;
  void *own[64] = {NULL};
  int i;

  while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
    size_t slot = unit_below(&state, 64);
    tcmi_free(own[slot]);
    own[slot] = tcmi_allocate(unit_below(&state, slot ? 2000 : 500000));
    must(own[slot] != NULL);
    if (slot == 3)
      own[3] = tcm_realloc(own[3], 100000 + unit_below(&state, 300000));
  }
  for (i = 0; i < 64; i++)
    tcmi_free(own[i]);
  return NULL;
}

/* Numbers that are read while other threads work are plausible. */
START_TEST(numbers_while_others_work)
{
  pthread_t threads[3];
  uintptr_t i;

  for (i = 0; i < 3; i++)
    unit_thread(&threads[i], churn, (void *)(i + 1));
  for (i = 0; i < 300; i++) {
    struct tcm_stats s;
    tcmi_stats_collect(&s);
    must(s.mapped_bytes < (uint64_t)1 << 32);
    must(s.thread_cache_bytes < (uint64_t)1 << 28);
    must(s.large_bytes < (uint64_t)1 << 32);
    must(s.thread_cache_count <= 4);
    length = 0;
    if (i % 10 == 0)
      tcmi_stats_print_xml(append, report);
  }
  __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
  for (i = 0; i < 3; i++)
    unit_join(threads[i]);
  ck_assert_uint_eq(stats_now().in_use_bytes, 0);
}
END_TEST

/* ---- While a lock is held ------------------------------------------------ */

static int taken; /* [atomic: release by hold, acquire by the test] */

static void *
hold(void *lock)
{
  lock_acquire(lock);
  __atomic_store_n(&taken, 1, __ATOMIC_RELEASE);
  while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
    tcmi_system_pause(1000000);
  lock_release(lock);
  return NULL;
}

/* A lock that is never released does not prevent a report. */
static void
report_while_held(struct lock *lock, bool exact)
{
  struct stats_raw raw;
  struct tcm_stats s;
  pthread_t thread;

  stop = taken = 0;
  unit_thread(&thread, hold, lock);
  while (!__atomic_load_n(&taken, __ATOMIC_ACQUIRE))
    tcmi_system_pause(1000000);
  s = stats_now();
  tcmi_stats_read(&raw);
  must(raw.exact == exact);
  must(s.mapped_bytes > 0);
  length = 0;
  tcmi_stats_print_text(append, report);
  length = 0;
  tcmi_stats_print_json(append, report);
  __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
  unit_join(thread);
}

START_TEST(a_lock_that_is_never_released)
{
  blocks[0] = tcmi_allocate(100);
  report_while_held(&tcmi_registry_lock, /*exact=*/false);
  report_while_held(&tcmi_central_lists[1].lock, /*exact=*/true);
  report_while_held(&tcmi_page_heap_lock, /*exact=*/true);
}
END_TEST

/* As in a signal handler that interrupted this thread with the lock held. */
START_TEST(a_lock_of_this_very_thread)
{
  struct stats_raw raw;

  blocks[0] = tcmi_allocate(100);
  lock_acquire(&tcmi_registry_lock);
  tcmi_stats_read(&raw);
  lock_release(&tcmi_registry_lock);
  ck_assert(raw.exact);
  ck_assert_uint_eq(raw.threads.caches, 1);
}
END_TEST

START_TEST(the_peak_stays)
{
  uint64_t most;

  blocks[0] = tcmi_allocate(300 * MIB);
  most = stats_now().most_mapped_bytes;
  ck_assert_uint_ge(most, 300 * MIB);
  tcmi_free(blocks[0]);
  (void)tcmi_release_all();
  ck_assert_uint_ge(stats_now().most_mapped_bytes, most);
  ck_assert_uint_ge(stats_now().most_mapped_bytes, stats_now().mapped_bytes);
}
END_TEST

START_TEST(resident_bytes_follow_the_touch)
{
  uint64_t before, after;

  blocks[0] = tcmi_allocate(20 * MIB);
  before = tcmi_stats_resident_bytes();
  memset(blocks[0], 1, 20 * MIB);
  after = tcmi_stats_resident_bytes();
  ck_assert_uint_ge(after, before + 20 * MIB);
  ck_assert_uint_lt(after, before + 21 * MIB);
}
END_TEST

int
main(void)
{
  TCase *tests = unit_case("stats");

  tcase_add_test(tests, empty_heap);
  tcase_add_test(tests, in_use_is_what_is_in_use);
  tcase_add_test(tests, large_blocks);
  tcase_add_test(tests, numbers_of_one_class);
  tcase_add_test(tests, released_bytes_move_to_returned);
  tcase_add_test(tests, text_report_holds_the_numbers);
  tcase_add_test(tests, xml_report_is_well_formed);
  tcase_add_test(tests, stats_page_is_found_by_its_magic);
  tcase_add_test(tests, stats_page_counts);
  tcase_add_test(tests, numbers_while_others_work);
  tcase_add_test(tests, a_lock_that_is_never_released);
  tcase_add_test(tests, a_lock_of_this_very_thread);
  tcase_add_test(tests, the_peak_stays);
  tcase_add_test(tests, resident_bytes_follow_the_touch);
  return unit_run(tests);
}
